"""Matching a statement of the bank with what is owed, against reading the file and inserting its rows.

A world of open invoices, each with its case of collecting, and a camt.053 with all that Dutch banks
send of a movement. Most movements carry a payment reference, some a number and the amount, and some
nothing that names an invoice. Ours is all that follows the import: what a movement pays, its payment,
allocation, posting, receipt number and paper, the end of the case, and what was paid too much. It
takes at most three times as long as reading the file and writing its movements down, and its memory does
not grow with the file.

    python benchmarks/run.py matching [--short] [--invoices 100000] [--entries 20000] [--pairs 3]

`--short` is for CI: it fails on results, never on time.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from xml.sax.saxutils import escape

from billing_run import _SEED, LINES, issue_date
from common import Comparison, Wrong, execute, expect, own_database, scalar, timed
from django.db import connection
from django.utils import timezone

from core.periods import Month
from invoices.documents.codes import payment_reference
from invoices.services.run import run_billing
from payments.models import BankEntry
from payments.services.bank import look_at, take_in_file

OURS = "NL91ABNA0417164300"
AT_MOST = 3.0
# The worker takes so many movements at once (payments.jobs.match_bank_entries).
BATCH = 1000
PROFILES = 1000
# Of every twenty movements: how many, what each carries, and how much more than is owed.
MIX = (
    [("reference", 0)] * 12
    + [("number", 0)] * 3
    + [("reference", -100), ("reference", 500), ("number", 500), ("nothing", 0), ("cost", 0)]
)
MEGABYTES_AT_MOST = 64


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="matching", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="4,000 invoices, 2,000 movements, one pair")
    parser.add_argument("--invoices", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args(arguments)
    invoices, entries, pairs = (
        (4_000, 2_000, 1) if options.short else (options.invoices, options.entries, options.pairs)
    )
    with own_database():
        # Each statement pays invoices of its own, so that no fewer than asked for are open in the last one.
        seed(invoices + (pairs + 1) * entries)
        found = Comparison("matching", "movements")
        grown = []
        for pair in range(-1, pairs):
            content = statement(pair, entries)
            expect("at least so many invoices are open", open_invoices() >= invoices, True)
            limit = timed(lambda: take_in_file(content, name="statement.xml", by=None))  # noqa: B023
            before = resident_megabytes(peak=False)
            ours = timed(match)
            grown.append(resident_megabytes(peak=True) - before)
            check(pair, entries)
            if pair >= 0:  # the first is checked and not timed
                found.ours.append(ours)
                found.limit.append(limit)
                print(f"read and inserted in {limit:.2f} s, matched and booked in {ours:.2f} s", flush=True)
    times = [ours / limit for ours, limit in zip(found.ours, found.limit, strict=True)]
    print(
        f"{found.line(entries)}; {median(times):.2f}× the time of reading and inserting "
        f"(max {max(times):.2f}); {invoices:,} open invoices, memory grew by {max(grown[1:]):.0f} MB at most"
    )
    if not options.short and (median(times) > AT_MOST or max(grown[1:]) > MEGABYTES_AT_MOST):
        raise Wrong(f"more than {AT_MOST}× or more than {MEGABYTES_AT_MOST} MB")


def match() -> None:
    """What the worker does after an import, batch by batch."""
    while batch := list(BankEntry.objects.to_match().order_by("pk").only("pk")[:BATCH]):
        look_at(batch, at=timezone.now())


def seed(invoices: int) -> None:
    """So many open invoices: a billed month of a thousand profiles, copied under further numbers."""
    first = Month.of(timezone.localdate()).plus(-3)
    execute(_SEED, {"profiles": PROFILES, "lines": LINES, "first": first.first})
    run_billing(first, on=issue_date(first))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'invoices_invoice'"
            " AND table_schema = current_schema() AND is_generated = 'NEVER'"
        )
        columns = [row[0] for row in cursor.fetchall()]
    values = {"id": "DEFAULT", "code": "'copy' || copy || '-' || id", "period_id": "NULL"}
    values["number"] = "'X' || lpad((copy * 1000 + id)::text, 9, '0')"
    names = [column for column in columns if column != "id"]
    chosen = ", ".join(values.get(name, name) for name in names)
    execute("SET session_replication_role = replica")
    execute(
        f"INSERT INTO invoices_invoice ({', '.join(names)}) SELECT {chosen} FROM invoices_invoice,"
        " generate_series(1, %(copies)s) copy WHERE kind = 'invoice' AND status = 'due'",
        {"copies": invoices // PROFILES + 1},
    )
    execute("SET session_replication_role = DEFAULT")
    execute(
        "INSERT INTO payments_collectioncase (invoice_id, pace, status, standing, day_zero, next_at, opened_at)"
        " SELECT id, 'normal', 'open', 'fine', due_date, due_date + interval '1 day', now() FROM invoices_invoice"
        " WHERE kind = 'invoice' AND status = 'due'"
    )
    execute("ANALYZE invoices_invoice, payments_collectioncase")


def open_invoices() -> int:
    return int(scalar("SELECT count(*) FROM invoices_invoice WHERE kind = 'invoice' AND status = 'due'"))  # type: ignore[call-overload]


def statement(number: int, entries: int) -> bytes:
    """A camt.053 of so many movements, over open invoices that no statement paid before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, total_minor - prepaid_minor FROM invoices_invoice WHERE kind = 'invoice'"
            " AND status = 'due' AND settled_minor = 0 AND currency = 'EUR' AND total_minor - prepaid_minor > 100"
            " ORDER BY id OFFSET %s LIMIT %s",
            [max(number, 0), entries],
        )
        owed = cursor.fetchall()
    moves = [_move(index, *MIX[index % len(MIX)], *owed[index]) for index in range(entries)]
    total = sum(amount for amount, _xml in moves)
    body = "".join(xml for _amount, xml in moves)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>'
        f"<Stmt><Id>S{number}</Id><Acct><Id><IBAN>{OURS}</IBAN></Id></Acct>"
        f"{_balance('OPBD', 10**9)}{_balance('CLBD', 10**9 + total)}{body}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def _move(index: int, carries: str, more: int, number: str, owed: int) -> tuple[int, str]:
    amount = -250 if carries == "cost" else owed + more
    told = {"number": f"factuur {number}", "nothing": "november", "cost": "kosten"}.get(carries, "")
    remittance = (
        f"<Strd><CdtrRefInf><Ref>{payment_reference(number)}</Ref></CdtrRefInf></Strd>"
        if carries == "reference"
        else f"<Ustrd>{escape(told)}</Ustrd>"
    )
    side = "DBIT" if amount < 0 else "CRDT"
    party = "Cdtr" if amount < 0 else "Dbtr"
    return amount, (
        f'<Ntry><NtryRef>{index}</NtryRef><Amt Ccy="EUR">{abs(amount) / 100:.2f}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        "<Sts>BOOK</Sts><BookgDt><Dt>2026-11-20</Dt></BookgDt><ValDt><Dt>2026-11-20</Dt></ValDt>"
        f"<AcctSvcrRef>{number}-{index}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd>"
        "<SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn><Prtry><Cd>00100</Cd><Issr>BANK</Issr></Prtry></BkTxCd><NtryDtls>"
        f"<TxDtls><Refs><InstrId>I{index}</InstrId><EndToEndId>NOTPROVIDED</EndToEndId><TxId>T{index}</TxId></Refs>"
        f'<AmtDtls><TxAmt><Amt Ccy="EUR">{abs(amount) / 100:.2f}</Amt></TxAmt></AmtDtls>'
        f"<RltdPties><{party}><Nm>Account {index}</Nm><PstlAdr><Ctry>NL</Ctry></PstlAdr></{party}>"
        f"<{party}Acct><Id><IBAN>NL02ABNA0123456789</IBAN></Id></{party}Acct></RltdPties>"
        f"<RltdAgts><{party}Agt><FinInstnId><BIC>ABNANL2A</BIC></FinInstnId></{party}Agt></RltdAgts>"
        f"<RmtInf>{remittance}</RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def _balance(code: str, minor: int) -> str:
    side = "DBIT" if minor < 0 else "CRDT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{abs(minor) / 100:.2f}</Amt>'
        f"<CdtDbtInd>{side}</CdtDbtInd></Bal>"
    )


