"""Steps 6 and 7 of the thread: charges come from outside, a month is billed, and its invoice says so."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.demo.usage import usage_file
from core.periods import Month
from core.templatetags.ui import money
from invoices.models import Charge, Invoice
from invoices.tests.factories import imported_subscription
from profiles.tests.factories import BillingProfileFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S2_8_charges_of_a_month_become_one_invoice_that_says_what_was_used(person, tmp_path: Path, capsys):
    month = Month.of(timezone.localdate()).previous
    SellerFactory()
    owner = UserFactory(name="Marieke de Vries")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner, external_id="alfa-logistiek")
    profile = BillingProfileFactory(account=account, name="Operations NL")
    production = imported_subscription(profile, "Production")
    production.started_on = month.first
    production.save(update_fields=["started_on"])
    marieke = person(owner)
    marieke.opens(f"/billing-accounts/{account.code}/invoices/")
    marieke.sees("No invoices yet")
    marieke.looks()

    file = tmp_path / "usage.csv"
    file.write_text(usage_file("alfa-logistiek", account.name, "Production", month, 0, Decimal(1)))
    for _ in range(2):
        call_command("import_charges", str(file))
        call_command("run_billing", period=str(month), on=(month.next.first + timedelta(days=4)).isoformat())

    invoice = Invoice.objects.get()
    costs = sum(Charge.objects.values_list("cost", flat=True))
    assert abs(invoice.net.amount - costs) < Decimal("0.005") * invoice.lines.count()

    marieke.follows("Invoices")
    marieke.reads("Invoices")
    marieke.sees_in_row(invoice.number, "Operations NL")
    marieke.looks()
    marieke.follows(invoice.number)
    marieke.sees("Bill-to address")
    marieke.looks()
    shown = squeezed(marieke.page.locator("main").inner_text())
    with marieke.speaking():
        figures = [money(each) for each in (invoice.net, invoice.vat, invoice.total)]
        figures += [money(line.net) for line in invoice.lines.all()]
    assert [figure for figure in figures if squeezed(figure) not in shown] == []
    assert "0 refused" in capsys.readouterr().out


def squeezed(text: str) -> str:
    """Without the kinds of space that numbers are written with."""
    return re.sub(r"\s+", "", text)
