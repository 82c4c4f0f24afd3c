"""The documents and mails of a billing run, and whether each costs the same when there are ten times as many.

A run issues 1,000 invoices of five lines, and the next month one of 10,000. Their documents are made (PDF and UBL,
stored with their digests) and mailed with the PDF, one mail to the owner of each profile, by the jobs of the worker.
Every result is checked by SQL and in the storage. What one costs is the median of portions of a hundred, so that what
the machine does meanwhile weighs little; `pdf` and `mail` compare with bare Typst and bare Django.

    python benchmarks/run.py documents [--short] [--long] [--mails] [--sizes 1000 10000]

`--mails` makes no documents: one PDF lies under every name. `--short` is for CI: it fails on results, statements,
connections and memory, never on time.
"""

import argparse
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from billing_run import FIRST, issue_date, seed
from common import counted, execute, expect, own_database, peak_megabytes, scalar
from django.conf import settings
from django.core.files.storage import default_storage
from mail import MAILS_PER_CONNECTION, check_connections, mail_server

from core import jobs
from core.periods import Month
from invoices.models import Document
from invoices.services.run import run_billing

PORTION = 100
# Demanded of the cost at the larger size, as a multiple of that at the smaller.
GROWTH = 1.25
# A file system gives one file so many names, and not many more.
NAMES_PER_FILE = 50_000
# Files read again and compared with the digest in their row.
SAMPLED = 50


@dataclass
class Cost:
    """What one document or mail costs: seconds (of the median portion) and statements."""

    name: str
    seconds: float
    statements: float
    peak: float

    def line(self, count: int) -> str:
        return (
            f"{count:,} {self.name}: {1 / self.seconds:,.0f}/s, {self.statements:.2f} statements each, "
            f"peak memory {self.peak:.0f} MB"
        )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="documents", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="100 and 400 invoices")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--long", action="store_true", help="100,000 invoices too")
    parser.add_argument("--mails", action="store_true", help="the mails alone, of documents that lie ready")
    options = parser.parse_args(arguments)
    sizes = sorted([100, 400] if options.short else [*options.sizes, *([100_000] if options.long else [])])
    with mail_server() as connections, tempfile.TemporaryDirectory() as media, own_database():
        settings.MEDIA_ROOT = media
        seed(sizes[-1], FIRST)
        execute(_OWNERS, {"owners": sizes[-1]})
        found = {size: measure(FIRST.plus(place), size, options.mails) for place, size in enumerate(sizes)}
    check_connections(len(connections), sum(sizes))
    for large in sizes[1:]:
        for before, after in zip(found[sizes[0]], found[large], strict=True):
            compare_costs(sizes[0], before, large, after)


def compare_costs(small: int, before: Cost, large: int, after: Cost) -> None:
    """Print what more of them add to the cost of each."""
    statements, memory = after.statements / before.statements, after.peak / before.peak
    print(
        f"{after.name} at {large:,}: {after.seconds / before.seconds:.2f}× the time of one at {small:,}, "
        f"{statements:.2f}× the statements, {memory:.2f}× the memory"
    )
    expect(f"statements of {after.name} grow by {GROWTH} at most", statements <= GROWTH, True)
    expect(f"memory of {after.name} grows by {GROWTH} at most", memory <= GROWTH, True)


def measure(month: Month, size: int, only_mails: bool) -> list[Cost]:
    """Bill so many profiles, make the documents, mail them, and print what each cost."""
    execute(_SELLING, {"profiles": size, "first": month.first, "later": month.next.first})
    run_billing(month, on=issue_date(month))
    expect("invoices", scalar(_COUNTS["invoices"], {"first": month.first}), size)
    execute("ANALYZE")
    if only_mails:
        lay_ready()
        found = []
    else:
        found = [make(month, size)]
    execute("ANALYZE")
    return [*found, send(month, size)]


def make(month: Month, size: int) -> Cost:
    of_month = {"first": month.first}
    documents = cost("documents", size, PORTION, ["invoices.make_documents"])
    expect("PDFs", scalar(_COUNTS["PDFs"], of_month), size)
    expect("structured invoices", scalar(_COUNTS["structured invoices"], of_month), size)
    expect("files of their own", scalar(_COUNTS["files"], of_month), 2 * size)
    check_files(month)
    print(documents.line(size), flush=True)
    return documents


