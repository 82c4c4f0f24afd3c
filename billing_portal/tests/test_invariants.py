"""Each invariant is broken once, at the console's depth, and seen (I1 … I32)."""

import hashlib
import os
from datetime import date

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import AccountRole, Agreement
from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.invariants import INVARIANTS, find_violations
from core.messages import MailClass, queue_message
from core.money import Money
from core.policy import Role
from core.states import move
from invoices.models import CreditLot, Delivery, NumberSeries
from invoices.services.correcting import credit_lines
from invoices.services.credits import give_credit
from invoices.tests.factories import ChargeFactory, InvoiceFactory
from payments.models import Refund
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import PriceFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def unguarded():
    """What somebody with all rights in the database could do: triggers, keys and checks look away."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            """
            SELECT conrelid::regclass::text, conname FROM pg_constraint
            WHERE contype = 'c' AND connamespace = 'public'::regnamespace
            """
        )
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        yield cursor


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner))


def paid(invoice):
    """A payment of the whole invoice, with the first receipt."""
    NumberSeries.objects.create(kind="receipt", prefix="R", next_number=2)
    return PaymentFactory(invoices=[invoice], receipt_number="R000000001")


def credited(profile):
    """A credit as the triggers leave it, which look away here."""
    give_credit(
        profile,
        source="promotion",
        amount=Money(1_000, profile.currency),
        starts_on=date(2026, 10, 1),
        expires_on=None,
        description="Welcome",
        reason="As agreed",
        by=None,
        on=date(2026, 10, 1),
    )
    CreditLot.objects.update(balance_minor=1_000)


def found() -> set[str]:
    return {violation.invariant for violation in find_violations()}


def test_nothing_is_found_where_all_is_well(profile):
    InvoiceFactory(profile=profile)
    invoice = InvoiceFactory(profile=profile)
    paid(invoice)
    assert list(find_violations()) == []


# What is done to an issued and a paid invoice of the same profile, and which invariant it breaks.
BREAKS = [
    ("I1", "DELETE FROM invoices_posting WHERE debit = 'receivable'"),
    ("I1", "UPDATE invoices_posting SET amount_minor = amount_minor + 1 WHERE credit = 'vat'"),
    ("I2", "UPDATE invoices_invoiceline SET net_minor = net_minor + 1"),
    ("I3", "UPDATE invoices_vatgroup SET vat_minor = vat_minor + 1"),
    ("I3", "DELETE FROM invoices_vatgroup"),
    ("I4", "UPDATE invoices_invoice SET total_minor = total_minor + 1"),
    ("I4", "UPDATE invoices_invoice SET settled_minor = total_minor + 1 WHERE status = 'paid'"),
    ("I6", "UPDATE invoices_invoice SET due_date = issue_date - 1"),
    ("I6", "UPDATE invoices_invoice SET status = 'draft' WHERE status = 'due'"),
    ("I7", "UPDATE invoices_billingperiod SET month = month + interval '2 months' WHERE id = (SELECT max(id) "
           "FROM invoices_billingperiod)"),
    ("I7", "UPDATE invoices_invoice SET period_end = period_end + 1"),
    ("I7", "UPDATE invoices_invoice SET status = 'draft', number = NULL WHERE status = 'due'"),
    ("I8", "UPDATE invoices_invoice SET number = left(number, -1) || '9' WHERE status = 'due'"),
    ("I8", "UPDATE invoices_invoice SET issue_date = issue_date - 900, due_date = due_date - 900 "
           "WHERE id = (SELECT max(id) FROM invoices_invoice)"),
    ("I8", "UPDATE invoices_numberseries SET next_number = next_number + 1"),
    ("I8", "UPDATE payments_payment SET receipt_number = 'none'"),
    ("I8", "DELETE FROM invoices_dispatch"),
    ("I9", "UPDATE invoices_invoice SET seller = seller - 'vat_id'"),
    ("I9", "UPDATE invoices_vatgroup SET category = 'AE'"),
    ("I10", "UPDATE payments_allocation SET amount_minor = amount_minor - 1"),
    ("I10", "UPDATE payments_payment SET currency = 'USD'"),
    ("I11", "UPDATE invoices_invoice SET status = 'paid' WHERE status = 'due'"),
    ("I12", "UPDATE payments_allocation SET status = 'held'"),
    ("I15", "DELETE FROM invoices_posting WHERE reference LIKE 'payment:%'"),
    ("I15", "UPDATE payments_payment SET receipt_number = NULL"),
    ("I18", "UPDATE invoices_creditlot SET balance_minor = balance_minor - 1"),
    ("I18", "UPDATE invoices_credittransaction SET amount_minor = amount_minor - 1"),
    ("I18", "UPDATE invoices_credittransaction SET profile_id = profile_id + 1000"),
    ("I18", "DELETE FROM invoices_posting WHERE 'credits' IN (debit, credit)"),
    ("I19", "UPDATE payments_payment SET family = 'direct_debit', initiated_by = 'automatic'"),
    ("I36", "UPDATE accounts_billingaccount SET status = 'closed'"),
    ("I20", "DELETE FROM accounts_accountrole"),
    ("I20", "UPDATE accounts_user SET is_active = false"),
    ("I21", "UPDATE payments_payment SET account_id = account_id + 1000"),
    ("I28", "UPDATE invoices_document SET status = 'ready'"),
    ("I31", "UPDATE invoices_invoice SET currency = 'USD'"),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "statement"), BREAKS)
def test_a_broken_invariant_is_seen(invariant, statement, profile, unguarded):
    InvoiceFactory(profile=profile)
    paid(InvoiceFactory(profile=profile))
    credited(profile)
    assert list(find_violations()) == []
    unguarded.execute(statement)
    assert unguarded.rowcount > 0
    assert invariant in found()


def test_I17_more_given_back_than_came_and_parts_that_do_not_add_up_are_seen(profile, unguarded):
    payment = paid(InvoiceFactory(profile=profile))
    values = {"payment": payment, "asked_by": UserFactory(), "reason": "Twice"}
    Refund.objects.create(amount_minor=payment.amount_minor, idempotency_key="1", **values)
    assert found() == set()
    Refund.objects.create(amount_minor=1, idempotency_key="2", **values)
    assert found() == {"I17"}
    Refund.objects.filter(idempotency_key="2").delete()
    unguarded.execute("UPDATE payments_refund SET status = 'given_back'")
    assert found() == {"I17"}


def test_I20_two_administrators_are_seen(unguarded):
    account = BillingAccountFactory(online_services=True, owner=UserFactory())
    assert account.agreement == Agreement.ONLINE_SERVICES
    unguarded.execute("DROP INDEX one_account_administrator")
    AccountRole.objects.create(account=account, user=UserFactory(), role=Role.ACCOUNT_ADMINISTRATOR)
    assert found() == {"I20"}


def test_I25_a_delivery_of_a_dispatch_that_never_was_is_seen(profile):
    invoice = InvoiceFactory(profile=profile)
    message = queue_message(
        to="tom@alfa.example", template="test_mail", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    Delivery.objects.create(invoice=invoice, email="tom@alfa.example", reason=Role.INVOICE_MANAGER, message=message)
    assert found() == {"I25"}


def test_I32_a_charge_on_the_invoice_of_another_account_is_seen(profile, unguarded):
    foreign = InvoiceFactory(profile=BillingProfileFactory(account=BillingAccountFactory(owner=UserFactory())))
    ChargeFactory(subscription=SubscriptionFactory(profile=profile), line=foreign.lines.get())
    assert found() == {"I32"}


def test_I31_prices_that_overlap_are_seen(unguarded):
    """As they may stand in an old database, from before the guard."""
    price = PriceFactory(valid_from=date(2025, 1, 1))
    PriceFactory(product=price.product, valid_from=date(2026, 1, 1), valid_until=date(2026, 6, 30))

    [violation] = find_violations()

    assert (violation.invariant, violation.detail) == (
        "I31",
        f"{price.product.code}: two prices monthly in EUR count on 2026-01-01",
    )


def test_I31_a_term_and_a_one_off_that_were_billed_twice_are_seen(profile, unguarded):
    lines = [{"net_minor": 100, "subscription": SubscriptionFactory(profile=profile), "term_start": date(2026, 10, 1)}]
    lines += [{"net_minor": 100, "purchase": PurchaseFactory(profile=profile)}]
    InvoiceFactory(profile=profile, lines=lines)
    unguarded.execute("DROP INDEX term_billed_once; DROP INDEX purchase_billed_once")

    InvoiceFactory(profile=profile, lines=lines)

    assert [violation.invariant for violation in find_violations()] == ["I31", "I31"]


@pytest.mark.parametrize(
    ("kind", "cost", "seen"),
    [
        ("invoice", "1.005", set()),
        ("invoice", "1.0049", {"I32"}),
        ("credit_note", "-1.005", set()),
        ("credit_note", "1.005", {"I32"}),
    ],
)
def test_I32_a_line_that_is_not_what_its_charges_come_to_is_seen(profile, kind, cost, seen):
    subscription = SubscriptionFactory(profile=profile)
    invoice = InvoiceFactory(profile=profile, kind=kind, lines=[{"net_minor": 101, "subscription": subscription}])

    ChargeFactory(subscription=subscription, cost=cost, line=invoice.lines.get())

    assert found() == seen


def test_I28_files_are_held_against_their_documents(profile, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    invoice = InvoiceFactory(profile=profile)
    content = b"%PDF"
    names = {
        "whole": default_storage.save("invoices/2026/10/whole.pdf", ContentFile(content)),
        "young": default_storage.save("invoices/2026/11/young.pdf", ContentFile(content)),
        "orphan": default_storage.save("invoices/2026/11/orphan.pdf", ContentFile(content)),
    }
    os.utime(tmp_path / names["orphan"], (0, 0))
    os.utime(tmp_path / names["whole"], (0, 0))
    facts = {"file": names["whole"], "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    move(invoice.documents.get(), "ready", **facts)
    assert [violation.detail for violation in find_violations(files=True)] == [names["orphan"]]

    (tmp_path / names["whole"]).write_bytes(b"%PDG")
    (tmp_path / names["orphan"]).unlink()
    assert [violation.detail for violation in find_violations(files=True)] == [f"{names['whole']}: not what was stored"]
    (tmp_path / names["whole"]).unlink()
    assert [violation.invariant for violation in find_violations(files=True)] == ["I28"]


@pytest.mark.parametrize(
    ("invariant", "statement"),
    [
        ("I10", "UPDATE invoices_offset SET amount_minor = amount_minor + 1000000"),
        ("I10", "UPDATE invoices_creditedline SET net_minor = net_minor + 1000000"),
        ("I10", "UPDATE invoices_correction SET is_full = true"),
        ("I11", "UPDATE invoices_invoice SET status = 'void' WHERE kind = 'invoice'"),
        ("I11", "UPDATE invoices_invoice SET status = 'locked' WHERE kind = 'invoice'"),
    ],
)
def test_a_broken_chain_is_seen(invariant, statement, profile):
    invoice = InvoiceFactory(profile=profile)
    line = invoice.lines.get()
    credit_lines(invoice, {line.pk: Money(1_000, "EUR")}, reason="?", by=None, on=invoice.issue_date)
    assert list(find_violations()) == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        assert cursor.rowcount > 0
    assert invariant in found()


def test_I33_a_moment_without_a_zone_is_seen():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE wrong (at timestamp)")
    assert found() == {"I33"}


def test_I35_a_guard_that_is_switched_off_is_seen():
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE invoices_offset DISABLE TRIGGER USER")
    assert found() == {"I35"}


def test_every_invariant_has_a_test():
    covered = {invariant for invariant, _statement in BREAKS} | {"I17", "I25", "I32", "I33", "I35"}
    assert {invariant.id for invariant in INVARIANTS} == covered


def test_the_command_exits_with_one_and_names_what_it_found(profile, unguarded, capsys):
    InvoiceFactory(profile=profile)
    call_command("check_invariants")
    assert "invariants hold" in capsys.readouterr().out
    unguarded.execute("UPDATE invoices_invoiceline SET net_minor = 1")
    with pytest.raises(CommandError, match=r"2 violations"):
        call_command("check_invariants")
    assert "I2  The lines of an invoice add up to its net" in capsys.readouterr().out
