"""Today's exceptions: what no job brings to an end, by kind, with its number, its oldest and where it is seen to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.models import JobClaim, MailEvent, MailEventStatus, Message, MessageStatus
from invoices.models import BillingRun, ChargeUpload, CreditLot, Document, Invoice, ParkedProfile, Preflight
from invoices.states import DocumentStatus, RunStatus, UploadStatus
from payments.models import BankEntry, GatewayEvent, GatewayHealth, Paper, Payment, Refund, WriteOff
from payments.states import PaymentStatus, WriteOffStatus

# Mail that never arrived stays in its list for good; here it counts for so long.
MAIL_OF = timedelta(days=7)


@dataclass(frozen=True)
class Kind:
    """A kind of exception: its rows at a moment, which column tells their age, and how the list of their model is
    narrowed to just them. Whoever may see the list sees the kind."""

    label: str | Promise
    help: str | Promise
    rows: Callable[[datetime], QuerySet[Any]]
    since: str
    narrowed: Callable[[datetime], dict[str, str]]


@dataclass(frozen=True)
class Found:
    """One kind of which there is something."""

    label: str | Promise
    help: str | Promise
    number: int
    oldest: datetime | date | None
    href: str


def _always(**query: str) -> Callable[[datetime], dict[str, str]]:
    return lambda now: query


KINDS: tuple[Kind, ...] = (
    Kind(
        _("Payments that need a person"),
        _("No look-up brings them to an end, or the gateway's answer does not fit."),
        lambda now: Payment.objects.for_a_person(),
        "created_at",
        _always(needs_a_look="yes"),
    ),
    Kind(
        _("Payments whose outcome is unknown"),
        _("The gateway is asked again by itself; their invoices take no other payment meanwhile."),
        lambda now: Payment.objects.filter(status=PaymentStatus.UNKNOWN),
        "created_at",
        _always(status__exact=PaymentStatus.UNKNOWN),
    ),
    Kind(
        _("Reports of gateways that were set apart"),
        _("They fit no payment of ours, or say something else than we know."),
        lambda now: GatewayEvent.objects.quarantined(),
        "received_at",
        _always(status__exact="quarantined"),
    ),
    Kind(
        _("Gateways that are left alone"),
        _("They did not answer, and nothing is asked of them for a while."),
        lambda now: GatewayHealth.objects.resting(now),
        "last_failure_at",
        _always(),
    ),
    Kind(
        _("Movements at the bank that nothing was booked of"),
        _("Book each to its invoices, or set it aside."),
        lambda now: BankEntry.objects.for_a_person(),
        "booked_on",
        _always(needs_a_look="yes"),
    ),
    Kind(
        _("Refunds that wait for a person"),
        _("A second person agrees, or the money is transferred by hand."),
        lambda now: Refund.objects.for_a_person(),
        "asked_at",
        _always(needs_a_look="yes"),
    ),
    Kind(
        _("Write-offs that wait for a second person"),
        _("Until then the invoice stays owed."),
        lambda now: WriteOff.objects.filter(status=WriteOffStatus.PROPOSED),
        "asked_at",
        _always(status__exact=WriteOffStatus.PROPOSED),
    ),
    Kind(
        _("Invoices that are owed in closed accounts"),
        _("A bank took a payment back. Nobody is reminded by itself: ask for it, write it off, or open the account."),
        lambda now: Invoice.objects.open().filter(account__status="closed"),
        "due_date",
        _always(status__exact="due", account__status__exact="closed"),
    ),
    Kind(
        _("Money of customers in closed accounts"),
        _("It came after the account was closed, or was left in it: pay it back."),
        lambda now: CreditLot.objects.for_a_person(),
        "given_at",
        _always(needs_a_look="yes"),
    ),
    Kind(
        _("Billing profiles that were parked"),
        _("They are not billed until what is the matter is mended and they are released."),
        lambda now: ParkedProfile.objects.unreleased(),
        "parked_at",
        _always(),
    ),
    Kind(
        _("Billing runs that stopped"),
        _("Profiles are still to be billed: go on where it ended."),
        lambda now: BillingRun.objects.filter(status=RunStatus.STOPPED),
        "started_at",
        _always(status__exact=RunStatus.STOPPED),
    ),
    Kind(
        _("Looks before a run that stopped"),
        _("Nothing was billed by them. Begin another one."),
        lambda now: Preflight.objects.filter(status=RunStatus.STOPPED),
        "started_at",
        _always(status__exact=RunStatus.STOPPED),
    ),
    Kind(
        _("Files of charges that were refused"),
        _("Nothing of them was imported."),
        lambda now: ChargeUpload.objects.filter(status=UploadStatus.REFUSED),
        "uploaded_at",
        _always(status__exact=UploadStatus.REFUSED),
    ),
    Kind(
        _("Documents that could not be made"),
        _("The invoice is issued, its PDF is not there and was not sent."),
        lambda now: Document.objects.filter(status=DocumentStatus.FAILED),
        "invoice__created_at",
        _always(status__exact=DocumentStatus.FAILED),
    ),
    Kind(
        _("Receipts and statements that could not be made"),
        _("The customer sees that it failed."),
        lambda now: Paper.objects.filter(status=DocumentStatus.FAILED),
        "created_at",
        _always(status__exact=DocumentStatus.FAILED),
    ),
    Kind(
        _("Mail that came back within a week"),
        _("The address does not exist, or refuses our mail."),
        lambda now: Message.objects.filter(status=MessageStatus.BOUNCED, created_at__gte=_of_mail(now)),
        "created_at",
        lambda now: {"status__exact": MessageStatus.BOUNCED, "created_at__gte": _of_mail(now).isoformat()},
    ),
    Kind(
        _("Mail that was given up within a week"),
        _("The mail server took none of our attempts."),
        lambda now: Message.objects.filter(status=MessageStatus.GIVEN_UP, created_at__gte=_of_mail(now)),
        "created_at",
        lambda now: {"status__exact": MessageStatus.GIVEN_UP, "created_at__gte": _of_mail(now).isoformat()},
    ),
    Kind(
        _("Reports of mail services that were set apart"),
        _("They are about no mail of ours."),
        lambda now: MailEvent.objects.filter(status=MailEventStatus.QUARANTINED),
        "received_at",
        _always(status__exact=MailEventStatus.QUARANTINED),
    ),
    Kind(
        _("Jobs that failed for good"),
        _("No worker tries these rows again until somebody lets it."),
        lambda now: JobClaim.objects.stopped(at=now),
        "started_at",
        _always(state="stopped"),
    ),
)


def exceptions_for(user: Any, *, at: datetime) -> list[Found]:
    """What there is of the kinds that the person may look at; one statement for each kind."""
    found = []
    for kind in KINDS:
        rows = kind.rows(at)
        of = rows.model._meta
        if not user.has_perm(f"{of.app_label}.view_{of.model_name}"):
            continue
        counted = rows.order_by().aggregate(number=Count("pk"), oldest=Min(kind.since))
        if counted["number"]:
            href = reverse(f"admin:{of.app_label}_{of.model_name}_changelist")
            if query := kind.narrowed(at):
                href += f"?{urlencode(query)}"
            found.append(Found(kind.label, kind.help, counted["number"], counted["oldest"], href))
    return found


def _of_mail(now: datetime) -> datetime:
    """From when mail counts: a week back, at the beginning of the day, so that the link says the same all day."""
    return timezone.localtime(now - MAIL_OF).replace(hour=0, minute=0, second=0, microsecond=0)
