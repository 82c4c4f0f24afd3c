"""Another legal name: asked for with proof, decided by staff, told by mail (§3.1, S0-8)."""

import zlib
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import Address, NameChange
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, SellerFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from core.uploads import CheckedFile

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
WHAT_IT_IS_NOT = "is not what its name says, is not whole, or is empty"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 17 + zlib.compress(b"x") + b"\0\0\0\0IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20 + b"\xff\xd9"


@pytest.fixture(autouse=True)
def files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)


@pytest.fixture
def staff():
    return UserFactory(staff=True, email="finance@vendor.example")


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def page_of(account):
    return reverse("account_name_change", args=[account.code])


def sent(content=PDF, file_name="extract.pdf", **more):
    return {"new_name": "Alfa Groep N.V.", "note": "Since 1 November", **more} | {
        "document": SimpleUploadedFile(file_name, content)
    }


def requested(account, by, **more):
    document = CheckedFile("extract.pdf", "application/pdf", PDF)
    return services.request_name_change(
        account, **{"new_name": "Alfa Groep N.V.", "note": "", "document": document, "by": by, **more}
    )


def kept(files):
    return [path for path in Path(files).rglob("*") if path.is_file()]


def templates():
    return {(mail.recipient, mail.template) for mail in Message.objects.all()}


# --- Asking ---------------------------------------------------------------------------------------


def test_S0_8_a_request_waits_and_changes_nothing(account, owner, files):
    SellerFactory(email="billing@vendor.example")
    browser = signed_in(owner)

    response = browser.post(page_of(account), sent())

    assert response.url == page_of(account)
    change = NameChange.objects.get()
    assert (change.old_name, change.new_name, change.status) == (account.name, "Alfa Groep N.V.", "requested")
    assert (change.document_name, change.document_type) == ("extract.pdf", "application/pdf")
    assert [path.read_bytes() for path in kept(files)] == [PDF]
    assert Address.objects.get(pk=account.sold_to_id).company_name == account.name
    assert templates() == {
        ("owner@alfa.example", "name_change_requested"),
        ("billing@vendor.example", "name_change_to_review"),
    }
    for page in (page_of(account), reverse("account_properties", args=[account.code])):
        assert "Alfa Groep N.V." in browser.get(page).content.decode()


@pytest.mark.parametrize(("content", "ending"), [(PDF, "pdf"), (PNG, "png"), (JPEG, "jpg")])
def test_T41_what_a_file_is_decides_its_content(account, owner, content, ending):
    signed_in(owner).post(page_of(account), sent(content, f"EXTRACT.{ending.upper()}"))

    change = NameChange.objects.get()
    assert change.document_type == {"pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg"}[ending]
    assert change.document.name.rpartition(".")[2] == ending


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html><script>alert(1)</script>", WHAT_IT_IS_NOT),
        (b"MZ\x90\0 a program", WHAT_IT_IS_NOT),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", WHAT_IT_IS_NOT),
        (PDF[:20], WHAT_IT_IS_NOT),
        (PNG[:20], WHAT_IT_IS_NOT),
        (b"", "empty"),
        (PDF + b"\0" * (5 * 1024 * 1024), "larger than 5 MB"),
    ],
    ids=["html", "program", "svg", "cut pdf", "cut png", "empty", "too large"],
)
def test_T41_a_file_that_is_no_document_is_refused_at_its_field(account, owner, files, content, said):
    response = signed_in(owner).post(page_of(account), sent(content))

    assert said in str(response.context["form"].errors["document"])
    assert not NameChange.objects.exists()
    assert kept(files) == []


def test_the_same_name_is_refused_at_its_field(account, owner, files):
    response = signed_in(owner).post(page_of(account), sent(new_name=f" {account.name} "))

    assert list(response.context["form"].errors) == ["new_name"]
    assert kept(files) == []


def test_a_second_request_is_refused_while_one_waits(account, owner, files):
    requested(account, owner)

    with pytest.raises(Refused) as refusal:
        requested(account, owner, new_name="Another N.V.")

    assert refusal.value.code == "request_waits"
    assert len(kept(files)) == 1


