"""What the sweep opens of giving and taking roles: stand-ins, invitations, handing over, viewers of invoices."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import BillingAccount
from accounts.services.handover import offer_administration
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from billing_portal.tests.journeys.swept import LONG, Pages
from core.policy import Role
from profiles.models import BillingProfile
from profiles.services.roles import invite_to_profile
from profiles.tests.factories import ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.models import Subscription
from subscriptions.services.viewers import add_viewer, invite_viewer, share_invoices
from subscriptions.tests.factories import SubscriptionFactory

MAILBOX = f"{'long' * 12}@bureau.example"
OUTSIDE = f"{'else' * 12}@elsewhere.example"


def add_access_pages(pages: Pages, account: BillingAccount, profile: BillingProfile) -> None:
    """Of an account with owners, of one of its profiles, and of an account with an administrator."""
    owner, today = pages.people["owner"], timezone.localdate()
    colleague = UserFactory(name=LONG, email=MAILBOX)
    role = AccountRoleFactory(account=account, user=colleague, role=Role.ACCOUNT_CONTRIBUTOR, assigned_by=owner)
    AccountRoleFactory(
        account=account,
        user=UserFactory(name="Anouk Peters"),
        role=Role.ACCOUNT_CONTRIBUTOR,
        stands_in_for=colleague,
        expires_on=today + timedelta(days=14),
    )
    pages.add("owner", "account_role_stand_in", account.code, role.pk)
    pages.add("owner", "account_roles_removal", account.code, query=f"?role={role.pk}")
    everybody = "&".join(f"role={each.pk}" for each in account.roles.all())
    pages.add("owner", "account_roles_removal", account.code, query=f"?{everybody}")

    held = ProfileRoleFactory(profile=profile, user=colleague, role=Role.PROFILE_CONTRIBUTOR, assigned_by=owner)
    pages.add("owner", "profile_role_stand_in", profile.code, held.pk)
    everybody = "&".join(f"person={each.user_id}" for each in profile.roles.all())
    pages.add("owner", "profile_roles_removal", profile.code, query=f"?{everybody}")
    offer = invite_to_profile(profile, email="new@bureau.example", role=Role.PROFILE_READER, by=owner)
    for name in ("profile_invitation_renewal", "profile_invitation_removal"):
        pages.add("owner", name, profile.code, offer.pk)
    pages.add("owner", "profile_permissions", profile.code)

    pages.add(Role.ORGANISATION_ADMINISTRATOR, "account_ownership", account.code)
    both = OrganisationMemberFactory(organisation=account.organisation, user=UserFactory(name="Ruben Maas")).user
    OrganisationRoleFactory(organisation=account.organisation, user=both, role=Role.ORGANISATION_ADMINISTRATOR)
    AccountRoleFactory(account=account, user=both, role=Role.ACCOUNT_OWNER)
    pages.people["ruben"] = both
    pages.add("ruben", "account_ownership", account.code)
    _handover_pages(pages, account)


def _handover_pages(pages: Pages, account: BillingAccount) -> None:
    actor = Role.ACCOUNT_ADMINISTRATOR
    administrator = pages.people[actor]
    kept, offered = (
        BillingAccountFactory(name=name, organisation=account.organisation, online_services=True, owner=administrator)
        for name in ("Beta Services B.V.", LONG)
    )
    offer_administration(offered, email=OUTSIDE, by=administrator)
    for each in (kept, offered):
        pages.add(actor, "account_handover", each.code)
    for is_shared in (False, True):
        profile = SubscriptionProfileFactory(account=kept)
        subscription = SubscriptionFactory(profile=profile)
        if is_shared:
            _share(pages, subscription)
        for name in ("subscription_invoice_access", "subscription_invoice_switch", "subscription_viewer_new"):
            pages.add(actor, name, subscription.code)


def _share(pages: Pages, subscription: Subscription) -> None:
    """With a viewer, and with somebody who was asked to be one."""
    actor = Role.ACCOUNT_ADMINISTRATOR
    administrator = pages.people[actor]
    viewer = OrganisationMemberFactory(organisation=subscription.account.organisation, user=UserFactory(name=LONG)).user
    role = add_viewer(subscription, user=viewer, by=administrator)
    offer = invite_viewer(subscription, email=OUTSIDE, by=administrator)
    share_invoices(subscription, is_on=True, by=administrator)
    pages.add(actor, "subscription_viewer_removal", subscription.code, role.pk)
    for name in ("subscription_invitation_renewal", "subscription_invitation_removal"):
        pages.add(actor, name, subscription.code, offer.pk)
