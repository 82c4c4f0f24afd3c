"""What a demo has of the vendor's bank: a statement with movements of every fate, and a transfer that was announced."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import date

from accounts.models import User
from billing_portal.demo.catalogue import SELLER
from billing_portal.demo.owing import LATE_PAYER
from billing_portal.demo.people import ALFA, BETA
from core.money import Money
from invoices.models import Invoice
from payments.models import BankEntry
from payments.services.bank import set_aside, take_in_file
from payments.services.remittances import make_remittance

COLUMNS = ("Datum", "Naam / Omschrijving", "Rekening", "Af Bij", "Bedrag (EUR)", "Mededelingen")
COSTS = "Kosten zakelijk betalingsverkeer"


def bank(people: Mapping[str, User], work: Callable[[], None], *, today: date) -> None:
    """Alfa announces one transfer for two invoices. A statement comes in: Beta pays its two invoices, one of them
    with more than it asks for, the late payer a part of one and another without a word; then what is nobody's, and
    costs that finance set aside."""
    finance = people["finance@vendor.example"]
    open_ones = Invoice.objects.open().order_by("-due_date", "pk")
    announced = list(open_ones.filter(account__name=ALFA, profile__name__in=["IT & Data", "Warehouse Rotterdam"])[:2])
    if announced:
        make_remittance(announced[0].account, announced, by=people["marieke@alfa.example"])
    moves: list[tuple[str, Money, str]] = []
    for number, invoice in enumerate(open_ones.filter(account__name=BETA)):
        more = Money(0 if number else 25_00, invoice.currency)
        moves.append((BETA, invoice.amount_due + more, invoice.payment_reference))
    late = list(open_ones.filter(account__name=LATE_PAYER)[:2])
    if len(late) == 2:
        part = Money(100_00, late[0].currency)
        moves.append((LATE_PAYER, part, f"{late[1].number} eerste deel"))
        moves.append((LATE_PAYER, late[0].amount_due, "Betaling zoals besproken"))
    moves.append(("Stichting De Haven", Money(58_00, "EUR"), "Bijdrage buurtfeest"))
    moves.append(("", Money(-12_40, "EUR"), COSTS))
    take_in_file(_sheet(moves, today), name=f"ing-{today}.csv", by=finance)
    work()
    set_aside(BankEntry.objects.get(text=COSTS), note="Costs of the account itself; they go to the books.", by=finance)


def _sheet(moves: list[tuple[str, Money, str]], day: date) -> bytes:
    """As ING exports it."""
    text = io.StringIO()
    sheet = csv.writer(text, quoting=csv.QUOTE_ALL)
    sheet.writerow(COLUMNS)
    for name, amount, said in moves:
        side = "Af" if amount.minor < 0 else "Bij"
        whole, cents = divmod(abs(amount.minor), 100)
        sheet.writerow((f"{day:%Y%m%d}", name, SELLER["iban"], side, f"{whole},{cents:02}", said))
    return text.getvalue().encode()
