"""The services about people ask for the right themselves: who may not changes nothing (Q1, T08)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import MemberInvitation, OrganisationMember
from accounts.services import people
from accounts.tests.factories import OrganisationMemberFactory, OrganisationRoleFactory, UserFactory
from core.errors import Forbidden
from core.models import Message
from core.policy import Role

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
