"""What the invoice of a month carries, and what keeps it from being issued (domain §3.9)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.models import Address, Seller
from accounts.tests.factories import AddressFactory, BillingAccountFactory, SellerFactory
from core.errors import Refused
from core.money import Money
from core.periods import Month
from invoices.models import (
    BillingPeriod,
    BillingRun,
    Charge,
    Dispatch,
    Document,
    ExchangeRate,
    Invoice,
    InvoiceLine,
    NumberSeries,
    ParkedProfile,
    Posting,
)
from invoices.services.drafts import Draft
from invoices.services.ledger import balance
from invoices.services.parking import release_profiles
from invoices.services.run import RunReport, Totals, run_billing
from invoices.tests.factories import ChargeFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, SubscriptionProfileFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import ProductFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)
FIFTH = date(2026, 11, 5)


@pytest.fixture(autouse=True)
def seller() -> Seller:
    return SellerFactory()


@pytest.fixture
def profile() -> BillingProfile:
    return profile_of()


def profile_of(**values: Any) -> BillingProfile:
    """A profile that exists since the first of October, before its account has bought anything."""
    return BillingProfileFactory(**{"created_at": datetime(2026, 10, 1, tzinfo=UTC), **values})


def subscribed(profile: BillingProfile, price: str = "10", **values: Any) -> Subscription:
    return SubscriptionFactory(
        **{"profile": profile, "unit_price": Decimal(price), "started_on": date(2026, 10, 1), **values}
    )


def run(month: Month = OCTOBER, *, on: date = FIFTH, **options: Any) -> RunReport:
    return run_billing(month, on=on, **options)


def lines_of(invoice: Invoice, *fields: str) -> list[tuple]:
    return list(invoice.lines.order_by("position").values_list(*fields))


# --- What it carries ----------------------------------------------------------------------------


def test_3_9_a_term_is_charged_once_and_whole_in_the_month_in_which_it_starts(profile):
    def bought(name: str, **values: Any) -> None:
        subscribed(profile, name=name, **values)

    bought("a monthly", started_on=date(2026, 8, 20))
    bought("b starts this month", started_on=date(2026, 10, 31), quantity=3)
    bought("c starts next month", started_on=date(2026, 11, 1))
    bought("d quarterly, due", term="quarterly", started_on=date(2026, 7, 9))
    bought("e quarterly, not due", term="quarterly", started_on=date(2026, 8, 9))
    bought("f half-yearly, due", term="half_yearly", started_on=date(2026, 4, 30))
    bought("g yearly, due", term="yearly", started_on=date(2024, 10, 15))
    bought("h yearly, not due", term="yearly", started_on=date(2025, 11, 15))
    bought("i ended before the term", started_on=date(2026, 8, 20), ended_on=date(2026, 10, 19))
    bought("j ended on its first day", started_on=date(2026, 8, 20), ended_on=date(2026, 10, 20))
    # Billed up to September already, so that October alone is looked at.
    BillingPeriod.objects.create(profile=profile, month=SEPTEMBER.first)

    run()

    invoice = Invoice.objects.get()
    assert lines_of(invoice, "section", "service_start", "service_end", "term_start", "net_minor") == [
        ("a monthly", date(2026, 10, 20), date(2026, 11, 19), date(2026, 10, 20), 1000),
        ("b starts this month", date(2026, 10, 31), date(2026, 11, 29), date(2026, 10, 31), 3000),
        ("d quarterly, due", date(2026, 10, 9), date(2027, 1, 8), date(2026, 10, 9), 1000),
        ("f half-yearly, due", date(2026, 10, 30), date(2027, 4, 29), date(2026, 10, 30), 1000),
        ("g yearly, due", date(2026, 10, 15), date(2027, 10, 14), date(2026, 10, 15), 1000),
        ("j ended on its first day", date(2026, 10, 20), date(2026, 11, 19), date(2026, 10, 20), 1000),
    ]
    assert (invoice.period_start, invoice.period_end) == (OCTOBER.first, OCTOBER.last)


def test_3_9_one_offs_of_the_month_stand_on_the_same_invoice_and_once(profile):
    subscribed(profile)
    PurchaseFactory(profile=profile, bought_on=date(2026, 10, 31), quantity=2, unit_price=Decimal("80.005"))
    PurchaseFactory(profile=profile, bought_on=date(2026, 11, 1))

    run()
    run(OCTOBER.next, on=date(2026, 12, 5))

    first, second = Invoice.objects.order_by("pk")
    assert lines_of(first, "section", "quantity", "net_minor", "service_start")[1:] == [
        ("One-off purchases", Decimal(2), 16001, date(2026, 10, 31))
    ]
    assert lines_of(second, "section", "net_minor")[1:] == [("One-off purchases", 8000)]


def test_3_9_imported_charges_make_one_line_per_subscription_and_service(profile):
    sub = imported_subscription(profile)
    ChargeFactory(subscription=sub, service_name="Compute", cost="0.0100000000000000010")
    ChargeFactory(
        subscription=sub,
        service_name="Compute",
        cost="1.234",
        started_at=datetime(2026, 10, 30, tzinfo=UTC),
        ended_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    ChargeFactory(subscription=sub, service_name="Compute", category="Credit", cost="-0.239")
    ChargeFactory(subscription=sub, service_name="Storage", cost="0.004999999999999999")
    ChargeFactory(subscription=imported_subscription(profile, "sub-2"), service_name="Compute", cost="0.005")

    report = run()

    invoice = Invoice.objects.get()
    assert lines_of(invoice, "section", "description", "net_minor", "service_start", "service_end") == [
        ("sub-1", "Compute", 101, date(2026, 10, 1), date(2026, 10, 31)),
        ("sub-1", "Storage", 0, date(2026, 10, 1), date(2026, 10, 1)),
        ("sub-2", "Compute", 1, date(2026, 10, 1), date(2026, 10, 1)),
    ]
    assert lines_of(invoice, "quantity", "unit_price") == [(1, None)] * 3
    exact = Decimal("1.005000000000000001") + Decimal("0.004999999999999999") + Decimal("0.005")
    assert report.totals["EUR"] == Totals(
        invoices=1, net_minor=102, vat_minor=21, charges=5, rounding=exact * 100 - invoice.net_minor
    )
    assert set(Charge.objects.values_list("line__invoice", flat=True)) == {invoice.pk}


def test_3_9_a_late_charge_comes_with_the_next_invoice_and_one_of_a_later_month_waits(profile):
    sub = imported_subscription(profile)
    ChargeFactory(subscription=sub, cost="1")
    run()
    ChargeFactory(subscription=sub, cost="2")
    ChargeFactory(subscription=sub, cost="4", month=OCTOBER.next.first)
    ChargeFactory(subscription=sub, cost="8", month=OCTOBER.plus(2).first)

    run(OCTOBER.next, on=date(2026, 12, 5))

    assert list(Invoice.objects.order_by("pk").values_list("net_minor", flat=True)) == [100, 600]
    assert list(Charge.objects.filter(line=None).values_list("cost", flat=True)) == [8]


def test_I7_a_month_without_anything_has_its_period_and_no_document(profile):
    report = run()

    assert (report.periods, report.issued) == (1, 0)
    assert BillingPeriod.objects.get().month == OCTOBER.first
    assert (Invoice.objects.count(), NumberSeries.objects.get(kind="invoice").next_number) == (0, 1)


def test_an_invoice_of_zero_is_issued_and_paid_at_once(profile):
    subscribed(profile, "0")

    run()

    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.total_minor, invoice.number) == ("paid", 0, "G000000001")
    assert invoice.postings.count() == 0


def test_I4_a_month_below_zero_is_a_credit_note_of_that_period_in_its_own_series(profile):
    sub = imported_subscription(profile)
    ChargeFactory(subscription=sub, category="Credit", cost="-30.005", service_name="Compute")
    ChargeFactory(subscription=sub, cost="10", service_name="Storage")

    report = run()

    note = Invoice.objects.get()
    assert (note.kind, note.number, note.status) == ("credit_note", "GC000000001", "due")
    assert (note.net_minor, note.vat_minor, note.total_minor) == (2001, 420, 2421)
    assert (note.issue_date, note.due_date) == (FIFTH, FIFTH)
    assert lines_of(note, "description", "quantity", "net_minor") == [
        ("Compute", Decimal(1), 3001),
        ("Storage", Decimal(-1), -1000),
    ]
    assert balance("receivable", "EUR", invoice=note) == -note.total
    assert note.period.month == OCTOBER.first
    assert list(Invoice.objects.open()) == []
    assert (report.totals["EUR"].credit_notes, report.totals["EUR"].net_minor) == (1, -2001)


def test_3_6_lines_are_rounded_first_and_vat_once_on_their_sum(profile):
    for number in range(3):
        subscribed(profile, "0.335", name=f"{number}")

    run()

    invoice = Invoice.objects.get()
    assert [net for (net,) in lines_of(invoice, "net_minor")] == [34, 34, 34]
    assert (invoice.net_minor, invoice.vat_minor) == (102, 21)  # 3 × round(0.34 × 21 %) would be 21.42 → 21


@pytest.mark.parametrize(
    ("currency", "price", "net"), [("JPY", "99.5", 100), ("KWD", "0.0005", 1), ("EUR", "1.005", 101)]
)
def test_3_6_amounts_have_the_decimals_of_their_currency(currency, price, net):
    account = BillingAccountFactory(currency=currency)
    profile = profile_of(account=account)
    subscribed(profile, price, currency=currency)
    ExchangeRate.objects.create(currency="JPY", day=FIFTH, rate=Decimal("170"))

    run()

    assert Invoice.objects.get().net == Money(net, currency)


# --- What it prints -----------------------------------------------------------------------------


def test_L1_I35_an_invoice_is_a_copy_of_all_it_prints_and_keeps_it(profile, seller):
    account = profile.account
    BillingProfile.objects.filter(pk=profile.pk).update(po_number="PO-7", payment_term_days=14)
    subscribed(profile, name="Production")
    sold_to, bill_to, vendor = account.sold_to.snapshot(), profile.bill_to.snapshot(), seller.snapshot()

    run()
    Address.objects.update(line1="Elsewhere 1")
    Seller.objects.update(legal_name="Another B.V.")

    invoice = Invoice.objects.get()
    assert (invoice.seller, invoice.sold_to, invoice.bill_to) == (vendor, sold_to, bill_to)
    assert (invoice.account_name, invoice.profile_name) == (account.name, profile.name)
    assert (invoice.customer_vat_id, invoice.po_number) == (account.vat_id, "PO-7")
    assert (invoice.issue_date, invoice.payment_term_days, invoice.due_date) == (FIFTH, 14, date(2026, 11, 19))
    assert (invoice.currency, invoice.language, invoice.status) == ("EUR", "en", "due")


@pytest.mark.parametrize(("starts", "printed"), [(FIFTH, "PO-8"), (FIFTH + timedelta(days=1), "PO-7")])
def test_P17_an_invoice_carries_the_po_number_in_force_on_its_day(profile, starts, printed):
    BillingProfile.objects.filter(pk=profile.pk).update(
        po_number="PO-7", coming_po_number="PO-8", coming_po_from=starts
    )
    subscribed(profile)

    run()

    assert Invoice.objects.get().po_number == printed


def test_descriptions_are_in_the_language_of_the_organisation(profile):
    organisation = profile.account.organisation
    type(organisation).objects.filter(pk=organisation.pk).update(preferred_language="nl")
    product = ProductFactory(name="Mailboxes", name_nl="Postvakken")
    subscribed(profile, product=product)
    PurchaseFactory(profile=profile, product=product, bought_on=date(2026, 10, 3))

    run()

    invoice = Invoice.objects.get()
    assert invoice.language == "nl"
    assert lines_of(invoice, "section", "description") == [
        ("Mailboxes", "Postvakken"),
        ("Eenmalige aankopen", "Postvakken"),
    ]


@pytest.mark.parametrize(
    ("country", "vat_id", "category", "vat", "wording"),
    [
        ("NL", "NL000099998B57", "S", 210, ""),
        ("DE", "DE136695976", "AE", 0, "Reverse charge"),
        ("DE", "", "S", 210, ""),
        ("US", "", "O", 0, "Outside the scope"),
    ],
)
def test_L1_vat_follows_the_customers_country_and_vat_id(country, vat_id, category, vat, wording):
    sold_to = AddressFactory(country=country)
    profile = profile_of(account=BillingAccountFactory(country=country, vat_id=vat_id, sold_to=sold_to))
    subscribed(profile)

    run()

    invoice = Invoice.objects.get()
    group = invoice.vat_groups.get()
    assert (group.category, group.base_minor, group.vat_minor, invoice.vat_minor) == (category, 1000, vat, vat)
    assert group.wording.startswith(wording)
    assert bool(group.wording) == (vat == 0)
    assert lines_of(invoice, "vat_category", "vat_rate") == [(category, group.rate)]


def test_I1_an_invoice_is_posted_and_waits_for_its_document_and_its_mail(profile):
    subscribed(profile)

    run()

    invoice = Invoice.objects.get()
    assert sorted(invoice.postings.values_list("debit", "credit", "amount_minor", "posted_on", "reference")) == [
        ("receivable", "revenue", 1000, FIFTH, f"invoice:{invoice.code}"),
        ("receivable", "vat", 210, FIFTH, f"invoice:{invoice.code}"),
    ]
    assert (Document.objects.get().status, Dispatch.objects.get().status) == ("pending", "pending")


def test_S0_2_a_subscription_of_an_online_services_account_is_invoiced_to_the_bill_to_of_the_account():
    profile = SubscriptionProfileFactory(created_at=datetime(2026, 10, 1, tzinfo=UTC))
    subscribed(profile)

    run()

    assert Invoice.objects.get().bill_to == profile.account.bill_to.snapshot()


# --- When ---------------------------------------------------------------------------------------


def test_F26_missed_months_are_billed_first_each_with_its_period_all_dated_today(profile):
    subscribed(profile, started_on=date(2026, 8, 31))
    ChargeFactory(subscription=imported_subscription(profile), month=SEPTEMBER.first, cost="5")
    Subscription.objects.filter(external_id="sub-1").update(started_on=SEPTEMBER.first)

    report = run()

    assert report.months == [Month(2026, 8), SEPTEMBER, OCTOBER]
    assert list(
        Invoice.objects.order_by("number").values_list("period_start", "period_end", "issue_date", "net_minor")
    ) == [
        (date(2026, 8, 1), date(2026, 8, 31), FIFTH, 1000),
        (date(2026, 9, 1), date(2026, 9, 30), FIFTH, 1500),
        (date(2026, 10, 1), date(2026, 10, 31), FIFTH, 1000),
    ]
    assert set(Invoice.objects.values_list("due_date", flat=True)) == {date(2026, 12, 5)}


def test_PR5_repeating_a_run_changes_nothing(profile):
    subscribed(profile)
    ChargeFactory(subscription=imported_subscription(profile))
    run()
    before = list(Invoice.objects.values()), list(InvoiceLine.objects.values()), list(Posting.objects.values())

    report = run(on=date(2026, 11, 6))

    assert (report.issued, report.periods, report.months) == (0, 0, [])
    assert (
        list(Invoice.objects.values()),
        list(InvoiceLine.objects.values()),
        list(Posting.objects.values()),
    ) == before


def test_a_profile_made_later_or_closed_is_not_billed():
    subscribed(profile_of(created_at=datetime(2026, 11, 1, tzinfo=UTC)), started_on=date(2026, 11, 1))
    subscribed(profile_of(status="closed"))

    assert (run().issued, BillingPeriod.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("month", "on", "code"),
    [(Month(2026, 11), date(2026, 11, 30), "month_open"), (SEPTEMBER, date(2026, 10, 31), "date_runs_backwards")],
)
def test_I8_an_open_month_and_a_date_before_the_last_one_are_refused(profile, month, on, code):
    subscribed(profile)
    NumberSeries.objects.create(kind="credit_note", prefix="GC", last_issue_date=date(2026, 11, 1))

    with pytest.raises(Refused) as refusal:
        run(month, on=on)

    assert refusal.value.code == code
    assert (Invoice.objects.count(), BillingRun.objects.count()) == (0, 0)


def test_L1_without_a_complete_seller_nothing_is_issued_and_the_dry_run_says_so(profile):
    subscribed(profile)
    Seller.objects.update(vat_id="", iban="")

    with pytest.raises(Refused, match="VAT ID, IBAN") as refusal:
        run()
    report = run(is_dry=True)

    assert refusal.value.code == "seller_incomplete"
    assert report.problems == [str(refusal.value)]
    assert (report.issued, Invoice.objects.count()) == (1, 0)


def test_L1_no_seller_at_all_is_a_refusal_too(profile):
    Seller.objects.all().delete()

    with pytest.raises(Refused) as refusal:
        run()

    assert refusal.value.code == "seller_incomplete"
    assert run(is_dry=True).problems


# --- Dry run ------------------------------------------------------------------------------------


def test_a_dry_run_says_exactly_what_the_run_will_do_and_writes_nothing():
    for price in ("10", "12.345"):
        profile = profile_of()
        subscribed(profile, price, started_on=date(2026, 8, 31))
        PurchaseFactory(profile=profile, bought_on=date(2026, 9, 7))
        sub = imported_subscription(profile)
        ChargeFactory(subscription=sub, cost="7.001", month=SEPTEMBER.first)
        ChargeFactory(subscription=sub, cost="0.5", month=OCTOBER.first)
    parked = profile_of(bill_to__is_complete=False)
    subscribed(parked)
    forecast, outcome = Seen(), Seen()

    foretold = run(is_dry=True, each=forecast)
    assert not any(
        model.objects.exists() for model in (Invoice, BillingPeriod, ParkedProfile, BillingRun, NumberSeries)
    )
    done = run(each=outcome)

    assert forecast.documents == outcome.documents
    assert len(outcome.documents) == 6
    assert (foretold.totals, foretold.months, foretold.periods) == (done.totals, done.months, done.periods)
    assert [(each.profile, each.reason) for each in foretold.parked] == [
        (each.profile, each.reason) for each in done.parked
    ]


class Seen:
    """What a run told, without the numbers that only a real one gives."""

    def __init__(self) -> None:
        self.documents: list[tuple] = []

    def __call__(self, month: Month, draft: Draft) -> None:
        self.documents.append((month, draft.profile_id, draft.kind, draft.net_minor, draft.vat_minor, draft.rounding))


# --- Parking ------------------------------------------------------------------------------------


def incomplete_bill_to() -> BillingProfile:
    return profile_of(bill_to__is_complete=False)


def nameless_sold_to() -> BillingProfile:
    profile = profile_of()
    Address.objects.filter(pk=profile.account.sold_to_id).update(company_name="")
    return profile


def priced_in_dollars() -> BillingProfile:
    profile = profile_of()
    subscribed(profile, currency="USD", name="Dollars")
    return profile


def charged_in_dollars() -> BillingProfile:
    profile = profile_of()
    ChargeFactory(subscription=imported_subscription(profile), currency="USD")
    return profile


def billed_elsewhere() -> BillingProfile:
    """Its subscription's term was billed on another profile before it moved here."""
    first = profile_of()
    subscription = subscribed(first, name="Moved")
    run(among=BillingProfile.objects.filter(pk=first.pk))
    second = profile_of(account=first.account)
    Subscription.objects.filter(pk=subscription.pk).update(profile=second)
    return second


