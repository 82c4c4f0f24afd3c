"""Handing over an online-services account: its one administrator offers it, the successor accepts (§2.2).

The offer is an invitation with the administrator role; accepting it moves the one row from one person to the other.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Invitation
from accounts.querysets import InvitationQuerySet
from accounts.services.invitations import write_invitation
from accounts.services.limits import INVITATIONS_PER_ACCOUNT, count
from accounts.services.notices import mail_people
from accounts.services.offers import person_with
from accounts.services.roles import lock_account
from accounts.states import InvitationStatus
from core.errors import Refused
from core.history import acting
from core.mail_classes import MailClass
from core.messages import queue_message
from core.policy import Action, Role, demand
from core.states import move


def offers_of(account: BillingAccount) -> InvitationQuerySet:
    """The offers of the account that wait for an answer; at most one has not expired."""
    waiting = Invitation.objects.filter(account=account, role=Role.ACCOUNT_ADMINISTRATOR, scope="account")
    waiting = waiting.filter(status=InvitationStatus.PENDING)
    return waiting.select_related("invited_by", "account__organisation")  # type: ignore[return-value]


def offer_administration(account: BillingAccount, *, email: str, by: Any) -> Invitation:
    """Offer the account to whoever reads that mailbox; nothing changes until it is accepted.

    Refuses `yourself`, `already_offered`, `too_many`, and on a customer agreement `no_administrator`.
    """
    if not account.is_online_services:
        raise Refused(_("This account has owners, and no administrator to hand over."), "no_administrator")
    with transaction.atomic():
        lock_account(account)
        demand(by, Action.ACCOUNT_HAND_OVER, account)
        if email.strip().lower() == by.email.lower():
            raise Refused(_("You are the administrator already. Offer it to somebody else."), "yourself")
        for waiting in offers_of(account):
            if waiting.expires_at > timezone.now():
                raise Refused(
                    _("It is offered to %(email)s already. Withdraw that offer first.") % {"email": waiting.email},
                    code="already_offered",
                )
            move(waiting, InvitationStatus.EXPIRED)
        count(INVITATIONS_PER_ACCOUNT, account.pk)
        person = person_with(email)
        with acting(by, "administration.offered"):
            return write_invitation(
                account,
                email=email,
                role=Role.ACCOUNT_ADMINISTRATOR,
                by=by,
                language=person.language if person else None,
            )


def withdraw_offer(offer: Invitation, *, by: Any) -> None:
    """Take the offer back; both are told. Refuses `no_such_edge` where it was accepted or withdrawn meanwhile."""
    with transaction.atomic():
        lock_account(offer.account)
        demand(by, Action.ACCOUNT_HAND_OVER, offer.account)
        offer.refresh_from_db()
        with acting(by, "administration.withdrawn"):
            move(offer, InvitationStatus.REVOKED)
        tell_both(offer, "administration_withdrawn", by=str(by))


def expire_offer(offer: Invitation) -> None:
    """Close an offer that nobody accepted in time; both are told."""
    with transaction.atomic():
        lock_account(offer.account)
        offer.refresh_from_db()
        if offer.status == InvitationStatus.PENDING and offer.expires_at <= timezone.now():
            move(offer, InvitationStatus.EXPIRED)
            tell_both(offer, "administration_expired")


def tell_both(offer: Invitation, template: str, by: str = "") -> None:
    """Mail whoever offers the administration and whoever it is offered to that it ended."""
    context = {"email": offer.email, "name": str(offer.account), "until": offer.expires_at, "by": by}
    mail: dict[str, Any] = {"template": template, "mail_class": MailClass.ACCESS_CHANGED}
    reference = f"billingaccount:{offer.account_id}"
    if offer.invited_by is not None:
        mail_people([offer.invited_by], context=context, reference=reference, **mail)
    queue_message(to=offer.email, language=offer.language, context=context, reference=reference, **mail)
