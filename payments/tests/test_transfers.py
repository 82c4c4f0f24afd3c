"""Paying by bank transfer: who may ask, asking, staff deciding, and what an agreement changes (P16, S3-21)."""

import io

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.periods import Month
from core.policy import Role
from core.uploads import LARGEST, check_file
from invoices.tests.factories import InvoiceFactory
from payments.models import PaymentMethod, ProfileMethods, TransferDocument, TransferRequest
from payments.services.methods import remove_method, set_default_method
from payments.services.pay import pay_invoices
from payments.services.transfers import approve_request, request_transfer, take_up
from payments.tests.factories import PaymentMethodFactory
from payments.transfers import transfer_rules
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 an extract\n%%EOF\n"
WHAT_IT_IS_NOT = "is not what its name says, is not whole, or is empty"
FIELDS = {
    "legal_name": "Alfa Logistiek B.V.",
    "registration_number": "24381907",
    "contact_name": "Tom",
    "contact_email": "ap@alfa.example",
    "contact_phone": "+31 10 428 50 00",
    "term_wanted_days": "30",
    "monthly": "1,500.00",
    "explanation": "Our bank pays in batches.",
}


@pytest.fixture(autouse=True)
def kept_files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def owner(client):
    person = UserFactory()
    client.force_login(person)
    return person


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner), name="Warehouse")


@pytest.fixture
def staff(admin_client):
    return admin_client


def a_good_customer(profile):
    """Invoices of eight months, paid, of more than enough."""
    this = Month.of(timezone.localdate())
    for back in range(8, 0, -1):
        InvoiceFactory(profile=profile, month=this.plus(-back), status="paid", lines=[100_000])


def asked(profile, owner):
    a_good_customer(profile)
    values = {name: value for name, value in FIELDS.items() if name != "monthly"} | {"monthly_minor": 150_000}
    return request_transfer(profile.account, profile=profile, values=values, by=owner, on=timezone.localdate())


def agreed(profile, owner, term=45):
    request = asked(profile, owner)
    take_up(request, by=UserFactory(staff=True))
    approve_request(request, term_days=term, by=UserFactory(staff=True), at=timezone.now())
    return request


def address_of(profile):
    return f"/billing-profiles/{profile.code}/payment-methods/transfer/"


def text_of(response):
    return response.content.decode().replace("&#x27;", "'")


def test_P16_the_rules_are_shown_before_anything_is_typed(client, profile):
    overdue = InvoiceFactory(profile=profile, month=Month.of(timezone.localdate()).plus(-5))

    response = client.get(address_of(profile))
    sent = client.post(address_of(profile), FIELDS)

    met = {rule.title: rule.is_met for rule in response.context["rules"]}
    assert met == {
        "A customer for 6 months": False,
        "Nothing past due": False,
        "At least €500.00 a month": False,
        "Not asked for yet": True,
    }
    assert "Send the request" not in text_of(response)
    assert sent.status_code == 200
    assert not TransferRequest.objects.exists()
    assert overdue.status == "due"


def test_P16_S3_21_a_request_is_sent_with_its_documents_and_stands_on_its_page(client, profile, owner):
    a_good_customer(profile)
    files = [SimpleUploadedFile("extract.pdf", PDF), SimpleUploadedFile("stamp.png", b"\x89PNG\r\n\x1a\nIEND")]

    response = client.post(address_of(profile), {**FIELDS, "documents": files}, follow=True)

    request = TransferRequest.objects.get()
    assert (request.status, request.monthly_minor, request.requested_by) == ("submitted", 150_000, owner)
    assert list(request.documents.values_list("name", "size")) == [("extract.pdf", len(PDF)), ("stamp.png", 12)]
    assert response.redirect_chain == [(f"/transfer-requests/{request.code}/", 302)]
    assert "Submitted" in text_of(response)
    assert Message.objects.filter(template="transfer_request").count() == 1
    assert "A request is being looked at" in text_of(client.get(address_of(profile)))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("virus.exe", b"MZ", "is no PDF, PNG or JPEG"),
        ("page.pdf", b"<script>alert(1)</script>", WHAT_IT_IS_NOT),
        ("one.pdf", b"x", WHAT_IT_IS_NOT),
        ("cut.pdf", PDF[:9], WHAT_IT_IS_NOT),
        ("picture.png", PDF, WHAT_IT_IS_NOT),
    ],
)
def test_T43_a_file_is_judged_by_its_content_and_nothing_is_sent(client, profile, name, content, said):
    a_good_customer(profile)

    response = client.post(address_of(profile), {**FIELDS, "documents": [SimpleUploadedFile(name, content)]})

    assert said in text_of(response)
    assert not TransferRequest.objects.exists()


def test_T43_a_large_file_and_a_path_in_its_name_get_nowhere():
    class Upload(io.BytesIO):
        name, size = "x.pdf", LARGEST + 1

    with pytest.raises(ValidationError) as refusal:
        check_file(Upload(PDF))
    kept = check_file(SimpleUploadedFile("a.pdf", PDF))
    named = SimpleUploadedFile("a.pdf", PDF)
    named._name = "..\\..\\etc/pass\nwd<b>.pdf"

    assert refusal.value.code == "too_large"
    assert (kept.name, check_file(named).name) == ("a.pdf", "pass_wd_b_.pdf")


def test_P16_two_requests_at_once_are_one(profile, owner):
    asked(profile, owner)

    with pytest.raises(Refused) as refusal:
        asked(profile, owner)

    assert refusal.value.code == "not_eligible"