def enormous() -> BillingProfile:
    profile = profile_of()
    subscribed(profile, "99999999999999", quantity=1_000_000, name="Enormous")
    return profile


PARKED = [
    (incomplete_bill_to, "address_incomplete", "bill_to"),
    (nameless_sold_to, "address_incomplete", "sold_to"),
    (priced_in_dollars, "currency_differs", "Dollars: USD"),
    (charged_in_dollars, "currency_differs", "sub-1: USD"),
    (billed_elsewhere, "term_billed", "Moved: 2026-10-01"),
    (enormous, "too_large", None),
]


@pytest.mark.parametrize(("make", "reason", "detail"), PARKED, ids=[make.__name__ for make, _, _ in PARKED])
def test_I31_a_profile_that_breaks_a_bound_is_parked_and_the_others_go_on(
    make: Callable[[], BillingProfile], reason: str, detail: str | None
):
    parked, other = make(), profile_of()
    subscribed(other)
    before = Invoice.objects.count()

    report = run()

    row = ParkedProfile.objects.get()
    assert (row.profile, row.month, row.reason) == (parked, OCTOBER.first, reason)
    assert detail is None or row.detail == detail
    assert [(each.profile, each.reason) for each in report.parked] == [(parked, reason)]
    assert Invoice.objects.count() == before + 1
    assert not BillingPeriod.objects.filter(profile=parked).exists()
    assert not Invoice.objects.filter(profile=parked).exists()


