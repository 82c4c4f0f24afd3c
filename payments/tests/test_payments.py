"""The list of payments, one payment, its receipt, and what pages of other apps show of payments."""

import pytest
from django.template import Context, Template
from django.test import RequestFactory

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.declines import DECLINES, explain
from payments.gateways.base import DeclineReason
from payments.models import Payment
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    person = UserFactory()
    client.force_login(person)
    return person


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account)


def made(profile, status="succeeded", **values):
    return PaymentFactory(invoices=[InvoiceFactory(profile=profile)], status=status, **values)


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


# --- The list -----------------------------------------------------------------------------------


def test_P8_P24_the_list_names_invoices_receipt_method_and_outcome(client, account, profile):
    paid, declined = made(profile), made(profile, "failed")

    response = client.get(f"/billing-accounts/{account.code}/payments/")

    text = text_of(response)
    assert response.context["page"].rows == [declined, paid]
    for payment in (paid, declined):
        assert payment.allocations.get().invoice.number in text
    assert paid.receipt_number in text
    assert "not enough balance" in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["failed", "unknown", "succeeded"]),
        ({"status": "paid"}, ["succeeded"]),
        ({"status": "open"}, ["unknown"]),
        ({"status": "declined"}, ["failed"]),
        ({"status": "nonsense"}, ["failed", "unknown", "succeeded"]),
    ],
)
def test_the_list_is_narrowed_by_outcome(client, account, profile, query, expected):
    for status in ("succeeded", "unknown", "failed"):
        made(profile, status)

    response = client.get(f"/billing-accounts/{account.code}/payments/", query)

    assert [payment.status for payment in response.context["page"].rows] == expected


def test_the_list_is_searched_by_invoice_and_receipt_number_and_profile(client, account, profile):
    first, second = made(profile, receipt_number="R000000017"), made(BillingProfileFactory(account=account))
    address = f"/billing-accounts/{account.code}/payments/"

    by_invoice = client.get(address, {"number": first.allocations.get().invoice.number.lower()})
    by_receipt = client.get(address, {"number": "R00000001"})
    by_profile = client.get(address, {"profile": second.profile.code})
    nothing = client.get(address, {"number": "X\x00"})

    assert by_invoice.context["page"].rows == [first]
    assert by_receipt.context["page"].rows == [first]
    assert by_profile.context["page"].rows == [second]
    assert "No payment fits" in text_of(nothing)


def test_the_list_is_sorted_by_amount_and_paged_by_key(client, account, profile):
    amounts = [InvoiceFactory(profile=profile, lines=[net]) for net in range(100, 100 + 27)]
    for invoice in amounts:
        PaymentFactory(invoices=[invoice])
    address = f"/billing-accounts/{account.code}/payments/"

    first = client.get(address, {"sort": "-amount"}).context["page"]
    second = client.get(address + first.older).context["page"]

    totals = [payment.amount_minor for payment in [*first.rows, *second.rows]]
    assert (len(first.rows), len(second.rows)) == (25, 2)
    assert totals == sorted((invoice.total_minor for invoice in amounts), reverse=True)


def test_the_list_costs_the_same_whatever_it_holds(client, account, profile, django_assert_num_queries):
    address = f"/billing-accounts/{account.code}/payments/"
    made(profile)
    client.get(address)
    with django_assert_num_queries(10):
        client.get(address)
    for _number in range(3):
        made(profile)
    with django_assert_num_queries(10):
        client.get(address)


def test_I22_a_profile_role_lists_the_payments_of_that_profile_only(client, account, profile):
    sibling = BillingProfileFactory(account=account, name="CANARY")
    hidden, own = made(sibling), made(profile)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)

    response = client.get(f"/billing-accounts/{account.code}/payments/")

    assert response.context["page"].rows == [own]
    assert "CANARY" not in text_of(response)
    assert client.get(hidden.get_absolute_url()).status_code == 404


# --- One payment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("succeeded", "was paid on"),
        ("failed", "There is not enough balance"),
        ("cancelled", "This payment was given up."),
        ("unknown", "Do not pay again"),
        ("processing", "is handling the payment"),
        ("created", "is handling the payment"),
        ("requires_action", "Nothing is paid until you confirm"),
    ],
)
def test_the_page_says_what_became_of_it_and_what_happens_next(client, profile, status, words):
    payment = made(profile, status, action_url="/sandbox/checks/x/" if status == "requires_action" else "")

    text = text_of(client.get(payment.get_absolute_url()))

    assert words in text
    assert payment.allocations.get().invoice.number in text


def test_a_parked_payment_says_that_people_look_at_it(client, profile):
    payment = made(profile, "unknown", parked_reason="amount_differs")

    assert "does not fit what was asked" in text_of(client.get(payment.get_absolute_url()))


def test_I15_looking_again_asks_the_gateway(client, profile):
    payment = made(profile, "unknown")
    again = f"/payments/{payment.code}/return/"

    assert f'href="{again}"' in text_of(client.get(payment.get_absolute_url()))
    client.get(again)

    payment.refresh_from_db()
    assert payment.status == "unknown"  # it began a moment ago, and may still arrive