def test_who_may_not_ask_asks_nothing(profile):
    a_good_customer(profile)
    manager = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user

    with pytest.raises(Forbidden):
        request_transfer(profile.account, profile=profile, values={}, by=manager, on=timezone.localdate())


def test_P16_staff_ask_the_customer_answers_and_staff_agree_with_a_term(client, staff, profile, owner):
    request = asked(profile, owner)
    decision = reverse("admin:payments_transfer_decision", args=[request.pk])

    staff.post(decision, {"decision": "take_up", "term_days": "30"})
    silent = staff.post(decision, {"decision": "ask", "term_days": "30"})
    staff.post(decision, {"decision": "ask", "term_days": "30", "note": "Which accounts?"})
    page = client.get(f"/transfer-requests/{request.code}/")
    client.post(f"/transfer-requests/{request.code}/answer/", {"answer": "Those of 2025."})
    again = client.get(f"/transfer-requests/{request.code}/answer/").status_code
    staff.post(decision, {"decision": "take_up", "term_days": "30"})
    staff.post(decision, {"decision": "approve", "term_days": "45"})

    request.refresh_from_db()
    profile.refresh_from_db()
    assert "Say what is needed" in text_of(silent)
    assert "Which accounts?" in text_of(page)
    assert (request.status, request.term_days, again) == ("approved", 45, 302)
    assert "Those of 2025." in request.explanation
    assert profile.payment_term_days == 45
    assert ProfileMethods.objects.get(profile=profile).default.is_transfer
    steps = [label for _at, label, _tone in client.get(f"/transfer-requests/{request.code}/").context["steps"]]
    assert steps == [
        "Approved",
        "Being reviewed",
        "Submitted",
        "Waiting for your answer",
        "Being reviewed",
        "Submitted",
    ]


def test_P16_not_agreed_says_why_and_a_withdrawn_one_is_not_decided(client, staff, profile, owner):
    request = asked(profile, owner)
    decision = reverse("admin:payments_transfer_decision", args=[request.pk])
    staff.post(decision, {"decision": "take_up", "term_days": "30"})

    too_early = staff.post(decision, {"decision": "take_up", "term_days": "30"})
    staff.post(decision, {"decision": "decline", "term_days": "30", "note": "The register knows no such company."})
    withdrawn = client.post(f"/transfer-requests/{request.code}/withdrawal/", follow=True)

    assert "Select a valid choice" in text_of(too_early)
    assert "The register knows no such company." in text_of(withdrawn)
    request.refresh_from_db()
    assert request.status == "declined"


def test_documents_are_downloaded_by_staff_alone(client, staff, profile, owner):
    a_good_customer(profile)
    client.post(address_of(profile), {**FIELDS, "documents": [SimpleUploadedFile("a.pdf", PDF)]})
    document = TransferDocument.objects.get()
    address = reverse("admin:payments_transfer_document", args=[document.request_id, document.pk])

    response = staff.get(address)

    assert b"".join(response.streaming_content) == PDF
    assert response.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'
    assert client.get(address).status_code == 302


def test_P16_an_agreed_profile_pays_no_gateway_and_goes_back_to_a_card_when_nothing_is_owed(client, profile, owner):
    agreed(profile, owner)
    transfer = ProfileMethods.objects.get(profile=profile).default
    card = PaymentMethodFactory(account=profile.account)
    invoice = InvoiceFactory(profile=profile)
    page = client.get(f"/invoices/{invoice.code}/payment/")

    with pytest.raises(Refused) as by_gateway:
        pay_invoices([invoice], method=transfer, by=owner, request_key="0123456789")
    with pytest.raises(Refused) as owing:
        set_default_method(card, profiles=[profile], by=owner, on=timezone.localdate())
    pay_invoices([invoice], method=card, by=owner, request_key="0123456780")
    set_default_method(card, profiles=[profile], by=owner, on=timezone.localdate())

    assert "pays by bank transfer" in text_of(page)
    assert transfer.code not in [code for code, _label in page.context["form"].fields["method"].choices]
    assert (by_gateway.value.code, owing.value.code) == ("by_transfer", "transfer_owed")
    assert remove_method(transfer, by=owner, on=timezone.localdate()).status == "detached"


def test_on_online_services_the_whole_account_is_agreed(client, owner):
    account = BillingAccountFactory(online_services=True, owner=owner)
    first, second = SubscriptionProfileFactory(account=account), SubscriptionProfileFactory(account=account)
    a_good_customer(first)

    client.post(f"/billing-accounts/{account.code}/payment-methods/transfer/", FIELDS)
    request = TransferRequest.objects.get()
    take_up(request, by=UserFactory(staff=True))
    approve_request(request, term_days=14, by=UserFactory(staff=True), at=timezone.now())

    method = PaymentMethod.objects.get()
    assert {row.default for row in ProfileMethods.objects.all()} == {method}
    assert ProfileMethods.objects.filter(profile__in=[first, second]).count() == 2
    assert str(method) == "Bank transfer"
    assert client.get(f"/payment-methods/{method.code}/").status_code == 200


def test_the_rules_look_at_the_last_three_months(profile):
    today = timezone.localdate()
    old = Month.of(today).plus(-9)
    InvoiceFactory(profile=profile, month=old, status="paid")

    rules = transfer_rules(profile.account, profile, on=today)

    assert [rule.is_met for rule in rules] == [True, True, False, True]
    assert rules[2].found == "€0.00 a month over the last three, incl. VAT"
