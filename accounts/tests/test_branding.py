"""One place for the vendor's colour and logo: pages and mails follow it, as documents do."""

import struct
import zlib
from datetime import date
from io import BytesIO

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from accounts.models import Seller
from accounts.tests.factories import SellerFactory, UserFactory
from core.branding import OWN_LIGHT, Brand, current_brand
from core.codes import new_code
from core.mail import write_mail
from core.messages import MailClass, queue_message
from core.tests.test_branding import LOOKS

pytestmark = pytest.mark.django_db

YELLOW = "#ffd400"


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def picture(width=900, height=300):
    written = BytesIO()
    Image.new("RGBA", (width, height), "#8a1c5b").save(written, "PNG")
    return written.getvalue()


def branded(accent=YELLOW, logo=b""):
    seller = SellerFactory(accent=accent)
    if logo:
        seller.logo.save(f"{new_code()}.png", ContentFile(logo))
    return seller


def mail():
    message = queue_message(
        to="a@b.example",
        template="take_out_ready",
        mail_class=MailClass.SERVICE,
        language="en",
        context={"path": "/", "account": "A", "until": date(2026, 1, 1)},
    )
    return str(write_mail(message).alternatives[0][0])


def test_any_colour_is_taken_and_shaded_for_pages_and_mails(client):
    branded()
    sheet = client.get("/brand.css").text
    light, dark = Brand(YELLOW).light, Brand(YELLOW).dark
    for shades in (light, dark):
        assert f"--c-accent: {shades.accent};" in sheet
        assert f"--c-on-accent: {shades.on_accent};" in sheet
    page = mail()
    assert f"background: {YELLOW}" in page
    assert '[data-bs-theme="dark"]' in sheet
    assert dark.link in page
    assert OWN_LIGHT.accent not in page
    assert len(LOOKS) == sheet.count("--c-link")


def test_without_a_brand_nothing_changes(client):
    assert client.get("/brand.css").text.strip() == ""
    assert client.get("/brand/logo.png").status_code == 404
    assert OWN_LIGHT.accent in mail()
    assert current_brand() == Brand()


def test_the_logo_is_a_small_bitmap_on_pages_and_in_mails(client, settings):
    branded(logo=picture())
    brand = current_brand()
    assert (brand.logo_width, brand.logo_height) == (96, 32)
    assert brand.logo_path in client.get("/brand.css").text
    assert f'src="{settings.BASE_URL}{brand.logo_path}"' in mail()
    served = client.get(brand.logo_path)
    assert served["Content-Type"] == "image/png"
    with Image.open(BytesIO(served.content)) as image:
        assert image.size == (192, 64)


def test_every_page_asks_for_the_sheet_and_a_browser_keeps_it_for_five_minutes(client):
    seller = branded()
    assert 'href="/brand.css"' in client.get("/sign-in/login/").text
    first = client.get("/brand.css")
    assert "max-age=300" in first["Cache-Control"]
    assert client.get("/brand.css", headers={"If-None-Match": first["ETag"]}).status_code == 304
    Seller.objects.filter(pk=seller.pk).update(accent="#8a1c5b")
    assert client.get("/brand.css", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_logo_that_is_damaged_or_gone_is_none(client):
    head = struct.pack(">IIBBBBB", 10, 10, 8, 6, 0, 0, 0)
    crc = zlib.crc32(b"IHDR" + head)
    broken = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", crc) + b"x" * 20
    seller = branded(logo=broken)
    assert client.get("/brand/logo.png").status_code == 404
    assert "<img" not in mail()
    seller.logo.storage.delete(seller.logo.name)
    Seller.objects.filter(pk=seller.pk).update(logo="seller/gone.png")
    assert client.get("/brand.css").status_code == 200


def test_T41_an_svg_is_refused_with_the_way_out(client):
    client.force_login(UserFactory(staff=True, is_superuser=True))
    svg = SimpleUploadedFile("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")
    answer = client.post("/staff/accounts/seller/add/", {"logo": svg})
    assert "Export it as PNG" in answer.text


def test_T38_a_colour_that_is_none_never_reaches_the_sheet(client):
    branded(accent="red;}*")
    assert client.get("/brand.css").text.strip() == ""
