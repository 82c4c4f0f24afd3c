"""Purchase orders: drawn by issued invoices, warned of at 80 and 100 percent, chosen by their dates (P17)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, SellerFactory, UserFactory
from core.errors import Refused
from core.models import Message
from core.money import Money
from core.periods import Month
from core.policy import Forbidden, Role
from invoices.models import BillingPeriod, Invoice, OrderState, PurchaseOrder
from invoices.services.purchase_orders import (
    OrderValues,
    add_purchase_order,
    change_purchase_order,
    close_purchase_order,
    drawn,
    order_in_force,
    warn_of_budgets,
)
from invoices.services.run import run_billing
from invoices.tests.factories import InvoiceFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER = Month(2026, 10)
FIRST = date(2026, 10, 1)


@pytest.fixture
def profile() -> BillingProfile:
    SellerFactory()
    made = BillingProfileFactory(po_number="PO-OLD", created_at=datetime(2026, 10, 1, tzinfo=UTC))
    BillingPeriod.objects.create(profile=made, month=OCTOBER.previous.first)
    AccountRoleFactory(account=made.account)
    return made


@pytest.fixture
def owner(profile):
    return profile.account.roles.get().user


def order_of(
    profile: BillingProfile, number: str = "PO-1", budget: int | None = 100_000, **values: Any
) -> PurchaseOrder:
    return PurchaseOrder.objects.create(
        profile=profile, number=number, budget_minor=budget, **{"valid_from": FIRST, **values}
    )


def bill(month: Month) -> Invoice:
    run_billing(month, on=month.next.first + timedelta(days=4))
    return Invoice.objects.latest("pk")


def subscribed(profile: BillingProfile, price: int = 400, **values: Any) -> Any:
    return SubscriptionFactory(profile=profile, unit_price=price, started_on=FIRST, **values)


def test_P17_invoices_carry_the_order_in_force_and_draw_from_it(profile):
    order = order_of(profile)
    subscribed(profile)

    invoice = bill(OCTOBER)

    assert invoice.po_number == "PO-1"
    assert set(invoice.lines.values_list("purchase_order", flat=True)) == {order.pk}
    assert drawn(order) == Money(40_000, "EUR")


def test_P17_after_exhaustion_and_expiry_the_next_order_counts_and_then_the_profiles_number(profile):
    subscribed(profile)
    order_of(profile, "PO-A", 50_000)
    order_of(profile, "PO-B", 40_000, valid_from=FIRST + timedelta(days=1))
    order_of(profile, "PO-EXPIRED", valid_until=date(2026, 11, 4))
    order_of(profile, "PO-LATER", valid_from=date(2027, 4, 1))
    closed = order_of(profile, "PO-CLOSED")
    PurchaseOrder.objects.filter(pk=closed.pk).update(closed_on=FIRST)

    carried = [bill(OCTOBER.plus(ahead)).po_number for ahead in range(5)]

    # PO-A takes the invoice that goes beyond its budget, whole.
    assert carried == ["PO-A", "PO-A", "PO-B", "PO-OLD", "PO-OLD"]


def test_P17_issued_invoices_keep_the_number_they_carry(profile, owner):
    order = order_of(profile)
    subscribed(profile)
    invoice = bill(OCTOBER)

    with pytest.raises(Refused) as refusal:
        change_purchase_order(order, OrderValues("PO-9", FIRST), version=1, by=owner)
    assert refusal.value.code == "drawn_from"
    close_purchase_order(order, by=owner, on=date(2026, 11, 10))

    invoice.refresh_from_db()
    assert invoice.po_number == "PO-1"
    assert bill(OCTOBER.next).po_number == "PO-OLD"


def test_P17_a_subscription_with_an_order_of_its_own_draws_from_that(profile):
    shared, own = order_of(profile), None
    subscribed(profile, 100, name="a")
    special = subscribed(profile, 300, name="b")
    own = order_of(profile, "PO-B", subscription=special)

    invoice = bill(OCTOBER)

    assert invoice.po_number == "PO-1"
    assert dict(invoice.lines.values_list("section", "purchase_order")) == {"a": shared.pk, "b": own.pk}
    assert (drawn(shared).minor, drawn(own).minor) == (10_000, 30_000)


def test_P17_credit_notes_give_back(profile):
    order = order_of(profile)
    subscribed(profile)
    bill(OCTOBER)
    line = {"net_minor": 15_000, "purchase_order": order}
    InvoiceFactory(profile=profile, kind="credit_note", lines=[line], month=OCTOBER, po_number="PO-1")

    assert drawn(order) == Money(25_000, "EUR")


def test_P17_warnings_go_out_once_at_80_and_once_at_100_percent(profile, owner):
    manager = ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user
    ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER)
    order_of(profile, budget=60_000)
    subscribed(profile, 480)
    assert warn_of_budgets() == 0

    bill(OCTOBER)
    assert [warn_of_budgets(), warn_of_budgets()] == [1, 0]
    bill(OCTOBER.next)
    assert [warn_of_budgets(), warn_of_budgets()] == [1, 0]

    mails = Message.objects.filter(template="purchase_order_budget").order_by("pk")
    assert {mail.recipient for mail in mails} == {owner.email, manager.email}
    assert [mail.context["reached"] for mail in mails] == [80, 80, 100, 100]


def test_P17_an_order_beyond_its_budget_at_once_is_told_of_once(profile):
    order_of(profile, budget=10_000)
    subscribed(profile)
    bill(OCTOBER)

    assert [warn_of_budgets(), warn_of_budgets()] == [1, 0]
    assert {mail.context["reached"] for mail in Message.objects.filter(template="purchase_order_budget")} == {100}


def test_P17_another_budget_is_warned_of_anew(profile, owner):
    order = order_of(profile, budget=10_000)
    subscribed(profile)
    bill(OCTOBER)
    warn_of_budgets()

    change_purchase_order(order, OrderValues("PO-1", FIRST, budget=Money(45_000, "EUR")), version=1, by=owner)

    order.refresh_from_db()
    assert (order.warned_percent, order.version) == (0, 2)
    assert warn_of_budgets() == 1


@pytest.mark.parametrize(
    ("drawn_minor", "on", "state"),
    [
        (0, FIRST, "open"),
        (79_999, FIRST, "open"),
        (80_000, FIRST, "nearly_used"),
        (100_000, FIRST, "used_up"),
        (0, FIRST - timedelta(days=1), "planned"),
        (100_000, date(2027, 1, 1), "expired"),
    ],
)
def test_P17_the_state_follows_from_dates_and_what_is_drawn(drawn_minor, on, state):
    order = order_of(BillingProfileFactory(), valid_until=date(2026, 12, 31))

    assert order.state(Money(drawn_minor, "EUR"), on) == OrderState(state)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"number": "po-1"}, "number_taken"),
        ({"valid_until": FIRST - timedelta(days=1)}, "ends_first"),
        ({"subscription": "elsewhere"}, "other_profile"),
    ],
)
def test_P17_what_makes_no_sense_is_refused(profile, owner, values, code):
    order_of(profile)
    if values.get("subscription"):
        values = {"subscription": SubscriptionFactory()}
    with pytest.raises(Refused) as refusal:
        add_purchase_order(profile, OrderValues(**{"number": "PO-2", "valid_from": FIRST, **values}), by=owner)

    assert refusal.value.code == code
    assert PurchaseOrder.objects.count() == 1


def test_P17_the_profile_of_a_single_subscription_has_none():
    hidden = SubscriptionProfileFactory()
    administrator = AccountRoleFactory(account=hidden.account, role=Role.ACCOUNT_ADMINISTRATOR).user

    with pytest.raises((Refused, Forbidden)):
        add_purchase_order(hidden, OrderValues("PO-1", FIRST), by=administrator)

    assert not PurchaseOrder.objects.exists()


def test_P17_two_people_do_not_overwrite_each_other(profile, owner):
    order = order_of(profile)
    change_purchase_order(order, OrderValues("PO-1", FIRST, budget=Money(1, "EUR")), version=1, by=owner)

    with pytest.raises(Refused) as refusal:
        change_purchase_order(order, OrderValues("PO-1", FIRST, budget=Money(2, "EUR")), version=1, by=owner)

    assert refusal.value.code == "changed_meanwhile"


def test_P17_no_order_is_deleted(profile):
    order = order_of(profile)

    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        PurchaseOrder.objects.filter(pk=order.pk).delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        order_of(profile, "po-1")


def test_P17_which_order_counts_is_said_before(profile):
    order_of(profile, "PO-B", valid_from=date(2026, 11, 1))
    first = order_of(profile, "PO-A")

    assert order_in_force(profile, on=date(2026, 11, 5)) == first


# --- Pages ---------------------------------------------------------------------------------------


def test_P17_an_owner_adds_looks_at_changes_and_closes_one(client, profile, owner):
    client.force_login(owner)
    subscription = subscribed(profile, name="Warehouse")
    page = reverse("profile_purchase_orders", args=[profile.code])
    assert "No purchase orders yet" in client.get(page).content.decode()

    sent = {
        "number": "4500123",
        "budget": "1,234.50",
        "valid_from": "2026-10-01",
        "valid_until": "",
        "subscription": subscription.code,
    }
    answer = client.post(reverse("profile_purchase_order_new", args=[profile.code]), sent, follow=True)
    assert "4500123" in answer.content.decode()
    order = PurchaseOrder.objects.get()
    assert (order.budget, order.subscription, order.created_by) == (Money(123_450, "EUR"), subscription, owner)

    edit = reverse("purchase_order_edit", args=[order.code])
    client.post(edit, {**sent, "budget": "2,000", "version": 1})
    order.refresh_from_db()
    assert order.budget == Money(200_000, "EUR")
    stale = client.post(edit, {**sent, "budget": "3,000", "version": 1})
    assert "Somebody else changed it meanwhile" in stale.content.decode()

    client.post(reverse("purchase_order_closing", args=[order.code]))
    text = client.get(order.get_absolute_url()).content.decode()
    assert "Closed" in text


def test_P17_readers_see_them_and_change_nothing(client, profile):
    order = order_of(profile)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)

    assert "PO-1" in client.get(reverse("purchase_orders", args=[profile.account.code])).content.decode()
    assert client.get(order.get_absolute_url()).status_code == 200
    for route in ("purchase_order_edit", "purchase_order_closing"):
        assert client.post(reverse(route, args=[order.code])).status_code == 403
    client.force_login(UserFactory())
    assert client.get(order.get_absolute_url()).status_code == 404


def test_P17_the_list_is_filtered_sorted_and_asks_the_same_however_long(client, profile, owner):
    client.force_login(owner)
    page = reverse("purchase_orders", args=[profile.account.code])
    order_of(profile)
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(page)
    for number in range(30):
        order_of(profile, f"N{number:02}", closed_on=FIRST if number % 2 else None)
    with CaptureQueriesContext(connection) as many:
        text = client.get(f"{page}?state=closed&sort=-number&q=N").content.decode()

    assert len(many) == len(few)
    assert text.index("N29") < text.index("N27")
    assert "N28" not in text
    assert client.get(f"{page}?state=%00&sort=nonsense&q=%00").status_code == 200
