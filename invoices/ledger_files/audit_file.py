"""The Dutch audit file: XML Auditfile Financieel 3.2 (XAF), as accountants and the tax administration take it.

The schema is XmlAuditfileFinancieel3.2.xsd of the namespace below: its order of elements, its lengths and its codes.
A file holds one currency and at most a year. The lines go to a temporary file first and are summed on the way, since
the sums stand before them; memory does not grow with their number.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import BinaryIO
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from django.db.models import Exists, OuterRef, Sum
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import BillingAccount, Seller
from core.errors import Refused
from core.money import Money, exponent
from core.periods import Month, months_between
from invoices.ledger_files.rows import PORTION, Journal, Stretch, Sums, journal_of
from invoices.models import LedgerAccount, Posting

NAMESPACE = "http://www.auditfiles.nl/XAF/3.2"
SOFTWARE = "Billing portal"
MOST_MONTHS = 12
# The schema has amounts of two decimals.
MOST_DECIMALS = 2
# Balance sheet, or profit and loss.
PROFIT_AND_LOSS = {LedgerAccount.REVENUE, LedgerAccount.BAD_DEBT, LedgerAccount.PROMOTION}
# The codes of the schema: sales, bank, other, memorial.
JOURNAL_TYPES = {Journal.SALES: "S", Journal.BANK: "B", Journal.PROVIDER: "Z", Journal.MEMORIAL: "M"}
_PLAIN: AttributesImpl = AttributesImpl({})
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


@dataclass(frozen=True)
class _Counted:
    """What was written of transactions."""

    lines: int
    amount: Money


def check_audit_file(stretch: Stretch) -> None:
    """Refuses `days_reversed`, `one_currency`, `decimals` for a currency that the schema cannot write, and `too_long`
    for more than a year."""
    if stretch.starts_on > stretch.ends_on:
        raise Refused(_("The first day is after the last one. Swap them."), "days_reversed")
    if not stretch.currency:
        raise Refused(_("An audit file holds one currency: choose which."), "one_currency")
    if exponent(stretch.currency) > MOST_DECIMALS:
        raise Refused(_("An audit file holds amounts of two decimals at most. Take the CSV."), "decimals")
    if len(_months(stretch)) > MOST_MONTHS:
        raise Refused(_("An audit file holds twelve months at most. Choose a shorter time."), "too_long")


def write_audit_file(stretch: Stretch, to: BinaryIO, *, on: date) -> Sums:
    """Write the file of that day, in Dutch; returns its control totals. Refuses what `check_audit_file` does."""
    check_audit_file(stretch)
    with override("nl"), tempfile.TemporaryFile() as lines:
        counted = _write_journals(stretch, _Writer(lines))
        out = _Writer(to)
        out.start()
        with out.element("auditfile", {"xmlns": NAMESPACE}):
            _write_header(out, stretch, on)
            with out.element("company"):
                _write_company(out)
                _write_customers(out, stretch)
                _write_accounts(out)
                _write_periods(out, stretch)
                _write_opening(out, stretch)
                with out.element("transactions"):
                    out.sums(counted.lines, counted.amount, counted.amount)
                    out.flush()
                    lines.seek(0)
                    shutil.copyfileobj(lines, to)
        out.flush()
    return Sums(stretch.currency, counted.lines, counted.amount, counted.amount)


class _Writer:
    """Elements in the order in which they are asked for; every text escaped, bounded, and without what XML cannot
    hold."""

    def __init__(self, to: BinaryIO) -> None:
        self._xml = XMLGenerator(to, "utf-8", short_empty_elements=False)
        self._to = to

    def start(self) -> None:
        self._xml.startDocument()

    @contextmanager
    def element(self, name: str, attributes: dict[str, str] | None = None) -> Iterator[None]:
        self._xml.startElement(name, AttributesImpl(attributes or {}))
        yield
        self._xml.endElement(name)

    def text(self, name: str, value: object, most: int = 999) -> None:
        """An element that holds a text; nothing where the text is empty."""
        written = _UNWRITABLE.sub(" ", str(value)).strip()[:most]
        if written:
            self._xml.startElement(name, _PLAIN)
            self._xml.characters(written)
            self._xml.endElement(name)

    def side(self, amount: Money, is_debit: bool) -> None:
        self.text("amnt", _written(amount))
        self.text("amntTp", "D" if is_debit else "C")

    def sums(self, lines: int, debit: Money, credit: Money) -> None:
        self.text("linesCount", lines)
        self.text("totalDebit", _written(debit))
        self.text("totalCredit", _written(credit))

    def flush(self) -> None:
        self._xml.ignorableWhitespace("")
        self._to.flush()


def _write_header(out: _Writer, stretch: Stretch, on: date) -> None:
    first, last = stretch.starts_on.year, stretch.ends_on.year
    with out.element("header"):
        out.text("fiscalYear", first if first == last else f"{first}-{last}", 9)
        out.text("startDate", stretch.starts_on)
        out.text("endDate", stretch.ends_on)
        out.text("curCode", stretch.currency)
        out.text("dateCreated", on)
        out.text("softwareDesc", SOFTWARE, 50)


def _write_company(out: _Writer) -> None:
    seller = Seller.objects.first() or Seller()
    out.text("companyIdent", seller.registration_number, 35)
    out.text("companyName", seller.legal_name or "-")
    out.text("taxRegistrationCountry", seller.country.code or "NL", 2)
    out.text("taxRegIdent", seller.vat_id or "-", 30)


def _write_customers(out: _Writer, stretch: Stretch) -> None:
    theirs = stretch.postings().filter(account=OuterRef("pk"))
    customers = BillingAccount.objects.filter(Exists(theirs)).select_related("sold_to").order_by("pk")
    with out.element("customersSuppliers"):
        for customer in customers.iterator(PORTION):
            with out.element("customerSupplier"):
                out.text("custSupID", customer.code, 35)
                out.text("custSupName", customer.name, 50)
                out.text("commerceNr", customer.registration_number)
                if customer.vat_id:
                    out.text("taxRegistrationCountry", str(customer.country), 2)
                    out.text("taxRegIdent", customer.vat_id, 30)
                out.text("custSupTp", "C")


def _write_accounts(out: _Writer) -> None:
    with out.element("generalLedger"):
        for account in LedgerAccount:
            with out.element("ledgerAccount"):
                out.text("accID", account.value, 35)
                out.text("accDesc", account.label)
                out.text("accTp", "P" if account in PROFIT_AND_LOSS else "B")


def _write_periods(out: _Writer, stretch: Stretch) -> None:
    with out.element("periods"):
        for number, month in enumerate(_months(stretch), start=1):
            with out.element("period"):
                out.text("periodNumber", number)
                out.text("periodDesc", month, 50)
                out.text("startDatePeriod", max(month.first, stretch.starts_on))
                out.text("endDatePeriod", min(month.last, stretch.ends_on))


def _write_opening(out: _Writer, stretch: Stretch) -> None:
    """What each account held the evening before."""
    before = Posting.objects.filter(posted_on__lt=stretch.starts_on, currency=stretch.currency).order_by()
    held = dict.fromkeys(LedgerAccount.values, 0)
    for sign, column in ((1, "debit"), (-1, "credit")):
        for account, minor in before.values_list(column).annotate(sum=Sum("amount_minor")):
            held[account] += sign * int(minor)
    open_ones = [(account, Money(minor, stretch.currency)) for account, minor in held.items() if minor]
    nothing = Money.zero(stretch.currency)
    debit = Money.total((amount for _account, amount in open_ones if amount > nothing), stretch.currency)
    credit = -Money.total((amount for _account, amount in open_ones if amount < nothing), stretch.currency)
    with out.element("openingBalance"):
        out.text("opBalDate", stretch.starts_on)
        out.text("opBalDesc", _("Opening balance"))
        out.sums(len(open_ones), debit, credit)
        for number, (account, amount) in enumerate(open_ones, start=1):
            with out.element("obLine"):
                out.text("nr", number)
                out.text("accID", account)
                out.side(amount if amount > nothing else -amount, amount > nothing)


def _write_journals(stretch: Stretch, out: _Writer) -> _Counted:
    """The journals with their transactions: the postings of one cause on one day are one transaction."""
    numbers = {month: number for number, month in enumerate(_months(stretch), start=1)}
    columns = ("journal", "posted_on", "reference", "pk", "debit", "credit", "amount_minor", "account__code")
    rows = stretch.postings().annotate(journal=journal_of()).order_by("journal", "posted_on", "reference", "pk")
    found = rows.values_list(*columns, "invoice__number").iterator(PORTION)
    lines, amount = 0, Money.zero(stretch.currency)
    for journal, kept in groupby(found, itemgetter(0)):
        with out.element("journal"):
            out.text("jrnID", journal, 35)
            out.text("desc", _journal_name(journal))
            out.text("jrnTp", JOURNAL_TYPES[journal])
            for (on, reference), postings in groupby(kept, itemgetter(1, 2)):
                with out.element("transaction"):
                    for number, (*_known, key, debit, credit, minor, customer, invoice) in enumerate(postings):
                        if number == 0:
                            # Its oldest posting: no other transaction has that number, now or later.
                            out.text("nr", key)
                            out.text("desc", reference)
                            out.text("periodNumber", numbers[Month.of(on)])
                            out.text("trDt", on)
                        moved = Money(minor, stretch.currency)
                        for is_debit, account in ((True, debit), (False, credit)):
                            with out.element("trLine"):
                                out.text("nr", 2 * number + (1 if is_debit else 2))
                                out.text("accID", account)
                                out.text("docRef", invoice or reference)
                                out.text("effDate", on)
                                out.side(moved, is_debit)
                                out.text("custSupID", customer, 35)
                                out.text("invRef", invoice or "")
                        lines, amount = lines + 2, amount + moved
    out.flush()
    return _Counted(lines, amount)


def _journal_name(journal: str) -> str:
    return {
        Journal.SALES: _("Sales"),
        Journal.BANK: _("Bank"),
        Journal.PROVIDER: _("Payments by the payment provider"),
        Journal.MEMORIAL: _("Credits, settlements and write-offs"),
    }[journal]


def _months(stretch: Stretch) -> Sequence[Month]:
    return list(months_between(Month.of(stretch.starts_on), Month.of(stretch.ends_on)))


def _written(amount: Money) -> str:
    return f"{amount.amount:.2f}"
