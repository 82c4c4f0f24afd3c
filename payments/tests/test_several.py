"""Paying several invoices at once, with what goes to which seen before; settling the balance (P24, §3.7, S3)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory
from core.errors import Refused
from core.money import Money
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.models import Payment, ProfileMethods
from payments.services.balance import past_due_of, settle_balance
from payments.services.pay import pay_invoices
from payments.spreading import spread
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def payer(profile, client):
    user = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    client.force_login(user)
    return user


@pytest.fixture
def card(profile):
    return PaymentMethodFactory(account=profile.account, default_for=[profile])


@pytest.fixture
def invoices(profile):
    today = timezone.localdate()
    return [InvoiceFactory(profile=profile, issue_date=today - timedelta(days=60 - n)) for n in range(3)]


def address(profile):
    return reverse("profile_payment", args=[profile.code])


def values(client, profile, card, **changes):
    page = client.get(address(profile))
    form = page.context["form"]
    shown = page.context["total"].minor
    codes = [invoice.code for invoice, _part in page.context["parts"]]
    key = form["request_key"].value()
    return {"request_key": key, "shown": shown, "invoice": codes, "amount": "", "method": card.code} | changes


def test_P24_the_oldest_first_and_none_gets_more_than_it_is_owed(invoices):
    parts = dict(spread(reversed(invoices), Money(20_000, "EUR")))
    assert [parts[invoice].minor for invoice in invoices] == [12_100, 7_900, 0]


def test_P24_all_that_is_open_is_paid_in_one_payment(client, profile, payer, card, invoices):
    client.post(address(profile), values(client, profile, card))
    payment = Payment.objects.get()
    assert (payment.status, payment.amount.minor, payment.allocations.count()) == ("succeeded", 36_300, 3)


def test_P24_a_part_of_the_amount_goes_to_the_oldest_first(client, profile, payer, card, invoices):
    sent = values(client, profile, card, amount="200.00", shown=20_000)
    client.post(address(profile), sent)
    parts = {row.invoice_id: row.amount_minor for row in Payment.objects.get().allocations.all()}
    assert parts == {invoices[0].pk: 12_100, invoices[1].pk: 7_900}


def test_P24_what_is_ticked_is_paid_and_nothing_else(client, profile, payer, card, invoices):
    chosen = invoices[1]
    client.post(address(profile), values(client, profile, card, invoice=[chosen.code], shown=12_100))
    assert [row.invoice for row in Payment.objects.get().allocations.all()] == [chosen]


def test_P24_how_it_is_spread_is_seen_without_paying(client, profile, payer, card, invoices):
    codes = [invoice.code for invoice in invoices]
    page = client.get(address(profile), {"invoice": codes, "amount": "150.00"})
    assert [part.minor for _invoice, part in page.context["parts"]] == [12_100, 2_900, 0]
    assert page.context["left"] == Money(21_300, "EUR")
    assert not Payment.objects.exists()


def test_P24_another_total_than_the_page_said_is_looked_at_first(client, profile, payer, card, invoices):
    sent = values(client, profile, card, amount="10.00")
    page = client.post(address(profile), sent)
    assert page.status_code == 200
    assert page.context["total"] == Money(1_000, "EUR")
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"invoice": []}, {"amount": "400.00"}, {"amount": "-1"}, {"invoice": ["nonsense"]}, {"method": "x"}]
)
def test_P24_what_cannot_be_is_refused_with_words(client, profile, payer, card, invoices, changes):
    page = client.post(address(profile), values(client, profile, card, **changes))
    assert page.status_code == 200
    assert page.context["form"].errors
    assert not Payment.objects.exists()


def test_I12_what_is_under_way_is_left_out_and_said(client, profile, payer, card, invoices):
    PaymentFactory(invoices=[invoices[0]], status="unknown")
    page = client.get(address(profile))
    assert [invoice for invoice, _part in page.context["parts"]] == invoices[1:]
    assert "cannot be paid again" in page.content.decode()


def test_I16_the_same_form_twice_is_one_payment(client, profile, payer, card, invoices):
    sent = values(client, profile, card)
    first, second = client.post(address(profile), sent), client.post(address(profile), sent)
    assert first.url == second.url
    assert Payment.objects.count() == 1


def test_P24_nothing_open_and_nothing_to_pay_with_are_said(client, profile, payer):
    assert "Nothing to pay" in client.get(address(profile)).content.decode()


def test_3_7_the_limit_of_a_method_is_said_before_and_held(client, profile, payer, card, invoices, settings):
    settings.PAYMENT_LIMITS = {"card": 300}
    assert "Card: at most €300.00 at once" in client.get(address(profile)).content.decode().replace("\xa0", "")
    with pytest.raises(Refused) as refusal:
        pay_invoices(invoices, method=card, by=payer, request_key="0123456789")
    assert refusal.value.code == "over_limit"
    assert not Payment.objects.exists()


# --- Settle balance -----------------------------------------------------------------------------


@pytest.fixture
def online():
    return BillingAccountFactory(online_services=True)


@pytest.fixture
def late(online):
    today = timezone.localdate()
    profiles = [SubscriptionProfileFactory(account=online) for _number in range(2)]
    for profile in profiles:
        SubscriptionFactory(profile=profile)
    return [InvoiceFactory(profile=profile, issue_date=today - timedelta(days=40)) for profile in profiles]


@pytest.fixture
def administrator(online):
    return AccountRoleFactory(account=online, role=Role.ACCOUNT_ADMINISTRATOR).user


def test_S3_the_balance_is_settled_at_once_and_the_card_pays_from_then_on(client, online, late, administrator):
    card = PaymentMethodFactory(account=online)
    client.force_login(administrator)
    where = reverse("account_balance", args=[online.code])
    page = client.get(where)
    form = page.context["form"]
    sent = {"request_key": form["request_key"].value(), "shown": page.context["total"].minor, "method": card.code}
    assert client.post(where, sent).status_code == 302
    assert [payment.status for payment in Payment.objects.all()] == ["succeeded", "succeeded"]
    assert past_due_of(online, at=timezone.now()) == []
    assert ProfileMethods.objects.filter(default=card).count() == 2


def test_S3_a_decline_ends_it_and_changes_no_default(online, late, administrator):
    card = PaymentMethodFactory(account=online, specimen="no_funds")
    payments = settle_balance(online, late, method=card, by=administrator, request_key="0123456789")
    assert [payment.status for payment in payments] == ["failed"]
    assert not ProfileMethods.objects.filter(default=card).exists()


def test_S3_all_that_is_past_due_has_to_be_paid(online, late, administrator):
    card = PaymentMethodFactory(account=online)
    with pytest.raises(Refused) as refusal:
        settle_balance(online, late[:1], method=card, by=administrator, request_key="0123456789")
    assert refusal.value.code == "not_all"
    assert not Payment.objects.exists()
