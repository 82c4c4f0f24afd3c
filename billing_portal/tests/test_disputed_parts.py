"""A dispute of a part: what is not disputed stays due, is paid, charged and reminded of (§3.6, §3.9)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import SellerFactory, UserFactory
from billing_portal.invariants import find_violations
from core.errors import Refused
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.services.disputes import open_dispute, reject_dispute, uphold_dispute, withdraw_dispute
from invoices.services.settling import reopen_invoice, settle_invoice
from invoices.tests.factories import InvoiceFactory
from payments.models import CollectionCase, Payment
from payments.services.collecting import go_on
from payments.services.debits import announce_debit
from payments.services.pay import pay_by_link, pay_invoices
from payments.services.pay_links import link_with, make_link
from payments.tests.factories import PaymentMethodFactory
from payments.tests.test_families import sign
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

UNDISPUTED, DISPUTED, ALL = 6_050, 6_050, 12_100


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


@pytest.fixture
def payer():
    return ProfileRoleFactory(profile=BillingProfileFactory(), role=Role.PROFILE_OWNER).user


@pytest.fixture
def invoice(payer):
    """€121.00, of which half is disputed."""
    invoice = InvoiceFactory(profile=payer.profile_roles.get().profile, lines=[5_000, 5_000])
    open_dispute(invoice, line=invoice.lines.order_by("pk").first(), amount=None, by=payer)
    return invoice


def assert_well():
    assert [str(each) for each in find_violations() if each.invariant != "I20"] == []


def test_S36_a_disputed_line_leaves_the_rest_due_with_its_vat(invoice):
    assert (invoice.status, invoice.amount_asked.minor, invoice.disputed.minor) == ("due", UNDISPUTED, DISPUTED)
    assert_well()


def test_S36_a_dispute_of_everything_locks_the_invoice(payer):
    invoice = InvoiceFactory(profile=payer.profile_roles.get().profile)
    open_dispute(invoice, line=None, amount=None, by=payer)
    assert (invoice.status, invoice.amount_asked.minor) == ("locked", 0)
    assert_well()


def test_S36_the_rest_is_paid_and_then_the_invoice_waits_for_the_decision(invoice, payer):
    card = PaymentMethodFactory(account=invoice.account)

    with pytest.raises(Refused) as refused:
        pay_invoices([invoice], method=card, by=payer, request_key="a", amounts={invoice.pk: Money(ALL, "EUR")})
    assert refused.value.code == "pays_too_much"
    payment = pay_invoices([invoice], method=card, by=payer, request_key="b")

    invoice.refresh_from_db()
    assert (payment.amount.minor, invoice.status, invoice.amount_due.minor) == (UNDISPUTED, "locked", DISPUTED)
    assert_well()


@pytest.mark.parametrize("end", [withdraw_dispute, reject_dispute])
def test_S36_when_the_dispute_ends_all_is_due_again(invoice, payer, end):
    settle_invoice(invoice, Money(UNDISPUTED, "EUR"), reference="payment:x", on=timezone.localdate())
    assert invoice.status == "locked"

    end(invoice.disputes.get(), by=payer if end is withdraw_dispute else UserFactory(staff=True))

    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_asked.minor) == ("due", DISPUTED)


def test_S36_when_the_customer_is_right_nothing_is_left_after_the_rest_was_paid(invoice, payer):
    settle_invoice(invoice, Money(UNDISPUTED, "EUR"), reference="payment:x", on=timezone.localdate())

    uphold_dispute(invoice.disputes.get(), by=UserFactory(staff=True), on=timezone.localdate())

    invoice.refresh_from_db()
    assert (invoice.status, invoice.disputed_minor) == ("paid", 0)


def test_S36_money_that_goes_back_makes_the_undisputed_part_due_again(invoice):
    settle_invoice(invoice, Money(UNDISPUTED, "EUR"), reference="payment:x", on=timezone.localdate())
    reopen_invoice(invoice, Money(100, "EUR"), reference="refund:x", on=timezone.localdate())
    assert (invoice.status, invoice.amount_asked.minor) == ("due", 100)
    assert_well()


def case_of(invoice, *, day):
    now = timezone.now()
    zero = timezone.localdate(now) - timedelta(days=day)
    return CollectionCase.objects.create(invoice=invoice, day_zero=zero, last_day=-7, next_at=now)


def test_S39_autopay_takes_only_what_is_not_disputed(invoice):
    PaymentMethodFactory(account=invoice.account, default_for=[invoice.profile])
    case = case_of(invoice, day=0)

    go_on(case, at=timezone.now())

    assert Payment.objects.get().amount.minor == UNDISPUTED
    invoice.refresh_from_db()
    case.refresh_from_db()
    assert (invoice.status, case.status) == ("locked", "open")


def test_S39_a_reminder_asks_for_what_is_not_disputed_and_none_follows_once_it_is_paid(invoice):
    case = case_of(invoice, day=1)
    go_on(case, at=timezone.now())
    mails = Message.objects.filter(template="collection_step")
    assert {message.context["amount"] for message in mails} == {Money(UNDISPUTED, "EUR")}

    settle_invoice(invoice, Money(UNDISPUTED, "EUR"), reference="payment:x", on=timezone.localdate())
    before = mails.count()
    CollectionCase.objects.update(next_at=timezone.now())
    go_on(case, at=timezone.now() + timedelta(days=8))
    assert mails.count() == before


def test_S39_P18_the_link_of_a_mail_pays_what_is_not_disputed(invoice, client):
    link = link_with(make_link(invoice, at=timezone.now()).rstrip("/").rpartition("/")[2])

    with pytest.raises(Refused) as refused:
        pay_by_link(link, amount=Money(ALL, "EUR"), request_key="a")
    payment = pay_by_link(link, amount=Money(UNDISPUTED, "EUR"), request_key="b")

    assert (refused.value.code, payment.amount.minor) == ("pays_too_much", UNDISPUTED)


def test_S36_the_page_says_what_is_disputed_and_what_is_due(invoice, payer, client):
    client.force_login(payer)
    page = client.get(invoice.get_absolute_url()).content.decode()
    assert "60.50 of this invoice is disputed" in page.replace("\xa0", "").replace("€", "")
    form = client.get(reverse("invoice_payment", args=[invoice.code])).context["form"]
    assert form.total.minor == UNDISPUTED


def test_I19_a_direct_debit_is_announced_for_what_is_not_disputed(invoice, payer):
    method = sign(invoice.profile, payer).method
    assert announce_debit(invoice, method, at=timezone.now()).amount.minor == UNDISPUTED
