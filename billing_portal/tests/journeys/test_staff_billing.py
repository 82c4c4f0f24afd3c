"""The vendor's staff: a look before the run, a profile held and released, the run, and what is credited after it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from django_countries import countries

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.tests.journeys.person import KEYBOARD
from core import jobs
from core.money import Money
from core.periods import Month
from core.templatetags.ui import day, money
from invoices.models import BillingHold, BillingRun, Invoice
from invoices.services.run import run_billing
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import ProductFactory, SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S2_8_I31_a_look_a_hold_a_run_a_release_and_the_run_that_makes_up_for_it(person):
    month = Month.of(timezone.localdate()).previous
    SellerFactory()
    account = BillingAccountFactory(name="Alfa Logistiek B.V.")
    began = timezone.now() - timedelta(days=70)
    for name in ("Operations NL", "Warehouse Rotterdam"):
        profile = BillingProfileFactory(account=account, name=name, created_at=began)
        SubscriptionFactory(profile=profile, unit_price=Decimal(100), started_on=month.first)
    joris = person(UserFactory(name="Joris Postma", staff=True))

    joris.opens(reverse("admin:invoices_billingrun_add"))
    joris.looks()
    joris.follows("Look first at what it would issue, and at what is the matter")
    joris.reads("Look before a billing run")
    joris.looks()
    joris.presses("Look")
    joris.follows("Look again")
    jobs.run_due(only=["invoices.look_before_run"])
    joris.follows("Look again")
    joris.sees_in_row("EUR", money_of(joris, 242_00))
    joris.looks()
    joris.press_on(joris.row("Warehouse Rotterdam").get_by_role("link", name=joris.word("Hold"), exact=True))
    joris.reads("Hold a billing profile")
    joris.looks()
    joris.presses("Hold it")
    joris.sees("One thing needs another look")
    joris.looks()
    joris.types("Note", "The customer asks about October")
    joris.presses("Hold it")
    joris.sees("No run bills %(profile)s now.", profile="Warehouse Rotterdam")
    joris.looks()

    joris.opens(reverse("admin:invoices_billingrun_add"))
    joris.presses("Begin the run")
    joris.sees("The run has begun. This page tells how far it is.")
    joris.sees("%(done)s of %(total)s profiles are billed", done=0, total=1)
    joris.looks()
    joris.presses("Stop after the chunk in hand")
    joris.sees("No further chunk is billed. What is billed stays billed.")
    joris.presses("Go on where it ended")
    joris.sees("It goes on where it ended.")
    jobs.run_due(only=["invoices.bill_ranges"])
    joris.opens(reverse("admin:invoices_billingrun_change", args=[BillingRun.objects.get().pk]))
    joris.sees("Control totals")
    joris.sees(money_of(joris, 121_00))
    joris.looks()

    joris.opens(reverse("admin:invoices_billinghold_change", args=[BillingHold.objects.get().pk]))
    joris.types("Note", "Nothing was wrong")
    joris.looks()
    joris.presses("Release")
    joris.sees(
        "%(profile)s is released: the next run bills it, the months that it missed first.",
        profile="Warehouse Rotterdam",
    )
    joris.looks()
    joris.opens(reverse("admin:invoices_billingrun_add"))
    joris.presses("Begin the run")
    joris.sees("The run has begun. This page tells how far it is.")
    jobs.run_due(only=["invoices.bill_ranges"])
    joris.opens(reverse("admin:invoices_billingrun_changelist"))
    joris.looks()
    assert list(Invoice.objects.values_list("profile__name", flat=True).order_by("pk")) == [
        "Operations NL",
        "Warehouse Rotterdam",
    ]


def test_L3_lines_are_credited_and_then_the_rest_of_the_invoice(person):
    SellerFactory()
    invoice = InvoiceFactory(lines=[100_00, 40_00])
    joris = person(UserFactory(name="Joris Postma", staff=True))
    joris.opens(reverse("admin:invoices_invoice_change", args=[invoice.pk]))
    joris.looks()
    joris.follows("Credit lines")
    joris.types("2. Service 2", "1000")
    joris.presses("Issue the credit note")
    joris.sees("One thing needs another look")
    joris.looks()
    joris.types("2. Service 2", "10")
    joris.types("reason", "Two hours, and not four")
    joris.presses("Issue the credit note")
    joris.sees("Credit note %(number)s was issued.", number="GC000000001")
    joris.looks()
    joris.follows("Void")
    joris.reads("Void %(number)s", number=invoice.number)
    joris.types("reason", "It was another customer's")
    joris.looks()
    joris.presses("Credit it in full")
    joris.sees("Credit note %(number)s was issued.", number="GC000000002")
    invoice.refresh_from_db()
    assert invoice.status == "void"


def money_of(somebody, minor: int) -> str:
    with somebody.speaking():
        return money(Money(minor, "EUR"))


def test_L1_a_rate_that_is_missing_is_entered_and_what_waited_for_it_is_billed(person):
    month = Month.of(timezone.localdate()).previous
    SellerFactory(one_stop_shop_from=month.first)
    account = BillingAccountFactory(name="Éditions du Nord", sold_to__country="FR", vat_id="")
    began = timezone.now() - timedelta(days=70)
    profile = BillingProfileFactory(account=account, name="Rédaction", created_at=began)
    product = ProductFactory(name="Gazette", supply="reduced")
    SubscriptionFactory(profile=profile, product=product, unit_price=Decimal(100), started_on=month.first)
    run_billing(month, on=timezone.localdate())
    joris = person(UserFactory(name="Joris Postma", staff=True))
    # Day and month alike, for at a keyboard their order is that of the machine.
    new_year = f"0101{month.first.year}" if joris.way.means == KEYBOARD else f"{month.first.year}-01-01"

    joris.opens(reverse("admin:invoices_parkedprofile_changelist"))
    joris.looks()
    joris.follows("Known VAT rates")
    joris.reads("Known VAT rates")
    joris.looks()
    joris.press_on(joris.row(country(joris, "FR")).get_by_role("link"))
    joris.reads("Enter a VAT rate")
    joris.looks()
    joris.types("Valid from", new_year)
    joris.types("Rate in percent", "51")
    joris.types("Source", "CGI, article 278-0 bis")
    joris.presses("Enter it")
    joris.sees("Enter a rate from 0 to 50 percent.")
    joris.looks()
    joris.types("Rate in percent", "5.5")
    joris.presses("Enter it")
    joris.reads("Known VAT rates")
    joris.sees_in_row("CGI, article 278-0 bis", "entered by staff")
    joris.looks()

    run_billing(month, on=timezone.localdate())
    assert Invoice.objects.get().vat_minor == 550
    joris.opens(reverse("admin:invoices_vatrate_add") + "?country=FR&kind=reduced")
    joris.types("Valid from", new_year)
    joris.types("Rate in percent", "10")
    joris.types("Source", "CGI, article 279")
    joris.presses("Enter it")
    joris.sees(
        "Invoices stand on %(rate)s percent up to %(day)s. It is not changed any more: let it end later.",
        rate="5.5",
        day=day_of(joris, month.last),
    )


def day_of(reader, when) -> str:
    with reader.speaking():
        return day(when)


def country(reader, code: str) -> str:
    with reader.speaking():
        return str(countries.name(code))
