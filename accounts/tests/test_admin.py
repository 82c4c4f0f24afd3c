"""The staff's pages: customers are made there and looked at; the seller is kept there."""

import struct
import zlib

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import BillingAccount, Invitation, Seller, User
from accounts.tests.factories import (
    PASSWORD,
    BillingAccountFactory,
    NameChangeFactory,
    OrganisationFactory,
    SellerFactory,
    UserFactory,
)
from core.history import last_change
from core.models import Message
from core.policy import Action, Role, may

pytestmark = pytest.mark.django_db
ADD = "/staff/accounts/billingaccount/add/"
SENT = {
    "organisation_name": "Gamma Bouw",
    "name": "Gamma Bouw B.V.",
    "agreement": "customer_agreement",
    "owner_email": "owner@gamma.example",
    "language": "nl",
    "sold_to_company_name": "Gamma Bouw B.V.",
    "sold_to_email": "inkoop@gamma.example",
    "sold_to_line1": "Coolsingel 40",
    "sold_to_postal_code": "3011 AD",
    "sold_to_city": "Rotterdam",
}


@pytest.fixture
def staff():
    return UserFactory(email="staff@vendor.example", name="Roos Ouwehand", staff=True)


@pytest.fixture
def client(staff):
    client = Client()
    client.force_login(staff)
    return client


def png(width=40, height=20):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(parts)


def seller_data(**changed):
    seller = SellerFactory.build()
    names = ("legal_name", "line1", "line2", "postal_code", "city", "country", "vat_id", "registration_number")
    names += ("iban", "bic", "email", "phone", "time_zone", "number_prefix", "payment_term_days")
    return {**{name: getattr(seller, name) for name in names}, **changed}


def test_staff_make_organisation_account_and_first_owner_on_one_page(client, staff):
    response = client.post(ADD, SENT)

    account = BillingAccount.objects.get()
    assert response.url == f"/staff/accounts/billingaccount/{account.pk}/change/"
    assert (account.organisation.name, account.created_by) == ("Gamma Bouw", staff)
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role, invitation.invited_by, invitation.language) == (
        "owner@gamma.example",
        Role.ACCOUNT_OWNER,
        staff,
        "nl",
    )
    assert Message.objects.get().recipient == "owner@gamma.example"
    assert "is invited" in client.get(response.url).content.decode()


def test_staff_make_an_online_services_account_with_a_bill_to_of_its_own(client):
    organisation = OrganisationFactory(name="Alfa Logistiek")
    bill_to = {f"bill_to_{name[8:]}": value for name, value in SENT.items() if name.startswith("sold_to_")}

    client.post(
        ADD,
        {
            **SENT,
            **bill_to,
            "agreement": "online_services",
            "organisation": organisation.pk,
            "bill_to_differs": "on",
            "bill_to_line1": "Weena 10",
        },
    )

    account = BillingAccount.objects.get()
    assert (account.organisation, account.bill_to.line1) == (organisation, "Weena 10")
    assert Invitation.objects.get().role == Role.ACCOUNT_ADMINISTRATOR


def test_the_country_decides_the_form(client):
    page = client.get(ADD + "?country=US").content.decode()
    response = client.post(
        ADD + "?country=US",
        {**SENT, "sold_to_line1": "350 5th Ave", "sold_to_city": "New York", "sold_to_postal_code": "10118"},
    )

    assert "ZIP code" in page
    assert response.context["form"].errors == {"sold_to_region": ["Choose the state."]}
    assert "Postal code" in client.get(ADD + "?country=nonsense").content.decode()


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"organisation_name": ""}, "organisation_name"),
        ({"owner_email": "nobody"}, "owner_email"),
        ({"sold_to_postal_code": "3011"}, "sold_to_postal_code"),
        ({"vat_id": "NL1"}, "vat_id"),
        ({"agreement": "enrolment"}, "agreement"),
        ({"bill_to_differs": "on"}, "bill_to_differs"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_made(client, changed, wrong):
    response = client.post(ADD, {**SENT, **changed})

    assert wrong in response.context["form"].errors
    assert BillingAccount.objects.count() == 0
    assert Message.objects.count() == 0


def test_staff_without_the_permission_make_no_customers():
    client = Client()
    person = UserFactory(is_staff=True)
    client.force_login(person)
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, SENT).status_code == 403

    person.user_permissions.add(Permission.objects.get(codename="add_billingaccount"))
    assert client.post(ADD, SENT).status_code == 302


