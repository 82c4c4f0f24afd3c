"""Take-outs: everything that an account has, asked for by who owns it, prepared by a job and offered for a week (L8).

Each piece is a file of its own, kept before the next is begun, so that a worker which dies loses one piece at most.
The archive itself is never kept: it is written while it is being downloaded, from the pieces and from the documents
where they lie anyway.
"""

import csv
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from accounts.services.limits import Limit, count
from accounts.services.notices import mail_person
from billing_portal.models import TakeOut, TakeOutPart
from billing_portal.states import TakeOutStatus
from billing_portal.take_out_tables import TABLES, Piece, Table
from core.errors import Refused
from core.history import acting
from core.jobs import stopping
from core.mail_classes import MailClass
from core.policy import Action, demand, may, read_roles
from core.spreadsheets import cell
from core.states import move
from invoices.documents.archive import file_name
from invoices.documents.keeping import Damaged, keep, read
from invoices.models import Document
from payments.models import Paper
from payments.services.papers import file_name as paper_name

logger = logging.getLogger(__name__)

FOLDER = "take-outs"
OFFERED_FOR = timedelta(days=7)
PER_ACCOUNT = Limit("take-out of an account", 5, timedelta(days=1))
# Documents looked up at once while the archive is being written.
HANDFUL = 200


def ask_for_take_out(account: BillingAccount, *, by: User) -> TakeOut:
    """Have everything of the account prepared. Refuses `under_way` while another is, and `too_many` in a day."""
    demand(by, Action.ACCOUNT_TAKE_OUT, account)
    if TakeOut.objects.filter(account=account, status=TakeOutStatus.PENDING).exists():
        raise _under_way()
    count(PER_ACCOUNT, account.pk)
    try:
        with transaction.atomic(), acting(by, "takeout.ask"):
            return TakeOut.objects.create(account=account, asked_by=by)
    except IntegrityError as error:
        raise _under_way() from error


def prepare(take_out: TakeOut) -> None:
    """Make the pieces that are not there yet, one after the other; the last one makes it ready and tells who asked.
    Safe to repeat, and to be killed anywhere."""
    while take_out.status == TakeOutStatus.PENDING and not stopping():
        if take_out.table_number >= len(TABLES):
            _offer(take_out)
            return
        _make_piece(take_out, TABLES[take_out.table_number])


def fetch(take_out: TakeOut, *, by: User, at: datetime) -> Iterator[tuple[str, bytes]]:
    """The files of the archive for its download, which is written down. Refuses `not_yours` for anybody but who asked,
    and `over` when it is not offered."""
    demand(by, Action.ACCOUNT_TAKE_OUT, take_out)
    if take_out.asked_by_id != by.pk:
        raise Refused(_("Only who asked for a take-out downloads it. Ask for one of your own."), "not_yours")
    if take_out.status != TakeOutStatus.READY or not take_out.expires_at or take_out.expires_at <= at:
        raise Refused(_("This take-out is not offered any more. Ask for a new one."), "over")
    with acting(by, "takeout.fetch"):
        TakeOut.objects.filter(pk=take_out.pk).update(last_fetched_at=at)
    return files_of(take_out)


def files_of(take_out: TakeOut) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, one at a time. What is damaged is left out, and a note says so."""
    left_out = []
    for part in take_out.parts.order_by("number"):
        yield part.name, read(part)
    for name, row in _documents(take_out):
        try:
            yield name, read(row)
        except Damaged:
            left_out.append(name)
    if left_out:
        note = _("These files are damaged and were left out. We have been told and will put them back.")
        yield "left-out.txt", "\n".join([note, *left_out, ""]).encode()


def end_take_outs(at: datetime) -> int:
    """End those whose time is over: their files go. Returns how many. Safe to repeat."""
    over = TakeOut.objects.filter(status=TakeOutStatus.READY, expires_at__lte=at)
    for take_out in over.order_by("pk"):
        move(take_out, TakeOutStatus.OVER)
    ended = TakeOut.objects.filter(status=TakeOutStatus.OVER, parts__isnull=False).distinct()
    number = 0
    for take_out in ended.order_by("pk"):
        for part in take_out.parts.order_by("pk"):
            default_storage.delete(part.file)
            part.delete()
        number += 1
    return number


def _make_piece(take_out: TakeOut, table: Table) -> None:
    piece = table.read(take_out.account, take_out.after)
    number = take_out.parts.count() + 1
    content = _written(table, piece)
    kept = keep(content, f"{FOLDER}/{take_out.code}/{number:05}-{table.name}.csv")
    of_table = take_out.parts.filter(name__regex=rf"^{table.name}(-\d+)?\.csv$").count()
    name = f"{table.name}.csv" if not of_table else f"{table.name}-{of_table + 1}.csv"
    following = (take_out.table_number, piece.after) if piece.after else (take_out.table_number + 1, [])
    with transaction.atomic():
        TakeOutPart.objects.create(take_out=take_out, number=number, name=name, **kept)
        take_out.table_number, take_out.after = following
        take_out.save(update_fields=["table_number", "after"])


def _written(table: Table, piece: Piece) -> bytes:
    text = StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(table.header)
    writer.writerows([[cell(value) for value in row] for row in piece.rows])
    return text.getvalue().encode("utf-8-sig")


def _offer(take_out: TakeOut) -> None:
    now = timezone.now()
    person = take_out.asked_by
    if not may(person, Action.ACCOUNT_TAKE_OUT, take_out.account, read_roles(person)):
        move(take_out, TakeOutStatus.OVER)
        return
    with transaction.atomic():
        move(take_out, TakeOutStatus.READY, made_at=now, expires_at=now + OFFERED_FOR)
        mail_person(
            person,
            template="take_out_ready",
            mail_class=MailClass.MANDATORY_SERVICE,
            context={
                "account": take_out.account.name,
                "until": timezone.localdate(now + OFFERED_FOR),
                "path": reverse("take_outs", args=[take_out.account.code]),
            },
            reference=f"take-out:{take_out.code}",
            key=f"take-out:{take_out.code}",
        )


def _documents(take_out: TakeOut) -> Iterator[tuple[str, Any]]:
    """Every document and paper that was there when the take-out became ready, with its name in the archive."""
    made = {"status": "ready", "made_at__lte": take_out.made_at}
    last = 0
    documents = Document.objects.filter(invoice__account=take_out.account, **made).select_related("invoice")
    while found := list(documents.filter(pk__gt=last).order_by("pk")[:HANDFUL]):
        for document in found:
            yield f"documents/{file_name(document.invoice, 'xml' if document.kind == 'ubl' else 'pdf')}", document
        last = found[-1].pk
    last = 0
    papers = Paper.objects.filter(account=take_out.account, **made).select_related("payment")
    while some := list(papers.filter(pk__gt=last).order_by("pk")[:HANDFUL]):
        for paper in some:
            yield f"documents/{paper_name(paper)}", paper
        last = some[-1].pk


def _under_way() -> Refused:
    return Refused(_("A take-out of this account is being prepared. Wait until it is ready."), "under_way")
