"""Invoices by e-mail against bare Django: a mail with the same words and the same PDF over one kept connection.

Ours addresses each dispatch, writes delivery and message rows, looks at every right again, checks the digest
of the file, writes the mail in its reader's language, and keeps the server's answer. The limit has its words
and its PDF at hand and sends. The server is a process of its own that throws everything away.

    python benchmarks/run.py mail [--short] [--mails 400] [--pairs 5]

`--short` is for CI: it fails on results and on connections, never on time.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from common import compare, counted, execute, expect, own_database, scalar
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailMultiAlternatives, get_connection

from accounts.tests.factories import UserFactory
from core import jobs
from core.mail import write_mail
from core.models import Message
from core.testing import start_process
from invoices.models import Dispatch, Document, Invoice
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

RECIPIENTS = 4
MAILS_PER_CONNECTION = 100


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="mail", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="forty mails, one pair")
    parser.add_argument("--mails", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args(arguments)
    mails, pairs = (40, 1) if options.short else (options.mails, options.pairs)
    with mail_server() as connections, tempfile.TemporaryDirectory() as media, own_database():
        settings.MEDIA_ROOT = media
        measure(mails, pairs)
    check_connections(len(connections) - pairs, mails * pairs + MAILS_PER_CONNECTION)


@contextmanager
def mail_server() -> Iterator[list[str]]:
    """A server that throws every mail away, for this process. At the end the list holds a word per connection."""
    connections: list[str] = []
    server = start_process("-c", _SERVER)
    try:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", int(server.stdout.readline())
        settings.EMAIL_USE_TLS, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = False, "", ""
        yield connections
    finally:
        server.kill()
        said, _nothing = server.communicate()
        connections += said.split()


def check_connections(connections: int, mails: int) -> None:
    print(f"{connections} connections for {mails:,} mails")
    expect("at most one connection per hundred mails", connections <= -(-mails // MAILS_PER_CONNECTION), True)


def measure(mails: int, pairs: int) -> None:
    profile = BillingProfileFactory(sends_invoices=True, name="Operations NL")
    for _ in range(RECIPIENTS):
        ProfileRoleFactory(profile=profile, user=UserFactory())
    warm_up = issue(profile, MAILS_PER_CONNECTION // RECIPIENTS)
    with counted() as counter:
        ours(warm_up)
    print(f"{counter.count / MAILS_PER_CONNECTION:.1f} statements per mail")
    bare = bare_mail()
    batches = [issue(profile, mails // RECIPIENTS) for _ in range(pairs)]
    to_send = iter(batches)
    found = compare("mail with a PDF", "mails", lambda: ours(next(to_send)), lambda: limit(bare, mails), pairs=pairs)
    print(found.line(mails), flush=True)


def issue(profile: object, invoices: int) -> list[Invoice]:
    """Issued invoices with their PDF, out of the job's sight until they are mailed."""
    made = [InvoiceFactory(profile=profile) for _ in range(invoices)]
    jobs.run_due(only=["invoices.make_documents"])
    execute("ALTER TABLE invoices_dispatch DISABLE TRIGGER USER")
    execute("UPDATE invoices_dispatch SET status = 'skipped' WHERE status = 'pending'")
    execute("ALTER TABLE invoices_dispatch ENABLE TRIGGER USER")
    return made


def ours(invoices: list[Invoice]) -> None:
    """Mail them, and see that every mail was taken."""
    execute("ALTER TABLE invoices_dispatch DISABLE TRIGGER USER")
    Dispatch.objects.filter(invoice__in=invoices).update(status="pending")
    execute("ALTER TABLE invoices_dispatch ENABLE TRIGGER USER")
    jobs.run_due(only=["invoices.address_dispatches", "core.send_messages"])
    codes = [f"invoice:{invoice.code}" for invoice in invoices]
    taken = scalar("SELECT count(*) FROM core_message WHERE reference = ANY(%s) AND status = 'accepted'", [codes])
    expect("mails taken by the server", taken, len(invoices) * RECIPIENTS)
    expect("files attached", Message.objects.filter(reference__in=codes, attachments=[]).count(), 0)


def bare_mail() -> tuple[EmailMultiAlternatives, tuple[str, bytes, str]]:
    """One of our mails, ready to be sent again and again."""
    written = write_mail(Message.objects.latest("pk"))
    with default_storage.open(Document.objects.filter(kind="pdf").latest("pk").file) as file:
        attachment = ("Invoice.pdf", file.read(), "application/pdf")
    return written, attachment


def limit(bare: tuple[EmailMultiAlternatives, tuple[str, bytes, str]], mails: int) -> None:
    written, attachment = bare
    with get_connection() as line:
        for number in range(mails):
            mail = EmailMultiAlternatives(
                written.subject, written.body, written.from_email, [f"person{number}@alfa.example"], connection=line
            )
            mail.attach_alternative(*written.alternatives[0])
            mail.attach(*attachment)
            expect("mails sent", mail.send(), 1)


_SERVER = """
import socket, threading
from aiosmtpd.controller import Controller

class Sink:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        print("connection", flush=True)
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 taken"

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
Controller(Sink(), hostname="127.0.0.1", port=port).start()
print(port, flush=True)
threading.Event().wait()
"""