def test_PR6_what_the_customer_mends_is_billed_by_the_next_run(profile):
    subscribed(profile)
    Address.objects.filter(pk=profile.bill_to_id).update(is_complete=False)
    assert run().issued == 0
    Address.objects.filter(pk=profile.bill_to_id).update(is_complete=True)

    assert run().issued == 1

    assert ParkedProfile.objects.get().released_at is not None


def test_I7_a_profile_mended_during_the_run_does_not_skip_its_first_month(profile):
    """Another profile takes the run through September and October; this one is mended between the two."""
    subscribed(profile, started_on=date(2026, 9, 10))
    Address.objects.filter(pk=profile.bill_to_id).update(is_complete=False)
    subscribed(profile_of(), started_on=date(2026, 9, 10))
    mend = iter([lambda: Address.objects.filter(pk=profile.bill_to_id).update(is_complete=True)])

    run(progress=lambda month, done, total: next(mend, lambda: None)())
    assert not Invoice.objects.filter(profile=profile).exists()
    run()

    assert list(Invoice.objects.filter(profile=profile).order_by("pk").values_list("period_start", "net_minor")) == [
        (SEPTEMBER.first, 1000),
        (OCTOBER.first, 1000),
    ]


def test_PR6_a_parked_profile_keeps_one_row_with_the_reason_of_today(profile):
    subscribed(profile, currency="USD")
    Address.objects.filter(pk=profile.bill_to_id).update(is_complete=False)
    run()
    Address.objects.filter(pk=profile.bill_to_id).update(is_complete=True)

    run()

    assert list(ParkedProfile.objects.values_list("reason", "released_at")) == [("currency_differs", None)]


