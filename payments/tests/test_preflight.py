"""A look before a billing run: what it would issue, and every kind of finding; by the command and by staff."""

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.models import Seller, VatCheck
from accounts.tests.factories import SellerFactory, UserFactory
from core import jobs
from core.errors import Refused
from core.messages import MailClass, queue_message
from core.models import Message
from core.periods import Month
from invoices.models import BillingPeriod, Delivery, Finding, Invoice, Preflight, PreflightRow
from invoices.services.holding import hold_profile
from invoices.services.looking import look_beforehand, start_preflight
from invoices.tests.factories import InvoiceFactory, ParkedProfileFactory, PurchaseOrderFactory
from payments.models import ProfileMethods
from payments.tests.factories import PaymentMethodFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)
PAGE = "admin:invoices_preflight"


@pytest.fixture(autouse=True)
def seventh():
    SellerFactory()
    with time_machine.travel(datetime(2026, 11, 7, 12, tzinfo=UTC), tick=False):
        yield


def customer(price: str = "100", *, method: dict[str, Any] | None = None, **values: Any) -> BillingProfile:
    """Nothing is the matter with it."""
    made = datetime(2026, 10, 1, tzinfo=UTC)
    profile = BillingProfileFactory(**{"created_at": made, "sends_invoices": False, **values})
    SubscriptionFactory(profile=profile, unit_price=Decimal(price), started_on=made.date())
    ProfileMethods.objects.update_or_create(
        profile=profile,
        defaults={"default": PaymentMethodFactory(account=profile.account, profile=profile, **(method or {}))},
    )
    return profile


def billed_before(profile: BillingProfile, *nets: Any, **values: Any) -> Invoice:
    for back, net in enumerate(nets):
        last = InvoiceFactory(profile=profile, month=SEPTEMBER.plus(back + 1 - len(nets)), lines=[net], **values)
    return last


def look() -> Preflight:
    preflight = start_preflight(OCTOBER, by=None)
    jobs.run_due(only=["invoices.look_before_run"])
    preflight.refresh_from_db()
    return preflight


def findings(profile: BillingProfile) -> list[str]:
    return [each for row in look().rows.filter(profile=profile) for each in row.findings]


def test_it_tells_what_would_be_issued_and_issues_nothing():
    customer("100")
    customer("7.50")

    preflight = look()

    assert (preflight.status, preflight.profiles_done, preflight.profiles_total) == ("done", 2, 2)
    assert preflight.totals == {"EUR": {"invoices": 2, "credit_notes": 0, "net_minor": 10750, "vat_minor": 2258}}
    assert list(preflight.rows.values_list("net_minor", "findings").order_by("net_minor")) == [(750, []), (10000, [])]
    assert not Invoice.objects.exists()
    assert not BillingPeriod.objects.exists()


def test_a_profile_that_has_nothing_the_matter_is_found_nothing():
    profile = customer()
    billed_before(profile, 9_000, 11_000, 10_000)

    assert findings(profile) == []


def test_no_payment_method_and_an_expired_card():
    without, expired = customer(), customer(method={"valid_until": date(2026, 10, 31)})
    ProfileMethods.objects.filter(profile=without).update(default=None)

    preflight = look()

    assert dict(preflight.rows.values_list("profile", "findings")) == {
        without.pk: ["no_method"],
        expired.pk: ["method_expired"],
    }


def test_a_forgotten_po_number_is_one_that_the_last_invoice_had():
    forgot, never, coming = customer(), customer(), customer()
    for profile in (forgot, coming):
        billed_before(profile, 10_000, po_number="PO-7")
    billed_before(never, 10_000)
    BillingProfile.objects.update(po_number="")
    BillingProfile.objects.filter(pk=coming.pk).update(coming_po_number="PO-8", coming_po_from=date(2026, 11, 1))

    rows = dict(look().rows.values_list("profile", "findings"))

    assert rows == {forgot.pk: ["no_po_number"], never.pk: [], coming.pk: []}


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ({"budget_minor": None}, []),
        ({"budget_minor": 10_001}, []),
        ({"budget_minor": 10_000}, ["no_po_number"]),
        ({"valid_until": date(2026, 11, 6)}, ["no_po_number"]),
        ({"valid_from": date(2026, 11, 8)}, ["no_po_number"]),
        ({"closed_on": date(2026, 11, 1)}, ["no_po_number"]),
    ],
    ids=["unlimited", "something left", "used up", "over", "not begun", "closed"],
)
def test_P17_an_order_that_the_next_invoice_will_carry_is_a_po_number(order: dict[str, Any], found: list[str]):
    profile = customer()
    drawn_from = PurchaseOrderFactory(profile=profile, **{"valid_from": date(2026, 9, 1), **order})
    billed_before(profile, {"net_minor": 10_000, "purchase_order": drawn_from}, po_number="ORDER-1")

    assert findings(profile) == found


