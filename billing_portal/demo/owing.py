"""What a demo has of money that goes back, of debts, and of payments that wait for an owner."""

from collections.abc import Callable, Mapping

from accounts.models import User
from core.money import Money
from invoices.models import Invoice
from payments.models import Payment, PaymentMethod
from payments.services.approvals import prepare_payment, set_approval_limit
from payments.services.refunds import ask_refund, ask_write_off
from profiles.models import BillingProfile

# The customer that stopped paying some months ago: its invoices are of every age.
LATE_PAYER = "Beta Bouw Projecten B.V."


def owe(people: Mapping[str, User], cards: Mapping[int, PaymentMethod], work: Callable[[], None]) -> None:
    """A goodwill refund whose debt was given up, a larger one that waits for a second person, a write-off that does,
    and a payment above the limit of the warehouse."""
    finance = people["finance@vendor.example"]
    paid = list(Payment.objects.filter(profile__name="IT & Data", status="succeeded").order_by("-pk")[:2])
    if paid:
        goodwill = Money(25_00, paid[0].currency)
        ask_refund(paid[0], goodwill, reason="Goodwill for the slow answer of our help desk", by=finance)
        work()
        again = Invoice.objects.open().filter(allocations__payment=paid[0]).first()
        if again is not None:
            ask_write_off(again, goodwill, reason="Goodwill: given back and not owed again", by=finance)
        ask_refund(paid[-1], Money(300_00, paid[-1].currency), reason="Backup of October was not running", by=finance)
    late = Invoice.objects.open().filter(account__name=LATE_PAYER).order_by("due_date").first()
    if late is not None:
        ask_write_off(late, late.amount_due, reason="The receiver says that nothing will come", by=finance)
    warehouse = BillingProfile.objects.get(name="Warehouse Rotterdam")
    set_approval_limit(warehouse, Money(500_00, warehouse.currency), by=people["marieke@alfa.example"])
    due = Invoice.objects.open().filter(profile=warehouse).order_by("due_date").first()
    if due is not None:
        prepare_payment([due], method=cards.get(warehouse.pk), by=people["daan@alfa.example"])