def check(pair: int, entries: int) -> None:
    """What all statements up to this one come to."""
    done = (pair + 2) * (entries // len(MIX))
    expect("movements by status", dict(_by_status()), {"booked": 17 * done, "open": 3 * done})
    expect("payments", scalar("SELECT count(*) FROM payments_payment WHERE receipt_number IS NOT NULL"), 17 * done)
    expect("papers", scalar("SELECT count(*) FROM payments_paper WHERE kind = 'receipt'"), 17 * done)
    expect("paid", scalar("SELECT count(*) FROM invoices_invoice WHERE status = 'paid'"), 16 * done)
    expect("closed cases", scalar("SELECT count(*) FROM payments_collectioncase WHERE status = 'closed'"), 16 * done)
    for what, sql in _EQUAL.items():
        expect(what, scalar(sql), 0)


def _by_status() -> Iterator[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT status, count(*) FROM payments_bankentry GROUP BY status")
        yield from cursor.fetchall()


_EQUAL = {
    "booked of the movements less their payments": """
        SELECT (SELECT sum(settled_minor) FROM payments_bankentry)
             - (SELECT sum(amount_minor) FROM payments_payment)""",
    "payments less their allocations and what was overpaid": """
        SELECT (SELECT sum(amount_minor) FROM payments_payment)
             - (SELECT sum(amount_minor) FROM payments_allocation)
             - (SELECT COALESCE(sum(original_minor), 0) FROM invoices_creditlot)""",
    "settled less posted": """
        SELECT (SELECT sum(settled_minor) FROM invoices_invoice)
             - (SELECT sum(amount_minor) FROM invoices_posting WHERE debit = 'bank' AND credit = 'receivable')""",
    "invoices whose allocations are not what is settled": """
        SELECT count(*) FROM invoices_invoice i
        LEFT JOIN (SELECT invoice_id, sum(amount_minor) AS sum FROM payments_allocation GROUP BY 1) a
          ON a.invoice_id = i.id
        WHERE i.settled_minor <> COALESCE(a.sum, 0)""",
    "payments of a reference to another invoice than it names": """
        SELECT count(*) FROM payments_bankentry e JOIN payments_bankbooking b ON b.entry_id = e.id
        JOIN payments_allocation a ON a.payment_id = b.payment_id JOIN invoices_invoice i ON i.id = a.invoice_id
        WHERE e.bank_reference NOT LIKE i.number || '-%%'""",
}


def resident_megabytes(*, peak: bool) -> float:
    """What this process holds now, after which its peak counts anew; or the peak since then."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(name))
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")
    return int(found.split()[1]) / 1024
