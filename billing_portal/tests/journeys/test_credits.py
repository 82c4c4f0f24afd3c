"""Credits in the browser: given by staff, used on an invoice, and about to expire."""

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.tests.journeys.conftest import link_of
from billing_portal.tests.journeys.person import KEYBOARD
from core.periods import Month
from core.templatetags.ui import money
from invoices.models import CreditLot, Invoice
from invoices.services.credits import give_credit, tell_of_expiring_credit, today_of
from invoices.services.run import run_billing
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S2_23_S2_24_S2_25_a_credit_is_given_used_and_about_to_expire(person, mailbox):
    month = Month.of(timezone.localdate()).previous
    SellerFactory()
    marieke = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    began = timezone.now() - timedelta(days=70)
    profile = BillingProfileFactory(account=account, name="Operations NL", created_at=began)
    SubscriptionFactory(profile=profile, started_on=month.first)
    owner = person(marieke)
    owner.opens(profile.get_absolute_url())
    owner.sees("No credits")
    owner.opens(reverse("profile_credits", args=[profile.code]))
    owner.sees("No credits")
    owner.looks()

    staff = person(UserFactory(name="Joris Postma", staff=True))
    staff.opens(reverse("admin:invoices_credit_choose"))
    staff.types("Name", "Alfa")
    staff.press_on(staff.page.locator("#content-main").get_by_role("button", name=staff.word("Search")))
    staff.page.wait_for_url(re.compile("q=Alfa"))
    staff.looks()
    staff.press_on(staff.page.locator("#content-main li a").first)
    staff.types("amount", "5")
    staff.types("last day", "04042099" if staff.way.means == KEYBOARD else "2099-04-04")
    staff.types("description", "Sorry for the outage")
    staff.presses("Look at it once more")
    staff.sees("One thing needs another look")
    staff.looks()
    staff.types("reason", "Ticket 4711")
    staff.presses("Look at it once more")
    staff.reads("Give this credit?")
    staff.looks()
    staff.presses("Give it")
    staff.sees("Given, and the customer was told.")
    staff.looks()

    lot = CreditLot.objects.get()
    assert (lot.original_minor, lot.expires_on) == (5_00, date(2099, 4, 4))
    owner.opens(link_of(mailbox("marieke@alfa.example"), "/credit"))
    owner.sees_in_row("Sorry for the outage", "Active")
    owner.looks()
    run_billing(month, on=today_of(profile))
    invoice = Invoice.objects.get()
    assert (invoice.credit_minor, invoice.total_minor) == (5_00, 908)  # 12.50 - 5.00, and 21 %
    owner.follows("Credit balance")
    owner.sees_in_row(invoice.number, money_of(owner, -invoice.credit))
    owner.looks()
    owner.follows(invoice.number)
    owner.sees("Credit applied")
    owner.looks()
    owner.opens(reverse("profile_credits", args=[profile.code]))
    owner.sees_in_row("Sorry for the outage", "Used")

    lot = give_more(lot)
    mailbox("marieke@alfa.example")  # that it was given
    tell_of_expiring_credit(lot, on=date(2099, 3, 30))
    owner.opens(link_of(mailbox("marieke@alfa.example"), "/credits/"))
    owner.sees_in_row("Once more", "Active")


def money_of(somebody, amount) -> str:
    with somebody.speaking():
        return money(amount)


def give_more(lot: CreditLot) -> CreditLot:
    """Another one of the same sort, of which something is left."""
    return give_credit(
        lot.profile,
        source=lot.source,
        amount=lot.original,
        starts_on=lot.starts_on,
        expires_on=lot.expires_on,
        description="Once more",
        reason="Ticket 4712",
        by=None,
        on=today_of(lot.profile),
    )
