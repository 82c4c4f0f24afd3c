"""The books and what was paid: every move once, paid exactly when nothing is owed."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from core.errors import Refused
from core.money import Money
from invoices.models import LedgerAccount, Posting
from invoices.services.ledger import balance, post
from invoices.services.settling import reopen_invoice, settle_invoice
from invoices.tests.factories import InvoiceFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 20)


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


def test_I1_the_receivable_of_an_invoice_is_its_total_and_paying_empties_it():
    invoice = InvoiceFactory(lines=[12_345])
    assert balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice) == invoice.total == euro(14937)

    settle_invoice(invoice, invoice.total, reference="payment:a", on=TODAY)

    assert balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice) == euro(0)
    assert balance(LedgerAccount.GATEWAY, "EUR", profile=invoice.profile) == euro(14937)
    assert balance(LedgerAccount.VAT, "EUR", account_id=invoice.account_id) == euro(-2592)


def test_I11_an_invoice_is_paid_exactly_when_nothing_is_owed():
    invoice = InvoiceFactory(lines=[10_000])

    settle_invoice(invoice, euro(12_000), reference="payment:a", on=TODAY)
    assert (invoice.status, invoice.amount_due_minor) == ("due", 100)

    settle_invoice(invoice, euro(100), reference="payment:b", on=TODAY)
    assert (invoice.status, invoice.amount_due_minor) == ("paid", 0)

    reopen_invoice(invoice, euro(12_000), reference="refund:a", on=TODAY)
    assert (invoice.status, invoice.amount_due_minor) == ("due", 12_000)
    assert balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice) == euro(12_000)


@pytest.mark.parametrize("minor", [0, -1, 12_101])
def test_I11_nobody_pays_nothing_or_more_than_is_owed(minor: int):
    invoice = InvoiceFactory(lines=[10_000])

    with pytest.raises(Refused) as refusal:
        settle_invoice(invoice, euro(minor), reference="payment:a", on=TODAY)

    assert refusal.value.code == "settles_too_much"
    assert (Posting.objects.count(), invoice.amount_due_minor) == (2, 12_100)


@pytest.mark.parametrize("values", [{"status": "paid"}, {"kind": "credit_note"}, {"status": "draft"}])
def test_I11_only_an_open_invoice_is_paid(values: dict):
    invoice = InvoiceFactory(**values)

    with pytest.raises(Refused) as refusal:
        settle_invoice(invoice, euro(1), reference="payment:a", on=TODAY)

    assert refusal.value.code == "not_payable"


def test_I11_only_what_was_paid_is_taken_back():
    invoice = InvoiceFactory()

    with pytest.raises(Refused) as refusal:
        reopen_invoice(invoice, euro(1), reference="refund:a", on=TODAY)

    assert refusal.value.code == "was_not_paid"


def test_I1_one_cause_posts_one_move_once_and_postings_are_never_changed():
    invoice = InvoiceFactory()
    move = {"debit": LedgerAccount.BANK, "credit": LedgerAccount.GATEWAY, "amount": euro(1), "on": TODAY}
    posting = post(invoice, reference="payout:1", **move)

    with pytest.raises(IntegrityError), transaction.atomic():
        post(invoice, reference="payout:1", **move)
    with pytest.raises(Exception, match="Cannot"), transaction.atomic():
        Posting.objects.filter(pk=posting.pk).update(amount_minor=2)
    with pytest.raises(Exception, match="Cannot"), transaction.atomic():
        posting.delete()


def test_I1_currencies_never_mix_in_a_balance():
    InvoiceFactory(lines=[100], profile__account__american=True, rate=Decimal(0))

    assert balance(LedgerAccount.REVENUE, "EUR") == euro(0)
    assert balance(LedgerAccount.REVENUE, "USD") == Money(-100, "USD")
