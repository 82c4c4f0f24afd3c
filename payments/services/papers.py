"""Receipts and statements: asked for in a transaction, made once by a job, kept with their digest (P8, L4)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import BillingAccount, User
from accounts.services.limits import Limit, count
from core.database import insert_rows
from core.errors import Refused
from core.history import acting
from core.jobs import stopping
from core.policy import Action, demand
from core.states import move
from invoices.documents.keeping import keep
from invoices.documents.render import RenderFailed, RenderRefused, render
from invoices.models import Invoice
from invoices.states import DocumentStatus
from payments.mail import send_receipt
from payments.models import Paper, PaperKind, Payment, Refund
from payments.papers import entries_between, request_of_paper
from profiles.models import BillingProfile

logger = logging.getLogger(__name__)

FOLDER = "papers"
# What the renderer sets in a moment: some sixty pages.
MOST_ENTRIES = 2000
STATEMENTS_PER_ACCOUNT = Limit("statement of an account", 30, timedelta(hours=1))
LONGEST_ERROR = 1000
MAILED_WITHIN = timedelta(days=1)


def ask_for_receipt(payment: Payment) -> Paper:
    """Have the receipt of a payment made, once, in the caller's transaction. The mail follows when it is there."""
    values = {
        "kind": PaperKind.RECEIPT,
        "account": payment.account,
        "profile": payment.profile,
        "currency": payment.currency,
        "language": _language_of(payment)[:2],
    }
    return Paper.objects.get_or_create(payment=payment, defaults=values)[0]


def _language_of(payment: Payment) -> str:
    """That of who paid; of money that came by itself that of the invoices it paid, or of the profile's latest."""
    if payment.user:
        return payment.user.language
    invoices = Invoice.objects.filter(profile=payment.profile_id).issued()
    paid = invoices.filter(allocations__payment=payment).order_by("pk")
    invoice = paid.first() or invoices.order_by("-pk").first()
    return invoice.language if invoice else "en"


def ask_for_refund_proof(refund: Refund) -> Paper:
    """Have the proof of a refund made, once, in the caller's transaction; in the language of the receipt."""
    payment = refund.payment
    receipt = Paper.objects.filter(payment=payment).first()
    values = {
        "kind": PaperKind.REFUND,
        "account": payment.account,
        "profile": payment.profile,
        "currency": payment.currency,
        "language": receipt.language if receipt else "en",
    }
    return Paper.objects.get_or_create(refund=refund, defaults=values)[0]


def ask_for_receipts(payments: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    """The same for payments that were written a moment ago, given by their columns, each in the language named; in one
    statement."""
    papers = [
        {
            "kind": PaperKind.RECEIPT,
            "payment_id": payment["id"],
            "account_id": payment["account_id"],
            "profile_id": payment["profile_id"],
            "currency": payment["currency"],
            "language": language[:2],
        }
        for payment, language in payments
    ]
    insert_rows(Paper, papers)


def ask_for_statement(
    account: BillingAccount, *, profile: BillingProfile | None, starts_on: date, ends_on: date, by: User
) -> Paper:
    """Have a statement made of an account, or of one profile in it, in the language of who asks.

    Refuses `days_reversed`, `not_over` for a time that has not ended, `too_long` for more than fits a document, and
    `too_many` requests within an hour.
    """
    demand(by, Action.INVOICE_DOWNLOAD, profile or account)
    if starts_on > ends_on:
        raise Refused(_("The first day is after the last one. Swap them."), "days_reversed")
    if ends_on > timezone.localdate():
        raise Refused(_("A statement tells what happened: choose a last day that is not in the future."), "not_over")
    if entries_between(account, profile, starts_on, ends_on)[: MOST_ENTRIES + 1].count() > MOST_ENTRIES:
        raise Refused(
            _("There are more than %(most)d entries in this time. Choose a shorter one, or a single billing profile.")
            % {"most": MOST_ENTRIES},
            "too_long",
        )
    count(STATEMENTS_PER_ACCOUNT, account.pk)
    with transaction.atomic(), acting(by, "statement.ask"):
        return Paper.objects.create(
            kind=PaperKind.STATEMENT,
            account=account,
            profile=profile,
            starts_on=starts_on,
            ends_on=ends_on,
            currency=account.currency,
            language=by.language[:2],
            asked_by=by,
        )


def make_papers(papers: Iterable[Paper]) -> list[Exception]:
    """Make the files of pending papers and keep them; a receipt is mailed as soon as it is there. Safe to repeat.

    Returns what may mend itself, for the caller to try those again. A paper that the compiler refuses has failed;
    its receipt is then mailed without it.
    """
    failures: list[Exception] = []
    for paper in papers:
        if paper.status == DocumentStatus.PENDING and not stopping():
            try:
                _make(paper)
            except RenderRefused as error:
                logger.exception("Paper %s cannot be made", paper.code)
                _end(paper, DocumentStatus.FAILED, last_error=_said(error))
            except (RenderFailed, OSError) as error:
                Paper.objects.filter(pk=paper.pk, status=DocumentStatus.PENDING).update(last_error=_said(error))
                failures.append(error)
    return failures


def file_name(paper: Paper) -> str:
    """What the file is called where it goes to people, in its language."""
    with override(paper.language):
        kind = slugify(paper.get_kind_display()).capitalize()
    if paper.payment is not None:
        return f"{kind}-{paper.payment.receipt_number}.pdf"
    if paper.refund is not None:
        return f"{kind}-{paper.refund.payment.receipt_number}-{paper.refund.pk}.pdf"
    if paper.remittance is not None:
        return f"{kind}-{paper.remittance.reference}.pdf"
    return f"{kind}-{paper.starts_on}-{paper.ends_on}.pdf"


def _make(paper: Paper) -> None:
    request, known = request_of_paper(paper)
    rendered = render(request)
    facts = keep(rendered.pdf, f"{FOLDER}/{timezone.localdate(paper.created_at):%Y/%m}/{paper.code}.pdf")
    replaced = rendered.replaced_characters[:500]
    _end(paper, DocumentStatus.READY, **facts, **known, replaced_characters=replaced, last_error="")


def _end(paper: Paper, status: DocumentStatus, **fields: object) -> None:
    with transaction.atomic():
        move(paper, status, **fields)
        # The receipt of an old payment, asked for afterwards, was mailed in its day.
        paid_at = paper.payment.settled_at if paper.payment else None
        if paper.payment and paid_at and paper.created_at - paid_at < MAILED_WITHIN:
            send_receipt(paper.payment, paper if status == DocumentStatus.READY else None, file_name(paper))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
