"""Asking the vendor, answering, closing: the thread of a support request (S2-26, S2-27, P20)."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Seller, User
from accounts.services.limits import Limit, count
from accounts.services.notices import mail_people
from core.errors import Refused
from core.messages import MailClass, queue_message
from core.money import Money
from core.policy import Action, demand, may, read_roles
from core.states import move
from core.templatetags.ui import money
from core.uploads import CheckedFile, keep_file
from invoices.models import Dispute, Invoice, InvoiceLine
from invoices.services.disputes import open_dispute, reject_dispute, uphold_dispute, withdraw_dispute
from profiles.models import BillingProfile
from support.models import Category, SupportFile, SupportMessage, SupportRequest
from support.states import RequestStatus

LONGEST = 10_000
MOST_FILES = 3
MESSAGES_PER_PERSON = Limit("support message of a person", 20, timedelta(hours=1))


def open_request(
    account: BillingAccount,
    *,
    category: str,
    subject: str,
    text: str,
    profile: BillingProfile | None = None,
    invoice: Invoice | None = None,
    line: InvoiceLine | None = None,
    files: Sequence[CheckedFile] = (),
    by: User,
) -> SupportRequest:
    """Ask the vendor something about the account, one of its profiles, an invoice or a line of it.

    Open whatever the status of account and profile (P20). The vendor gets a mail. Refuses
    `too_many_files`, and `too_many` after 20 messages in an hour.
    """
    if invoice is not None:
        profile = invoice.profile
    demand(by, Action.SUPPORT_ASK, profile or account)
    if (profile or account) != account and profile.account_id != account.pk:  # type: ignore[union-attr]
        raise ValueError("the profile is of another account")
    if line is not None and (invoice is None or line.invoice_id != invoice.pk):
        raise ValueError("the line is of another invoice")
    kept = _keep(files)
    with transaction.atomic():
        count(MESSAGES_PER_PERSON, by.pk)
        request = SupportRequest.objects.create(
            account=account,
            profile=profile,
            invoice=invoice,
            line=line,
            category=category,
            subject=subject,
            opened_by=by,
        )
        _write(request, text, kept, by=by, is_answer=False)
        _tell_vendor(request, text, by)
    return request


def dispute_invoice(
    invoice: Invoice,
    *,
    line: InvoiceLine | None = None,
    amount: Money | None = None,
    text: str,
    files: Sequence[CheckedFile] = (),
    by: User,
) -> SupportRequest:
    """Dispute an invoice, or so much of one of its lines without VAT. It is locked, and the conversation about it
    begins; the vendor gets a mail. Refuses what `open_dispute` and `open_request` refuse.
    """
    demand(by, Action.INVOICE_DISPUTE, invoice)
    kept = _keep(files)
    with transaction.atomic():
        count(MESSAGES_PER_PERSON, by.pk)
        dispute = open_dispute(invoice, line=line, amount=amount, by=by)
        request = SupportRequest.objects.create(
            account=invoice.account,
            profile=invoice.profile,
            invoice=invoice,
            line=line,
            dispute=dispute,
            category=Category.CHARGE,
            subject=_("Dispute about %(number)s: %(amount)s")
            % {"number": invoice.number, "amount": money(dispute.amount)},
            opened_by=by,
        )
        _write(request, text, kept, by=by, is_answer=False)
        _tell_vendor(request, text, by)
    return request


def withdraw(request: SupportRequest, *, by: User) -> None:
    """Agree with the invoice after all: it is due again, and the conversation is closed."""
    with transaction.atomic():
        withdraw_dispute(_dispute_of(request), by=by)
        close_request(request, by=by)


def decide_dispute(request: SupportRequest, *, upholds: bool, text: str, by: User, on: date) -> None:
    """Staff decide: a credit note, or the invoice stands. The answer closes the conversation, and everybody who wrote
    in it gets a mail. Refuses `no_text`, and what crediting refuses.
    """
    dispute = _dispute_of(request)
    with transaction.atomic():
        if upholds:
            made = uphold_dispute(dispute, by=by, on=on)
            text = f"{text}\n\n{made.credit_note.number}"
        else:
            reject_dispute(dispute, by=by)
        answer_request(request, text=text, closes=True, by=by)


def _dispute_of(request: SupportRequest) -> Dispute:
    if request.dispute is None:
        raise Refused(_("This conversation is about no dispute."), "no_dispute")
    return request.dispute


def write_message(request: SupportRequest, *, text: str, files: Sequence[CheckedFile] = (), by: User) -> None:
    """Go on with a thread; one that was answered or closed waits for the vendor again. The vendor gets a mail.

    Refuses what `open_request` refuses.
    """
    demand(by, Action.SUPPORT_ASK, request)
    kept = _keep(files)
    with transaction.atomic():
        count(MESSAGES_PER_PERSON, by.pk)
        stored = _lock(request)
        if stored.status != RequestStatus.OPEN:
            move(stored, RequestStatus.OPEN)
        _write(stored, text, kept, by=by, is_answer=False)
        _tell_vendor(stored, text, by)


def close_request(request: SupportRequest, *, by: User) -> None:
    """Say that nothing more has to be done. Twice is once; writing again opens it."""
    demand(by, Action.SUPPORT_ASK, request)
    with transaction.atomic():
        stored = _lock(request)
        if stored.status != RequestStatus.CLOSED:
            move(stored, RequestStatus.CLOSED)


def answer_request(request: SupportRequest, *, text: str, closes: bool, by: User) -> None:
    """The vendor's answer, by one of its staff; everybody of the customer who wrote in the thread gets a mail.

    Whoever lost the right to see it meanwhile gets none (I23). Refuses `no_text`.
    """
    if not (by.is_staff and by.is_active):
        raise PermissionDenied("only the vendor's staff answers")
    if not text.strip():
        raise Refused(_("Write an answer first."), "no_text")
    with transaction.atomic():
        stored = _lock(request)
        _write(stored, text, (), by=by, is_answer=True)
        wanted = RequestStatus.CLOSED if closes else RequestStatus.ANSWERED
        if stored.status != wanted:
            move(stored, wanted)
        mail_people(
            people_to_tell(stored),
            template="support_answer",
            mail_class=MailClass.SERVICE,
            context={"subject_line": stored.subject, "text": text, "closed": closes, "path": stored.get_absolute_url()},
            reference=f"support:{stored.code}",
        )


def people_to_tell(request: SupportRequest) -> list[User]:
    """Those of the customer who wrote in the thread and may still see it."""
    wrote = User.objects.filter(
        pk__in=SupportMessage.objects.filter(request=request, is_answer=False).values("author"), is_active=True
    )
    return [person for person in wrote.order_by("pk") if may(person, Action.SUPPORT_VIEW, request, read_roles(person))]


def _lock(request: SupportRequest) -> SupportRequest:
    rows = SupportRequest.objects.select_for_update(of=("self",)).select_related("account", "profile")
    return rows.get(pk=request.pk)


def _keep(files: Sequence[CheckedFile]) -> list[tuple[CheckedFile, str]]:
    """Write the files before the transaction: a row never names a file that is not there."""
    if len(files) > MOST_FILES:
        raise Refused(_("Send at most %(most)d files at once.") % {"most": MOST_FILES}, "too_many_files")
    return [(file, keep_file(file, "support")) for file in files]


def _write(
    request: SupportRequest, text: str, kept: Iterable[tuple[CheckedFile, str]], *, by: User, is_answer: bool
) -> None:
    message = SupportMessage.objects.create(
        request=request, author=by, text=text.replace("\x00", "")[:LONGEST], is_answer=is_answer
    )
    for file, storage_name in kept:
        SupportFile.objects.create(
            message=message,
            name=file.name,
            content_type=file.content_type,
            size_bytes=len(file.content),
            sha256=file.sha256,
            storage_name=storage_name,
        )
    SupportRequest.objects.filter(pk=request.pk).update(changed_at=timezone.now())


def _tell_vendor(request: SupportRequest, text: str, by: User) -> None:
    """To the seller's address; where there is none, to its staff."""
    seller = Seller.objects.first()
    addresses = [(seller.email, "en")] if seller and seller.email else []
    if not addresses:
        staff: Any = User.objects.filter(is_staff=True, is_active=True).order_by("pk")
        addresses = list(staff.values_list("email", "language"))
    for address, language in addresses:
        queue_message(
            to=address,
            template="support_question",
            mail_class=MailClass.SERVICE,
            language=language,
            context={
                "subject_line": request.subject,
                "account": request.account.name,
                "by": f"{by} <{by.email}>",
                "text": text[:LONGEST],
                "path": reverse("admin:support_supportrequest_change", args=[request.pk]),
            },
            reference=f"support:{request.code}",
        )