@pytest.mark.parametrize(
    ("country", "verified", "found"),
    [("DE", None, ["vat_id_unverified"]), ("DE", 1, []), ("DE", 400, ["vat_id_unverified"]), ("NL", None, [])],
)
def test_an_unverified_vat_id_matters_where_it_would_take_the_vat_away(country: str, verified: int | None, found):
    profile = customer()
    account = profile.account
    account.sold_to.country = country
    account.sold_to.save()
    type(account).objects.filter(pk=account.pk).update(vat_id="DE136695976")
    at = datetime(2026, 11, 7, tzinfo=UTC) - timedelta(days=verified) if verified else None
    VatCheck.objects.update_or_create(account=account, defaults={"number": "DE136695976", "verified_at": at})

    assert findings(profile) == found


def test_nothing_to_pay_and_three_times_as_much_as_before():
    nothing, more, nearly = customer("0"), customer("300"), customer("299.99")
    for profile in (nothing, more, nearly):
        billed_before(profile, 10_000, 50_000, 10_000)

    rows = dict(look().rows.values_list("profile", "findings"))

    assert rows == {nothing.pk: ["nothing"], more.pk: ["much_more"], nearly.pk: []}


def test_whose_subscriptions_are_gone_is_found_although_no_invoice_would_be_made():
    profile = BillingProfileFactory(created_at=datetime(2026, 9, 1, tzinfo=UTC))
    billed_before(profile, 10_000)

    assert findings(profile) == ["nothing"]


def test_a_dead_mailbox_is_found_until_the_next_invoice_arrives():
    profile = customer(sends_invoices=True, account__owner=UserFactory())
    first = billed_before(profile, 10_000)
    message = queue_message(
        to="gone@alfa.example", template="test_mail", mail_class=MailClass.SERVICE, language="en", context={}
    )
    for status in (Message.Status.SENDING, Message.Status.GIVEN_UP):
        Message.objects.filter(pk=message.pk).update(status=status)
    Delivery.objects.create(invoice=first, email="gone@alfa.example", reason="owner", message=message)
    assert "mail_came_back" in findings(profile)
    assert "no_recipient" in findings(profile)

    InvoiceFactory(profile=profile, month=SEPTEMBER.previous, issue_date=date(2026, 10, 6))

    assert "mail_came_back" not in findings(profile)


def test_those_that_no_run_would_bill_are_among_them_with_the_reason():
    parked, waiting, held = customer(bill_to__is_complete=False), customer(), customer()
    ParkedProfileFactory(profile=waiting, reason="sums_differ", detail="1 cent")
    hold_profile(held, note="They dispute it.", by=None)

    rows = {row.profile_id: row for row in look().rows.all()}

    assert {pk: row.findings for pk, row in rows.items()} == {
        parked.pk: ["parked"], waiting.pk: ["waiting"], held.pk: ["held"],
    }  # fmt: skip
    assert rows[parked.pk].detail == "address_incomplete: bill_to"
    assert rows[held.pk].detail == "They dispute it."
    assert rows[parked.pk].total is None


def test_the_statements_do_not_grow_with_the_profiles(django_assert_max_num_queries):
    for _ in range(3):
        customer(sends_invoices=True)
    few = statements(django_assert_max_num_queries)
    for _ in range(20):
        customer(sends_invoices=True)

    assert statements(django_assert_max_num_queries) == few


def statements(count: Any) -> int:
    preflight = start_preflight(OCTOBER, by=None)
    with count(100) as captured:
        look_beforehand(preflight)
    return len(captured)


def test_one_at_a_time_and_only_of_a_closed_month_and_old_results_go():
    customer()
    first = start_preflight(OCTOBER, by=None)
    for month, code in ((OCTOBER, "running_already"), (OCTOBER.next, "month_open")):
        with pytest.raises(Refused) as refusal:
            start_preflight(month, by=None)
        assert refusal.value.code == code
    look_beforehand(first)

    for _ in range(4):
        look()

    assert Preflight.objects.count() == 3
    assert not PreflightRow.objects.filter(preflight=first.pk).exists()