def lay_ready() -> None:
    """Make a handful of documents, and let all others be the first of them under names of their own."""
    jobs.run_due(only=["invoices.make_documents"], limit=1)
    made = Document.objects.filter(kind="pdf", status="ready").latest("pk")
    folder = Path(settings.MEDIA_ROOT) / "laid"
    folder.mkdir(exist_ok=True)
    for number, pk in enumerate(Document.objects.filter(status="pending").values_list("pk", flat=True)):
        if number % NAMES_PER_FILE == 0:
            whole = shutil.copy(default_storage.path(made.file), folder / f"of-{pk}.pdf")
        os.link(whole, folder / f"{pk}.pdf")
    execute(_LAID, {"sha256": made.sha256, "size": made.size_bytes})


def send(month: Month, size: int) -> Cost:
    # A row is addressed and a mail sent.
    mails = cost("mails", size, 2 * MAILS_PER_CONNECTION, ["invoices.address_dispatches", "core.send_messages"])
    for what in ("deliveries", "mails taken by the server", "tries", "files attached"):
        expect(what, scalar(_COUNTS[what], {"first": month.first}), size)
    expect("jobs in hand", scalar("SELECT count(*) FROM core_jobclaim"), 0)
    print(mails.line(size), flush=True)
    return mails


def cost(name: str, count: int, portion: int, names: list[str]) -> Cost:
    """Run the jobs in portions until nothing is due."""
    seconds, tried = [], 0
    with counted() as counter:
        while True:
            began = perf_counter()
            done = jobs.run_due(only=names, limit=portion)
            if not done:
                break
            seconds.append((perf_counter() - began) / done)
            tried += done
    rows_each = tried / count
    expect(f"rows of each of the {name}", rows_each, len(names))
    return Cost(name, median(seconds) * rows_each, counter.count / count, peak_megabytes())


def check_files(month: Month) -> None:
    """Some of the files are there as their rows say."""
    documents = Document.objects.filter(invoice__period_start=month.first)
    for document in documents.order_by("sha256")[:SAMPLED]:
        with default_storage.open(document.file) as file:
            expect(f"digest of {document.file}", hashlib.sha256(file.read()).hexdigest(), document.sha256)


# The first so many profiles sell from that month on, the others later.
_SELLING = """
SET session_replication_role = replica;
UPDATE profiles_billingprofile SET created_at = %(later)s WHERE id > %(profiles)s;
UPDATE subscriptions_subscription SET started_on = %(later)s WHERE profile_id > %(profiles)s;
SET session_replication_role = origin;
ANALYZE;
"""

_OWNERS = """
SET session_replication_role = replica;
INSERT INTO accounts_user (id, password, is_superuser, email, name, language, color_mode, contact_email, is_active,
    is_staff, date_joined, alternate_email, phone)
SELECT n, '', false, 'person' || n || '@company.example', 'Person ' || n, CASE n %% 2 WHEN 0 THEN 'nl' ELSE 'en' END,
    'auto', '', true, false, now(), '', ''
FROM generate_series(1, %(owners)s) n;
INSERT INTO profiles_profilerole (role, assigned_at, profile_id, user_id)
SELECT 'profile_owner', now(), n, n FROM generate_series(1, %(owners)s) n;
SET session_replication_role = origin;
"""

_LAID = """
SET session_replication_role = replica;
UPDATE invoices_document SET status = 'ready', file = 'laid/' || id || '.pdf', sha256 = %(sha256)s,
    size_bytes = %(size)s, made_at = now(), check_code = lpad(id::text, 12, '0') WHERE status = 'pending';
SET session_replication_role = origin;
"""

_OF_MONTH = "JOIN invoices_invoice i ON i.id = x.invoice_id AND i.period_start = %(first)s"
_MAILS = f"SELECT count(DISTINCT m.id) FROM invoices_delivery x {_OF_MONTH} JOIN core_message m ON m.id = x.message_id"
_COUNTS = {
    "invoices": "SELECT count(*) FROM invoices_invoice i WHERE i.period_start = %(first)s AND i.status = 'due'",
    "PDFs": f"SELECT count(*) FROM invoices_document x {_OF_MONTH} WHERE x.kind = 'pdf' AND x.status = 'ready'",
    "structured invoices": f"SELECT count(*) FROM invoices_document x {_OF_MONTH} "
    "WHERE x.kind = 'ubl' AND x.status = 'ready'",
    "files": f"SELECT count(DISTINCT x.file) FROM invoices_document x {_OF_MONTH} WHERE length(x.sha256) = 64",
    "deliveries": f"SELECT count(DISTINCT x.email) FROM invoices_delivery x {_OF_MONTH}",
    "mails taken by the server": f"{_MAILS} WHERE m.status = 'accepted' AND m.attempts = 1",
    "tries": f"SELECT count(*) FROM invoices_delivery x {_OF_MONTH} "
    "JOIN core_messageattempt t ON t.message_id = x.message_id AND t.code = 250",
    "files attached": f"{_MAILS} WHERE jsonb_array_length(m.attachments) = 1",
}
