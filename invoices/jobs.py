"""Work on invoices in the background: billing them, their documents, and the mails that carry them."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.utils import timezone

from core.jobs import Boundary, clock, job, stopping
from core.messages import MailClass, Verdict, recheck, recheck_many
from core.models import Message
from invoices import deliveries
from invoices.documents import archive
from invoices.documents.source import FACTS
from invoices.models import ChargeUpload, CreditLot, Delivery, Dispatch, Document, Preflight, RunRange
from invoices.services.charge_uploads import import_upload
from invoices.services.credits import EXPIRY_NOTICES, expire_credit, tell_of_expiring_credit, today_of
from invoices.services.lateness import warn_of_lateness
from invoices.services.looking import look_beforehand
from invoices.services.purchase_orders import warn_of_budgets
from invoices.services.run import bill_range
from invoices.services.schedule import conclude_run, start_due_runs
from invoices.states import DispatchStatus, DocumentStatus, RunStatus, UploadStatus
from profiles.people import keepers_of

# With pauses that grow to an hour, that is a day.
TRIES_OF_A_DAY = 27


# Past the hour, so that wherever a day begins with it, the day has begun by every clock.
@clock("hourly", at=time(0, 5))
def start_billing(slot: datetime) -> None:
    """Bill the profiles whose invoice day has come, each in its time zone, and those that were missed."""
    # By now, and not by the slot: one that was missed does all that is due since.
    start_due_runs(timezone.now())


@clock("daily", at=time(7))
def warn_of_late_invoices(slot: datetime) -> None:
    """Say in the log what is not invoiced yet when the law's last day is near (L2)."""
    warn_of_lateness(timezone.localdate(slot))


@job(due=lambda now: Preflight.objects.filter(status=RunStatus.RUNNING, is_by_command=False))
def look_before_run(row_id: int) -> None:
    """Look at what a billing run would issue, and at what is the matter with it."""
    preflight = Preflight.objects.filter(pk=row_id, status=RunStatus.RUNNING).first()
    if preflight:
        look_beforehand(preflight)


# One at a time, so that no worker sets aside what others could do.
@job(due=lambda now: RunRange.objects.waiting(), batch=1)
def bill_ranges(row_ids: list[int]) -> None:
    """Bill a range of profiles of a run."""
    for part in RunRange.objects.waiting().filter(pk__in=row_ids).select_related("run"):
        bill_range(part)
        conclude_run(part.run)


@job(
    due=lambda now: Document.objects.filter(status=DocumentStatus.PENDING).order_by("pk"),
    batch=20,
    tries=TRIES_OF_A_DAY,
)
def make_documents(row_ids: list[int]) -> None:
    """Make the PDFs of issued invoices."""
    documents = Document.objects.filter(pk__in=row_ids).select_related("invoice").order_by("pk")
    facts = [f"invoice__{fact}" for fact in FACTS]
    for failure in archive.make_documents(documents.prefetch_related(*facts)):
        raise failure


@job(due=lambda now: deliveries.dispatches_due(), batch=100, tries=TRIES_OF_A_DAY)
def address_dispatches(row_ids: list[int]) -> None:
    """Turn invoices whose PDF is there into one queued mail per recipient. A bad one does not stop the others."""
    rows = Dispatch.objects.filter(pk__in=row_ids, status=DispatchStatus.PENDING).order_by("pk")
    dispatches = list(rows.select_related("invoice__profile__account"))
    today = timezone.localdate()
    together: list[Exception] = []
    with Boundary(together.append):
        deliveries.address_dispatches(dispatches, on=today)
    if not together:
        return
    # One of them is bad: each by itself, so that it alone stays behind.
    failures: list[Exception] = []
    for dispatch in Dispatch.objects.filter(pk__in=row_ids, status=DispatchStatus.PENDING).order_by("pk"):
        if not stopping():
            with Boundary(failures.append):
                deliveries.address_dispatch(dispatch, on=today)
    for failure in failures:
        raise failure


@clock("hourly")
def report_bounces(slot: datetime) -> None:
    """Tell owners which invoices reached nobody's mailbox."""
    for delivery in deliveries.unreported_bounces().select_related("invoice__profile__account", "message"):
        deliveries.report_bounce(delivery)


@clock("daily", at=time(1))
def expire_credits(slot: datetime) -> None:
    """End the credits whose last day is over where their profile is."""
    for lot in CreditLot.objects.to_expire(timezone.localdate(slot) + timedelta(days=1)).select_related("profile"):
        expire_credit(lot, on=today_of(lot.profile))


@clock("daily", at=time(6))
def tell_of_expiring_credits(slot: datetime) -> None:
    """Mail 30 and 7 days before a credit expires, once each (§3.9)."""
    on = timezone.localdate(slot)
    soon = CreditLot.objects.unexpired(on).filter(expires_on__lte=on + timedelta(days=max(EXPIRY_NOTICES)))
    for lot in soon.select_related("profile__account").order_by("pk"):
        tell_of_expiring_credit(lot, on=on)


@recheck(MailClass.CREDIT_EXPIRING)
def credit_still_counts(message: Message) -> Verdict:
    """Nobody is told of a credit that is used up, or that they may no longer see (I23)."""
    code = message.reference.removeprefix("credit:")
    lot = CreditLot.objects.filter(code=code).select_related("profile").first()
    if lot is None or not lot.balance_minor or lot.is_expired(timezone.localdate()):
        return Verdict.WITHDRAW
    address = message.recipient.lower()
    keeping = keepers_of(lot.profile, on=timezone.localdate())
    return Verdict.SEND if address in {person.billing_email.lower() for person in keeping} else Verdict.WITHDRAW


@job(due=lambda now: ChargeUpload.objects.filter(status=UploadStatus.WAITING).order_by("pk"))
def import_charge_uploads(row_id: int) -> None:
    """Import a file of charges that staff handed in."""
    import_upload(ChargeUpload.objects.get(pk=row_id))


@clock("hourly")
def warn_of_order_budgets(slot: datetime) -> None:
    """Tell of purchase orders that are used up, or nearly (P17)."""
    warn_of_budgets()


@recheck(MailClass.INVOICE_ISSUED)
def still_wanted(message: Message) -> Verdict:
    """Whether an invoice may still go to this recipient, looked at just before it is sent."""
    # All of one mail go to one recipient; the first that may not decides.
    verdicts = [deliveries.verdict_on_delivery(delivery) for delivery in _deliveries_of([message])]
    return next((verdict for verdict in verdicts if verdict != Verdict.SEND), Verdict.SEND)


@recheck_many(MailClass.INVOICE_ISSUED)
def all_still_wanted(messages: Sequence[Message]) -> dict[int, Verdict]:
    """`still_wanted` of a handful; left out are those whose PDF is damaged."""
    found = _deliveries_of(messages)
    verdicts = deliveries.verdicts_on_deliveries(found)
    damaged = {delivery.message_id for delivery in found if delivery.pk not in verdicts}
    return {each.message_id: verdicts[each.pk] for each in found if each.message_id not in damaged}


def _deliveries_of(messages: Sequence[Message]) -> list[Delivery]:
    by_id = {message.pk: message for message in messages}
    rows = Delivery.objects.select_related("invoice__profile", "sent_by").only(
        *("email", "user", "message", "sent_by", "sent_by__is_active", "invoice__code", "invoice__account"),
        *("invoice__profile__account", "invoice__profile__sends_invoices"),
    )
    found = list(rows.filter(message__in=by_id))
    for delivery in found:
        delivery.message = by_id[delivery.message_id]
    return found
