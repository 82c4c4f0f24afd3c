"""Closing a billing profile or a whole account, when nothing hangs on it any more (domain §3.1, §3.3)."""

from collections.abc import Iterable
from datetime import date

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from accounts.services.closing import close_rows, demand_staff, lock_to_close, said_why
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import lock_account
from accounts.states import AccountStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, demand
from core.states import move, move_all
from payments.closing import Condition, account_closing_conditions, closing_conditions
from payments.models import ProfileMethods, TransferRequest
from payments.services.methods import demand_default
from payments.states import TransferStatus
from profiles.models import BillingProfile
from profiles.people import effective_owners
from profiles.states import ProfileStatus


@transaction.atomic
def close_profile(profile: BillingProfile, *, by: User, on: date) -> None:
    """Close the profile: nothing is bought or billed on it any more; invoices, payments and people stay.

    The owners get a mail. Refuses `not_eligible` with all that stands in the way, also what came while
    somebody read the checklist: a purchase and the run lock the same rows.
    """
    demand(by, Action.PROFILE_CLOSE, profile)
    lock_account(profile.account)
    stored = BillingProfile.objects.select_for_update(of=("self",)).select_related("account").get(pk=profile.pk)
    if not stored.is_shown:
        raise ValueError("the profile of a subscription ends with it")
    _refuse_standing(_("This billing profile cannot be closed yet: %(what)s."), closing_conditions(stored, on=on))
    with acting(by, "profile.closed"):
        move(stored, ProfileStatus.CLOSED)
    mail_people(
        [*effective_owners(stored), *owners_of(stored.account), by],
        template="profile_closed",
        mail_class=MailClass.ACCESS_CHANGED,
        context={
            "profile": stored.name,
            "account": stored.account.name,
            "by": str(by),
            "path": reverse("profile", args=[stored.code]),
        },
        reference=f"profile:{stored.code}",
    )


@transaction.atomic
def close_account(account: BillingAccount, *, by: User, on: date) -> None:
    """Close the account, and with it the billing profiles that are left: nothing is bought, billed, invited or
    changed in it any more; documents and read access stay. Its owners get a mail.

    Refuses `not_eligible` with all that stands in the way, also what came while somebody read the checklist, and
    `closed_already`. Undone by the vendor's staff alone.
    """
    lock_to_close(account)
    demand(by, Action.ACCOUNT_CLOSE, account)
    _close(account, note="", by=by, on=on)


@transaction.atomic
def close_account_by_staff(account: BillingAccount, *, note: str, by: User, on: date) -> None:
    """The same by the vendor's staff, who say why. Refuses `note_missing` besides."""
    demand_staff(by)
    note = said_why(note)
    lock_to_close(account)
    _close(account, note=note, by=by, on=on)


def _close(account: BillingAccount, *, note: str, by: User, on: date) -> None:
    if account.status == AccountStatus.CLOSED:
        raise Refused(_("This billing account was closed a moment ago."), "closed_already")
    _refuse_standing(_("This account cannot be closed yet: %(what)s."), account_closing_conditions(account, on=on))
    with acting(by, "account.closed"):
        profiles = BillingProfile.objects.filter(account=account).open().order_by("pk")
        move_all(list(profiles.select_for_update(no_key=True)), ProfileStatus.CLOSED)
        requests = TransferRequest.objects.open().filter(account=account).order_by("pk")
        move_all(list(requests.select_for_update(no_key=True)), TransferStatus.WITHDRAWN)
    close_rows(account, note=note, by=by)


def _refuse_standing(message: str, conditions: Iterable[Condition]) -> None:
    if standing := [each.title for each in conditions if not each.is_met]:
        raise Refused(message % {"what": "; ".join(standing)}, "not_eligible")


@transaction.atomic
def unlink_methods(profile: BillingProfile, *, by: User) -> None:
    """Let the profile pay with nothing: neither default nor backup. The methods themselves stay. Twice is once."""
    demand_default(by, profile)
    with acting(by, "method.unlinked"):
        for methods in ProfileMethods.objects.select_for_update().filter(profile=profile):
            methods.default = methods.backup = None
            methods.save()