def test_a_silent_gateway_is_handed_to_people_and_said_so(client, profile):
    payment = made(profile, "unknown")
    Payment.objects.filter(pk=payment.pk).update(next_lookup_at=None)

    assert "Our staff finds out by hand." in text_of(client.get(payment.get_absolute_url()))


def test_a_declined_payment_leads_to_paying_again(client, profile):
    payment = made(profile, "failed")

    text = text_of(client.get(payment.get_absolute_url()))

    assert f"/invoices/{payment.allocations.get().invoice.code}/payment/" in text


def test_T33_the_way_back_from_the_bank_asks_the_gateway(client, profile):
    payment = made(profile, "requires_action")

    response = client.get(f"/payments/{payment.code}/return/?outcome=succeeded")

    payment.refresh_from_db()
    assert response.headers["Location"] == payment.get_absolute_url()
    assert payment.status == "requires_action"


def test_giving_up_is_a_post_by_who_may_pay(client, profile):
    payment = made(profile, "requires_action")
    address = f"/payments/{payment.code}/cancellation/"
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user

    as_get = client.get(address).status_code
    client.force_login(reader)
    as_reader = client.post(address).status_code

    payment.refresh_from_db()
    assert (as_get, as_reader, payment.status) == (405, 403, "requires_action")


def test_P8_the_receipt_names_both_sides_the_amount_and_what_it_was_booked_to(client, profile):
    payment = made(profile)
    invoice = payment.allocations.get().invoice

    text = text_of(client.get(f"/payments/{payment.code}/receipt/"))

    for words in (payment.receipt_number, "€121.00", invoice.number, "Vendor Cloud B.V.", "Visa 4242"):
        assert words in text
    assert invoice.bill_to["company_name"] in text


def test_without_money_there_is_no_receipt(client, profile):
    assert client.get(f"/payments/{made(profile, 'failed').code}/receipt/").status_code == 404


def test_every_page_is_404_for_outsiders(client, account, profile):
    payment = made(profile)
    client.force_login(UserFactory())

    addresses = ["", "receipt/", "return/"]
    statuses = [client.get(f"/payments/{payment.code}/{page}").status_code for page in addresses]
    statuses.append(client.get(f"/billing-accounts/{account.code}/payments/").status_code)
    statuses.append(client.post(f"/payments/{payment.code}/cancellation/").status_code)

    assert statuses == [404] * 5


# --- On other pages -----------------------------------------------------------------------------


def drawn(template, user, invoice):
    request = RequestFactory().get("/")
    request.user = user
    context = Context({"user": user, "invoice": invoice, "request": request})
    return Template("{% load payments %}" + template).render(context)


def test_the_panel_of_an_invoice_lists_its_payments_with_their_outcome(owner, profile):
    invoice = InvoiceFactory(profile=profile)
    declined = PaymentFactory(invoices=[invoice], status="failed", user=owner)
    paid = PaymentFactory(invoices=[invoice], user=owner)
    other = made(profile)

    text = drawn("{% payment_panel invoice %}", owner, invoice)

    assert declined.get_absolute_url() in text
    assert f"Receipt {paid.receipt_number}" in text
    assert "not enough balance" in text
    assert other.get_absolute_url() not in text


def test_P2_the_button_of_an_invoice_pays_or_says_why_not(owner, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    due, paid, held = InvoiceFactory(profile=profile), InvoiceFactory(profile=profile, status="paid"), InvoiceFactory()
    attempt = PaymentFactory(invoices=[held], status="unknown")
    button = "{% payment_button invoice %}"

    assert f"/invoices/{due.code}/payment/" in drawn(button, owner, due)
    assert "Your role does not allow this." in drawn(button, reader, due)
    assert drawn(button, owner, paid).strip() == ""
    assert attempt.get_absolute_url() in drawn(button, owner, held)


def test_open_attempts_names_the_invoices_that_are_held(owner, profile):
    held, free = InvoiceFactory(profile=profile), InvoiceFactory(profile=profile)
    PaymentFactory(invoices=[held], status="processing", user=owner)

    text = drawn("{% open_attempt invoice as held %}{{ held }}", owner, held)

    assert (text, drawn("{% open_attempt invoice as held %}{{ held }}", owner, free)) == (f"{{{held.pk}}}", "set()")


# --- Words --------------------------------------------------------------------------------------


def test_S3_16_every_reason_has_words_and_advice():
    assert set(DECLINES) == set(DeclineReason)
    assert all(decline.advice for decline in DECLINES.values())


def test_a_reason_without_words_reads_as_a_plain_refusal():
    assert explain("something new") == DECLINES[DeclineReason.DECLINED_BY_BANK]


def test_the_factory_makes_attempts_as_paying_does(profile):
    method = PaymentMethodFactory(account=profile.account)

    payment = made(profile, method=method)

    invoice = payment.allocations.get().invoice
    assert (invoice.status, payment.allocations.get().status) == ("paid", "settled")
