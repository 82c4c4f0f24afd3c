"""The tabs of credits, and how an invoice shows them everywhere with the same figures (S2-23…S2-25, P22, I5)."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.template import Context
from django.urls import reverse

from accounts.tests.factories import SellerFactory, UserFactory
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.documents.einvoice import terms_of
from invoices.documents.printed import printed
from invoices.documents.source import payload_of
from invoices.estimates import credit_balance, credit_history
from invoices.models import CreditLot, Invoice
from invoices.services.credits import expire_credit, give_credit, move_credit
from invoices.services.run import run_billing
from invoices.templatetags.invoices import credits_left
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

FIRST, ON = date(2026, 10, 1), date(2026, 11, 5)


@pytest.fixture
def owner():
    return UserFactory(language="en")


@pytest.fixture
def profile(owner) -> BillingProfile:
    SellerFactory()
    made = BillingProfileFactory(owner=owner, created_at=datetime(2026, 10, 1, tzinfo=UTC))
    SubscriptionFactory(profile=made, unit_price=Decimal(100), started_on=FIRST)
    return made


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def give(profile: BillingProfile, minor: int, source: str = "promotion", **values) -> CreditLot:
    common = {"starts_on": FIRST, "expires_on": None, "description": "Welcome", "reason": "As agreed", "by": None}
    amount = Money(minor, profile.currency)
    return give_credit(profile, source=source, amount=amount, **{**common, "on": FIRST, **values})


def page(browser, name: str, profile: BillingProfile, query: str = "") -> str:
    response = browser.get(reverse(name, args=[profile.code]) + query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("name", ["profile_credit_balance", "profile_credits"])
def test_S2_25_P22_without_any_credit_the_tabs_stay_away_and_the_pages_say_so(browser, profile, name):
    overview = page(browser, "profile", profile)
    assert reverse(name, args=[profile.code]) not in overview
    assert "No credits" in overview

    assert "never had a credit" in page(browser, name, profile)


def test_S2_25_the_tabs_stay_when_every_credit_is_used_or_moved_away(browser, profile):
    other = BillingProfileFactory(account=profile.account)
    lot = give(profile, 1_000)
    move_credit(lot, profile=other, reason="Asked for", by=None, on=FIRST)

    overview = page(browser, "profile", profile)

    assert reverse("profile_credits", args=[profile.code]) in overview
    assert "Moved to another billing profile" in page(browser, "profile_credit_balance", profile)


def test_S2_23_every_move_stands_there_with_the_balance_after_it(browser, profile):
    give(profile, 12_500)
    run_billing(Month(2026, 10), on=ON)
    invoice = Invoice.objects.get()

    shown = page(browser, "profile_credit_balance", profile)

    for words in ("€125.00", "−€100.00", "€25.00", invoice.number, "Used on an invoice", "Credit received"):
        assert words in shown
    assert invoice.number not in page(browser, "profile_credit_balance", profile, "?kind=given")
    assert (
        "Credit received"
        not in page(browser, "profile_credit_balance", profile, f"?q={invoice.number}").split("<tbody")[-1]
    )
    assert "No move fits" in page(browser, "profile_credit_balance", profile, "?q=nothing")


def test_3_8_the_balance_tells_what_lapsed_since_the_last_invoice_and_what_was_left_over_time(browser, profile):
    give(profile, 3_000, expires_on=date(2026, 11, 10))
    lapsing = give(profile, 50_000, expires_on=date(2026, 11, 10))
    run_billing(Month(2026, 10), on=ON)
    expire_credit(CreditLot.objects.get(pk=lapsing.pk), on=date(2026, 11, 11))

    balance = credit_balance(profile, on=date(2026, 11, 20))
    history = credit_history(profile, on=date(2026, 12, 20))

    assert (balance.current.minor, balance.expired.minor) == (0, 50_000 - 7_000)
    assert [amount.minor for amount in history.totals] == [53_000, 0, 0]
    assert credit_history(profile, on=date(2026, 10, 20)) is None
    with time_machine.travel(date(2026, 11, 20)):
        shown = page(browser, "profile_credit_balance", profile)
    for words in ("Expired since the last invoice", "€430.00", "Show as table", "€530.00"):
        assert words in shown


def test_3_8_the_profiles_of_an_account_tell_what_credit_each_has_left(browser, profile):
    address = reverse("profiles", args=[profile.account.code])
    assert "Credit left" not in browser.get(address).content.decode()
    BillingProfileFactory(account=profile.account, name="Without")
    give(profile, 3_000)
    give(profile, 4_000, expires_on=date(2099, 1, 1))

    shown = browser.get(address).content.decode()

    assert ("Credit left" in shown, "€70.00" in shown, shown.count(">—</td>")) == (True, True, 1)


def test_T01_a_stranger_is_told_no_credit_that_is_left(profile):
    give(profile, 3_000)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    elsewhere = ProfileRoleFactory(role=Role.PROFILE_OWNER).user

    told, untold = (credits_left(Context({"user": person}), [profile]) for person in (reader, elsewhere))

    assert (told, untold) == ({profile.pk: Money(3_000, "EUR")}, {})


def test_S2_24_the_credits_stand_there_with_their_last_day_first_to_expire_on_top(browser, profile):
    give(profile, 100, description="Later", expires_on=date(2099, 12, 31))
    give(profile, 200, description="Sooner", expires_on=date(2099, 1, 31))
    give(profile, 300, "prepaid", description="Paid")

    shown = page(browser, "profile_credits", profile)

    places = [
        shown.index(words) for words in ("Sooner", "31 Jan 2099", "Later", "31 Dec 2099", "Paid", "Does not expire")
    ]
    assert places == sorted(places)
    assert "Sooner" not in page(browser, "profile_credits", profile, "?q=lat")
    assert "No credit fits" in page(browser, "profile_credits", profile, "?status=expired")


@pytest.mark.parametrize("number", [1, 30])
def test_the_lists_ask_the_same_of_the_database_however_long_they_are(
    browser, profile, number, django_assert_max_num_queries
):
    for _each in range(number):
        give(profile, 100)
    browser.get(reverse("profile_credits", args=[profile.code]))

    with django_assert_max_num_queries(13):
        page(browser, "profile_credits", profile)
    with django_assert_max_num_queries(40):
        page(browser, "profile_credit_balance", profile)


def test_I5_page_pdf_csv_and_ubl_of_an_invoice_with_credits_say_the_same(browser, profile):
    give(profile, 3_000)
    give(profile, 1_000, "prepaid")
    run_billing(Month(2026, 10), on=ON)
    invoice = Invoice.objects.get()

    payload = payload_of(invoice)
    terms, totals = terms_of(payload), {row["label"]: row["amount"] for row in printed(payload)["totals"]["rows"]}
    shown = browser.get(invoice.get_absolute_url()).content.decode()
    sheet = browser.get(reverse("invoice_csv", args=[invoice.code])).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(sheet), delimiter=";" if ";" in sheet.splitlines()[0] else ","))

    assert [terms[term] for term in ("BT-106", "BT-107", "BT-109", "BT-110", "BT-112", "BT-113", "BT-115")] == [
        "100.00", "30.00", "70.00", "14.70", "84.70", "10.00", "74.70",
    ]  # fmt: skip
    assert list(totals.values()) == [
        "€100.00", "−€30.00", "€70.00", "€14.70", "€84.70", "−€10.00", "€74.70",
    ]  # fmt: skip
    for amount in totals.values():
        assert amount in shown
    column = rows[0].index("Amount excl. VAT")
    assert sum(Decimal(row[column].replace(",", ".")) for row in rows[1:]) == Decimal("70.00")
