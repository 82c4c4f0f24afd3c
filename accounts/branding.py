"""The vendor's brand, from where staff set it: the colour and the logo of the seller."""

from io import BytesIO

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe
from PIL import Image, UnidentifiedImageError

from accounts.models import Seller
from core.branding import Brand, brand_source, is_colour

# As large as it is shown, in CSS pixels; the bitmap has twice as many each way, for sharp screens.
LOGO_HEIGHT, LOGO_WIDTH = 32, 200
SHARPNESS = 2
# A page asks again after so many seconds whether the brand changed.
KEPT_SECONDS = 300


@brand_source
def brand_of_seller() -> Brand:
    """What the seller's page says; a logo that cannot be read is none."""
    seller = Seller.objects.only("logo", "accent").first()
    if seller is None:
        return Brand()
    accent = seller.accent if is_colour(seller.accent) else ""
    bitmap, width, height = _bitmap(seller)
    if not bitmap:
        return Brand(accent)
    return Brand(accent, f"{reverse('brand_logo')}?v={_version(seller)}", width, height)


@login_not_required
@require_safe
@cache_control(public=True, max_age=KEPT_SECONDS)
@condition(etag_func=lambda request: f'"{_etag()}"')
def brand_css(request: HttpRequest) -> HttpResponse:
    """The colours and the logo of pages, as a style sheet after the portal's own; empty without a brand."""
    brand = brand_of_seller()
    looks = [(':root, [data-bs-theme="light"]', brand.light), ('[data-bs-theme="dark"]', brand.dark)]
    context = {"brand": brand, "looks": looks}
    return render(request, "accounts/brand.css", context, content_type="text/css; charset=utf-8")


@login_not_required
@require_safe
@cache_control(public=True, max_age=24 * 3600)
def brand_logo(request: HttpRequest) -> HttpResponse:
    """The logo as a small bitmap, for pages and mails."""
    seller = Seller.objects.only("logo").first()
    bitmap = _bitmap(seller)[0] if seller else b""
    if not bitmap:
        raise Http404
    return HttpResponse(bitmap, content_type="image/png")


def _etag() -> str:
    seller = Seller.objects.only("logo", "accent").first()
    return f"{_version(seller)}{seller.accent.lstrip('#')}" if seller else "none"


def _version(seller: Seller) -> str:
    """The name of a logo is new with each upload."""
    return str(seller.logo.name).rpartition("/")[2].removesuffix(".png") if seller.logo else ""


def _bitmap(seller: Seller) -> tuple[bytes, int, int]:
    """The logo at twice the size it is shown, with that size; kept by the process, since reading it costs."""
    if not seller.logo:
        return b"", 0, 0
    key = f"brand-logo:{_version(seller)}"
    made: tuple[bytes, int, int] | None = cache.get_or_set(key, lambda: _small(seller), 3600)
    return made or (b"", 0, 0)


def _small(seller: Seller) -> tuple[bytes, int, int]:
    written = BytesIO()
    try:
        with seller.logo.open("rb") as file, Image.open(file, formats=("PNG",)) as image:
            picture = image.convert("RGBA")
            picture.thumbnail((LOGO_WIDTH * SHARPNESS, LOGO_HEIGHT * SHARPNESS))
            picture.save(written, "PNG", optimize=True)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return b"", 0, 0
    scale = min(LOGO_WIDTH / image.width, LOGO_HEIGHT / image.height)
    return written.getvalue(), max(1, round(image.width * scale)), max(1, round(image.height * scale))
