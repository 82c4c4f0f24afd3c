"""Closing a billing profile, when nothing hangs on it any more (domain §3.3)."""

from datetime import date

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import lock_account
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, demand
from core.states import move
from payments.closing import closing_conditions
from payments.models import ProfileMethods
from payments.services.methods import demand_default
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
    if standing := [each for each in closing_conditions(stored, on=on) if not each.is_met]:
        titles = "; ".join(each.title for each in standing)
        raise Refused(_("This billing profile cannot be closed yet: %(what)s.") % {"what": titles}, "not_eligible")
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
def unlink_methods(profile: BillingProfile, *, by: User) -> None:
    """Let the profile pay with nothing: neither default nor backup. The methods themselves stay. Twice is once."""
    demand_default(by, profile)
    with acting(by, "method.unlinked"):
        for methods in ProfileMethods.objects.select_for_update().filter(profile=profile):
            methods.default = methods.backup = None
            methods.save()