def test_one_that_died_halfway_begins_anew():
    customer()
    preflight = start_preflight(OCTOBER, by=None)
    PreflightRow.objects.create(
        preflight=preflight, profile=BillingProfile.objects.get(), month=OCTOBER.first, currency="EUR", findings=[]
    )

    look_beforehand(preflight)

    assert preflight.rows.count() == 1


# --- The command --------------------------------------------------------------------------------


def run_command(**options: Any) -> int:
    try:
        call_command("preflight", **options)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_command_lists_what_it_found_and_ends_with_three(capsys, tmp_path):
    fine, formula = customer(), customer("5", name="=SUM(A1)")
    assert run_command(period="2026-10") == 0
    assert "2 invoices and 0 credit notes would be issued; net 105.00 + VAT 22.05 = 127.05" in capsys.readouterr().out

    ProfileMethods.objects.filter(profile=formula).update(default=None)
    file = tmp_path / "all.csv"
    assert run_command(csv=str(file)) == 3

    said = capsys.readouterr().out
    assert "       1  No payment method" in said
    assert f"/ =SUM(A1) ({formula.code}): " in said
    assert fine.code not in said
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = {row["profile_code"]: row for row in csv.DictReader(lines)}
    assert (rows[fine.code]["total"], rows[fine.code]["findings"]) == ("121.00", "")
    assert (rows[formula.code]["profile"], rows[formula.code]["findings"]) == ("'=SUM(A1)", "no_method")
    assert run_command(finding="held") == 3
    assert formula.code not in capsys.readouterr().out


def test_the_command_ends_with_one_when_nothing_could_be_issued_and_refuses_bad_input(capsys, tmp_path):
    customer()
    for options in ({"period": "2026-13"}, {"period": "2026-11"}, {"csv": str(tmp_path / "no" / "such")}):
        with pytest.raises(CommandError):
            call_command("preflight", **options)
    Seller.objects.update(vat_id="")

    assert run_command() == 1

    assert "NOTHING CAN BE ISSUED: The seller is incomplete" in capsys.readouterr().err


# --- The staff's page ---------------------------------------------------------------------------


@pytest.fixture
def staff(client):
    client.force_login(UserFactory(staff=True))


def test_staff_look_filter_search_sort_and_take_it_along(client, staff):
    without, held = customer(name="Warehouse"), customer(name="Zeeland")
    customer(name="Fine")
    ProfileMethods.objects.filter(profile=without).update(default=None)
    hold_profile(held, note="They dispute it.", by=None)
    begun = client.post(reverse(f"{PAGE}_add"), {"period": "2026-10"})
    assert "0 of 0 profiles are looked at" in client.get(begun.url).content.decode()
    jobs.run_due(only=["invoices.look_before_run"])

    page = client.get(begun.url)
    assert names(page) == {"Warehouse", "Zeeland"}
    assert "€242.00" in page.content.decode()
    assert f"?profile={without.code}" in page.content.decode()
    assert names(client.get(begun.url, {"finding": "held"})) == {"Zeeland"}
    assert names(client.get(begun.url, {"finding": "every"})) == {"Warehouse", "Zeeland", "Fine"}
    assert names(client.get(begun.url, {"finding": "every", "q": "ware", "sort": "total"})) == {"Warehouse"}
    assert names(client.get(begun.url, {"finding": "nonsense", "sort": "x", "page": "-3", "q": "\0"})) == {
        "Warehouse", "Zeeland",
    }  # fmt: skip
    pk = Preflight.objects.get().pk
    text = b"".join(client.get(reverse(f"{PAGE}_csv", args=[pk]), {"finding": "held"})).decode()
    assert [line[2] for line in csv.reader(text.splitlines())] == ["profile", "Zeeland"]


def names(answer: Any) -> set[str]:
    return {row.profile.name for row in answer.context["page"]}


def test_a_look_that_hangs_is_stopped_and_another_begun(client, staff):
    begun = client.post(reverse(f"{PAGE}_add"), {"period": "2026-10"})
    assert "looking already" in client.post(reverse(f"{PAGE}_add"), {"period": "2026-10"}).content.decode()

    client.post(begun.url)

    assert "stopped before its end" in client.get(begun.url).content.decode()
    assert client.post(reverse(f"{PAGE}_add"), {"period": "2026-10"}).status_code == 302


def test_nobody_else_looks(client):
    preflight = look()
    client.force_login(UserFactory())
    for address in (reverse(f"{PAGE}_change", args=[preflight.pk]), reverse(f"{PAGE}_csv", args=[preflight.pk])):
        assert client.get(address).status_code in (302, 403)
    assert Finding.HELD.is_left_out
