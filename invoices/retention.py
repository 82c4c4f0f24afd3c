"""How long documents and the mails that carried them are kept: 7 years from the end of the year of the invoice, 10
where VAT of another country was charged through the one-stop shop (L5). The same rule stands in the trigger `kept`."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from core.models import Message
from core.querysets import UNFINISHED
from core.retention import keeps, start_of
from invoices.models import CorrectionRequest, Delivery, Document, VatGroup

YEARS, LONG_YEARS = 7, 10
MAIL_YEARS = 2
KEPT = _("7 years after the year of the invoice; 10 where VAT of another country was charged")


def is_over(on: date, invoice: str = "invoice") -> Q:
    """The rows of invoices whose time is over on that day; `invoice` is the way to it."""
    of_another_country = VatGroup.objects.filter(invoice=OuterRef(invoice), rate__gt=0).exclude(
        invoice__seller__country=F("invoice__sold_to__country")
    )
    over = Q(**{f"{invoice}__issue_date__lt": date(on.year - YEARS, 1, 1)})
    long_over = Q(**{f"{invoice}__issue_date__lt": date(on.year - LONG_YEARS, 1, 1)})
    return long_over | over & ~Q(Exists(of_another_country))


def _documents(on: date) -> QuerySet[Document]:
    return Document.objects.filter(is_over(on))


@keeps("documents of invoices", for_=KEPT, due=_documents)
def erase_documents(rows: Sequence[Document]) -> None:
    """The rows and, once that is certain, their files."""
    Document.objects.filter(pk__in=[row.pk for row in rows]).delete()
    remove_files(row.file for row in rows)


@keeps("mails of invoices", for_=KEPT, due=lambda on: Delivery.objects.filter(is_over(on)))
def erase_deliveries(rows: Sequence[Delivery]) -> None:
    """To whom an invoice went, with the mails themselves."""
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).delete()
    mails = Message.objects.filter(pk__in=[row.message_id for row in rows])
    # One mail may have carried several invoices.
    mails.filter(~Exists(Delivery.objects.filter(message=OuterRef("pk")))).delete()


def _other_mails(on: date) -> QuerySet[Message]:
    old = Message.objects.filter(channel="email", created_at__lt=start_of(on - timedelta(days=365 * MAIL_YEARS)))
    return old.exclude(status__in=UNFINISHED).filter(~Exists(Delivery.objects.filter(message=OuterRef("pk"))))


@keeps("other mails", for_=_("2 years"), due=_other_mails)
def erase_mails(rows: Sequence[Message]) -> None:
    Message.objects.filter(pk__in=[row.pk for row in rows]).delete()


@keeps(
    "texts of corrections",
    for_=KEPT,
    due=lambda on: (
        CorrectionRequest.objects.filter(is_over(on))
        .exclude(status="open")
        .exclude(proposed={}, explanation="", answer="")
    ),
)
def erase_correction_texts(rows: Sequence[CorrectionRequest]) -> None:
    """What was asked for and answered in words; that it was stays, since the books name it."""
    ids = [row.pk for row in rows]
    CorrectionRequest.objects.filter(pk__in=ids).update(proposed={}, explanation="", answer="")


def remove_files(names: Iterable[str]) -> None:
    """Delete files after the commit: one that stays behind is found by `check_documents`."""
    for name in filter(None, names):
        transaction.on_commit(partial(default_storage.delete, name))
