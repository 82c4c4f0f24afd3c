"""Credits: what is given is used on invoices, the first to expire first, and every cent stays in the books (I18)."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum

from accounts.models import Seller
from accounts.tests.factories import SellerFactory
from core.errors import Refused
from core.models import Message
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.estimates import credit_balance
from invoices.models import CreditLot, CreditMove, CreditTransaction, Invoice, LedgerAccount
from invoices.services.credits import (
    expire_credit,
    give_credit,
    move_credit,
    record,
    take_back_credit,
    tell_of_expiring_credit,
)
from invoices.services.ledger import balance
from invoices.services.run import run_billing
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import ProductFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER = Month(2026, 10)
FIRST, ON = date(2026, 10, 1), date(2026, 11, 5)


@pytest.fixture(autouse=True)
def seller() -> Seller:
    return SellerFactory()


@pytest.fixture
def profile() -> BillingProfile:
    """One that is billed € 100.00 a month at 21 % VAT."""
    return profile_billed("100")


def profile_billed(*prices: str, **values) -> BillingProfile:
    profile = BillingProfileFactory(created_at=datetime(2026, 10, 1, tzinfo=UTC), **values)
    for price in prices:
        SubscriptionFactory(profile=profile, unit_price=Decimal(price), started_on=FIRST)
    return profile


def give(profile: BillingProfile, minor: int, *, until: date | None = date(2027, 6, 30), **values) -> CreditLot:
    common = {"source": "promotion", "starts_on": FIRST, "description": "Welcome", "reason": "As agreed", "by": None}
    amount = Money(minor, profile.currency)
    return give_credit(profile, **{**common, "amount": amount, "expires_on": until, "on": FIRST, **values})


def left(*lots: CreditLot) -> list[int]:
    for lot in lots:
        lot.refresh_from_db()
    return [lot.balance_minor for lot in lots]


def bill(month: Month = OCTOBER) -> Invoice:
    run_billing(month, on=month.next.first.replace(day=5))
    return Invoice.objects.latest("pk")


def assert_books_fit() -> None:
    """What the lots hold is what their moves come to, and what the ledger owes the customers (I18)."""
    lots = CreditLot.objects.aggregate(left=Sum("balance_minor", default=0))["left"]
    moves = CreditTransaction.objects.aggregate(left=Sum("amount_minor", default=0))["left"]
    assert lots == moves == -balance(LedgerAccount.CREDITS, "EUR").minor


# --- On an invoice --------------------------------------------------------------------------------


def test_I4_promotional_credit_lowers_what_is_taxed(profile):
    lot = give(profile, 3_000)

    invoice = bill()

    amounts = (invoice.net_minor, invoice.credit_minor, invoice.vat_minor, invoice.total_minor, invoice.prepaid_minor)
    assert amounts == (10_000, 3_000, 1_470, 8_470, 0)
    group = invoice.vat_groups.get()
    assert (group.base_minor, group.credit_minor, group.vat_minor) == (7_000, 3_000, 1_470)
    assert left(lot) == [0]
    assert balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice) == invoice.amount_due
    assert balance(LedgerAccount.REVENUE, "EUR", invoice=invoice).minor == -10_000
    assert_books_fit()


def test_3_8_what_was_paid_in_advance_pays_after_vat(profile):
    lot = give(profile, 20_000, source="prepaid")

    invoice = bill()

    amounts = (invoice.credit_minor, invoice.vat_minor, invoice.total_minor, invoice.prepaid_minor, invoice.status)
    assert amounts == (0, 2_100, 12_100, 12_100, "paid")
    assert (left(lot), lot.expires_on) == ([7_900], None)
    assert not balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice)
    assert_books_fit()


def test_3_8_promotional_credit_comes_first_and_then_what_was_paid_in_advance(profile):
    paid, given_ = give(profile, 1_000, source="prepaid"), give(profile, 4_000)

    invoice = bill()

    assert (invoice.credit_minor, invoice.total_minor, invoice.prepaid_minor) == (4_000, 7_260, 1_000)
    assert (left(paid, given_), invoice.amount_due_minor) == ([0, 0], 6_260)
    assert_books_fit()


def test_I18_the_credit_that_expires_first_is_used_first(profile):
    never = give(profile, 4_000, until=None)
    late, soon = give(profile, 4_000, until=date(2027, 1, 31)), give(profile, 4_000, until=date(2026, 11, 30))

    bill()

    assert left(soon, late, never) == [0, 0, 2_000]
    used = CreditTransaction.objects.filter(kind="used").order_by("pk")
    assert list(used.values_list("lot", "amount_minor")) == [
        (soon.pk, -4_000),
        (late.pk, -4_000),
        (never.pk, -2_000),
    ]
    assert_books_fit()


@pytest.mark.parametrize(
    ("starts_on", "until", "counts"),
    [
        (FIRST, date(2026, 11, 4), False),
        (FIRST, ON, True),
        (ON, None, True),
        (date(2026, 11, 6), None, False),
    ],
)
def test_I18_a_credit_counts_on_its_days_alone(profile, starts_on, until, counts):
    give(profile, 500, starts_on=starts_on, until=until)

    assert bill().credit_minor == (500 if counts else 0)


def test_3_8_a_credit_takes_at_most_the_net_and_the_rest_stays(profile):
    lot = give(profile, 25_000)

    assert (bill().status, left(lot)) == ("paid", [15_000])
    assert (bill(OCTOBER.next).total_minor, left(lot)) == (0, [5_000])
    third = bill(OCTOBER.next.next)
    assert (third.credit_minor, third.total_minor, left(lot)) == (5_000, 6_050, [0])
    assert_books_fit()


def test_3_8_a_credit_is_split_over_the_rates_without_losing_a_cent():
    profile = profile_billed("33.33", "0.01")
    low = ProductFactory(name="Read", supply="reduced")
    for price in ("33.33", "33.34"):
        SubscriptionFactory(profile=profile, product=low, unit_price=Decimal(price), started_on=FIRST)
    give(profile, 1_000)

    invoice = bill()

    groups = list(invoice.vat_groups.order_by("rate"))
    assert len(groups) == 2
    shares = Money(1_000, "EUR").allocate([group.base_minor + group.credit_minor for group in groups])
    assert [group.credit_minor for group in groups] == [share.minor for share in shares]
    assert [group.vat_minor for group in groups] == [group.base.share(group.rate / 100).minor for group in groups]
    assert invoice.total_minor == invoice.net_minor - 1_000 + sum(group.vat_minor for group in groups)


def test_I18_a_credit_pays_for_its_own_profile_alone():
    with_credit, without = profile_billed("100"), profile_billed("100")
    lot = give(with_credit, 1_000)

    bill()

    credits = dict(Invoice.objects.values_list("profile", "credit_minor"))
    assert (credits, left(lot)) == ({with_credit.pk: 1_000, without.pk: 0}, [0])


def test_a_dry_run_shows_the_credit_and_uses_nothing(profile):
    lot = give(profile, 3_000)
    drafts = []

    run_billing(OCTOBER, on=ON, is_dry=True, each=lambda _month, draft: drafts.append(draft))

    assert [(draft.credit_minor, draft.vat_minor) for draft in drafts] == [(3_000, 1_470)]
    assert left(lot) == [3_000]


def test_I18_a_dry_run_of_several_months_counts_a_credit_once(profile):
    """What a run bills later with what is left, it says before (I18)."""
    lots = [give(profile, 12_000), give(profile, 5_000, until=None, source="prepaid")]
    foretold, issued = [], []

    for is_dry, told in ((True, foretold), (False, issued)):
        run_billing(
            OCTOBER.plus(2),
            on=date(2027, 1, 5),
            is_dry=is_dry,
            each=lambda _month, draft, told=told: told.append(
                (draft.credit_minor, draft.vat_minor, draft.prepaid_minor)
            ),
        )

    assert foretold == issued == [(10_000, 0, 0), (2_000, 1_680, 5_000), (0, 2_100, 0)]
    assert left(*lots) == [0, 0]


# --- Given, moved, taken back, expired ------------------------------------------------------------


def test_those_who_look_after_the_profile_are_told_of_a_credit(profile):
    owner, reader = (
        ProfileRoleFactory(profile=profile, role=role).user for role in (Role.PROFILE_OWNER, Role.PROFILE_READER)
    )

    give(profile, 1_000)

    told = set(Message.objects.filter(template="credit_given").values_list("recipient", flat=True))
    assert owner.billing_email in told
    assert reader.billing_email not in told


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"amount": Money(0, "EUR")}, "no_amount"),
        ({"amount": Money(100, "USD")}, "other_currency"),
        ({"until": date(2026, 9, 30)}, "already_over"),
        ({"starts_on": date(2026, 12, 2), "until": date(2026, 12, 1)}, "ends_before_it_starts"),
    ],
)
def test_a_credit_that_makes_no_sense_is_refused(profile, values, code):
    with pytest.raises(Refused) as refusal:
        give(profile, 100, **values)

    assert refusal.value.code == code
    assert not CreditLot.objects.exists()


def test_a_closed_profile_and_a_single_subscription_get_no_credit():
    with pytest.raises(Refused, match="closed"):
        give(profile_billed(status="closed"), 100)
    with pytest.raises(Refused, match="single subscription"):
        give(SubscriptionProfileFactory(), 100)


def test_I18_a_moved_credit_pays_for_the_other_profile_and_both_show_it(profile):
    other = profile_billed("10", account=profile.account)
    lot = give(profile, 3_000)

    move_credit(lot, profile=other, reason="Asked for by finance", by=None, on=FIRST)
    run_billing(OCTOBER, on=ON)

    assert dict(Invoice.objects.values_list("profile", "credit_minor")) == {profile.pk: 0, other.pk: 1_000}
    moves = CreditTransaction.objects.order_by("pk").values_list("profile", "kind", "amount_minor")
    assert list(moves) == [
        (profile.pk, "given", 3_000),
        (profile.pk, "moved_out", -3_000),
        (other.pk, "moved_in", 3_000),
        (other.pk, "used", -1_000),
    ]
    assert_books_fit()


def test_I21_a_credit_never_leaves_its_account(profile):
    lot, elsewhere = give(profile, 3_000), profile_billed()

    with pytest.raises(Refused, match="within its billing account"):
        move_credit(lot, profile=elsewhere, reason="?", by=None, on=FIRST)
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditLot.objects.filter(pk=lot.pk).update(profile=elsewhere)


def test_what_is_left_can_be_taken_back_once(profile):
    lot = give(profile, 3_000)

    assert take_back_credit(lot, reason="Given twice", by=None, on=FIRST) == Money(3_000, "EUR")

    with pytest.raises(Refused) as refusal:
        take_back_credit(lot, reason="Given twice", by=None, on=FIRST)
    assert refusal.value.code == "nothing_left"
    assert bill().credit_minor == 0
    assert_books_fit()


def test_what_is_left_after_the_last_day_expires_once(profile):
    lot = give(profile, 3_000, until=ON)

    expire_credit(lot, on=ON)
    assert left(lot) == [3_000]
    for _again in range(2):
        expire_credit(lot, on=date(2026, 11, 6))

    assert left(lot) == [0]
    assert CreditTransaction.objects.filter(kind="expired").count() == 1
    assert_books_fit()


def test_3_9_an_expiring_credit_is_told_of_thirty_and_seven_days_before_once_each(profile):
    ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR)
    lot = give(profile, 3_000, until=date(2026, 12, 31))

    def told() -> int:
        return Message.objects.filter(template="credit_expiring").values("recipient").count()

    counts = []
    for day in (date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 2), date(2026, 12, 24), date(2026, 12, 31)):
        tell_of_expiring_credit(lot, on=day)
        counts.append(told())
    people = counts[1]
    assert people
    assert counts == [0, people, people, 2 * people, 2 * people]


def test_S2_23_the_estimate_is_what_is_left_after_the_coming_invoice(profile):
    give(profile, 25_000)
    give(profile, 700, starts_on=date(2027, 1, 1))

    found = credit_balance(profile, on=date(2026, 10, 20))

    assert (found.current.minor, found.estimated.minor, found.upcoming.minor) == (25_000, 15_000, 700)
    assert not Invoice.objects.exists()


# --- What the database refuses --------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda lot: CreditLot.objects.filter(pk=lot.pk).update(balance_minor=lot.balance_minor - 1),
        lambda lot: CreditLot.objects.filter(pk=lot.pk).update(original_minor=1),
        lambda lot: CreditLot.objects.filter(pk=lot.pk).update(expires_on=date(2030, 1, 1)),
        lambda lot: lot.transactions.update(amount_minor=1),
        lambda lot: lot.transactions.all()._raw_delete("default"),
        lambda lot: record(lot, CreditMove.CANCELLED, -3_001, on=FIRST),
        lambda lot: record(lot, CreditMove.CANCELLED, 1, on=FIRST),
        lambda lot: record(lot, CreditMove.GIVEN, 3_000, on=FIRST),
        lambda lot: record(lot, CreditMove.USED, -1, on=FIRST),
    ],
)
def test_I18_the_database_refuses_what_does_not_add_up(profile, wrong):
    lot = give(profile, 3_000)

    with pytest.raises(Exception, match=r"violates|balance|Cannot|given whole"), transaction.atomic():
        wrong(lot)

    assert left(lot) == [3_000]


def test_I18_the_database_refuses_use_out_of_order_out_of_time_and_on_another_profile(profile):
    soon, late = give(profile, 100, until=date(2026, 12, 1)), give(profile, 100, until=None)
    invoice = bill()
    later, after = give(profile, 100, until=date(2027, 2, 1)), give(profile, 100, until=date(2027, 1, 1))
    elsewhere = give(profile_billed(), 100)
    assert left(soon, late) == [0, 0]

    for lot, day in ((later, ON), (after, date(2027, 1, 2)), (elsewhere, ON)):
        with pytest.raises(IntegrityError), transaction.atomic():
            record(lot, CreditMove.USED, -1, on=day, invoice=invoice)
