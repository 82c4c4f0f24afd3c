"""What this app keeps of a billing account when it is closed or opened again (domain §3.1).

Whether it may be closed is for `payments.services.closing` to say, which sees everything that hangs on it.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Invitation, NameChange, PlannedChange, VatCheck
from accounts.services.handover import offers_of, tell_both
from accounts.services.invitations import is_customer_staff
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import lock_account
from accounts.states import AccountStatus, InvitationStatus, NameChangeStatus, PlanStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.states import move, move_all


def lock_to_close(account: BillingAccount) -> None:
    """Hold the account alone until the transaction ends: nothing comes to it meanwhile, not even by a foreign key.
    `account` has the status that is stored."""
    account.refresh_from_db(fields=["status"], from_queryset=BillingAccount.objects.select_for_update())


def demand_staff(person: Any) -> None:
    """Raise PermissionDenied for who is none of the vendor's staff who make customers."""
    if person is None or not is_customer_staff(person):
        raise PermissionDenied


def waiting_invitations(account: BillingAccount) -> QuerySet[Invitation]:
    """What was offered in the account and is answered by nobody yet: roles, and its administration."""
    return Invitation.objects.filter(account=account, status=InvitationStatus.PENDING)


def planned_changes(account: BillingAccount) -> QuerySet[PlannedChange]:
    """Addresses of the account and of its billing profiles that change on a day to come."""
    return PlannedChange.objects.waiting().filter(account=account)


def open_name_change(account: BillingAccount) -> NameChange | None:
    """The request for another legal name that waits for the vendor."""
    return NameChange.objects.filter(account=account, status=NameChangeStatus.REQUESTED).first()


def close_rows(account: BillingAccount, *, note: str = "", by: Any) -> None:
    """Withdraw what waits in the account, close it and tell its owners, in the caller's transaction, which holds the
    account by `lock_to_close` and has asked every question. Roles stay, for reading."""
    now = timezone.now()
    offers = list(offers_of(account))
    with acting(by, "account.closed"):
        move_all(list(waiting_invitations(account)), InvitationStatus.REVOKED)
        move_all(list(planned_changes(account)), PlanStatus.WITHDRAWN, ended_at=now)
        if (asked := open_name_change(account)) is not None:
            move(asked, NameChangeStatus.WITHDRAWN, decided_by=by, decided_at=now)
        move(account, AccountStatus.CLOSED, status_note=note)
    for offer in offers:
        tell_both(offer, "administration_withdrawn", by=str(by))
    _tell(account, "account_closed", note=note, by=by)


def reopen_account(account: BillingAccount, *, note: str, by: Any) -> None:
    """Open a closed account again, for the vendor's staff; its owners are told why. What was closed or withdrawn with
    it stays so, and its VAT ID is verified anew. Refuses `note_missing` and `no_such_edge`."""
    demand_staff(by)
    note = said_why(note)
    with transaction.atomic():
        lock_account(account)
        with acting(by, "account.reopened"):
            move(account, AccountStatus.ACTIVE, status_note=note)
            VatCheck.objects.filter(account=account).update(next_check_at=timezone.now())
        _tell(account, "account_reopened", note=note, by=by)


def said_why(note: str) -> str:
    """The reason that staff gave; refuses `note_missing` for none."""
    if not (note := note.strip()):
        raise Refused(_("Say why: its owners read it in their mail."), "note_missing")
    return note[:500]


def _tell(account: BillingAccount, template: str, *, note: str, by: Any) -> None:
    mail_people(
        owners_of(account),
        template=template,
        mail_class=MailClass.ACCESS_CHANGED,
        context={
            "name": account.name,
            "by": "" if note else str(by),
            "note": note,
            "path": reverse("account_overview", args=[account.code]),
        },
        reference=f"billingaccount:{account.pk}",
    )
