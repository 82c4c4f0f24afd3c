"""camt.053, the statement of ISO 20022 (versions 2 to 8 and later), as Dutch banks send it.

Read by expat in one pass, an entry at a time. A document type is refused before anything of it is looked at: it has
no place in a statement, and is how entities blow up (T40).
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import BinaryIO
from xml.parsers import expat

from django.utils.translation import gettext as _

from core.money import Money
from payments.bank.entries import FileRefused, ReadEntry, ReadStatement

PORTION = 64 * 1024
DEEPEST = 40
LONGEST_TEXT = 10_000


class _Node:
    """An element, by its local name."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes, self.text = name, attributes, ""
        self.children: list[_Node] = []

    def all(self, path: str) -> Iterator["_Node"]:
        head, _slash, rest = path.partition("/")
        for child in self.children:
            if child.name == head:
                yield from child.all(rest) if rest else [child]

    def first(self, *paths: str) -> "_Node | None":
        return next((node for path in paths for node in self.all(path)), None)

    def said(self, *paths: str) -> str:
        """The text at the first of these paths that has one."""
        return next((node.text.strip() for path in paths for node in self.all(path) if node.text.strip()), "")


class _Reader:
    """Keeps the tree of what is open, and lets an entry go as soon as it is read."""

    def __init__(self) -> None:
        self.open: list[_Node] = []
        self.statements: list[ReadStatement] = []
        self.is_statement_file = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if not self.open and local != "Document":
            raise FileRefused(_("its root is %(name)s, not the Document of a statement") % {"name": local[:40]})
        if len(self.open) == 1:
            self.is_statement_file = local == "BkToCstmrStmt"
            if not self.is_statement_file:
                raise FileRefused(_("it is a %(name)s, not a statement (camt.053)") % {"name": local[:40]})
        if len(self.open) >= DEEPEST:
            raise FileRefused(_("its elements lie too deep in each other"))
        node = _Node(local, attributes)
        if self.open:
            self.open[-1].children.append(node)
        self.open.append(node)
        if local == "Stmt":
            self.statements.append(ReadStatement("", ""))

    def text(self, text: str) -> None:
        node = self.open[-1]
        if len(node.text) < LONGEST_TEXT:
            node.text += text

    def end(self, _name: str) -> None:
        node = self.open.pop()
        if node.name == "Ntry" and self.statements:
            self.statements[-1].entries += _entries(node)
            self.open[-1].children.remove(node)
        elif node.name == "Stmt":
            _head(self.statements[-1], node)
            self.open[-1].children.remove(node)

    def refuse_type(self, *_about: object) -> None:
        raise FileRefused(_("it has a document type, which no statement has"))


