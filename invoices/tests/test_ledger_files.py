"""The ledger as files: every posting once, both sides equal, hostile words harmless, as the schema of XAF wants it."""

import csv
import io
import tracemalloc
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from lxml import etree

from core.errors import Refused
from core.money import Money
from invoices.ledger_files.audit_file import NAMESPACE, write_audit_file
from invoices.ledger_files.rows import Stretch, ledger_csv, sums_of
from invoices.models import LedgerAccount, Posting
from invoices.services.ledger import post
from invoices.services.settling import reopen_invoice, settle_invoice
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 20)
YEAR = Stretch(date(2026, 1, 1), date(2026, 12, 31), "EUR")
HOSTILE = "=cmd|\"</custSupName><x>&\x07\ufffe' ☃"
XAF = {"x": NAMESPACE}

# The order of the elements that are written, and the longest text of each, from XmlAuditfileFinancieel3.2.xsd.
ORDER = {
    "auditfile": ["header", "company"],
    "header": ["fiscalYear", "startDate", "endDate", "curCode", "dateCreated", "softwareDesc", "softwareVersion"],
    "company": [
        *("companyIdent", "companyName", "taxRegistrationCountry", "taxRegIdent", "streetAddress", "postalAddress"),
        *("customersSuppliers", "generalLedger", "vatCodes", "periods", "openingBalance", "transactions"),
    ],
    "customerSupplier": [
        *("custSupID", "custSupName", "contact", "telephone", "fax", "eMail", "website", "commerceNr"),
        *("taxRegistrationCountry", "taxRegIdent", "relationshipID", "custSupTp"),
    ],
    "ledgerAccount": ["accID", "accDesc", "accTp"],
    "period": ["periodNumber", "periodDesc", "startDatePeriod", "startTimePeriod", "endDatePeriod"],
    "openingBalance": ["opBalDate", "opBalDesc", "linesCount", "totalDebit", "totalCredit", "obLine"],
    "obLine": ["nr", "accID", "amnt", "amntTp"],
    "transactions": ["linesCount", "totalDebit", "totalCredit", "journal"],
    "journal": ["jrnID", "desc", "jrnTp", "offsetAccID", "bankAccNr", "transaction"],
    "transaction": ["nr", "desc", "periodNumber", "trDt", "amnt", "amntTp", "sourceID", "userID", "trLine"],
    "trLine": [
        *("nr", "accID", "docRef", "effDate", "desc", "amnt", "amntTp", "recRef", "matchKeyID", "custSupID", "invRef"),
    ],
}
DEMANDED = {
    "header": {"fiscalYear", "startDate", "endDate", "curCode", "dateCreated"},
    "company": {"companyName", "taxRegistrationCountry", "taxRegIdent"},
    "transaction": {"nr", "periodNumber", "trDt"},
    "trLine": {"nr", "accID", "docRef", "effDate", "amnt", "amntTp"},
}
LONGEST = {"custSupID": 35, "custSupName": 50, "accID": 35, "jrnID": 35, "nr": 35, "fiscalYear": 9, "taxRegIdent": 30}


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def books():
    """Of every sort of posting, one before the year, and one in dollars."""
    profile = BillingProfileFactory(account__name=HOSTILE, name=HOSTILE)
    before = InvoiceFactory(profile=profile, lines=[1_000], issue_date=date(2025, 12, 5))
    invoice = InvoiceFactory(profile=profile, lines=[10_000])
    settle_invoice(invoice, euro(10_000), reference="payment:a", on=TODAY)
    reopen_invoice(invoice, euro(4_000), reference="refund:1", on=TODAY)
    reopen_invoice(invoice, euro(1_000), reference="returned:a", on=TODAY, credit=LedgerAccount.BANK)
    settle_invoice(invoice, euro(100), reference="write-off:1", on=TODAY, debit=LedgerAccount.BAD_DEBT)
    InvoiceFactory(profile=profile, kind="credit_note", lines=[500], issue_date=TODAY)
    InvoiceFactory(lines=[100], profile__account__american=True, rate=Decimal(0))
    return [before, invoice]


def file_of(stretch: Stretch = YEAR) -> bytes:
    out = io.BytesIO()
    write_audit_file(stretch, out, on=TODAY)
    return out.getvalue()


