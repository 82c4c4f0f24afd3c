"""Access control of an account: who holds what, giving and taking roles by the pages (S4-12 to S4-14b)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import AccountRole, Invitation
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from core.models import Message
from core.policy import ACCOUNT_ROLES, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.")


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def at(name, account, *more):
    return reverse(name, args=[account.code, *more])


def toasts(client, account):
    return [str(message) for message in client.get(at("account_access", account)).context["messages"]]


def test_S4_14_the_list_shows_person_role_scope_assigner_and_date(account, owner, time_machine):
    time_machine.move_to("2026-11-20 12:00")
    person = OrganisationMemberFactory(organisation=account.organisation, user__name="Tom Bakker").user
    end = timezone.localdate() + timedelta(days=41)
    services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner, expires_on=end)

    response = signed_in(owner).get(at("account_access", account))

    assert [held.user.name for held in response.context["page"].rows] == ["Marieke de Vries", "Tom Bakker"]
    text = response.content.decode()
    for shown in ("Billing account reader", "This account", "until 31 Dec 2026", "20 Nov 2026"):
        assert shown in text, shown


@pytest.mark.parametrize("number", [1, 3])
def test_the_statements_do_not_grow_with_the_rows(account, owner, number, django_assert_num_queries):
    for index in range(number):
        AccountRoleFactory(account=account, assigned_by=owner)
        services.invite_to_account(account, email=f"p{index}@x.example", role=Role.ACCOUNT_READER, by=owner)
    client = signed_in(owner)

    with django_assert_num_queries(7):  # session, person, roles, account, invitations, rows, count
        client.get(at("account_access", account))


def test_an_ended_role_and_a_deactivated_person_are_marked(account, owner):
    AccountRoleFactory(account=account, role=Role.ACCOUNT_READER, expires_on=timezone.localdate() - timedelta(days=1))
    AccountRoleFactory(account=account, role=Role.ACCOUNT_READER, user__is_active=False)

    text = signed_in(owner).get(at("account_access", account)).content.decode()

    assert "Ended" in text
    assert "Deactivated" in text


@pytest.mark.parametrize("role", ACCOUNT_ROLES)
def test_S4_13_a_member_gets_the_role_by_e_mail(account, owner, role):
    person = OrganisationMemberFactory(organisation=account.organisation, user__email="tom@alfa.example").user
    client = signed_in(owner)

    response = client.post(at("account_role_new", account), {"email": "TOM@alfa.example", "role": role})

    assert response.url == at("account_access", account)
    assert account.roles.get(user=person).role == role
    assert toasts(client, account) == [f"{person.name} is now: {role.label}."]


def test_S4_13_an_unknown_address_is_invited(account, owner):
    client = signed_in(owner)

    client.post(at("account_role_new", account), {"email": "new@alfa.example", "role": Role.ACCOUNT_READER})

    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role, invitation.invited_by) == (
        "new@alfa.example",
        Role.ACCOUNT_READER,
        owner,
    )
    assert Message.objects.get().template == "account_invitation"
    assert toasts(client, account) == ["new@alfa.example gets an invitation by e-mail."]


def test_T14_people_of_other_organisations_are_invited_like_unknown_ones(account, owner):
    stranger = UserFactory(email="somebody@beta.example")
    client = signed_in(owner)

    client.post(at("account_role_new", account), {"email": stranger.email, "role": Role.ACCOUNT_READER})

    assert toasts(client, account) == ["somebody@beta.example gets an invitation by e-mail."]
    assert not AccountRole.objects.filter(user=stranger).exists()


def test_S4_13_whoever_holds_the_role_already_is_a_notice_and_no_error(account, owner):
    person = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    client = signed_in(owner)

    response = client.post(at("account_role_new", account), {"email": person.email, "role": Role.ACCOUNT_READER})

    assert response.status_code == 302
    assert toasts(client, account) == [f"{person.name} has this role already."]
    assert Message.objects.count() == 0


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({"email": "no address", "role": "account_reader"}, "email"),
        ({"email": "a@x.example\r\nBcc: b@x.example", "role": "account_reader"}, "email"),
        ({"email": "a@x.example"}, "role"),
        ({"email": "a@x.example", "role": "profile_owner"}, "role"),
        ({"email": "a@x.example", "role": "account_administrator"}, "role"),
        ({"email": "a@x.example", "role": "account_reader", "expires_on": "31-02-2027"}, "expires_on"),
        ({"email": "a@x.example", "role": "account_reader", "expires_on": "2020-01-01"}, "__all__"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(account, owner, sent, wrong):
    response = signed_in(owner).post(at("account_role_new", account), sent)

    assert response.status_code == 200
    assert set(response.context["form"].errors) == {wrong}
    assert not Invitation.objects.exists()


def test_the_members_of_the_organisation_are_offered(account, owner):
    OrganisationMemberFactory(organisation=account.organisation, user__email="tom@alfa.example")
    OrganisationMemberFactory(user__email="somebody@beta.example")

    text = signed_in(owner).get(at("account_role_new", account)).content.decode()

    assert "tom@alfa.example" in text
    assert "somebody@beta.example" not in text


def test_S4_14a_a_role_is_taken_away_after_saying_what_that_means(account, owner):
    held = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER)
    client = signed_in(owner)

    page = client.get(at("account_role_removal", account, held.pk))
    assert "can no longer open this account" in page.content.decode()
    assert AccountRole.objects.filter(pk=held.pk).exists()

    response = client.post(at("account_role_removal", account, held.pk))
    assert response.url == at("account_access", account)
    assert not AccountRole.objects.filter(pk=held.pk).exists()


def test_S4_14b_taking_the_last_owner_away_is_refused_with_the_way_out(account, owner):
    held = account.roles.get(user=owner)

    response = signed_in(owner).post(at("account_role_removal", account, held.pk))

    assert response.status_code == 200
    text = response.content.decode()
    assert "needs at least one owner without an end date. Make somebody else owner first." in text
    assert at("account_role_new", account) in text
    assert AccountRole.objects.filter(pk=held.pk).exists()


def test_an_owner_who_leaves_ends_on_the_list_of_scopes(account, owner):
    AccountRoleFactory(account=account)
    held = account.roles.get(user=owner)

    response = signed_in(owner).post(at("account_role_removal", account, held.pk))

    assert response.url == "/billing-accounts/"


def test_an_invitation_is_sent_again_and_revoked(account, owner):
    invitation = services.invite_to_account(account, email="new@alfa.example", role=Role.ACCOUNT_READER, by=owner)
    client = signed_in(owner)

    client.post(at("account_invitation_renewal", account, invitation.pk))
    assert Message.objects.count() == 2
    client.post(at("account_invitation_removal", account, invitation.pk))
    assert Invitation.objects.get().status == "revoked"

    refused = client.post(at("account_invitation_renewal", account, invitation.pk))
    assert refused.status_code == 200
    assert "This invitation is revoked; it cannot be changed any more." in refused.content.decode()
    assert Message.objects.count() == 2


def test_an_online_services_account_says_how_its_administrator_changes():
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)

    response = signed_in(administrator).get(at("account_access", account))

    text = response.content.decode()
    assert "exactly one administrator" in text
    assert at("account_role_new", account) not in text
    assert signed_in(administrator).get(at("account_role_new", account)).status_code == 403
    removal = at("account_role_removal", account, account.roles.get().pk)
    assert removal not in text
    assert signed_in(administrator).post(removal).status_code == 403
    assert account.roles.count() == 1


@pytest.mark.parametrize("role", [Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER])
def test_T05_weaker_roles_see_and_cannot_change(account, owner, role):
    weaker = AccountRoleFactory(account=account, role=role).user
    invitation = services.invite_to_account(account, email="new@alfa.example", role=Role.ACCOUNT_READER, by=owner)
    client = signed_in(weaker)

    text = client.get(at("account_access", account)).content.decode()

    assert "Marieke de Vries" in text
    for page in (
        at("account_role_new", account),
        at("account_role_removal", account, account.roles.get(user=owner).pk),
        at("account_invitation_renewal", account, invitation.pk),
        at("account_invitation_removal", account, invitation.pk),
    ):
        assert page not in text
        assert client.get(page).status_code == 403
        assert client.post(page).status_code == 403
    assert account.roles.count() == 2


def test_T01_an_outsider_finds_nothing(account, owner):
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user
    held = account.roles.get(user=owner)

    for page in (
        at("account_access", account),
        at("account_role_new", account),
        at("account_role_removal", account, held.pk),
    ):
        assert signed_in(outsider).get(page).status_code == 404


def test_T02_a_role_of_another_account_is_not_found_here(account, owner):
    other = BillingAccountFactory(owner=owner)
    elsewhere = AccountRoleFactory(account=other, role=Role.ACCOUNT_READER)
    invitation = services.invite_to_account(other, email="new@alfa.example", role=Role.ACCOUNT_READER, by=owner)
    client = signed_in(owner)

    assert client.post(at("account_role_removal", account, elsewhere.pk)).status_code == 404
    assert client.post(at("account_invitation_removal", account, invitation.pk)).status_code == 404
    assert AccountRole.objects.filter(pk=elsewhere.pk).exists()


def test_S4_12_a_long_list_is_searched_by_person_and_filtered_by_role(account, owner):
    for index in range(30):
        AccountRoleFactory(account=account, user__name=f"Reader {index:02}", role=Role.ACCOUNT_READER)
    AccountRoleFactory(account=account, user__name="Tom Bakker", role=Role.ACCOUNT_CONTRIBUTOR)
    services.invite_to_account(account, email="bakkerij@x.example", role=Role.ACCOUNT_READER, by=owner)
    browser = signed_in(owner)

    def found(query):
        context = browser.get(at("account_access", account) + query).context
        return [row.user.name for row in context["page"].rows], [row.email for row in context["invitations"]]

    assert found("?q=bakker") == (["Tom Bakker"], ["bakkerij@x.example"])
    assert found(f"?role={Role.ACCOUNT_CONTRIBUTOR}") == (["Tom Bakker"], [])
    assert found(f"?q=reader+07&role={Role.ACCOUNT_READER}") == (["Reader 07"], [])
    assert len(found("?role=profile_owner")[0]) == 25
    assert "Show everybody" in browser.get(at("account_access", account) + "?q=nobody").content.decode()


def test_T38_S4_12_the_list_is_exported_without_formulas(account, owner):
    end = timezone.localdate() + timedelta(days=9)
    AccountRoleFactory(account=account, user__name="=1+1", role=Role.ACCOUNT_READER, assigned_by=owner, expires_on=end)

    response = signed_in(owner).get(at("account_access_export", account))

    lines = response.content.decode("utf-8-sig").splitlines()
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert len(lines) == 3
    assert '"\'=1+1"' in lines[2]
    assert end.isoformat() in lines[2]
    assert "Marieke de Vries" in lines[1]
    assert "Marieke de Vries" in lines[2]


def test_I23_whoever_lost_the_role_exports_nothing_at_the_next_request(account):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER)
    browser = signed_in(reader.user)
    assert browser.get(at("account_access_export", account)).status_code == 200

    reader.delete()

    assert browser.get(at("account_access_export", account)).status_code == 404


def test_a_right_is_looked_up_by_two_statements_however_many_roles_there_are(account):
    person = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    for _index in range(40):
        AccountRoleFactory(user=person, role=Role.ACCOUNT_OWNER)
    browser = signed_in(person)

    with CaptureQueriesContext(connection) as asked:
        browser.get(at("account_access_export", account))

    assert len(asked) == 5  # session, person; roles and account; the rows