def test_the_requester_can_withdraw_and_ask_anew(account, owner):
    change, browser = requested(account, owner), signed_in(owner)
    page = reverse("name_change_withdrawal", args=[change.code])

    browser.post(page)
    change.refresh_from_db()
    assert change.status == "withdrawn"
    assert browser.post(page).context["refusal"].code == "no_such_edge"
    requested(account, owner)


@pytest.mark.parametrize(("role", "status"), [(Role.ACCOUNT_CONTRIBUTOR, 200), (Role.ACCOUNT_READER, 404)])
def test_T41_the_document_is_for_those_who_may_ask(account, owner, role, status):
    change = requested(account, owner)
    person = AccountRoleFactory(account=account, role=role).user

    response = signed_in(person).get(reverse("name_change_document", args=[change.code]))

    assert response.status_code == status
    if status == 200:
        assert b"".join(response.streaming_content) == PDF
        assert response["Content-Disposition"] == f'attachment; filename="{change.code}.pdf"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]


def test_T01_an_outsider_sees_neither_request_nor_document(account, owner):
    change = requested(account, owner)
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user

    for page in (
        page_of(account),
        reverse("name_change_document", args=[change.code]),
        reverse("name_change_withdrawal", args=[change.code]),
    ):
        assert signed_in(outsider).get(page).status_code == 404


def test_I24_the_services_ask_for_the_right_themselves(account, owner):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    change = requested(account, owner)

    with pytest.raises(Forbidden):
        requested(account, reader)
    with pytest.raises(Forbidden):
        services.withdraw_name_change(change, by=reader)
    for by in (owner, None):
        with pytest.raises(PermissionDenied):
            services.approve_name_change(change, by=by)
        with pytest.raises(PermissionDenied):
            services.refuse_name_change(change, note="No", by=by)


# --- Deciding -------------------------------------------------------------------------------------


def decision_page(change):
    return reverse("admin:accounts_namechange_change", args=[change.pk])


def test_staff_approves_and_the_sold_to_has_its_new_name(account, owner, staff):
    change = requested(account, owner)
    Message.objects.all().delete()

    signed_in(staff).post(decision_page(change), {"decision": "approve", "note": "Seen"})

    change.refresh_from_db()
    assert (change.status, change.decided_by, change.decision_note) == ("approved", staff, "Seen")
    address = Address.objects.get(pk=account.sold_to_id)
    assert (address.company_name, address.version) == ("Alfa Groep N.V.", 2)
    account.refresh_from_db()
    assert account.name == "Alfa Logistiek B.V."
    assert templates() == {("owner@alfa.example", "name_change_decided")}


def test_staff_refuses_with_a_reason_that_the_mail_carries(account, owner, staff):
    change, browser = requested(account, owner), signed_in(staff)

    without = browser.post(decision_page(change), {"decision": "refuse", "note": " "})
    assert "Say why" in without.content.decode()
    browser.post(decision_page(change), {"decision": "refuse", "note": "Not readable"})

    change.refresh_from_db()
    assert change.status == "refused"
    assert Message.objects.get(template="name_change_decided").context["note"] == "Not readable"
    assert Address.objects.get(pk=account.sold_to_id).company_name == "Alfa Logistiek B.V."
    assert "Not readable" in signed_in(owner).get(page_of(account)).content.decode()


def test_a_decision_is_made_once(account, owner, staff):
    change = requested(account, owner)
    stale = NameChange.objects.get(pk=change.pk)
    services.approve_name_change(change, by=staff)

    with pytest.raises(Refused):
        services.refuse_name_change(stale, note="No", by=staff)
    assert Address.objects.get(pk=account.sold_to_id).version == 2


def test_staff_sees_the_document_and_the_list_and_others_of_staff_do_not(account, owner, staff):
    change = requested(account, owner)
    document = reverse("admin:accounts_namechange_document", args=[change.pk])

    assert signed_in(staff).get(reverse("admin:accounts_namechange_changelist")).status_code == 200
    assert signed_in(staff).get(decision_page(change)).status_code == 200
    assert b"".join(signed_in(staff).get(document).streaming_content) == PDF
    assert signed_in(staff).get(reverse("admin:accounts_namechange_change", args=["x"])).status_code == 404
    helper = UserFactory(is_staff=True)
    for page in (document, decision_page(change)):
        assert signed_in(helper).get(page).status_code == 403
        assert signed_in(owner).get(page).status_code == 302
