"""`manage.py run_billing`: what it says, what it refuses, how it ends, and which day it takes for today."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import Seller
from accounts.tests.factories import SellerFactory
from core.periods import Month
from invoices.models import Invoice
from invoices.tests.factories import ChargeFactory, ParkedProfileFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

ON = ("--period", "2026-10", "--on", "2026-11-05")


@pytest.fixture(autouse=True)
def seller() -> Seller:
    return SellerFactory()


@pytest.fixture(autouse=True)
def november():
    with time_machine.travel(datetime(2026, 11, 20, 12, tzinfo=UTC)):
        yield


@pytest.fixture
def profile() -> BillingProfile:
    return customer()


def customer(started_on: date = date(2026, 10, 1), **values) -> BillingProfile:
    profile = BillingProfileFactory(created_at=datetime(2026, 10, 1, tzinfo=UTC), **values)
    SubscriptionFactory(profile=profile, unit_price=Decimal(10), started_on=started_on)
    return profile


def test_it_tells_every_document_and_the_totals(profile, capsys):
    ChargeFactory(subscription=imported_subscription(profile), cost="0.0049")

    call_command("run_billing", *ON)

    said = capsys.readouterr().out
    assert f"2026-10 G000000001     {profile.account.name} / {profile.name}: net 10.00 + VAT 2.10 = 12.10 EUR" in said
    assert "1 charges, rounding left 0.0049" in said
    assert "EUR: 1 invoices and 0 credit notes issued; net 10.00 + VAT 2.10 = 12.10" in said


def test_a_dry_run_tells_the_same_in_other_words_and_writes_nothing(profile, capsys):
    call_command("run_billing", *ON, "--dry-run")

    said = capsys.readouterr().out
    assert "(invoice)" in said
    assert "EUR: 1 invoices and 0 credit notes would be issued; net 10.00 + VAT 2.10 = 12.10" in said
    assert not Invoice.objects.exists()


def test_it_ends_with_three_where_a_profile_is_parked_and_says_why(profile, capsys):
    parked = customer(bill_to__is_complete=False)

    with pytest.raises(SystemExit) as end:
        call_command("run_billing", *ON)

    said = capsys.readouterr()
    assert end.value.code == 3
    assert f"PARKED 2026-10 {parked.account.name} / {parked.name} ({parked.code}): An address is incomplete" in said.err
    assert "1 profiles are parked" in said.err
    assert Invoice.objects.get().profile == profile


def test_it_ends_with_three_while_a_profile_waits_to_be_released(profile, capsys):
    ParkedProfileFactory(profile=profile, reason="sums_differ")

    with pytest.raises(SystemExit) as end:
        call_command("run_billing", *ON)

    assert end.value.code == 3
    assert "1 profiles were parked before and wait" in capsys.readouterr().err
    assert not Invoice.objects.exists()


def test_a_dry_run_without_a_complete_seller_says_so_and_ends_with_one(profile, capsys):
    Seller.objects.update(iban="")

    with pytest.raises(SystemExit) as end:
        call_command("run_billing", *ON, "--dry-run")

    assert end.value.code == 1
    assert "NOTHING CAN BE ISSUED: The seller is incomplete: IBAN." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--period", "2026-13"], "--period: .* is not a month"),
        (["--period", "October"], "--period: .* is not a month"),
        (["--period", "2026-11"], "is not over"),
        (["--period", "2026-10", "--on", "5-11-2026"], "--on: .* is not a date"),
        (["--period", "2026-10", "--on", "2026-11-21"], "lies in the future"),
        (["--period", "2026-10", "--profile", "nobody"], "no such billing profile"),
        (["--period", "2026-10", "--account", "nobody"], "no billing account"),
    ],
)
def test_it_refuses_in_one_sentence(options, says):
    with pytest.raises(CommandError, match=says):
        call_command("run_billing", *options)


def test_it_may_be_narrowed_to_a_profile_or_an_account(profile):
    other, third = customer(), customer()

    call_command("run_billing", *ON, "--profile", profile.code)
    assert [invoice.profile for invoice in Invoice.objects.all()] == [profile]
    call_command("run_billing", *ON, "--account", other.account.code)

    assert set(Invoice.objects.values_list("profile", flat=True)) == {profile.pk, other.pk}
    assert not Invoice.objects.filter(profile=third).exists()


def test_of_many_documents_the_first_are_listed(monkeypatch, capsys):
    for _ in range(52):
        customer()

    call_command("run_billing", *ON)
    assert "… and 2 more" in capsys.readouterr().out


def test_all_are_listed_where_more_is_asked_for(capsys):
    for _ in range(52):
        customer()

    call_command("run_billing", *ON, "--verbosity", "2")
    assert capsys.readouterr().out.count("2026-10 G0000") == 52


@pytest.mark.parametrize(
    ("zone", "moment", "closed"),
    [
        # An hour after midnight in Amsterdam it is still October in UTC and in Juneau.
        ("Europe/Amsterdam", datetime(2026, 10, 31, 23, 30, tzinfo=UTC), True),
        ("America/Juneau", datetime(2026, 11, 1, 7, 30, tzinfo=UTC), False),
        ("Asia/Tokyo", datetime(2026, 10, 31, 15, 30, tzinfo=UTC), True),
    ],
)
def test_I33_F27_today_is_the_day_of_the_seller(profile, seller, zone, moment, closed):
    Seller.objects.update(time_zone=zone)

    with time_machine.travel(moment):
        if closed:
            call_command("run_billing", "--period", "2026-10")
        else:
            with pytest.raises(CommandError, match="is not over on 2026-10-31"):
                call_command("run_billing", "--period", "2026-10")

    assert list(Invoice.objects.values_list("issue_date", flat=True)) == ([date(2026, 11, 1)] if closed else [])


@pytest.mark.parametrize(
    "moments",
    [
        # The night in which 02:30 does not exist, and the one in which it comes twice.
        [datetime(2027, 3, 28, 0, 30, tzinfo=UTC), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)],
        [datetime(2027, 10, 31, 0, 30, tzinfo=UTC), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)],
    ],
    ids=["spring", "autumn"],
)
def test_F24_runs_around_the_change_of_the_clock_bill_each_month_once(moments):
    month = Month.of(moments[0].date()).previous
    BillingProfileFactory(created_at=datetime(2027, 1, 1, tzinfo=UTC))
    customer(started_on=date(2027, 1, 31))

    for moment in moments:
        with time_machine.travel(moment):
            call_command("run_billing", "--period", str(month))

    invoices = Invoice.objects.filter(period_start=month.first)
    assert [(invoice.issue_date, invoice.lines.count()) for invoice in invoices] == [(moments[0].date(), 1)]
    assert invoices.get().lines.get().service_start == month.last


def test_in_a_demo_a_day_to_come_may_be_tried(profile, settings):
    settings.DEMO = True

    call_command("run_billing", "--period", "2026-11", "--on", "2026-12-05")

    assert Invoice.objects.count() == 2
