"""Access to invoice: the administrator of an online-services account lets others see the invoices of a subscription.

An invoice viewer is a reader on the hidden profile of one subscription. The role sleeps until the administrator turns
the switch of that subscription on (§2.1, A-inv24).
"""

from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Invitation, User
from accounts.services.invitations import invite
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import RoleScope, assign_role, lock_account, refuse_closed, register_scope, remove_role
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, Role, demand
from profiles.models import BillingProfile, ProfileKind, ProfileRole
from subscriptions.models import Subscription


def add_viewer(subscription: Subscription, *, user: User, by: Any, expires_on: date | None = None) -> ProfileRole:
    """Let somebody of the organisation see the invoices. Refuses as `assign_role`, and `no_viewers_here`."""
    profile = _hidden(subscription)
    return assign_role(  # type: ignore[return-value]
        ON_SUBSCRIPTION, profile, user=user, role=Role.PROFILE_READER, by=by, expires_on=expires_on
    )


def invite_viewer(subscription: Subscription, *, email: str, by: Any, expires_on: date | None = None) -> Invitation:
    """Offer the same to somebody else by mail. Refuses as `invite`, and `no_viewers_here`."""
    profile = _hidden(subscription)
    return invite(ON_SUBSCRIPTION, profile, email=email, role=Role.PROFILE_READER, by=by, expires_on=expires_on)


def remove_viewer(held: ProfileRole, *, by: Any) -> None:
    """Take it away again."""
    remove_role(ON_SUBSCRIPTION, held, by=by)


def share_invoices(subscription: Subscription, *, is_on: bool, by: Any) -> bool:
    """Turn the switch. Its viewers and the administrator are told; returns whether anything changed.

    Refuses `no_viewers_here` on a subscription that is billed on a profile with roles of its own, and to turn it on
    where the account is closed (`account_closed`).
    """
    profile = _hidden(subscription)
    with transaction.atomic():
        lock_account(profile.account)
        demand(by, Action.INVOICE_SHARE_ACCESS, profile)
        if is_on:
            refuse_closed(profile.account)
        stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
        if stored.shares_invoices == is_on:
            return False
        with acting(by, "invoice_access.switched"):
            BillingProfile.objects.filter(pk=profile.pk).update(shares_invoices=is_on)
        profile.shares_invoices = is_on
        viewers = [row.user for row in viewers_of(subscription) if row.user.is_active]
        mail_people(
            [*viewers, *owners_of(profile.account)],
            template="invoice_access_on" if is_on else "invoice_access_off",
            mail_class=MailClass.ACCESS_CHANGED,
            context={
                "name": subscription.name,
                "account": str(profile.account),
                "by": str(by),
                "path": f"{reverse('invoices', args=[profile.account.code])}?profile={profile.code}",
            },
            reference=f"billingprofile:{profile.pk}",
        )
    return True


def viewers_of(subscription: Subscription) -> QuerySet[ProfileRole]:
    """Who may see its invoices once the switch is on, by name; those whose role has ended included."""
    rows = ProfileRole.objects.filter(profile=subscription.profile_id)
    return rows.select_related("user", "assigned_by", "stands_in_for").order_by("user__name", "pk")


def _hidden(subscription: Subscription) -> BillingProfile:
    if subscription.profile.is_shown:
        raise Refused(
            _("Roles for this subscription are given on its billing profile."),
            code="no_viewers_here",
        )
    return subscription.profile


def _find(account: BillingAccount, code: str) -> BillingProfile | None:
    profiles = BillingProfile.objects.filter(account=account, code=code, kind=ProfileKind.SUBSCRIPTION).open()
    return profiles.select_related("account").first()


def _page(profile: BillingProfile, name: str) -> str:
    return reverse(name, args=[Subscription.objects.values_list("code", flat=True).get(profile=profile)])


ON_SUBSCRIPTION = register_scope(
    RoleScope(
        name="subscription",
        model=ProfileRole,
        field="profile",
        right=Action.INVOICE_SHARE_ACCESS,
        roles=(Role.PROFILE_READER,),
        account_of=lambda profile: profile.account,
        owner_stays=lambda profile, without: True,
        people_to_tell=lambda profile: owners_of(profile.account),
        path_of=lambda profile: _page(profile, "subscription_invoice_access"),
        home_of=lambda profile: _page(profile, "subscription") if profile.shares_invoices else reverse("scopes"),
        code_of=lambda profile: profile.code,
        find=_find,
        shows_roles=False,
        is_asleep=lambda profile: not profile.shares_invoices,
    )
)