def test_staff_have_no_rights_in_the_portal(client, staff):
    account = BillingAccountFactory(owner=UserFactory())

    assert client.get(reverse("account_properties", args=[account.code])).status_code == 404
    assert not [action for action in Action if may(staff, action, account)]


def test_customers_do_not_come_into_the_admin():
    client = Client()
    client.force_login(BillingAccountFactory(owner=UserFactory()).roles.get().user)

    assert client.get("/staff/").status_code in {302, 403}
    assert client.get(ADD).status_code in {302, 403}


def test_T20_staff_sign_in_on_the_one_sign_in_page(client, staff):
    response = Client().get("/staff/login/", follow=True)

    assert response.redirect_chain[-1][0].startswith("/sign-in/login/")
    assert Client().post("/staff/login/", {"username": staff.email, "password": PASSWORD}).status_code == 302


def test_staff_begin_where_they_work(staff):
    response = Client().post("/sign-in/login/", {"login": staff.email, "password": PASSWORD})

    assert response.url == "/staff/"


def test_T20_the_admin_has_no_password_page_of_its_own(client):
    assert client.get("/staff/password_change/").url == "/sign-in/password/change/"
    assert client.post("/staff/password_change/", {"new_password1": "x"}).url == "/sign-in/password/change/"


def test_what_the_portal_does_not_use_is_not_in_the_admin(client):
    assert client.get("/staff/account/emailaddress/").status_code == 404


@pytest.mark.parametrize("model", ["user", "organisation", "billingaccount", "invitation"])
def test_every_list_and_page_of_the_admin_opens(client, model):
    account = BillingAccountFactory(owner=UserFactory())
    services.invite_to_account(account, email="new@alfa.example", role=Role.ACCOUNT_READER, by=account.roles.get().user)
    rows = {"user": User.objects.first(), "organisation": account.organisation, "billingaccount": account}
    row = rows.get(model) or Invitation.objects.get()

    assert client.get(f"/staff/accounts/{model}/?q=a").status_code == 200
    page = client.get(f"/staff/accounts/{model}/{row.pk}/change/")

    assert page.status_code == 200
    assert "token_digest" not in page.content.decode()


@pytest.mark.parametrize("model", ["user", "organisation", "billingaccount", "invitation", "seller"])
def test_I36_nothing_is_deleted_here(client, staff, model):
    site = admin.site._registry
    options = next(options for registered, options in site.items() if registered._meta.model_name == model)

    class Request:
        user = staff

    assert options.has_delete_permission(Request()) is False


@pytest.mark.parametrize("model", ["organisation", "billingaccount", "invitation"])
def test_what_belongs_to_customers_is_not_edited_here(client, model):
    account = BillingAccountFactory(name="Alfa", owner=UserFactory())
    services.invite_to_account(account, email="new@x.example", role=Role.ACCOUNT_READER, by=account.roles.get().user)
    rows = {"organisation": account.organisation, "billingaccount": account, "invitation": Invitation.objects.get()}

    response = client.post(
        f"/staff/accounts/{model}/{rows[model].pk}/change/", {"name": "Other", "status": "closed", "role": "x"}
    )

    assert response.status_code == 403
    assert BillingAccount.objects.get().name == "Alfa"


def test_staff_send_an_invitation_again_and_revoke_it(client):
    client.post(ADD, SENT)
    invitation = Invitation.objects.get()
    page = "/staff/accounts/invitation/"

    client.post(page, {"action": "send_again", "_selected_action": [invitation.pk]})
    assert Message.objects.count() == 2
    client.post(page, {"action": "revoke", "_selected_action": [invitation.pk]})
    assert Invitation.objects.get().status == "revoked"
    again = client.post(page, {"action": "send_again", "_selected_action": [invitation.pk]}, follow=True)
    assert [str(message) for message in again.context["messages"]][-1] == (
        "owner@gamma.example: This invitation is revoked; it cannot be changed any more."
    )
    assert Message.objects.count() == 2


def test_T22_the_invitation_of_staff_who_left_no_longer_works(client, staff):
    client.post(ADD, SENT)
    staff.is_active = False
    staff.save()

    assert services.why_unusable(Invitation.objects.get()).code == "inviter_lost_right"


