"""What a billing profile is invoiced for: purchase orders, sections, the coming invoice, usage, and what changed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.tests.journeys.conftest import link_of
from core.money import Money
from core.periods import Month
from core.templatetags.ui import money
from invoices.models import Invoice, PurchaseOrder
from invoices.services.purchase_orders import warn_of_budgets
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def profile(marieke) -> BillingProfile:
    SellerFactory()
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    return BillingProfileFactory(account=account, name="Operations NL", created_at=timezone.now() - timedelta(days=100))


@pytest.fixture
def month() -> Month:
    return Month.of(timezone.localdate()).previous


def issue(month: Month) -> Invoice:
    """The invoice of that month, as of the fifth after it."""
    run_billing(month, on=month.next.first + timedelta(days=4))
    return Invoice.objects.latest("pk")


def test_P17_an_order_is_added_drawn_from_warned_of_used_up_and_closed(person, marieke, profile, month, mailbox):
    SubscriptionFactory(profile=profile, unit_price=Decimal("85"), started_on=month.previous.first)
    owner = person(marieke)
    owner.opens(profile.get_absolute_url())
    owner.page.set_viewport_size({"width": 1440, "height": 1000})
    owner.press_on(owner.page.locator(".tabs").get_by_role("link", name=owner.word("Purchase orders")).first)
    owner.sees("No purchase orders yet")
    owner.looks()
    owner.follows("Add a purchase order")
    owner.types("PO number", "4500017")
    owner.types(owner.word("Budget excl. VAT (%(currency)s)", currency="EUR").split(" (")[0], "nothing")
    owner.presses("Save")
    owner.sees("One thing needs another look")
    owner.looks()
    owner.types(owner.word("Budget excl. VAT (%(currency)s)", currency="EUR").split(" (")[0], "100")
    owner.presses("Save")
    owner.sees("The purchase order %(number)s is there.", number="4500017")
    owner.looks()
    order = PurchaseOrder.objects.get()
    PurchaseOrder.objects.update(valid_from=month.previous.first)

    invoice = issue(month.previous)
    assert invoice.po_number == "4500017"
    warn_of_budgets()
    owner.opens(link_of(mailbox("marieke@alfa.example"), "/purchase-orders/"))
    owner.sees("(%(percent)s%%)", percent=85)
    owner.looks()
    owner.follows(invoice.number)
    owner.sees("4500017")
    issue(month)
    warn_of_budgets()
    owner.opens(link_of(mailbox("marieke@alfa.example"), "/purchase-orders/"))
    owner.sees("Used up")
    owner.follows("Close the purchase order")
    owner.sees("Invoices that were issued keep its number.")
    owner.looks()
    owner.presses("Close the purchase order")
    owner.sees("No invoice carries %(number)s any more.", number=order.number)
    owner.looks()
    owner.opens(reverse("profile_activity", args=[profile.code]))
    owner.sees(money_of(owner, 100_00))
    owner.looks()


def test_S2_13_P25_sections_the_coming_invoice_what_changed_and_the_usage(person, marieke, profile, month):
    licences = SubscriptionFactory(profile=profile, name="Office licences", started_on=month.previous.first)
    measured = imported_subscription(profile, "Production")
    type(measured).objects.filter(pk=measured.pk).update(started_on=month.previous.first)
    ChargeFactory(subscription=measured, month=month.previous.first, resource_id="vm-one", cost=Decimal("40"))
    ChargeFactory(subscription=measured, month=month.first, resource_id="vm-one", cost=Decimal("60"))
    ChargeFactory(subscription=measured, month=month.next.first, resource_id="vm-one", cost=Decimal("7"))
    owner = person(marieke)
    owner.opens(reverse("profile_sections", args=[profile.code]))
    owner.sees("No sections yet")
    owner.looks()
    owner.follows("Add an invoice section")
    owner.types("Name", "Warehouse")
    owner.presses("Save")
    owner.sees("Warehouse")
    owner.looks()
    owner.follows("Move %(name)s to another section", name="Office licences")
    owner.reads("Move to another section")
    owner.picks("Warehouse")
    owner.looks()
    owner.presses("Save")
    owner.sees("Saved.")
    licences.refresh_from_db()
    assert licences.section.name == "Warehouse"

    issue(month.previous)
    invoice = issue(month)
    owner.opens(invoice.get_absolute_url())
    owner.sees_in_row("Warehouse", "Warehouse")
    owner.sees_in_row("Compute", "+" + money_of(owner, 20_00))
    owner.looks()
    owner.press_on(owner.page.get_by_role("link", name=owner.word("Usage")).filter(visible=True).first)
    owner.reads("Usage")
    owner.sees("vm-one")
    owner.looks()
    with owner.page.expect_download() as download:
        owner.follows("Download CSV")
    assert "vm-one" in download.value.path().read_text("utf-8-sig")
    owner.opens(reverse("profile", args=[profile.code]))
    owner.follows("See every line")
    owner.sees("Estimated total incl. VAT")
    owner.looks()


def money_of(somebody, minor: int) -> str:
    with somebody.speaking():
        return money(Money(minor, "EUR"))
