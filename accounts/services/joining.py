"""An organisation administrator becomes owner of one of the organisation's accounts (§2.2)."""

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import ON_ACCOUNT, check_agreement, give, lock_account
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, Role, demand


def join_as_owner(account: BillingAccount, *, by: Any) -> AccountRole:
    """Make the organisation administrator an owner, in place of what the person held there. All owners are told.

    Refuses `already_holds` and, on an online-services account, `one_administrator`.
    """
    check_agreement(account)
    with transaction.atomic():
        lock_account(account)
        demand(by, Action.ORGANISATION_JOIN_ACCOUNT, account)
        held = ON_ACCOUNT.held_by(account, by)
        before = held.role if held is not None else ""
        if held is not None and (held.role, held.expires_on) == (Role.ACCOUNT_OWNER, None):
            raise Refused(_("You own this account already."), "already_holds")
        with acting(by, "organisation.joined_account"):
            given = give(ON_ACCOUNT, account, user=by, role=Role.ACCOUNT_OWNER, expires_on=None, by=by)
        mail_people(
            owners_of(account),
            template="organisation_owner_joined",
            mail_class=MailClass.ACCESS_CHANGED,
            context={
                "who": str(by),
                "name": str(account),
                "organisation": str(account.organisation),
                "before": before,
                "path": reverse("account_access", args=[account.code]),
            },
            reference=f"billingaccount:{account.pk}",
        )
    return given  # type: ignore[no-any-return]
