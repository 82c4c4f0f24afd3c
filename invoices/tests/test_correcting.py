"""Credit notes, corrected invoices, voiding: the chain, the money, what the database refuses (L3, P7, I10, I11)."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import given as given_by
from hypothesis import strategies as st

from accounts.tests.factories import SellerFactory
from core.errors import Refused
from core.money import Money
from core.periods import Month
from invoices.documents.einvoice import terms_of
from invoices.documents.printed import printed
from invoices.documents.source import payload_of
from invoices.models import (
    Correction,
    CreditedLine,
    CreditTransaction,
    Invoice,
    InvoiceKind,
    LedgerAccount,
    Offset,
    Posting,
)
from invoices.services.correcting import correct_invoice, credit_lines, left_to_credit, void_invoice
from invoices.services.credits import give_credit
from invoices.services.ledger import balance
from invoices.services.purchase_orders import drawn
from invoices.services.run import run_billing
from invoices.services.settling import reopen_invoice, settle_invoice
from invoices.tests.factories import InvoiceFactory, PurchaseOrderFactory
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

FIRST, ON, LATER = date(2026, 10, 1), date(2026, 11, 5), date(2026, 11, 20)


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


@pytest.fixture
def invoice() -> Invoice:
    """€ 150.00 in three lines, and € 31.50 of VAT."""
    return InvoiceFactory(lines=[10_000, 4_000, 1_000])


def billed(*prices: str):
    profile = BillingProfileFactory(created_at=datetime(2026, 10, 1, tzinfo=UTC))
    for price in prices:
        SubscriptionFactory(profile=profile, unit_price=Decimal(price), started_on=FIRST)
    return profile


def pay(invoice: Invoice, minor: int | None = None) -> None:
    amount = Money(minor or invoice.amount_due.minor, invoice.currency)
    settle_invoice(invoice, amount, reference="payment:x", on=LATER)


def credit(invoice: Invoice, *nets: int, **options) -> Correction:
    lines = invoice.lines.order_by("position")
    amounts = {line.pk: Money(net, invoice.currency) for line, net in zip(lines, nets, strict=False) if net}
    return credit_lines(invoice, amounts, **{"reason": "Too much", "by": None, "on": LATER, **options})


def state(invoice: Invoice) -> tuple[str, int]:
    invoice.refresh_from_db()
    return invoice.status, invoice.amount_due.minor


def owed_by_ledger(profile) -> int:
    return balance(LedgerAccount.RECEIVABLE, profile.currency, profile=profile).minor


# --- Crediting ------------------------------------------------------------------------------------


def test_L3_a_single_line_is_credited_in_a_series_of_its_own_and_lowers_what_is_owed(invoice):
    made = credit(invoice, 0, 4_000)

    note = made.credit_note
    assert (note.kind, note.number, note.issue_date) == (InvoiceKind.CREDIT_NOTE, "GC000000001", LATER)
    assert (note.net_minor, note.vat_minor, note.total_minor, state(note)) == (4_000, 840, 4_840, ("paid", 0))
    assert state(invoice) == ("due", 18_150 - 4_840)
    assert owed_by_ledger(invoice.profile) == 18_150 - 4_840
    assert Offset.objects.get().amount_minor == 4_840
    assert not balance(LedgerAccount.OFFSET, "EUR")
    assert not made.is_full


def test_I10_credit_notes_never_give_more_than_each_line(invoice):
    credit(invoice, 6_000)

    with pytest.raises(Refused) as refusal:
        credit(invoice, 4_001)
    assert refusal.value.code == "more_than_line"
    credit(invoice, 4_000)
    with pytest.raises(Refused) as refusal:
        credit(invoice, 1)
    assert refusal.value.code == "not_of_invoice"
    assert [amount.minor for _line, amount in left_to_credit(invoice)] == [4_000, 1_000]


def test_I3_I10_parts_that_round_up_together_credit_the_invoice_to_the_cent():
    invoice = InvoiceFactory(lines=[3, 3, 3])
    notes = [credit(invoice, *(3 if place == at else 0 for place in range(3))).credit_note for at in range(3)]

    assert sum(note.vat_minor for note in notes) == invoice.vat_minor == 2
    assert state(invoice) == ("void", 0)
    assert owed_by_ledger(invoice.profile) == 0


def test_I3_a_line_is_credited_up_to_what_is_left_of_its_rate():
    """Where another line of the rate gives back, the whole line is more than the invoice has."""
    invoice = InvoiceFactory(lines=[10_000, -4_000])

    assert [amount.minor for _line, amount in left_to_credit(invoice)] == [6_000]
    with pytest.raises(Refused) as refusal:
        credit(invoice, 6_001)
    assert refusal.value.code == "more_than_line"
    note = credit(invoice, 6_000).credit_note
    assert (note.net_minor, note.vat_minor) == (6_000, 1_260)
    assert left_to_credit(invoice) == []


def test_I3_a_corrected_invoice_has_the_vat_of_its_own_net():
    """Of what is left after credit notes before, the VAT that is left may be a cent off."""
    invoice = InvoiceFactory(lines=[3, 3])
    assert (invoice.vat_minor, credit(invoice, 3).credit_note.vat_minor) == (1, 1)

    made = correct_invoice(invoice, {"po_number": "PO-9"}, reason="PO number", by=None, on=LATER)

    assert (made.credit_note.vat_minor, made.corrected.net_minor, made.corrected.vat_minor) == (0, 3, 1)
    assert owed_by_ledger(invoice.profile) == made.corrected.total_minor


def test_7_a_paid_invoice_stays_paid_and_the_credit_note_is_the_customers_balance(invoice):
    pay(invoice)

    note = credit(invoice, 1_000).credit_note

    assert (state(invoice), state(note)) == (("paid", 0), ("due", 1_210))
    assert list(Invoice.objects.with_balance_left()) == [note]
    assert owed_by_ledger(invoice.profile) == -1_210


def test_a_credit_note_larger_than_what_is_owed_leaves_the_rest_to_the_customer(invoice):
    pay(invoice, 10_000)

    note = credit(invoice, 10_000).credit_note

    assert (state(invoice), state(note)) == (("paid", 0), ("due", 12_100 - 8_150))


# --- Voiding --------------------------------------------------------------------------------------


def test_void_credits_all_that_is_left(invoice):
    credit(invoice, 500)

    made = void_invoice(invoice, reason="Wrong customer", by=None, on=LATER)

    assert made.is_full
    assert (state(invoice), state(made.credit_note)) == (("void", 0), ("paid", 0))
    assert sum(note.total_minor for note in Invoice.objects.filter(kind="credit_note")) == invoice.total_minor
    assert owed_by_ledger(invoice.profile) == 0


def test_void_of_a_paid_invoice_leaves_what_was_paid_to_the_customer(invoice):
    pay(invoice)

    note = void_invoice(invoice, reason="Wrong customer", by=None, on=LATER).credit_note

    assert (state(invoice), state(note)) == (("void", 0), ("due", 18_150))


def test_a_payment_that_the_bank_takes_back_from_a_void_invoice_is_owed_again(invoice):
    pay(invoice)
    void_invoice(invoice, reason="Wrong customer", by=None, on=LATER)

    reopen_invoice(invoice, Money(18_150, "EUR"), reference="returned:x", on=LATER)

    assert state(invoice) == ("due", 18_150)
    assert owed_by_ledger(invoice.profile) == 0  # what is owed, less the credit note that is left


@pytest.mark.parametrize("again", [void_invoice, credit])
def test_a_void_invoice_and_a_credit_note_are_not_credited(invoice, again):
    note = void_invoice(invoice, reason="Wrong customer", by=None, on=LATER).credit_note

    for document in (invoice, note):
        with pytest.raises(Refused) as refusal:
            again(document, reason="Again", by=None, on=LATER)
        assert refusal.value.code == "not_creditable"


# --- Correcting -----------------------------------------------------------------------------------


def test_P7_a_corrected_invoice_takes_the_place_of_the_original_with_the_same_amounts(invoice):
    before = invoice.sold_to

    made = correct_invoice(
        invoice, {"po_number": "PO-9", "bill_to.company_name": "New B.V."}, reason="Asked", by=None, on=LATER
    )

    corrected = made.corrected
    assert (corrected.number, corrected.po_number, corrected.bill_to["company_name"]) == (
        "G000000002",
        "PO-9",
        "New B.V.",
    )
    assert corrected.sold_to == before
    same = ("net_minor", "vat_minor", "total_minor", "period_start", "period_end", "customer_vat_id")
    assert [getattr(corrected, name) for name in same] == [getattr(invoice, name) for name in same]
    assert list(corrected.lines.order_by("position").values_list("description", "net_minor")) == list(
        invoice.lines.order_by("position").values_list("description", "net_minor")
    )
    assert (state(invoice), state(made.credit_note), state(corrected)) == (("void", 0), ("paid", 0), ("due", 18_150))


def test_P7_what_was_paid_on_the_original_pays_the_corrected_invoice(invoice):
    pay(invoice)

    made = correct_invoice(invoice, {"po_number": "PO-9"}, reason="Asked", by=None, on=LATER)

    assert (state(invoice), state(made.credit_note), state(made.corrected)) == (("void", 0), ("paid", 0), ("paid", 0))
    assert owed_by_ledger(invoice.profile) == 0
    assert not balance(LedgerAccount.OFFSET, "EUR")


def test_P7_a_corrected_invoice_can_be_corrected_again(invoice):
    first = correct_invoice(invoice, {"po_number": "PO-9"}, reason="Asked", by=None, on=LATER).corrected

    second = correct_invoice(first, {"po_number": "PO-10"}, reason="Asked", by=None, on=LATER).corrected

    assert [state(each)[0] for each in (invoice, first, second)] == ["void", "void", "due"]
    assert owed_by_ledger(invoice.profile) == 18_150


def test_P7_a_correction_that_changes_nothing_is_refused(invoice):
    with pytest.raises(Refused) as refusal:
        correct_invoice(invoice, {"po_number": invoice.po_number}, reason="Asked", by=None, on=LATER)

    assert refusal.value.code == "nothing_changes"
    assert not Correction.objects.exists()


def test_L3_credit_note_and_corrected_invoice_name_the_original_on_paper_and_for_the_computer(invoice):
    made = correct_invoice(invoice, {"po_number": "PO-9"}, reason="Asked", by=None, on=LATER)

    for document, kind in ((made.credit_note, "381"), (made.corrected, "380")):
        payload = payload_of(document)
        terms = terms_of(payload)
        assert (terms["BT-3"], terms["BG-3"]) == (kind, [{"BT-25": invoice.number}])
        assert invoice.number in str(printed(payload))


def test_P17_a_purchase_order_gets_back_what_is_credited_and_the_corrected_invoice_draws_again():
    order = PurchaseOrderFactory()
    invoice = InvoiceFactory(
        profile=order.profile,
        lines=[
            {"net_minor": 10_000, "purchase_order_id": order.pk},
            {"net_minor": 4_000, "purchase_order_id": order.pk},
        ],
    )
    credit(invoice, 1_000)
    assert drawn(order).minor == 13_000

    corrected = correct_invoice(invoice, {"bill_to.city": "Delft"}, reason="Asked", by=None, on=LATER).corrected
    assert drawn(order).minor == 13_000

    void_invoice(corrected, reason="After all", by=None, on=LATER)
    assert drawn(order).minor == 0


# --- Credits on credited invoices -----------------------------------------------------------------


def with_credits(promotion: int, prepaid: int) -> Invoice:
    profile = billed("100", "50")
    common = {"starts_on": FIRST, "expires_on": None, "description": "Credit", "reason": "As agreed", "by": None}
    for source, minor in (("promotion", promotion), ("prepaid", prepaid)):
        if minor:
            give_credit(profile, source=source, amount=Money(minor, "EUR"), on=FIRST, **common)
    run_billing(Month(2026, 10), on=ON)
    return Invoice.objects.get()


def credits_fit() -> bool:
    moves = sum(CreditTransaction.objects.values_list("amount_minor", flat=True))
    return moves == -balance(LedgerAccount.CREDITS, "EUR").minor


def test_I18_a_void_invoice_gives_its_credits_back():
    invoice = with_credits(3_000, 2_000)

    note = void_invoice(invoice, reason="Wrong", by=None, on=LATER).credit_note

    assert (note.credit_minor, note.prepaid_minor, state(note)) == (3_000, 2_000, ("paid", 0))
    assert sum(CreditTransaction.objects.filter(kind="returned").values_list("amount_minor", flat=True)) == 5_000
    assert credits_fit()
    assert owed_by_ledger(invoice.profile) == 0


def test_I18_a_corrected_invoice_uses_the_same_credits_again():
    invoice = with_credits(3_000, 2_000)

    made = correct_invoice(invoice, {"po_number": "PO-9"}, reason="Asked", by=None, on=LATER)

    assert (made.corrected.credit_minor, made.corrected.prepaid_minor) == (3_000, 2_000)
    assert not CreditTransaction.objects.filter(kind="returned").exists()
    assert credits_fit()
    void_invoice(made.corrected, reason="After all", by=None, on=LATER)
    assert sum(CreditTransaction.objects.filter(kind="returned").values_list("amount_minor", flat=True)) == 5_000
    assert credits_fit()


def test_I18_a_part_gives_back_its_share_of_the_credit():
    invoice = with_credits(3_000, 0)

    note = credit(invoice, 5_000).credit_note

    assert (note.net_minor, note.credit_minor, note.vat_minor) == (5_000, 1_000, 840)
    assert credits_fit()


# --- What the database refuses --------------------------------------------------------------------


def test_I6_the_database_refuses_changes_to_the_chain_and_more_than_the_original(invoice):
    made = credit(invoice, 6_000)

    for wrong in (
        lambda: Correction.objects.update(reason="?"),
        lambda: CreditedLine.objects.update(net_minor=1),
        lambda: Offset.objects.update(amount_minor=1),
        lambda: Invoice.objects.filter(pk=made.credit_note.pk).update(net_minor=1, total_minor=1261),
        lambda: made.credit_note.lines.update(net_minor=1),
        lambda: CreditedLine.objects.create(correction=made, line=invoice.lines.last(), net_minor=1_001),
        lambda: Correction.objects.create(
            original=invoice,
            credit_note=InvoiceFactory(profile=invoice.profile, kind="credit_note", lines=[9_001]),
            is_full=False,
            reason="?",
        ),
        lambda: Correction.objects.create(
            original=invoice,
            credit_note=InvoiceFactory(kind="credit_note", lines=[1]),
            is_full=False,
            reason="?",
        ),
        lambda: Correction.objects.create(
            original=invoice,
            credit_note=InvoiceFactory(profile=invoice.profile, kind="credit_note", lines=[1]),
            is_full=True,
            reason="?",
        ),
    ):
        with pytest.raises(Exception, match=r"Cannot|final|violates|credited|credits"), transaction.atomic():
            wrong()


# --- Any sequence ---------------------------------------------------------------------------------


EXAMPLES = min(settings.default.max_examples // 5, 200)  # ten, and with `--long` two hundred


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given_by(
    st.lists(st.integers(1, 999), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 999)), max_size=5),
    st.integers(0, 2_000),
)
def test_I10_I11_any_sequence_of_credits_and_payments_loses_no_cent(nets, steps, paid):
    invoice = InvoiceFactory(lines=nets)
    if 0 < paid < invoice.total_minor:
        pay(invoice, paid)
    for place, net in steps:
        amounts = [0] * len(nets)
        amounts[place % len(nets)] = net
        try:
            credit(invoice, *amounts)
        except Refused:
            continue
    if state(invoice)[0] != "void":
        void_invoice(invoice, reason="The rest", by=None, on=LATER)

    notes = Invoice.objects.filter(correction__original=invoice)
    for name in ("net_minor", "vat_minor", "total_minor"):
        assert sum(getattr(note, name) for note in notes) == getattr(invoice, name)
    assert sum(note.amount_due.minor for note in notes) == (paid if 0 < paid < invoice.total_minor else 0)
    assert owed_by_ledger(invoice.profile) == -sum(note.amount_due.minor for note in notes)
    assert Posting.objects.filter(debit="offset").count() == Posting.objects.filter(credit="offset").count()
