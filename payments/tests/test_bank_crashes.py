"""Taking in a statement, with the process killed before each of its statements to the database in turn.

After each kill the file is taken in again and the worker looks again: whatever the point, every movement is there
once, what it pays is booked once, and all invariants hold.
"""

import random

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Seller
from accounts.tests.factories import AccountRoleFactory
from core.policy import Role
from invoices.models import Posting
from invoices.tests.factories import InvoiceFactory
from payments.models import BankBooking, BankEntry, BankFile, Payment
from payments.services.bank import look_at, take_in_file
from payments.tests.bank_files import Move, camt
from payments.tests.factories import make_remittance_of
from payments.tests.test_crashes import in_a_process
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLE = 5


@pytest.fixture
def profile():
    profile = BillingProfileFactory()
    AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_OWNER)
    return profile


def a_statement(profile, number):
    """One invoice by its reference, two by a remittance, a part of a fourth by its number; and what names nothing."""
    invoices = [InvoiceFactory(profile=profile) for _each in range(4)]
    moves = [
        Move("121.00", reference=invoices[0].payment_reference, bank_reference=f"{number}-1"),
        Move("242.00", reference=make_remittance_of(*invoices[1:3]).reference, bank_reference=f"{number}-2"),
        Move("21.00", text=invoices[3].number, bank_reference=f"{number}-3"),
        Move("7.00", text="november", bank_reference=f"{number}-4"),
    ]
    return camt(moves, number=str(number), iban=Seller.objects.get().iban), invoices


def import_it(content):
    file = take_in_file(content, name="statement.xml", by=None).file
    look_at(file.entries.all(), at=timezone.now())


def statements_of(profile):
    """How many statements an import takes when nothing happens to it; the first one also begins the series of
    receipts."""
    first, _invoices = a_statement(profile, -1)
    import_it(first)
    content, _invoices = a_statement(profile, 0)
    count = 0

    def counting(execute, sql, params, many, context):
        nonlocal count
        count += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counting):
        import_it(content)
    return count


def test_P24_an_import_killed_at_any_statement_books_once(profile, long):
    last = statements_of(profile)
    points = range(1, last + 1) if long else sorted(random.Random(last).sample(range(1, last + 1), SAMPLE))
    for point in points:
        content, invoices = a_statement(profile, point)
        assert not in_a_process(lambda content=content: import_it(content), dies_at=point), point
        import_it(content)
        import_it(content)

        for invoice in invoices:
            invoice.refresh_from_db()
        assert [invoice.status for invoice in invoices] == ["paid", "paid", "paid", "due"], point
        assert [invoice.settled_minor for invoice in invoices] == [12_100, 12_100, 12_100, 2_100], point
        entries = BankEntry.objects.filter(bank_reference__startswith=f"{point}-").order_by("pk")
        assert [entry.status for entry in entries] == ["booked", "booked", "booked", "open"], point
        assert not entries.filter(looked_at=None).exists(), point
        assert BankBooking.objects.filter(entry__in=entries).count() == 3, point
        assert Posting.objects.filter(invoice__in=invoices, debit="bank").count() == 4, point
    assert BankFile.objects.count() == len(points) + 2
    assert Payment.objects.count() == 3 * (len(points) + 2)
    call_command("check_invariants")
