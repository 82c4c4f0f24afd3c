"""Direct debits that nobody starts by hand: announced first, collected on the day that was said (I19)."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.errors import Refused
from core.money import Money
from core.states import move
from invoices.models import Invoice
from payments.mail import tell_debit_announced
from payments.models import DebitNotice, Family, Initiator, Mandate, PaymentMethod, ProfileMethods
from payments.services.cases import close_settled
from payments.services.overpaid import use_balance_first
from payments.services.pay import mandate_ended, pay_invoices
from payments.states import MandateStatus, NoticeStatus


def announce_debit(invoice: Invoice, method: PaymentMethod, *, at: datetime) -> DebitNotice | None:
    """Tell those who look after payment that the invoice is collected on its due date, or as many days from now
    as the mandate asks for. None where it was said before.

    Refuses `mandate_ended`, and `not_payable` for an invoice on which nothing is owed.
    """
    on = timezone.localdate(at)
    with transaction.atomic():
        stored = Invoice.objects.select_for_update().get(pk=invoice.pk)
        mandate = Mandate.objects.select_related("method").filter(method=method).first()
        if mandate is None or mandate.status != MandateStatus.ACTIVE or method.is_expired(on):
            raise mandate_ended(method)
        if not Invoice.objects.open().filter(pk=stored.pk).exists():
            raise Refused(_("%(number)s asks for no money.") % {"number": stored.number}, "not_payable")
        if DebitNotice.objects.filter(mandate=mandate, invoice=stored).exists():
            return None
        notice = DebitNotice.objects.create(
            mandate=mandate,
            invoice=stored,
            amount_minor=stored.amount_asked.minor,
            announced_at=at,
            collects_on=max(stored.due_date or on, on + timedelta(days=mandate.notice_days)),
        )
        tell_debit_announced(notice)
    return notice


def to_announce(on: date) -> QuerySet[Any, Any]:
    """Open invoices whose profile pays by direct debit, due within the days of notice, and not announced yet."""
    default = ProfileMethods.objects.filter(
        profile=OuterRef("profile"),
        default__family=Family.DIRECT_DEBIT,
        default__mandate__status=MandateStatus.ACTIVE,
        default__valid_until__gte=on,
    )
    said = DebitNotice.objects.filter(invoice=OuterRef("pk"), mandate__method__default_of__profile=OuterRef("profile"))
    due = Q(pk__in=[])
    for days in Mandate.objects.active().order_by().values_list("notice_days", flat=True).distinct():
        due |= Q(Exists(default.filter(default__mandate__notice_days=days)), due_date__lte=on + timedelta(days=days))
    return Invoice.objects.open().filter(due).exclude(Exists(said)).order_by("pk")


def collect_announced(notice: DebitNotice, *, at: datetime) -> None:
    """Collect what was announced, or what is still owed of it. Twice is once; what cannot be collected is
    dropped with its reason."""
    notice = DebitNotice.objects.select_related("mandate__method", "invoice").get(pk=notice.pk)
    if notice.status != NoticeStatus.ANNOUNCED:
        return
    invoice, method = _less_the_balance(notice.invoice, timezone.localdate(at)), notice.mandate.method
    part = min(notice.amount, invoice.amount_asked)
    try:
        payment = pay_invoices(
            [invoice],
            method=method,
            by=None,
            request_key=f"debit-notice-{notice.pk}",
            amounts={invoice.pk: part if part.minor else Money(1, invoice.currency)},
            initiated_by=Initiator.AUTOMATIC,
            at=at,
        )
    except Refused as refusal:
        if refusal.code not in {"under_way", "gateway_rests"}:  # that is over soon, and the job comes again
            move(notice, NoticeStatus.DROPPED, dropped_because=refusal.code or "")
    else:
        move(notice, NoticeStatus.COLLECTED, payment=payment)


def _less_the_balance(invoice: Invoice, on: date) -> Invoice:
    """The invoice, once the customer's own money has paid what it can of it."""
    with transaction.atomic():
        stored = Invoice.objects.select_for_update(of=("self",)).select_related("profile__account").get(pk=invoice.pk)
        use_balance_first(stored, on=on)
        close_settled([stored])
    return stored