def sql(statement: str, *values: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def test_the_audit_file_is_in_the_order_and_the_lengths_of_its_schema(books):
    root = etree.fromstring(file_of())
    seen = set()
    for element in root.iter():
        name = etree.QName(element).localname
        seen.add(name)
        children = [etree.QName(child).localname for child in element]
        if name in ORDER:
            assert [ORDER[name].index(child) for child in children] == sorted(
                ORDER[name].index(child) for child in children
            )
            assert DEMANDED.get(name, set()) <= set(children)
        assert len(element.text or "") <= LONGEST.get(name, 999)
    assert set(ORDER) <= seen
    assert root.xpath("//x:curCode/text()", namespaces=XAF) == ["EUR"]
    assert set(root.xpath("//x:jrnTp/text()", namespaces=XAF)) == {"S", "B", "Z", "M"}
    assert set(root.xpath("//x:accTp/text()", namespaces=XAF)) == {"B", "P"}


def test_I1_the_audit_file_holds_every_posting_once_and_both_sides_are_equal(books):
    root = etree.fromstring(file_of())

    def amounts(side: str) -> Decimal:
        return sum(map(Decimal, root.xpath(f"//x:trLine[x:amntTp='{side}']/x:amnt/text()", namespaces=XAF)))

    ((number, minor),) = sql(
        "SELECT count(*), sum(amount_minor) FROM invoices_posting WHERE currency = 'EUR' AND posted_on >= '2026-01-01'"
    )
    assert number >= 7
    assert len(root.xpath("//x:trLine", namespaces=XAF)) == 2 * number
    assert root.xpath("string(//x:transactions/x:linesCount)", namespaces=XAF) == str(2 * number)
    assert amounts("D") == amounts("C") == Decimal(int(minor)) / 100
    for side in ("totalDebit", "totalCredit"):
        assert Decimal(root.xpath(f"string(//x:transactions/x:{side})", namespaces=XAF)) == amounts("D")
    numbers = root.xpath("//x:transaction/x:nr/text()", namespaces=XAF)
    assert len(numbers) == len(set(numbers))
    accounts = set(root.xpath("//x:ledgerAccount/x:accID/text()", namespaces=XAF))
    assert set(root.xpath("//x:trLine/x:accID/text()", namespaces=XAF)) <= accounts
    customers = set(root.xpath("//x:customerSupplier/x:custSupID/text()", namespaces=XAF))
    assert set(root.xpath("//x:trLine/x:custSupID/text()", namespaces=XAF)) == customers
    periods = set(root.xpath("//x:period/x:periodNumber/text()", namespaces=XAF))
    assert len(periods) == 12
    assert set(root.xpath("//x:transaction/x:periodNumber/text()", namespaces=XAF)) <= periods


def test_the_opening_balance_is_what_stood_there_the_evening_before(books):
    root = etree.fromstring(file_of())
    lines = {
        line.findtext("x:accID", namespaces=XAF): (
            line.findtext("x:amnt", namespaces=XAF),
            line.findtext("x:amntTp", namespaces=XAF),
        )
        for line in root.iterfind(".//x:obLine", XAF)
    }
    assert lines == {"receivable": ("12.10", "D"), "revenue": ("10.00", "C"), "vat": ("2.10", "C")}
    for side in ("totalDebit", "totalCredit"):
        assert root.xpath(f"string(//x:openingBalance/x:{side})", namespaces=XAF) == "12.10"


def test_hostile_words_stay_words_in_both_files(books):
    root = etree.fromstring(file_of())
    assert root.xpath("//x:custSupName/text()", namespaces=XAF) == ["=cmd|\"</custSupName><x>& ' ☃"]
    rows = list(csv.DictReader(io.StringIO(b"".join(ledger_csv(YEAR)).decode("utf-8-sig"))))
    assert {row["Name of the customer"] for row in rows if row["Reference"] != "Total"} == {f"'{HOSTILE}"}


def test_I1_the_csv_says_the_sums_and_they_are_those_of_the_ledger(books):
    everything = Stretch(date(2025, 1, 1), date(2026, 12, 31))
    rows = list(csv.DictReader(io.StringIO(b"".join(ledger_csv(everything)).decode("utf-8-sig"))))
    totals = {row["Currency"]: row for row in rows if row["Reference"] == "Total"}
    ledger = dict(sql("SELECT currency, sum(amount_minor) FROM invoices_posting GROUP BY currency"))
    assert set(totals) == set(ledger) == {"EUR", "USD"}
    for currency, minor in ledger.items():
        of_it = [row for row in rows if row["Currency"] == currency and row["Reference"] != "Total"]
        for side in ("Debit", "Credit"):
            assert Decimal(totals[currency][side]) == Decimal(int(minor)) / 100
            assert sum(Decimal(row[side]) for row in of_it if row[side]) == Decimal(int(minor)) / 100
    for sums in sums_of(everything):
        assert sums.debit == sums.credit == Money(int(ledger[sums.currency]), sums.currency)


@pytest.mark.parametrize(
    ("stretch", "code"),
    [
        (Stretch(TODAY, TODAY - timedelta(days=1), "EUR"), "days_reversed"),
        (Stretch(TODAY, TODAY), "one_currency"),
        (Stretch(TODAY, TODAY, "KWD"), "decimals"),
        (Stretch(date(2025, 1, 31), date(2026, 1, 1), "EUR"), "too_long"),
    ],
)
def test_what_no_audit_file_can_hold_is_refused(stretch, code):
    with pytest.raises(Refused) as refusal:
        file_of(stretch)
    assert refusal.value.code == code


def test_a_time_without_postings_is_a_file_without_lines():
    root = etree.fromstring(file_of())
    assert root.xpath("string(//x:transactions/x:linesCount)", namespaces=XAF) == "0"
    assert root.xpath("string(//x:transactions/x:totalDebit)", namespaces=XAF) == "0.00"


def test_the_files_take_no_more_memory_when_there_are_more_postings(monkeypatch):
    monkeypatch.setattr("invoices.ledger_files.rows.PORTION", 20)
    monkeypatch.setattr("core.spreadsheets.PORTION", 2_000)
    invoice = InvoiceFactory()

    def peak() -> int:
        tracemalloc.start()
        assert all(ledger_csv(YEAR))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    def grow(start: int, number: int) -> None:
        values = {"debit": "bank", "credit": "gateway", "amount_minor": 1, "currency": "EUR", "posted_on": TODAY}
        values |= {"account": invoice.account, "profile": invoice.profile, "invoice": invoice}
        Posting.objects.bulk_create(Posting(reference=f"x:{start + n}", **values) for n in range(number))

    grow(0, 100)
    peak()
    small = peak()
    grow(100, 900)
    assert peak() < small * 1.5


def test_the_command_writes_both_files_and_says_the_sums(books, tmp_path, capsys):
    file = tmp_path / "ledger.xaf"
    arguments = ["--from", "2026-01-01", "--until", "2026-12-31", "--currency", "eur"]
    call_command("export_ledger", str(file), *arguments, "--audit-file")
    assert etree.parse(str(file)).getroot().tag == f"{{{NAMESPACE}}}auditfile"
    (sums,) = sums_of(YEAR)
    said = capsys.readouterr().out
    assert f"EUR: {sums.lines} lines, debit {sums.debit}, credit {sums.credit}" in said
    call_command("export_ledger", str(file), *arguments)  # again, over it, as CSV
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.xaf"]


def test_the_command_writes_nothing_when_asked_to_look_or_when_refused(books, tmp_path, capsys):
    file = tmp_path / "ledger.xaf"
    arguments = ["--from", "2026-01-01", "--until", "2026-12-31"]
    call_command("export_ledger", str(file), *arguments, "--dry-run")
    assert "Nothing was written." in capsys.readouterr().out
    for wrong, words in (
        ([*arguments, "--audit-file"], "one currency"),
        ([*arguments, "--audit-file", "--currency", "XXX"], "XXX"),
        (["--from", "2026-02-01", "--until", "2026-01-01"], "after --until"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("export_ledger", str(file), *wrong)
    with pytest.raises(CommandError, match="Nothing was written"):
        call_command("export_ledger", str(tmp_path / "missing" / "a.csv"), *arguments)
    assert list(tmp_path.iterdir()) == []


def test_every_move_of_the_ledger_has_its_journal():
    invoice = InvoiceFactory()
    for number, account in enumerate(set(LedgerAccount) - {LedgerAccount.RECEIVABLE}):
        values = {"amount": euro(1), "on": TODAY, "reference": f"x:{number}"}
        post(invoice, debit=account, credit=LedgerAccount.RECEIVABLE, **values)
    root = etree.fromstring(file_of())
    assert len(root.xpath("//x:journal", namespaces=XAF)) == 4
