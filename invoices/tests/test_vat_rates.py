"""Staff enter the VAT rates of the member states; what invoices stand on is never changed, only ended (L1, I6)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse

from accounts.models import Seller
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, SellerFactory, UserFactory
from core.errors import Refused
from core.periods import Month
from invoices.models import BillingPeriod, BillingRun, Invoice, ParkedProfile, ParkReason, VatRate
from invoices.services.run import run_billing
from invoices.services.vat_rates import enter_rate
from invoices.tax import rate_on
from invoices.tests.factories import ParkedProfileFactory, VatRateFactory
from invoices.vat_rates import entered_rates
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import ProductFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

TODAY = date(2027, 1, 6)
DECEMBER = Month(2026, 12)


@pytest.fixture(autouse=True)
def seller() -> Seller:
    return SellerFactory(one_stop_shop_from=date(2026, 7, 1))


def enter(**values: Any) -> VatRate:
    wanted: dict[str, Any] = {"country": "FR", "kind": "reduced", "valid_from": date(2026, 12, 1), "rate": Decimal(5)}
    wanted |= {"source": "article 278-0 bis", "by": None, "on": TODAY}
    return enter_rate(**(wanted | values))


def billed(country: str, supply: str = "electronic") -> Invoice:
    """An invoice of December 2026 for a consumer there, dated 5 January 2027: the service ends on 31 December."""
    account = BillingAccountFactory(sold_to__country=country, vat_id="")
    profile = BillingProfileFactory(account=account, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    AccountRoleFactory(account=account)
    BillingPeriod.objects.create(profile=profile, month=DECEMBER.previous.first)
    product = ProductFactory(supply=supply)
    SubscriptionFactory(profile=profile, product=product, unit_price=100, started_on=DECEMBER.first)
    run_billing(DECEMBER, on=date(2027, 1, 5))
    return Invoice.objects.get(profile=profile)


def now(country: str, on: date, kind: str = "standard") -> Decimal:
    return rate_on(country, on, kind, entered_rates())


def test_L1_a_rate_counts_from_its_day_and_says_who_entered_it():
    by = UserFactory(staff=True)

    rate = enter(rate=Decimal("5.5"), source="  BOFiP  ", by=by)

    assert now("FR", date(2026, 12, 1), "reduced") == Decimal("5.5")
    assert (rate.entered_by, rate.source) == (by, "BOFiP")
    assert billed("FR", "reduced").vat_groups.get().rate == Decimal("5.5")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"country": "GB"}, "no_member_state"),
        ({"country": ""}, "no_member_state"),
        ({"valid_from": date(2014, 12, 31)}, "no_such_day"),
        ({"valid_from": date(2206, 12, 1)}, "no_such_day"),
        ({"rate": Decimal(-1)}, "no_rate"),
        ({"rate": Decimal("50.01")}, "no_rate"),
        ({"kind": "standard", "rate": None}, "no_rate"),
        ({"kind": "standard", "rate": Decimal("14.99")}, "no_rate"),
        ({"source": "  "}, "source_missing"),
        ({"country": "DE", "valid_from": date(2021, 1, 1), "rate": Decimal(7)}, "rate_known"),
    ],
)
def test_L1_what_no_law_can_mean_is_refused(values, code):
    with pytest.raises(Refused) as refused:
        enter(**values)

    assert refused.value.code == code
    assert not VatRate.objects.exists()


def test_L1_the_same_twice_is_entered_once():
    enter()

    with pytest.raises(Refused) as refused:
        enter()

    assert (refused.value.code, VatRate.objects.count()) == ("rate_known", 1)


def test_I6_a_rate_on_issued_invoices_is_not_changed_only_ended():
    billed("DE")

    for values in ({"valid_from": date(2026, 12, 1)}, {"valid_from": date(2026, 12, 31)}):
        with pytest.raises(Refused, match="19 percent up to 31 Dec 2026") as refused:
            enter(country="DE", kind="standard", rate=Decimal(20), **values)
        assert refused.value.code == "rate_used"
    enter(country="DE", kind="standard", rate=Decimal(20), valid_from=date(2027, 1, 1))

    assert (now("DE", date(2026, 12, 31)), now("DE", date(2027, 1, 1))) == (19, 20)


def test_I6_the_rate_of_the_seller_is_used_by_invoices_at_home():
    billed("NL")

    with pytest.raises(Refused) as refused:
        enter(country="NL", kind="standard", rate=Decimal(22))
    assert refused.value.code == "rate_used"
    enter(country="HU", kind="standard", rate=Decimal(28))
    enter(country="NL", kind="reduced", rate=Decimal(10))


def test_I6_a_rate_between_two_is_let_in_where_nothing_was_invoiced_between():
    enter(valid_from=date(2027, 2, 1), rate=Decimal(7))
    enter(valid_from=date(2026, 1, 1), rate=Decimal(5))
    billed("FR", "reduced")

    enter(valid_from=date(2027, 1, 15), rate=Decimal(6))
    with pytest.raises(Refused):
        enter(valid_from=date(2026, 3, 1), rate=Decimal(6))

    days = [date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 1)]
    assert [now("FR", day, "reduced") for day in days] == [5, 6, 7]


def test_I6_a_mistake_is_entered_anew_until_an_invoice_stands_on_it():
    enter(rate=Decimal("0.5"))
    enter(rate=Decimal(5))
    assert now("FR", TODAY, "reduced") == 5
    billed("FR", "reduced")

    with pytest.raises(Refused):
        enter(rate=Decimal("5.5"))
    with pytest.raises(Refused):
        enter(rate=None)
    enter(rate=None, valid_from=TODAY)


def test_I6_a_rate_of_zero_is_used_too():
    enter(country="IE", rate=Decimal(0))
    group = billed("IE", "reduced").vat_groups.get()
    assert (group.category, group.rate) == ("Z", 0)

    with pytest.raises(Refused) as refused:
        enter(country="IE", rate=Decimal(9))

    assert refused.value.code == "rate_used"


def test_L1_no_rate_of_a_day_gone_by_comes_into_a_run_that_is_under_way():
    BillingRun.objects.create(month=DECEMBER.first, issue_date=TODAY, profiles_held=0)

    with pytest.raises(Refused) as refused:
        enter()
    assert refused.value.code == "run_under_way"
    enter(valid_from=date(2027, 2, 1))


@pytest.mark.parametrize(
    "values",
    [{"rate": 51}, {"rate": -1}, {"source": ""}, {"kind": "standard", "rate": 5}, {"kind": "standard", "rate": None}],
)
def test_I6_the_database_refuses_what_is_no_rate(values):
    with pytest.raises(IntegrityError), transaction.atomic():
        VatRateFactory(**values)


def test_I6_the_database_keeps_what_was_entered():
    rate = VatRateFactory()

    for change in (lambda: VatRate.objects.update(rate=6), lambda: rate.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


# --- The pages of the staff ----------------------------------------------------------------------

FORM = {"country": "FR", "kind": "reduced", "valid_from": "2027-02-01", "rate": "5.5", "source": "BOFiP"}


def test_L1_staff_read_which_rates_are_known_and_enter_one_that_is_missing(client):
    client.force_login(UserFactory(staff=True))
    known = reverse("admin:vat_rates_known")
    page = client.get(known).content.decode()
    assert "?country=FR&amp;kind=reduced" in page
    assert "?country=NL&amp;kind=reduced" not in page
    add = reverse("admin:invoices_vatrate_add")
    assert client.get(add, {"country": "FR"}).context["form"]["country"].value() == "FR"

    answer = client.post(add, FORM, follow=True)

    assert answer.redirect_chain[0][0] == known
    assert "1 Feb 2027: 5.5" in " ".join(answer.content.decode().split())
    assert VatRate.objects.get().rate == Decimal("5.5")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"country": "XX"}, "Select a valid choice"),
        ({"kind": "super"}, "Select a valid choice"),
        ({"valid_from": "31-31-2027"}, "Enter a valid date"),
        ({"rate": "NaN"}, "Enter a number"),
        ({"rate": "1e9"}, "digit"),
        ({"rate": "51"}, "from 0 to 50 percent"),
        ({"source": ""}, "required"),
        ({"source": "x" * 201}, "at most 200"),
        ({"source": "a\0b"}, "Null characters"),
    ],
)
def test_L1_a_form_with_an_error_says_so_and_enters_nothing(client, values, said):
    client.force_login(UserFactory(staff=True))

    answer = client.post(reverse("admin:invoices_vatrate_add"), FORM | values)

    assert (answer.status_code, said in answer.content.decode()) == (200, True)
    assert not VatRate.objects.exists()


def test_L1_only_staff_with_the_right_enter_rates(client):
    pages = [reverse("admin:vat_rates_known"), reverse("admin:invoices_vatrate_add")]
    client.force_login(UserFactory())
    assert {client.get(page).status_code for page in pages} <= {302, 403}
    reader = UserFactory(is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_vatrate"))
    client.force_login(reader)

    assert [client.get(page).status_code for page in pages] == [200, 403]
    assert client.post(pages[1], FORM).status_code == 403
    assert reverse("admin:invoices_vatrate_add") not in client.get(pages[0]).content.decode()


def test_L1_the_page_of_known_rates_takes_as_many_statements_however_much_was_entered(
    client, django_assert_max_num_queries
):
    client.force_login(UserFactory(staff=True))
    page = reverse("admin:vat_rates_known")
    client.get(page)
    for day in range(1, 20):
        VatRateFactory(valid_from=date(2027, 3, day), rate=day)

    with django_assert_max_num_queries(8):
        client.get(page)


def test_L1_a_parked_profile_leads_to_where_its_rate_is_entered(client):
    ParkedProfileFactory(reason=ParkReason.VAT_UNKNOWN)
    client.force_login(UserFactory(staff=True))

    page = client.get(reverse("admin:invoices_parkedprofile_changelist")).content.decode()

    assert reverse("admin:vat_rates_known") in page
    assert ParkedProfile.objects.unreleased().count() == 1
