"""Taking several roles away at once: all of them or none."""

import pytest
from django.urls import reverse

from accounts.models import AccountRole
from accounts.services.roles import ON_ACCOUNT, remove_roles
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Refused
from core.models import Message
from core.policy import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def three(account):
    return [AccountRoleFactory(account=account, role=Role.ACCOUNT_READER) for _each in range(3)]


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def page(account):
    return reverse("account_roles_removal", args=[account.code])


def test_S4_14a_ticked_roles_are_listed_and_go_together(browser, account, three):
    ticked = {"role": [three[0].pk, three[1].pk]}

    shown = browser.get(page(account), ticked).content.decode()
    assert three[0].user.name in shown
    assert three[2].user.name not in shown
    assert AccountRole.objects.count() == 4
    done = browser.post(page(account), ticked, follow=True)

    assert "2 roles were removed." in done.content.decode()
    assert {row.pk for row in AccountRole.objects.filter(role=Role.ACCOUNT_READER)} == {three[2].pk}


def test_each_person_gets_a_mail_and_the_owners_one_list(browser, account, three):
    browser.post(page(account), {"role": [row.pk for row in three]})

    assert sorted(Message.objects.values_list("recipient", "template")) == sorted(
        [*((row.user.email, "role_removed") for row in three), ("marieke@alfa.example", "roles_removed")]
    )
    listed = Message.objects.get(template="roles_removed").context["removed"]
    assert [each["who"] for each in listed] == sorted(row.user.name for row in three)


def test_S4_14b_with_the_last_owner_among_them_nothing_goes(browser, account, owner, three):
    own = AccountRole.objects.get(user=owner)

    response = browser.post(page(account), {"role": [own.pk, *(row.pk for row in three)]})

    assert "needs at least one owner without an end date" in response.content.decode()
    assert AccountRole.objects.count() == 4
    assert not Message.objects.exists()


def test_S4_14b_all_owners_at_once_are_the_last_ones_too(account, owner):
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)

    with pytest.raises(Refused) as refusal:
        remove_roles(ON_ACCOUNT, account, list(AccountRole.objects.filter(account=account)), by=second.user)

    assert refusal.value.code == "last_owner"
    assert AccountRole.objects.count() == 2


def test_a_role_that_somebody_else_removed_meanwhile_stops_the_others(account, owner, three):
    AccountRole.objects.filter(pk=three[0].pk).delete()

    with pytest.raises(Refused) as refusal:
        remove_roles(ON_ACCOUNT, account, three, by=owner)

    assert refusal.value.code == "removed_meanwhile"
    assert AccountRole.objects.filter(role=Role.ACCOUNT_READER).count() == 2


def test_T02_roles_of_another_account_are_not_touched(browser, account, three):
    foreign = AccountRoleFactory(role=Role.ACCOUNT_READER)

    browser.post(page(account), {"role": [three[0].pk, foreign.pk]})

    assert AccountRole.objects.filter(pk=foreign.pk).exists()
    assert not AccountRole.objects.filter(pk=three[0].pk).exists()


@pytest.mark.parametrize("ticked", [{}, {"role": "letters"}, {"role": "9" * 30}, {"role": "\x00"}, {"role": "٣"}])
def test_nothing_ticked_leads_back_with_a_word(browser, account, three, ticked):
    response = browser.get(page(account), ticked, follow=True)

    assert "Tick the roles that you want to remove first." in response.content.decode()
    assert AccountRole.objects.count() == 4


def test_whoever_removes_themselves_ends_on_the_list_of_scopes(browser, account, owner):
    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)

    response = browser.post(page(account), {"role": AccountRole.objects.get(user=owner).pk})

    assert response.url == reverse("scopes")


def test_the_rows_can_be_ticked_by_owners_only(browser, client, account, three):
    list_page = reverse("account_access", args=[account.code])
    assert 'name="role" value=' in browser.get(list_page).content.decode()

    client.force_login(three[0].user)

    assert 'name="role" value=' not in client.get(list_page).content.decode()
    assert client.post(page(account), {"role": three[1].pk}).status_code == 403
