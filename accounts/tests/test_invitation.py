"""Coming in by invitation: bound to an address, one use, seven days, and only while the inviter may (T22)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import AccountRole, Invitation, User
from accounts.tests.factories import (
    PASSWORD,
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role

pytestmark = pytest.mark.django_db
ADDRESS = "new@alfa.example"
ANSWER = "/invitations/answer/"


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.")


@pytest.fixture
def invitation(account, owner):
    return services.invite_to_account(account, email=ADDRESS, role=Role.ACCOUNT_CONTRIBUTOR, by=owner)


def link_of(invitation):
    """The address in the latest mail of the invitation."""
    return Message.objects.about(f"invitation:{invitation.code}").last().secret_context["path"]


def opened(invitation, user=None):
    """A browser in which the link was opened."""
    client = Client()
    if user:
        client.force_login(user)
    assert client.get(link_of(invitation)).url == ANSWER
    return client


def answer(client, **data):
    return client.post(ANSWER, {"name": "Tom Bakker", "password": PASSWORD, **data})


def stored(invitation):
    return Invitation.objects.get(pk=invitation.pk)


def test_the_mail_holds_the_only_copy_of_the_token(invitation):
    token = link_of(invitation).removeprefix("/invitations/").removesuffix("/")
    mail = Message.objects.get()

    assert (mail.recipient, mail.template, mail.mail_class) == (ADDRESS, "account_invitation", "mandatory_service")
    assert mail.expires_at == invitation.expires_at
    assert len(token) >= 43
    assert token not in str(mail.context)
    assert token not in str(Invitation.objects.filter(pk=invitation.pk).values())
    assert services.digest(token) == invitation.token_digest


def test_it_is_valid_for_seven_days(invitation):
    assert invitation.expires_at - invitation.invited_at == timedelta(days=7)


def test_a_new_person_takes_the_role_and_is_signed_in(invitation, account, owner):
    client = opened(invitation)

    response = answer(client)

    assert response.url == reverse("account_overview", args=[account.code])
    person = User.objects.get(email=ADDRESS)
    assert client.session["_auth_user_id"] == str(person.pk)
    assert (person.name, person.language, person.check_password(PASSWORD)) == ("Tom Bakker", "en", True)
    held = AccountRole.objects.get(user=person)
    assert (held.account, held.role, held.assigned_by) == (account, Role.ACCOUNT_CONTRIBUTOR, owner)
    assert [member.organisation for member in person.memberships.all()] == [account.organisation]
    assert (stored(invitation).status, stored(invitation).accepted_by) == ("accepted", person)


def test_person_inviter_and_owners_are_mailed_when_it_is_accepted(invitation):
    client = opened(invitation)
    Message.objects.all().delete()

    answer(client)

    assert {(mail.recipient, mail.template) for mail in Message.objects.all()} == {
        (ADDRESS, "role_assigned"),
        ("owner@alfa.example", "invitation_used"),
    }


def test_T17_looking_at_the_link_uses_nothing_up(invitation):
    for _look in range(3):
        client = opened(invitation)
        assert client.get(ANSWER).status_code == 200

    assert stored(invitation).status == "pending"
    assert answer(client).status_code == 302


def test_T17_the_token_leaves_the_address_and_no_referrer_carries_it(invitation):
    client = Client()

    response = client.get(link_of(invitation))

    token = link_of(invitation).removeprefix("/invitations/").removesuffix("/")
    assert (response.status_code, response.url) == (302, ANSWER)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response.headers["Cache-Control"]
    assert token not in str(dict(client.session.items()))


def test_it_works_once(invitation):
    first, second = opened(invitation), opened(invitation)
    answer(first)

    response = answer(second, name="Somebody else")

    assert response.status_code == 410
    assert "was used already" in response.content.decode()
    assert User.objects.filter(email=ADDRESS).count() == 1


def test_after_seven_days_it_says_whom_to_ask(invitation, time_machine):
    time_machine.move_to(timezone.now() + timedelta(days=7, seconds=1))

    response = answer(opened(invitation))

    assert response.status_code == 410
    assert "has expired. Ask Marieke de Vries to send it again." in response.content.decode()
    assert not User.objects.filter(email=ADDRESS).exists()


def test_revoked_it_no_longer_works(invitation, owner):
    client = opened(invitation)
    services.revoke_invitation(invitation, by=owner)

    response = answer(client)

    assert response.status_code == 410
    assert "was taken back" in response.content.decode()


def test_sent_again_the_old_link_stops_working(invitation, owner):
    old = link_of(invitation)
    services.renew_invitation(invitation, by=owner)
    client = Client()
    client.get(old)

    assert answer(client).status_code == 404
    assert answer(opened(invitation)).status_code == 302


def test_sent_again_it_is_valid_for_seven_more_days(invitation, owner, time_machine):
    time_machine.move_to(timezone.now() + timedelta(days=10))

    services.renew_invitation(stored(invitation), by=owner)

    assert stored(invitation).expires_at - timezone.now() > timedelta(days=6, hours=23)


def test_T22_an_inviter_who_lost_the_right_gives_nothing(invitation, account, owner):
    client = opened(invitation)
    AccountRoleFactory(account=account)
    services.assign_account_role(account, user=owner, role=Role.ACCOUNT_READER, by=owner)

    response = answer(client)

    assert response.status_code == 410
    assert "may no longer do so" in response.content.decode()
    assert not User.objects.filter(email=ADDRESS).exists()


def test_T22_the_role_is_read_from_the_row_and_not_from_what_is_sent(invitation, account):
    answer(opened(invitation), role="account_owner", email="thief@beta.example", account="7")

    assert {(held.user.email, held.role) for held in account.roles.all()} == {
        ("owner@alfa.example", Role.ACCOUNT_OWNER),
        (ADDRESS, Role.ACCOUNT_CONTRIBUTOR),
    }


def test_T22_somebody_signed_in_as_another_is_refused(invitation):
    other = UserFactory(email="other@beta.example")
    client = opened(invitation, other)

    page = client.get(ANSWER)
    response = client.post(ANSWER)

    assert "you are signed in as other@beta.example" in page.content.decode()
    assert response.status_code == 200
    assert stored(invitation).status == "pending"
    assert not other.account_roles.exists()


def test_somebody_who_can_sign_in_already_is_asked_to(invitation, account):
    person = UserFactory(email=ADDRESS.upper())
    client = opened(invitation)

    page = client.get(ANSWER)
    sneaking_in = answer(client)

    assert "can sign in here already" in page.content.decode()
    assert sneaking_in.status_code == 200
    assert not User.objects.get(pk=person.pk).account_roles.exists()

    client.force_login(person)
    session = client.session
    session["invitation"] = invitation.token_digest
    session.save()
    assert "Accept the invitation" in client.get(ANSWER).content.decode()
    assert client.post(ANSWER).url == reverse("account_overview", args=[account.code])
    assert account.roles.get(user=person).role == Role.ACCOUNT_CONTRIBUTOR


def test_somebody_deactivated_is_told_whom_to_ask(invitation):
    UserFactory(email=ADDRESS, is_active=False)

    response = answer(opened(invitation))

    assert response.status_code == 410
    assert "was deactivated. Ask a user administrator" in response.content.decode()


def test_signing_in_on_the_way_comes_back_to_the_invitation(invitation):
    UserFactory(email=ADDRESS)
    client = opened(invitation)

    response = client.post(f"/sign-in/login/?next={ANSWER}", {"login": ADDRESS, "password": PASSWORD, "next": ANSWER})

    assert response.url == ANSWER
    assert "Accept the invitation" in client.get(ANSWER).content.decode()


@pytest.mark.parametrize("password", ["short", "password1234", "new@alfa.example", "Tom Bakker 12"])
def test_a_weak_password_is_refused_at_its_field(invitation, password):
    response = answer(opened(invitation), password=password)

    assert set(response.context["form"].errors) == {"password"}
    assert not User.objects.filter(email=ADDRESS).exists()


def test_an_invitation_never_takes_a_right_away(account, owner, invitation):
    person = UserFactory(email=ADDRESS)
    AccountRoleFactory(account=account, user=person, role=Role.ACCOUNT_OWNER)

    services.accept_invitation(invitation, by=person)

    assert account.roles.get(user=person).role == Role.ACCOUNT_OWNER
    assert stored(invitation).status == "accepted"


def test_a_role_with_an_end_is_offered_with_its_end(account, owner):
    end = timezone.localdate() + timedelta(days=30)
    invitation = services.invite_to_account(account, email=ADDRESS, role=Role.ACCOUNT_READER, by=owner, expires_on=end)

    answer(opened(invitation))

    assert account.roles.get(user__email=ADDRESS).expires_on == end


@pytest.mark.parametrize("path", ["/invitations/answer/", "/invitations/nonsense/"])
def test_a_link_that_is_nothing_says_so_kindly(client, path):
    response = client.get(path, follow=True)

    assert response.status_code == 404
    assert "The link is not complete" in response.content.decode()


def test_an_address_that_waits_is_not_invited_twice(invitation, account, owner):
    with pytest.raises(Refused) as refusal:
        services.invite_to_account(account, email=ADDRESS.upper(), role=Role.ACCOUNT_READER, by=owner)

    assert refusal.value.code == "already_invited"
    assert account.invitations.count() == 1


def test_an_address_whose_invitation_expired_can_be_invited_anew(invitation, account, owner, time_machine):
    time_machine.move_to(timezone.now() + timedelta(days=8))

    services.invite_to_account(account, email=ADDRESS, role=Role.ACCOUNT_READER, by=owner)

    assert [row.status for row in account.invitations.order_by("pk")] == ["revoked", "pending"]


def test_members_are_given_the_role_and_not_an_invitation(account, owner):
    member = OrganisationMemberFactory(organisation=account.organisation).user

    with pytest.raises(Refused) as refusal:
        services.invite_to_account(account, email=member.email, role=Role.ACCOUNT_READER, by=owner)

    assert refusal.value.code == "already_member"


@pytest.mark.parametrize("role", [Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER])
def test_T05_only_owners_invite_renew_and_revoke(account, invitation, role):
    weaker = AccountRoleFactory(account=account, role=role).user

    for verb in (
        lambda: services.invite_to_account(account, email="x@alfa.example", role=Role.ACCOUNT_READER, by=weaker),
        lambda: services.renew_invitation(invitation, by=weaker),
        lambda: services.revoke_invitation(invitation, by=weaker),
    ):
        with pytest.raises(Forbidden):
            verb()


def test_Q12_twenty_invitations_in_an_hour_are_enough(account, owner):
    for number in range(20):
        services.invite_to_account(account, email=f"p{number}@alfa.example", role=Role.ACCOUNT_READER, by=owner)

    with pytest.raises(Refused) as refusal:
        services.invite_to_account(account, email="one-more@alfa.example", role=Role.ACCOUNT_READER, by=owner)

    assert refusal.value.code == "too_many"
    assert Message.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_Q9_two_who_accept_at_once_are_one_person(long):
    for number in range(50 if long else 3):
        owner = UserFactory()
        account = BillingAccountFactory(owner=owner)
        email = f"race{number}@alfa.example"
        invitation = services.invite_to_account(account, email=email, role=Role.ACCOUNT_READER, by=owner)

        def accept(name, invitation=invitation):
            try:
                services.accept_as_new_person(stored(invitation), name=name, password=PASSWORD)
            except Refused as refusal:
                return refusal.code
            finally:
                connection.close()
            return "in"

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(accept, ["One", "Two"]))

        assert outcomes == ["in", "used"]
        assert account.roles.filter(user__email=email).count() == 1
