"""What the clock and the worker do for people and accounts."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import (
    AccountRole,
    Attempt,
    Invitation,
    LinkRequest,
    PasswordReset,
    PlannedChange,
    Proof,
    ServiceNotice,
    VatCheck,
)
from accounts.services.handover import expire_offer
from accounts.services.limits import LONGEST
from accounts.services.links import answer_link_request
from accounts.services.planned import apply_planned_change
from accounts.services.roles import ON_ACCOUNT, end_stand_in
from accounts.services.service_notices import hand_out_notice
from accounts.services.tax_ids import verify_vat_id
from accounts.services.topics import is_declined, unsubscribe_path
from accounts.states import NoticeStatus
from accounts.verifiers import chosen_verifier
from core.jobs import clock, job
from core.messages import ask_before_sending, offer_way_out

# What somebody asked for while not signed in is kept this long, for whoever has to explain it.
KEPT = timedelta(days=30)

ask_before_sending(is_declined)
offer_way_out(unsubscribe_path)


@clock("hourly")
def forget_old_attempts(slot: datetime) -> None:
    """Tries older than the longest limit count for nothing any more."""
    Attempt.objects.older(than=slot - LONGEST).delete()


@clock("daily")
def forget_old_requests(slot: datetime) -> None:
    """Links that were asked for and codes that were sent long ago."""
    LinkRequest.objects.filter(answered_at__lt=slot - KEPT).delete()
    PasswordReset.objects.filter(expires_at__lt=slot - KEPT).delete()
    Proof.objects.filter(created_at__lt=slot - KEPT).delete()


@job(due=lambda now: LinkRequest.objects.filter(answered_at=None).order_by("pk"))
def answer_link_requests(row_id: int) -> None:
    """Find out whose address it is, and write the mail."""
    with transaction.atomic():
        request = LinkRequest.objects.select_for_update().filter(pk=row_id, answered_at=None).first()
        if request is not None:
            answer_link_request(request)


@job(due=lambda now: ServiceNotice.objects.filter(status=NoticeStatus.SENDING).order_by("pk"))
def hand_out_notices(row_id: int) -> None:
    """Queue the mails of a notice that staff released."""
    notice = ServiceNotice.objects.filter(pk=row_id, status=NoticeStatus.SENDING).first()
    if notice is not None:
        hand_out_notice(notice)


@job(due=lambda now: VatCheck.objects.due(now) if chosen_verifier() else VatCheck.objects.none())
def verify_vat_ids(row_id: int) -> None:
    """Ask the register about VAT IDs that are new, that nobody answered for, or that were verified long ago."""
    verifier = chosen_verifier()
    check = VatCheck.objects.select_related("account").get(pk=row_id)
    if verifier is not None and check.number and check.next_check_at <= (now := timezone.now()):
        verify_vat_id(check, verifier, at=now)


@job(due=lambda now: PlannedChange.objects.due(timezone.localdate(now)))
def apply_planned_changes(row_id: int) -> None:
    """Bring changes into force whose day has come."""
    apply_planned_change(PlannedChange.objects.get(pk=row_id))


@job(due=lambda now: AccountRole.objects.stood_in_until(timezone.localdate(now)))
def end_stand_ins_on_accounts(row_id: int) -> None:
    """Clear stand-ins away whose last day is over, and tell everybody concerned."""
    end_stand_in(ON_ACCOUNT, AccountRole.objects.select_related("account").get(pk=row_id))


@job(due=lambda now: Invitation.objects.handovers_over(now))
def expire_offers(row_id: int) -> None:
    """Close offers of an administration that nobody accepted in time."""
    expire_offer(Invitation.objects.select_related("account", "invited_by").get(pk=row_id))
