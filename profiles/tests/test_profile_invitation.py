"""Invitations to a role on a billing profile: bound to an address, one use, and only while the inviter may (T22)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountRole, Invitation, User
from accounts.services.invitations import accept_invitation, renew_invitation
from accounts.tests.factories import PASSWORD, AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from profiles.models import ProfileRole
from profiles.services.roles import invite_to_profile, remove_profile_role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db
ADDRESS = "new@freelance.example"
ANSWER = "/invitations/answer/"


@pytest.fixture
def above():
    return UserFactory(email="above@alfa.example", name="Above")


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def profile(owner, above):
    return BillingProfileFactory(account=BillingAccountFactory(owner=above), owner=owner, name="Operations")


@pytest.fixture
def invitation(profile, owner):
    return invite_to_profile(profile, email=ADDRESS, role=Role.INVOICE_MANAGER, by=owner)


def link_of(invitation):
    return Message.objects.about(f"invitation:{invitation.code}").last().secret_context["path"]


def opened(invitation, user=None):
    client = Client()
    if user:
        client.force_login(user)
    assert client.get(link_of(invitation)).url == ANSWER
    return client


def answer(client, **data):
    return client.post(ANSWER, {"name": "Tom Bakker", "password": PASSWORD, **data})


def test_S4_13_an_unknown_address_is_invited_and_takes_the_role(profile, owner, client):
    client.force_login(owner)

    said = client.post(
        reverse("profile_role_new", args=[profile.code]), {"email": ADDRESS, "role": "invoice_manager"}, follow=True
    )

    assert f"{ADDRESS} gets an invitation by e-mail." in said.content.decode()
    invitation = Invitation.objects.get()
    assert (invitation.scope, invitation.scope_code, invitation.account) == ("profile", profile.code, profile.account)
    assert Message.objects.get(template="account_invitation").context["on"] == "Operations"
    response = answer(opened(invitation))
    assert response.url == profile.get_absolute_url()
    held = ProfileRole.objects.get(user__email=ADDRESS)
    assert (held.profile, held.role, held.assigned_by) == (profile, Role.INVOICE_MANAGER, owner)
    assert not AccountRole.objects.filter(user=held.user).exists()
    assert [member.organisation for member in held.user.memberships.all()] == [profile.account.organisation]


def test_the_page_says_what_the_invitation_is_for(invitation):
    text = opened(invitation).get(ANSWER).content.decode()

    assert "Invitation to Operations" in text
    assert "Invoice manager" in text


def test_the_inviter_and_all_owners_hear_that_it_was_used(invitation, above):
    client = opened(invitation)
    Message.objects.all().delete()

    answer(client)

    assert {(mail.recipient, mail.template) for mail in Message.objects.exclude(template="invitation_used")} == {
        (ADDRESS, "role_assigned")
    }
    used = Message.objects.filter(template="invitation_used")
    assert {mail.recipient for mail in used} == {"owner@alfa.example", "above@alfa.example"}


def test_another_role_in_the_form_changes_nothing(invitation):
    answer(opened(invitation), role="profile_owner", scope="account", scope_code="", expires_on="2099-01-01")

    held = ProfileRole.objects.get(user__email=ADDRESS)
    assert (held.role, held.expires_on) == (Role.INVOICE_MANAGER, None)
    assert not AccountRole.objects.filter(user=held.user).exists()


def test_somebody_else_is_refused_and_nothing_is_used_up(invitation):
    other = UserFactory(email="other@freelance.example")

    text = opened(invitation, other).post(ANSWER).content.decode()

    assert "This invitation is for somebody else" in text
    assert not ProfileRole.objects.filter(user=other).exists()
    assert Invitation.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (lambda it, owner: Invitation.objects.update(status="revoked"), "was taken back"),
        (
            lambda it, owner: Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
            "has expired. Ask Marieke de Vries",
        ),
        (
            lambda it, owner: ProfileRole.objects.filter(user=owner).update(role=Role.PROFILE_CONTRIBUTOR),
            "Ask an owner of Operations for a new invitation",
        ),
        (lambda it, owner: User.objects.filter(pk=owner.pk).update(is_active=False), "may no longer do so"),
    ],
)
def test_revoked_expired_and_of_a_demoted_inviter_say_so(invitation, owner, before, words):
    before(invitation, owner)

    response = answer(opened(invitation))

    assert response.status_code == 410
    assert words in response.content.decode()
    assert not User.objects.filter(email=ADDRESS).exists()


def test_of_a_profile_that_is_closed_meanwhile_nothing_can_be_accepted(invitation, profile):
    type(profile).objects.filter(pk=profile.pk).update(status="closed")

    response = answer(opened(invitation))

    assert response.status_code == 410
    assert "is not there any more" in response.content.decode()


def test_it_works_once_and_only_the_latest_link(invitation, owner):
    old = link_of(invitation)
    renew_invitation(invitation, by=owner)

    assert Client().get(old).status_code == 302
    stale = Client()
    stale.get(old)
    assert stale.get(ANSWER).status_code == 404
    answer(opened(invitation))
    assert answer(opened(invitation)).status_code == 410
    assert ProfileRole.objects.filter(user__email=ADDRESS).count() == 1


def test_a_higher_role_held_meanwhile_is_not_taken_away(invitation, profile):
    person = ProfileRoleFactory(profile=profile, user=UserFactory(email=ADDRESS), role=Role.PROFILE_OWNER).user

    held = accept_invitation(invitation, by=person)

    assert held.role == Role.PROFILE_OWNER
    assert Invitation.objects.get().status == "accepted"


def test_one_address_is_invited_to_each_profile_by_itself(invitation, profile, owner, above):
    other = BillingProfileFactory(account=profile.account, name="Other")

    second = invite_to_profile(other, email=ADDRESS, role=Role.PROFILE_READER, by=above)
    with pytest.raises(Refused) as refusal:
        invite_to_profile(profile, email=ADDRESS.upper(), role=Role.PROFILE_OWNER, by=owner)

    assert refusal.value.code == "already_invited"
    assert second.scope_code == other.code


@pytest.mark.parametrize("role", [Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER])
def test_T05_only_owners_invite(profile, role):
    weak = ProfileRoleFactory(profile=profile, role=role).user

    with pytest.raises(Forbidden):
        invite_to_profile(profile, email=ADDRESS, role=Role.PROFILE_READER, by=weak)

    assert not Invitation.objects.exists()


def test_T04_no_account_role_is_offered_on_a_profile_and_none_on_a_hidden_one(profile, owner):
    with pytest.raises(Refused) as refusal:
        invite_to_profile(profile, email=ADDRESS, role=Role.ACCOUNT_OWNER, by=owner)
    assert refusal.value.code == "role_not_here"
    with pytest.raises(Refused) as refusal:
        invite_to_profile(SubscriptionProfileFactory(), email=ADDRESS, role=Role.PROFILE_READER, by=owner)
    assert refusal.value.code == "no_roles_here"


def test_the_permissions_page_lists_it_with_its_verbs(invitation, profile, owner, client):
    client.force_login(owner)
    page = reverse("profile_permissions", args=[profile.code])

    text = client.get(page).content.decode()

    renewal = reverse("profile_invitation_renewal", args=[profile.code, invitation.pk])
    removal = reverse("profile_invitation_removal", args=[profile.code, invitation.pk])
    assert ADDRESS in text
    assert renewal in text
    assert removal in text
    before = invitation.token_digest
    assert client.post(renewal).url == page
    assert Invitation.objects.get().token_digest != before
    assert client.post(removal).url == page
    assert Invitation.objects.get().status == "revoked"
    client.get(page)  # which says what was done
    assert ADDRESS not in client.get(page).content.decode()


def test_T02_an_invitation_of_another_profile_or_the_account_is_not_found_here(invitation, profile, above, client):
    sibling = BillingProfileFactory(account=profile.account, owner=above)
    client.force_login(above)

    assert client.post(reverse("profile_invitation_removal", args=[sibling.code, invitation.pk])).status_code == 404
    account = reverse("account_invitation_removal", args=[profile.account.code, invitation.pk])
    assert client.post(account).status_code == 404
    assert Invitation.objects.get().status == "pending"


def test_who_loses_the_right_cannot_send_it_again(invitation, owner, above):
    remove_profile_role(ProfileRole.objects.get(user=owner), by=above)

    with pytest.raises(Forbidden):
        renew_invitation(invitation, by=owner)


@pytest.mark.django_db(transaction=True)
def test_T22_of_two_who_accept_at_once_one_comes_in():
    above = UserFactory()
    profile = BillingProfileFactory(account=BillingAccountFactory(owner=above))
    invitation = invite_to_profile(profile, email=ADDRESS, role=Role.INVOICE_MANAGER, by=above)
    person = UserFactory(email=ADDRESS)

    def accept(_number):
        try:
            accept_invitation(Invitation.objects.get(pk=invitation.pk), by=person)
        except Refused as refusal:
            return refusal.code
        finally:
            connection.close()
        return "in"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(accept, range(4)))

    assert outcomes == ["in", "used", "used", "used"]
    assert ProfileRole.objects.filter(user=person).count() == 1


def test_an_owner_of_the_account_invites_too(profile, above):
    AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER)

    offer = invite_to_profile(profile, email=ADDRESS, role=Role.PROFILE_READER, by=above)

    assert offer.invited_by == above
