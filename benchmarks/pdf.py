"""The PDF of an invoice against bare Typst on the same template, data and standards (PDF/A-3a with PDF/UA-1).

Ours reads the invoice, words and formats it, writes it as CII and UBL (EN 16931), draws its QR codes, asks the
renderer's process, marks the file as Factur-X, stores both files with their digests, and keeps the books of the job.
The limit gets the words ready made, keeps its compiler and its fonts, and throws the bytes away. Then the same work on
one core and on four, each with a worker of its own, beside what bare Typst gains by four: no more than the machine
gives (decision 0006).

    python benchmarks/run.py pdf [--short] [--documents 100] [--pairs 5]

`--short` is for CI: it fails on results, never on time.
"""

import argparse
import hashlib
import io
import json
import os
import tempfile
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import typst
from common import compare, execute, expect, own_database, scalar
from django.conf import settings
from django.core.files.storage import default_storage
from pypdf import PdfReader

from core import jobs
from core.testing import start_process
from invoices.documents import worker
from invoices.documents.mark import marked
from invoices.documents.render import request_of
from invoices.documents.source import payload_of
from invoices.models import Document, Invoice
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

LINES = (5, 40)
PROCESSES = 4
PER_PROFILE = 25
# A worker takes twenty documents at a time, so that towards the end one may still have some while others have none;
# of more documents that shows less.
BATCHES = 2
ROUNDS = 3
JOB = "invoices.make_documents"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="pdf", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="ten documents, one pair, one process")
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args(arguments)
    documents, pairs = (10, 1) if options.short else (options.documents, options.pairs)
    with tempfile.TemporaryDirectory() as media, own_database():
        settings.MEDIA_ROOT = media
        for lines in LINES:
            measure(lines, documents, pairs)
        if not options.short:
            measure_processes(BATCHES * documents)


def measure(lines: int, documents: int, pairs: int) -> None:
    """Print how ours compares on invoices of that many lines."""
    compiler = bare_compiler()
    check(lines, compiler)
    batches = [issue(lines, documents) for _ in range(pairs)]
    # What the limit gets is made beforehand, and every document of it is another one too.
    requests = iter([[request_for(invoice) for invoice in batch] for batch in batches])
    to_make = iter(batches)
    found = compare(
        f"PDF of {lines} lines",
        "documents",
        lambda: make(next(to_make)),
        lambda: [bare(compiler, request) for request in next(requests)],
        pairs=pairs,
    )
    print(found.line(documents), flush=True)


def measure_processes(documents: int) -> None:
    """Print what four workers make on four cores, against one on one core, and the same of bare Typst.

    A worker is two processes that work at once, this one and its renderer, so one alone is given one core too.
    """
    rates: dict[str, list[dict[int, float]]] = {"ours": [], "bare Typst": []}
    for _ in range(ROUNDS):
        ours, limit = {}, {}
        for processes in (1, PROCESSES):
            batch = issue(LINES[0], documents * processes)
            release(batch)
            ours[processes] = len(batch) / run_workers(processes, _WORKER, JOB)
            expect("documents made", ready(batch), len(batch))
            requests = Path(settings.MEDIA_ROOT) / "requests"
            requests.write_text(json.dumps([request_for(invoice) for invoice in batch[:documents]]))
            seconds = run_workers(processes, _BARE, str(requests), RAYON_NUM_THREADS="1")
            limit[processes] = processes * (documents - 1) / seconds  # the first is the one to warm up
        rates["ours"].append(ours)
        rates["bare Typst"].append(limit)
    for name, rounds in rates.items():
        gains = [each[PROCESSES] / each[1] for each in rounds]
        print(
            f"PDFs, {name}: one core {median(each[1] for each in rounds):,.0f}/s, "
            f"{PROCESSES} cores {median(each[PROCESSES] for each in rounds):,.0f}/s, {median(gains):.2f} times one "
            f"(min {min(gains):.2f}, max {max(gains):.2f}, {ROUNDS} rounds)",
            flush=True,
        )