def read_camt(file: BinaryIO) -> list[ReadStatement]:
    """The statements of the file. Raises FileRefused for what is none, is cut off, or does not add up."""
    reader, parser = _Reader(), expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_type
    parser.EntityDeclHandler = reader.refuse_type
    parser.buffer_text = True
    try:
        while portion := file.read(PORTION):
            parser.Parse(portion, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise FileRefused(_("it is no whole XML document: line %(line)d") % {"line": error.lineno}) from None
    except (LookupError, ValueError):
        raise FileRefused(_("its encoding is none that we read; have it made in UTF-8")) from None
    if not reader.statements:
        raise FileRefused(_("it holds no statement"))
    for statement in reader.statements:
        statement.check()
    return reader.statements


def _head(statement: ReadStatement, node: _Node) -> None:
    statement.iban = node.said("Acct/Id/IBAN").replace(" ", "").upper()
    if not statement.iban:
        raise FileRefused(_("a statement names no IBAN"))
    statement.number = node.said("Id")[:60] or node.said("ElctrncSeqNb", "LglSeqNb")[:60]
    statement.currency = node.said("Acct/Ccy")[:3]
    for balance in node.all("Bal"):
        amount, code = balance.first("Amt"), balance.said("Tp/CdOrPrtry/Cd")
        if amount is None:
            continue
        money = _money(amount, is_out=_is_out(balance))
        if code in ("OPBD", "PRCD") and statement.opening is None:
            statement.opening = money
        elif code == "CLBD":
            statement.closing = money
    if statement.opening is None or statement.closing is None:
        raise FileRefused(
            _("statement %(number)s does not say both balances, so nobody can tell if it is whole")
            % {"number": statement.number}
        )


def _entries(node: _Node) -> Iterator[ReadEntry]:
    """The booked movements of an entry: each of its transactions where it says their amounts, else the entry whole.

    Of several transactions without amounts nobody knows which of them pays what, so none is named.
    """
    status = node.said("Sts/Cd", "Sts")
    if status and status != "BOOK":
        return
    amount = node.first("Amt")
    if amount is None:
        raise FileRefused(_("an entry has no amount"))
    is_out = _is_out(node)
    whole = _money(amount, is_out=is_out)
    booked_on = _day(node.said("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm"))
    reference = node.said("AcctSvcrRef", "NtryRef")[:100]
    is_return = node.said("RvslInd") == "true"
    details = list(node.all("NtryDtls/TxDtls"))
    parts = [_part(each, is_out, whole.currency) for each in details]
    split = len(details) > 1 and all(parts) and Money.total((part for part in parts if part), whole.currency) == whole
    is_one = len(details) == 1
    for number, each in enumerate(details if split or is_one else [_Node("TxDtls", {})]):
        side = "Cdtr" if is_out else "Dbtr"
        yield ReadEntry(
            booked_on=booked_on,
            amount=(parts[number] or whole) if split else whole,
            bank_reference=(each.said("Refs/AcctSvcrRef") or reference)[:100],
            name=each.said(f"RltdPties/{side}/Nm", f"RltdPties/{side}/Pty/Nm")[:140],
            account=each.said(f"RltdPties/{side}Acct/Id/IBAN").replace(" ", "").upper()[:34],
            text=_remittance(node, each)[:500],
            references=tuple(line.text.strip()[:35] for line in each.all("RmtInf/Strd/CdtrRefInf/Ref"))[:20],
            end_to_end=each.said("Refs/EndToEndId").removeprefix("NOTPROVIDED")[:35],
            is_return=is_return or each.first("RtrInf") is not None,
        )


def _remittance(node: _Node, details: _Node) -> str:
    """What the customer wrote; where there is none, what the bank says beside it: ABN AMRO's /TRTP/…/REMI/…"""
    lines = [line.text.strip() for line in details.all("RmtInf/Ustrd")]
    return " ".join(lines) or details.said("AddtlTxInf") or node.said("AddtlNtryInf")


def _is_out(node: _Node) -> bool:
    side = node.said("CdtDbtInd")
    if side not in ("CRDT", "DBIT"):
        raise FileRefused(_("“%(said)s” does not say whether money came in or out") % {"said": side[:20]})
    return side == "DBIT"


def _part(details: _Node, is_out: bool, currency: str) -> Money | None:
    amount = details.first("AmtDtls/TxAmt/Amt", "Amt")
    if amount is None or amount.attributes.get("Ccy") != currency:
        return None
    return _money(amount, is_out=is_out)


def _money(node: _Node, *, is_out: bool) -> Money:
    currency = node.attributes.get("Ccy", "")
    said = f"{node.text.strip()[:20]} {currency[:3]}"
    try:
        amount = Money.rounded(Decimal(node.text.strip()), currency)
        exact = amount.amount == Decimal(node.text.strip())
    except (InvalidOperation, ValueError):
        raise FileRefused(_("“%(said)s” is no amount") % {"said": said}) from None
    if not exact or amount.minor < 0 or amount.minor >= 10**15:
        raise FileRefused(_("“%(said)s” is no amount of a statement") % {"said": said})
    return -amount if is_out else amount


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise FileRefused(_("“%(said)s” is no day") % {"said": text[:20]}) from None