def test_PR6_what_only_the_vendor_can_judge_waits_until_it_is_released():
    profile = enormous()
    run()
    Subscription.objects.update(unit_price=1, quantity=1)

    again = run()
    assert (again.issued, again.parked, again.waiting) == (0, [], 1)
    assert release_profiles([profile.pk]) == 1
    assert run().issued == 1


def test_PR6_sums_that_do_not_fit_park_their_profile_alone():
    wrong, right = profile_of(), profile_of()
    subscribed(wrong, name="Wrong")
    subscribed(right, name="Right")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION pg_temp.one_cent_more() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.net_minor = NEW.net_minor + (NEW.section = 'Wrong')::int; RETURN NEW; END $$;
            CREATE TRIGGER one_cent_more BEFORE INSERT ON invoices_invoiceline
            FOR EACH ROW EXECUTE FUNCTION pg_temp.one_cent_more()
            """
        )

    report = run()

    assert [(each.profile, each.reason) for each in report.parked] == [(wrong, "sums_differ")]
    assert Invoice.objects.get().profile == right
    assert NumberSeries.objects.get(kind="invoice").next_number == 2


def test_PR6_what_the_database_refuses_is_found_by_halves_and_parked():
    profiles = [profile_of() for _ in range(5)]
    for number, profile in enumerate(profiles):
        subscribed(profile, name="Refused" if number == 3 else "Taken")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE invoices_invoiceline ADD CONSTRAINT no_such CHECK (section <> 'Refused')")

    report = run()

    assert [(each.profile, each.reason) for each in report.parked] == [(profiles[3], "database_refused")]
    assert "no_such" in report.parked[0].detail
    assert set(Invoice.objects.values_list("profile", flat=True)) == {each.pk for each in profiles} - {profiles[3].pk}
    assert sorted(Invoice.objects.values_list("number", flat=True)) == [f"G00000000{n}" for n in range(1, 5)]


# --- The run itself -----------------------------------------------------------------------------


def test_a_run_writes_down_how_far_it_is_and_stops_the_silent_ones(profile):
    subscribed(profile)
    subscribed(incomplete_bill_to())
    silent = BillingRun.objects.create(month=OCTOBER.first, issue_date=FIFTH)
    silent.ranges.create(first_profile=0, last_profile=9, heard_at=datetime(2026, 1, 1, tzinfo=UTC))
    told = []

    run(progress=lambda *progress: told.append(progress))

    row = BillingRun.objects.with_progress().exclude(pk=silent.pk).get()
    assert (row.status, row.profiles_total, row.profiles_done) == ("done", 2, 1)
    assert (row.invoices_issued, row.profiles_parked) == (1, 1)
    silent.refresh_from_db()
    assert silent.status == "stopped"
    assert told[-1] == (OCTOBER, 2, 2)


def test_a_run_may_be_narrowed_to_some_profiles(profile):
    subscribed(profile)
    subscribed(profile_of())

    run(among=BillingProfile.objects.filter(pk=profile.pk))

    assert Invoice.objects.get().profile == profile


def test_F27_the_zone_of_the_database_session_changes_nothing(profile):
    ChargeFactory(
        subscription=imported_subscription(profile),
        started_at=datetime(2026, 10, 1, tzinfo=UTC),
        ended_at=datetime(2026, 10, 31, 23, 59, tzinfo=UTC),
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'America/Juneau'")

    run()

    assert lines_of(Invoice.objects.get(), "service_start", "service_end") == [(date(2026, 10, 1), date(2026, 10, 31))]


@pytest.mark.parametrize("profiles", [1, 30])
def test_the_statements_of_a_run_do_not_grow_with_its_profiles(django_assert_num_queries, profiles: int):
    for _ in range(profiles):
        profile = profile_of()
        subscribed(profile)
        ChargeFactory(subscription=imported_subscription(profile))

    # The savepoints, which take the place of transactions in a test, are among them.
    with django_assert_num_queries(62):
        report = run()

    assert report.issued == profiles