def check(lines: int, compiler: typst.Compiler) -> None:
    """The document says what its invoice comes to, its file is the one its row knows, and the limit makes the same."""
    [invoice] = issue(lines, 1)
    make([invoice])
    document = Document.objects.get(invoice=invoice, kind="pdf")
    with default_storage.open(document.file) as file:
        pdf = file.read()
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).replace("\xa0", " ")
    expect("digest of the file", hashlib.sha256(pdf).hexdigest(), document.sha256)
    expect("number on the document", invoice.number in text, True)
    total = scalar("SELECT total_minor FROM invoices_invoice WHERE id = %s", [invoice.pk])
    expect("total on the document", f"€{total / 100:,.2f}" in text, True)
    expect("the limit makes the same", marked(bare(compiler, request_for(invoice))) == pdf, True)


def issue(lines: int, documents: int) -> list[Invoice]:
    """Issued invoices whose documents wait to be made, out of the job's sight until `release`."""
    # The factory looks through all months of a profile for the next one.
    profiles = [BillingProfileFactory(name="Operations NL") for _ in range(ceil(documents / PER_PROFILE))]
    values = [
        {"net_minor": 12_345 + 731 * number, "section": f"Section {number % 3}", "quantity": 3412 + number, "unit": "h"}
        for number in range(lines)
    ]
    values.sort(key=lambda line: line["section"])
    made = [InvoiceFactory(profile=profiles[number // PER_PROFILE], lines=values) for number in range(documents)]
    execute("UPDATE invoices_document SET status = 'failed' WHERE status = 'pending'")
    return made


def release(batch: list[Invoice]) -> None:
    Document.objects.filter(invoice__in=batch, kind="pdf").update(status="pending")


def make(batch: list[Invoice]) -> None:
    release(batch)
    jobs.run_due(only=[JOB])
    expect("documents made", ready(batch), len(batch))


def ready(batch: list[Invoice]) -> int:
    return Document.objects.filter(invoice__in=batch, kind="pdf", status="ready").count()


def request_for(invoice: Invoice) -> dict:
    return json.loads(request_of(payload_of(invoice)))


def bare_compiler() -> typst.Compiler:
    template = worker.TEMPLATES["invoice"]
    return typst.Compiler(str(template), root=str(template.parent), font_paths=worker.fonts())


def bare(compiler: typst.Compiler, request: dict) -> bytes:
    return compiler.compile(
        format="pdf",
        pdf_standards=worker.STANDARDS,
        timestamp=request["timestamp"],
        sys_inputs={name: request[name] for name in ("data", "logo", "accent", "pictures", "einvoice")},
    )


def run_workers(processes: int, script: str, work: str, **environment: str) -> float:
    """Seconds from the word go until the last of them is done, on as many cores; each has made one PDF to warm up."""
    go, media = Path(settings.MEDIA_ROOT) / "go", settings.MEDIA_ROOT
    cores = " ".join(map(str, sorted(os.sched_getaffinity(0))[:processes]))
    settled = {"MEDIA_ROOT": media, "CORES": cores, **environment}
    started = [start_process("-c", _ON_CORES + script, work, str(go), **settled) for _ in range(processes)]
    for process in started:
        expect("worker says", process.stdout.readline().strip(), "ready")
    began = perf_counter()
    go.touch()
    for process in started:
        expect("worker says", process.stdout.readline().strip(), "done")
    seconds = perf_counter() - began
    for process in started:
        process.communicate()
    go.unlink()
    return seconds


def wait_for_word(go: str) -> None:
    """Say that one is ready, and wait for the word."""
    print("ready", flush=True)
    while not Path(go).exists():
        sleep(0.01)


# Before anything is started that would run elsewhere.
_ON_CORES = """
import os
os.sched_setaffinity(0, map(int, os.environ["CORES"].split()))
"""

_WORKER = """
import sys
sys.path.insert(0, "benchmarks")
from pdf import wait_for_word
from core import jobs
from invoices.documents.render import render_invoice
from invoices.documents.source import payload_of
from invoices.models import Invoice
jobs.registry()
render_invoice(payload_of(Invoice.objects.exclude(status="draft").first()))
wait_for_word(sys.argv[2])
jobs.run_due(only=[sys.argv[1]])
print("done", flush=True)
"""

_BARE = """
import json, pathlib, sys
sys.path.insert(0, "benchmarks")
from pdf import bare, bare_compiler, wait_for_word
requests, compiler = json.loads(pathlib.Path(sys.argv[1]).read_text()), bare_compiler()
bare(compiler, requests[0])
wait_for_word(sys.argv[2])
for request in requests[1:]:
    bare(compiler, request)
print("done", flush=True)
"""
