"""The services about people and accounts ask for the right themselves: who may not changes nothing (Q1, T08)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AccountRole, Address, Invitation, MemberInvitation, OrganisationMember, ScopeMemory
from accounts.services import people
from accounts.services.addresses import save_address
from accounts.services.handover import offer_administration, withdraw_offer
from accounts.services.invitations import invite
from accounts.services.planned import plan_addresses
from accounts.services.roles import ON_ACCOUNT, remove_account_role
from accounts.services.scopes import choose_default
from accounts.services.tax_ids import ask_again
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.errors import Forbidden
from core.models import Message
from core.policy import Action, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    """Somebody of an organisation that has invited another."""
    member = OrganisationMemberFactory()
    MemberInvitation.objects.create(
        organisation=member.organisation,
        email="pim@beta.example",
        name="Pim",
        language="en",
        token_digest="0" * 64,
        invited_by=UserFactory(),
        expires_at=timezone.now() + timedelta(days=7),
    )
    return member


def _invite(member: OrganisationMember, by):
    people.invite_member(member.organisation, email="eva@beta.example", name="Eva", language="en", by=by)


SERVICES = {
    "picture": lambda member, by: people.set_picture(member.user, None, organisation=member.organisation, by=by),
    "deactivate": lambda member, by: people.deactivate_person(member.organisation, member.user, by=by),
    "reactivate": lambda member, by: people.reactivate_person(member.organisation, member.user, by=by),
    "invite": _invite,
    "renew": lambda _member, by: people.renew_member_invitation(MemberInvitation.objects.get(), by=by),
    "revoke": lambda _member, by: people.revoke_member_invitation(MemberInvitation.objects.get(), by=by),
}


def stored(member: OrganisationMember) -> list:
    member.user.refresh_from_db()
    return [member.user.is_active, *MemberInvitation.objects.values_list("email", "status", "token_digest")]


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_the_people_of_an_organisation_are_kept_by_its_user_administrator_alone(service, member):
    looker = OrganisationRoleFactory(organisation=member.organisation, role=Role.ORGANISATION_ADMINISTRATOR).user
    member.user.is_active = service != "reactivate"
    member.user.save(update_fields=["is_active"])
    before = stored(member)

    with pytest.raises(Forbidden):
        SERVICES[service](member, looker)

    assert stored(member) == before
    assert not Message.objects.exists()


# --- Accounts -------------------------------------------------------------------------------------


def _address(account, by):
    # Of a version that is past: who may not is told that, and not what became of the address.
    common = {"of": account, "action": Action.ACCOUNT_EDIT_SOLD_TO, "by": by}
    save_address(account.sold_to, {"city": "Gouda"}, version=99, **common)


def _plan(account, by):
    day = timezone.localdate()
    plan_addresses(account, [], takes_effect_on=day, today=day, of=account, action=Action.ACCOUNT_EDIT_SOLD_TO, by=by)


OF_AN_ACCOUNT = {
    "address": _address,
    "plan an address": _plan,
    "invite": lambda account, by: invite(
        ON_ACCOUNT, account, email="eva@beta.example", role=Role.ACCOUNT_READER, by=by
    ),
    "remove a role": lambda account, by: remove_account_role(account.roles.get(role=Role.ACCOUNT_READER), by=by),
    "verify the VAT ID": lambda account, by: ask_again(account, by=by),
}


def of_account() -> list:
    return [*Address.objects.values(), *AccountRole.objects.values(), *Invitation.objects.values()]


@pytest.mark.parametrize("service", OF_AN_ACCOUNT)
def test_Q1_a_reader_of_the_account_changes_nothing_of_it(service):
    account = BillingAccountFactory(owner=UserFactory())
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    before = of_account()

    with pytest.raises(Forbidden):
        OF_AN_ACCOUNT[service](account, reader)

    assert of_account() == before
    assert not Message.objects.exists()


def test_Q1_only_the_administrator_withdraws_what_they_offered():
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    offer = offer_administration(account, email="next@beta.example", by=administrator)
    before = of_account()

    with pytest.raises(Forbidden):
        withdraw_offer(offer, by=UserFactory())

    assert of_account() == before


def test_Q1_nobody_starts_in_an_account_that_they_do_not_see():
    with pytest.raises(Forbidden):
        choose_default(BillingAccountFactory(), by=UserFactory())

    assert not ScopeMemory.objects.exists()