def test_only_those_who_may_do_everything_make_staff(client):
    person = UserFactory()
    page = f"/staff/accounts/user/{person.pk}/change/"
    no_roles = {f"account_roles-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}

    client.post(page, {"is_staff": "on", "email": "thief@x.example", **no_roles})

    person.refresh_from_db()
    assert (person.is_staff, person.email.endswith("alfa.example")) == (True, True)
    weaker = Client()
    weaker.force_login(person)
    person.user_permissions.add(*Permission.objects.filter(content_type__app_label="accounts"))
    assert weaker.post(page, {"is_superuser": "on"}).status_code == 403


# --- Seller ---------------------------------------------------------------------------------------


def test_there_is_one_seller_and_its_list_leads_to_it(client):
    assert client.get("/staff/accounts/seller/").url == "/staff/accounts/seller/add/"
    seller = SellerFactory()

    assert client.get("/staff/accounts/seller/").url == f"/staff/accounts/seller/{seller.pk}/change/"
    assert client.get("/staff/accounts/seller/add/").status_code == 403


def test_what_the_seller_lacks_is_said_on_top(client):
    empty = client.get("/staff/accounts/seller/add/").content.decode()
    seller = SellerFactory(iban="", vat_id="")
    page = client.get(f"/staff/accounts/seller/{seller.pk}/change/").content.decode()

    assert "Nothing can be invoiced yet. Still missing: legal name, street and number" in empty
    assert "Nothing can be invoiced yet. Still missing: VAT ID, IBAN." in page
    seller.iban, seller.vat_id = "NL91ABNA0417164300", "NL000099998B57"
    seller.save()
    assert "Complete." in client.get(f"/staff/accounts/seller/{seller.pk}/change/").content.decode()


def test_the_seller_is_saved_in_official_spelling_with_its_history(client):
    client.post(
        "/staff/accounts/seller/add/",
        seller_data(iban="nl91 abna 0417 1643 00", vat_id="nl0000 99998 b57", number_prefix="inv-"),
    )

    seller = Seller.objects.get()
    assert (seller.iban, seller.vat_id, seller.number_prefix) == ("NL91ABNA0417164300", "NL000099998B57", "INV-")
    assert seller.missing() == []
    assert (last_change(seller).by, last_change(seller).action) == ("Roos Ouwehand", "seller.changed")


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"iban": "NL91ABNA0417164301"}, "iban"),
        ({"bic": "NOBIC"}, "bic"),
        ({"vat_id": "NL123456789B01"}, "vat_id"),
        ({"registration_number": "123"}, "registration_number"),
        ({"postal_code": "3013"}, "postal_code"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"accent": "red"}, "accent"),
        ({"accent": "#12345"}, "accent"),
        ({"number_prefix": "G 1"}, "number_prefix"),
        ({"payment_term_days": "90"}, "payment_term_days"),
        ({"payment_term_days": "0"}, "payment_term_days"),
    ],
)
def test_wrong_facts_of_the_seller_are_refused_at_their_field(client, changed, wrong):
    response = client.post("/staff/accounts/seller/add/", seller_data(**changed))

    assert set(response.context["adminform"].form.errors) == {wrong}
    assert not Seller.objects.exists()


def test_T41_a_logo_is_a_png_under_a_name_of_ours(client, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    logo = SimpleUploadedFile("../../etc/evil name.php", png(), content_type="text/html")

    client.post("/staff/accounts/seller/add/", seller_data(logo=logo))

    seller = Seller.objects.get()
    assert seller.logo.name.startswith("seller/")
    assert seller.logo.name.endswith(".png")
    assert "evil" not in seller.logo.name
    page = client.get(f"/staff/accounts/seller/{seller.pk}/change/").content.decode()
    assert 'src="data:image/png;base64,' in page
    assert f'href="{seller.logo.name}' not in page


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"\x89PNG\r\n\x1a\n",
        png(13000, 13000),
        png(0, 10),
        png() + b"x" * 600_000,
    ],
)
def test_T41_M7_other_files_and_bombs_are_refused(client, content):
    logo = SimpleUploadedFile("logo.png", content, content_type="image/png")

    response = client.post("/staff/accounts/seller/add/", seller_data(logo=logo))

    assert set(response.context["adminform"].form.errors) == {"logo"}
    assert not Seller.objects.exists()


def test_a_dutch_reader_is_asked_for_country_and_decision_in_dutch(client):
    client.force_login(UserFactory(staff=True, language="nl"))
    page = client.get(reverse("admin:accounts_billingaccount_add")).content.decode()
    assert ">Nederland</option>" in page
    assert ">Netherlands</option>" not in page
    change = NameChangeFactory()
    assert ">Besluit<" in client.get(reverse("admin:accounts_namechange_change", args=[change.pk])).content.decode()
