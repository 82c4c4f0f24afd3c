"""VAT as the run charges it: by tax point, by what is supplied, and in the seller's currency (L1, L6, I2–I4)."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Seller
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, SellerFactory
from core.money import Money
from core.periods import Month
from invoices.calculation import Item, Rate, compute
from invoices.models import BillingPeriod, ExchangeRate, Invoice, ParkedProfile
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, VatRateFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.services.changing import change_subscription, plan_change
from subscriptions.tests.factories import ProductFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

DECEMBER = Month(2026, 12)
FIFTH = date(2027, 1, 5)


@pytest.fixture(autouse=True)
def seller() -> Seller:
    return SellerFactory()


@pytest.fixture
def raised() -> None:
    """From the first of January 2027 the Dutch rate is 25 percent."""
    VatRateFactory(country="NL", kind="standard", valid_from=date(2027, 1, 1), rate=25)


def profile_of(month: Month = DECEMBER, **values: Any) -> BillingProfile:
    profile = BillingProfileFactory(**{"created_at": datetime(2026, 1, 1, tzinfo=UTC), **values})
    AccountRoleFactory(account=profile.account)
    BillingPeriod.objects.create(profile=profile, month=month.previous.first)
    return profile


def groups(invoice: Invoice) -> list[tuple[str, Decimal, int, int]]:
    return list(
        invoice.vat_groups.order_by("category", "rate").values_list("category", "rate", "base_minor", "vat_minor")
    )


# --- The tax point -------------------------------------------------------------------------------


def test_L1_a_changed_rate_follows_the_tax_point_of_each_line(raised):
    profile = profile_of()
    bought = {"profile": profile, "started_on": date(2026, 10, 1)}
    SubscriptionFactory(name="a of December alone", unit_price=100, **bought)
    SubscriptionFactory(name="b into January", unit_price=200, **{**bought, "started_on": date(2026, 10, 15)})
    usage = imported_subscription(profile)
    ChargeFactory(subscription=usage, cost="7", month=date(2026, 11, 1))
    ChargeFactory(
        subscription=usage,
        cost="11",
        month=DECEMBER.first,
        started_at=datetime(2026, 12, 30, tzinfo=UTC),
        ended_at=datetime(2027, 1, 3, tzinfo=UTC),
    )
    PurchaseFactory(profile=profile, bought_on=date(2026, 12, 31), unit_price=Decimal(5))

    run_billing(DECEMBER, on=FIFTH)

    invoice = Invoice.objects.get()
    assert list(invoice.lines.order_by("position").values_list("section", "vat_rate", "net_minor")) == [
        ("a of December alone", 21, 10000),
        ("b into January", 25, 20000),
        ("sub-1", 21, 700),
        ("sub-1", 25, 1100),
        ("One-off purchases", 21, 500),
    ]
    assert groups(invoice) == [("S", 21, 11200, 2352), ("S", 25, 21100, 5275)]
    assert invoice.vat_minor == 7627
    assert {charge.cost: charge.line.vat_rate for line in invoice.lines.all() for charge in line.charges.all()} == {
        7: 21,
        11: 25,
    }
    call_command("check_invariants", verbosity=0)


def test_L1_what_is_given_back_is_taxed_as_it_was_invoiced(raised):
    profile = profile_of(Month(2026, 10))
    yearly = SubscriptionFactory(
        profile=profile, unit_price=100, quantity=4, term="yearly", started_on=date(2026, 10, 1)
    )
    SubscriptionFactory(profile=profile, unit_price=900, started_on=date(2027, 1, 1))
    run_billing(Month(2026, 10), on=date(2026, 11, 5))
    owner = profile.account.roles.get().user
    less = plan_change(yearly, quantity=1, price=None, on=date(2027, 1, 10))
    change_subscription(
        yearly, quantity=1, price=None, expected=less.net, request_key="less", by=owner, on=date(2027, 1, 10)
    )

    run_billing(DECEMBER.next, on=date(2027, 2, 5))

    invoice = Invoice.objects.latest("pk")
    assert dict(invoice.lines.values_list("net_minor", "vat_rate")) == {90000: 25, less.net_minor: 21}
    assert groups(invoice)[0] == ("S", 21, less.net_minor, less.net.share(Decimal("0.21")).minor)
    assert less.net_minor < 0
    call_command("check_invariants", verbosity=0)


def test_L1_supplies_at_several_rates_make_a_group_each(seller):
    profile = profile_of()
    for supply in ("electronic", "reduced", "zero"):
        product = ProductFactory(supply=supply)
        SubscriptionFactory(profile=profile, product=product, unit_price=Decimal("10.05"), started_on=DECEMBER.first)

    run_billing(DECEMBER, on=FIFTH)

    assert groups(Invoice.objects.get()) == [("S", 9, 1005, 90), ("S", 21, 1005, 211), ("Z", 0, 1005, 0)]


def test_L1_the_one_stop_shop_charges_consumers_their_own_rate(seller):
    Seller.objects.update(one_stop_shop_from=date(2026, 12, 1))
    profile = profile_of(account=BillingAccountFactory(sold_to__country="HU", vat_id=""))
    SubscriptionFactory(profile=profile, unit_price=100, started_on=DECEMBER.first)

    run_billing(DECEMBER, on=FIFTH)

    assert groups(Invoice.objects.get()) == [("S", 27, 10000, 2700)]


def test_L1_what_has_no_known_rate_is_parked_with_its_reason(seller):
    Seller.objects.update(one_stop_shop_from=date(2026, 12, 1))
    profile = profile_of(account=BillingAccountFactory(sold_to__country="HU", vat_id=""))
    product = ProductFactory(name="Gazette", supply="reduced")
    SubscriptionFactory(profile=profile, name="Paper", product=product, unit_price=100, started_on=DECEMBER.first)

    report = run_billing(DECEMBER, on=FIFTH)

    assert (report.issued, ParkedProfile.objects.get().reason) == (0, "vat_unknown")
    assert ParkedProfile.objects.get().detail == "Paper: Gazette (no reduced rate of HU on 2026-12-31)"

    VatRateFactory(country="HU", rate=5, valid_from=date(2026, 12, 1))
    assert run_billing(DECEMBER, on=FIFTH).issued == 1
    assert groups(Invoice.objects.get()) == [("S", 5, 10000, 500)]
    assert ParkedProfile.objects.get().released_at is not None


def test_I4_rates_that_come_out_on_both_sides_of_zero_are_parked(raised):
    profile = profile_of()
    usage = imported_subscription(profile)
    ChargeFactory(subscription=usage, cost="100", month=date(2026, 11, 1))
    late = {"started_at": datetime(2027, 1, 2, tzinfo=UTC), "ended_at": datetime(2027, 1, 3, tzinfo=UTC)}
    ChargeFactory(subscription=usage, cost="-90", month=DECEMBER.first, **late)

    report = run_billing(DECEMBER, on=FIFTH)

    assert (report.issued, ParkedProfile.objects.get().reason) == (0, "signs_differ")


# --- In the seller's currency --------------------------------------------------------------------


def dollars(price: str = "100", country: str = "NL") -> BillingProfile:
    profile = profile_of(account=BillingAccountFactory(currency="USD", sold_to__country=country, vat_id=""))
    SubscriptionFactory(profile=profile, unit_price=Decimal(price), currency="USD", started_on=DECEMBER.first)
    return profile


def test_L1_vat_on_an_invoice_in_another_currency_is_said_in_the_sellers():
    ExchangeRate.objects.create(currency="USD", day=date(2026, 12, 31), rate=Decimal("1.2"))
    ExchangeRate.objects.create(currency="USD", day=date(2027, 1, 4), rate=Decimal("1.0837"))
    ExchangeRate.objects.create(currency="USD", day=date(2027, 1, 6), rate=Decimal("1.3"))
    dollars("99.99")

    run_billing(DECEMBER, on=FIFTH)

    invoice = Invoice.objects.get()
    assert (invoice.vat, invoice.vat_exchanged) == (Money(2100, "USD"), Money(1938, "EUR"))
    assert (invoice.exchange_rate, invoice.exchange_day) == (Decimal("1.0837"), date(2027, 1, 4))


def test_L1_without_a_rate_nothing_is_issued_and_the_next_run_looks_again():
    ExchangeRate.objects.create(currency="USD", day=date(2026, 12, 29), rate=Decimal("1.2"))
    profile = dollars()

    run_billing(DECEMBER, on=FIFTH)

    parked = ParkedProfile.objects.get()
    assert (parked.profile, parked.reason, parked.detail) == (profile, "no_exchange_rate", "USD")
    ExchangeRate.objects.create(currency="USD", day=FIFTH, rate=Decimal("1.25"))
    assert run_billing(DECEMBER, on=FIFTH).issued == 1
    assert Invoice.objects.get().vat_exchanged == Money(1680, "EUR")


def test_L1_where_no_vat_is_charged_no_rate_is_needed():
    account = BillingAccountFactory(currency="USD", sold_to__country="US", vat_id="")
    SubscriptionFactory(profile=profile_of(account=account), currency="USD", started_on=DECEMBER.first)

    assert run_billing(DECEMBER, on=FIFTH).issued == 1
    assert Invoice.objects.get().vat_currency == ""


def test_L1_a_seller_outside_the_euro_declares_in_its_own_currency(seller):
    Seller.objects.update(country="SE")
    for currency, rate in (("SEK", "11"), ("USD", "1.1")):
        ExchangeRate.objects.create(currency=currency, day=FIFTH, rate=Decimal(rate))
    dollars(country="SE")
    home = profile_of(account=BillingAccountFactory(currency="SEK", sold_to__country="SE", vat_id=""))
    SubscriptionFactory(profile=home, unit_price=100, currency="SEK", started_on=DECEMBER.first)

    run_billing(DECEMBER, on=FIFTH)

    ours, theirs = Invoice.objects.order_by("currency")
    assert (ours.vat_currency, ours.vat_minor, theirs.exchange_rate) == ("", 2500, Decimal("0.1"))
    assert theirs.vat_exchanged == Money(25000, "SEK")


# --- Against the rules ---------------------------------------------------------------------------


def test_L6_I2_I3_I4_the_run_comes_to_what_the_calculation_comes_to(raised, long):
    """Invoices of chance, with several rates, charges with many decimals and amounts given back."""
    chance = random.Random(20261121)
    products = {supply: ProductFactory(supply=supply) for supply in ("electronic", "reduced", "zero")}
    for _each in range(400 if long else 40):
        profile = profile_of()
        usage = imported_subscription(profile)
        for _line in range(chance.randint(1, 4)):
            bought = PurchaseFactory if chance.random() < 0.4 else SubscriptionFactory
            day = {"bought_on" if bought is PurchaseFactory else "started_on": date(2026, 12, chance.randint(1, 28))}
            price = Decimal(chance.randint(0, 10**7)).scaleb(-chance.randint(0, 5))
            product = products[chance.choice([*products])]
            bought(profile=profile, product=product, unit_price=price, quantity=chance.randint(1, 9), **day)
        for _charge in range(chance.randint(0, 6)):
            cost = Decimal(chance.randint(-(10**17), 10**18)).scaleb(-16)
            ChargeFactory(subscription=usage, service_name=chance.choice("ab"), cost=cost, month=DECEMBER.first)

    report = run_billing(DECEMBER, on=FIFTH)

    invoices = list(Invoice.objects.prefetch_related("lines__charges", "vat_groups"))
    assert len(invoices) == report.issued > 0.9 * (report.issued + report.parked_count)
    for invoice in invoices:
        sign = 1 if invoice.kind == "invoice" else -1
        items = []
        for line in invoice.lines.all():
            charged = sum((charge.cost for charge in line.charges.all()), Decimal(0))
            price = charged * sign if line.unit_price is None else line.unit_price
            quantity = Decimal(1) if line.unit_price is None else line.quantity
            items.append(Item(quantity, price, Rate(line.vat_category, line.vat_rate)))
        totals = compute(items, invoice.currency)
        assert [net.minor for net in totals.line_nets] == [line.net_minor for line in invoice.lines.all()]
        assert {(*group.rate, group.base.minor, group.vat.minor) for group in totals.groups} == set(groups(invoice))
        assert (totals.net, totals.vat, totals.total) == (invoice.net, invoice.vat, invoice.total)
    call_command("check_invariants", verbosity=0)
