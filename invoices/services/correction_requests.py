"""What customers ask to have corrected on an issued invoice, and what the vendor's staff answer (P7)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import Seller, User
from accounts.services.notices import mail_person
from core.errors import Refused
from core.mail_classes import MailClass
from core.messages import queue_message
from core.money import Money
from core.policy import Action, demand, may, read_roles
from core.states import move
from invoices.models import Correction, CorrectionReason, CorrectionRequest, Invoice, InvoiceKind, InvoiceLine
from invoices.services.correcting import correct_invoice, credit_lines, demand_staff, left_to_credit
from invoices.states import CorrectionStatus, InvoiceStatus

LONGEST = 2000


def why_not_correctable(invoice: Invoice) -> str:
    """Why no correction can be asked for, with the way out; empty where one can."""
    if invoice.kind != InvoiceKind.INVOICE:
        return _("A credit note is not corrected. Ask the vendor about it.")
    if invoice.status == InvoiceStatus.VOID:
        return _("This invoice is void: it was credited in full.")
    if invoice.status == InvoiceStatus.LOCKED:
        return _("The amount of this invoice is disputed. The vendor answers that first.")
    return ""


@transaction.atomic
def request_correction(
    invoice: Invoice,
    *,
    reason: str,
    proposed: Mapping[str, Any],
    explanation: str,
    line: InvoiceLine | None = None,
    by: User,
) -> CorrectionRequest:
    """Ask the vendor for a corrected invoice; the vendor gets a mail.

    `proposed` is what the invoice should say: `company_name`; `line1`, `line2`, `postal_code`, `city`; `po_number`;
    `vat_id`; or `amount_minor` for what the line should come to without VAT. Refuses `not_correctable`,
    `asked_already`, and `not_lower` for an amount that is not below the line's.
    """
    demand(by, Action.INVOICE_DISPUTE, invoice)
    stored = Invoice.objects.select_for_update(of=("self",)).select_related("profile", "account").get(pk=invoice.pk)
    if why := why_not_correctable(stored):
        raise Refused(why, "not_correctable")
    if CorrectionRequest.objects.filter(invoice=stored, status=CorrectionStatus.OPEN).exists():
        raise Refused(_("A correction of this invoice was asked for already; the vendor answers it."), "asked_already")
    if reason == CorrectionReason.AMOUNT:
        left = {each.pk: amount.minor for each, amount in left_to_credit(stored)}
        if line is None or not 0 <= int(proposed["amount_minor"]) < left.get(line.pk, 0):
            raise Refused(_("Enter an amount below that of the line."), "not_lower")
    request = CorrectionRequest.objects.create(
        account=stored.account,
        profile=stored.profile,
        invoice=stored,
        line=line,
        reason=reason,
        proposed=dict(proposed),
        explanation=explanation.replace("\x00", "")[:LONGEST],
        requested_by=by,
    )
    _tell_vendor(request)
    return request


@transaction.atomic
def withdraw_correction(request: CorrectionRequest, *, by: User) -> None:
    """Ask for it no more. Refuses `no_such_edge` once it was decided."""
    demand(by, Action.INVOICE_DISPUTE, request.invoice)
    move(_locked(request), CorrectionStatus.WITHDRAWN)
    request.refresh_from_db()


@transaction.atomic
def approve_correction(request: CorrectionRequest, *, answer: str, by: User, on: date) -> Correction:
    """Do what was asked for: a credit note for the line, or one for the whole and a corrected invoice. Whoever asked
    gets a mail. Refuses what `correct_invoice` and `credit_lines` refuse, and then nothing is decided."""
    demand_staff(by)
    stored = _locked(request)
    move(stored, CorrectionStatus.APPROVED, answer=answer, decided_by=by, decided_at=timezone.now())
    with override("en"):
        why = f"{CorrectionReason(stored.reason).label}: {stored.code}"
    if stored.reason == CorrectionReason.AMOUNT and stored.line is not None:
        left = {line.pk: amount for line, amount in left_to_credit(stored.invoice)}
        wanted = Money(int(stored.proposed["amount_minor"]), stored.invoice.currency)
        amounts = {stored.line.pk: left.get(stored.line.pk, wanted) - wanted}
        made = credit_lines(stored.invoice, amounts, reason=why, by=by, on=on, request=stored)
    else:
        made = correct_invoice(stored.invoice, changes_of(stored), reason=why, by=by, on=on, request=stored)
    _tell_asker(stored, made)
    request.refresh_from_db()
    return made


@transaction.atomic
def decline_correction(request: CorrectionRequest, *, answer: str, by: User) -> None:
    """Say no, and why. Whoever asked gets a mail. Refuses `no_answer`."""
    demand_staff(by)
    if not answer.strip():
        raise Refused(_("Say why not: the customer reads it."), "no_answer")
    stored = _locked(request)
    move(stored, CorrectionStatus.DECLINED, answer=answer, decided_by=by, decided_at=timezone.now())
    _tell_asker(stored, None)
    request.refresh_from_db()


def changes_of(request: CorrectionRequest) -> dict[str, str]:
    """What was proposed, by the names of `correct_invoice`. A name and an address count for both addresses where
    both said the same."""
    invoice, proposed = request.invoice, request.proposed
    changes = {}
    for name, value in proposed.items():
        if name in ("po_number", "vat_id"):
            changes[name] = value
            continue
        changes[f"bill_to.{name}"] = value
        if invoice.sold_to.get(name, "") == invoice.bill_to.get(name, ""):
            changes[f"sold_to.{name}"] = value
    return changes


def _locked(request: CorrectionRequest) -> CorrectionRequest:
    rows = CorrectionRequest.objects.select_for_update(of=("self",))
    return rows.select_related("invoice__profile__account", "line", "requested_by").get(pk=request.pk)


def _tell_vendor(request: CorrectionRequest) -> None:
    seller = Seller.objects.first()
    addresses = [(seller.email, "en")] if seller and seller.email else []
    if not addresses:
        staff: Any = User.objects.filter(is_staff=True, is_active=True).order_by("pk")
        addresses = list(staff.values_list("email", "language"))
    for address, language in addresses:
        with override(language):
            what = str(CorrectionReason(request.reason).label)
        queue_message(
            to=address,
            template="correction_requested",
            mail_class=MailClass.SERVICE,
            language=language,
            context={
                "number": request.invoice.number,
                "account": request.account.name,
                "what": what,
                "by": f"{request.requested_by} <{request.requested_by.email}>",
                "text": request.explanation,
                "path": reverse("admin:invoices_correctionrequest_change", args=[request.pk]),
            },
            reference=f"correction:{request.code}",
        )


def _tell_asker(request: CorrectionRequest, made: Correction | None) -> None:
    """Whoever lost the right to see the invoice meanwhile gets no mail (I23)."""
    person = request.requested_by
    if not (person.is_active and may(person, Action.INVOICE_VIEW, request.invoice, read_roles(person))):
        return
    mail_person(
        person,
        template="correction_decided",
        mail_class=MailClass.SERVICE,
        context={
            "number": request.invoice.number,
            "approved": made is not None,
            "answer": request.answer,
            "credit_note": made.credit_note.number if made else "",
            "corrected": made.corrected.number if made and made.corrected else "",
            "path": request.get_absolute_url(),
        },
        reference=f"correction:{request.code}",
    )
