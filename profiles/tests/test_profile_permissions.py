"""The Permissions tab, and its export."""

import csv
import io
from datetime import date

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


def page(profile):
    return reverse("profile_permissions", args=[profile.code])


def export(profile):
    return reverse("profile_permissions_export", args=[profile.code])


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(name="Alfa", owner=owner), name="Operations")


@pytest.fixture
def tom(profile, owner):
    user = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    return ProfileRoleFactory(profile=profile, user=user, role=Role.INVOICE_MANAGER, assigned_by=owner)


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def test_S2_22_S4_14_rows_tell_role_scope_giver_and_end(browser, profile, tom):
    ProfileRole.objects.update(expires_on=date(2099, 12, 31))

    response = browser.get(page(profile))

    assert [(here.user.name, str(here.role.label), here.is_inherited) for here in response.context["rows"]] == [
        ("Marieke de Vries", "Billing profile owner", True),
        ("Tom Bakker", "Invoice manager", False),
    ]
    text = response.content.decode()
    assert "until 31 Dec 2099" in text
    assert "1 of 2 people can assign roles." in text


def test_P11_why_tells_the_chain_of_an_inherited_role_and_where_it_goes(browser, profile, owner, tom):
    text = browser.get(page(profile), {"why": owner.pk}).content.decode()

    assert "Why Marieke de Vries is billing profile owner here" in text
    assert "which means here<b>Billing profile owner</b>" in text
    assert f'<a href="{reverse("account_access", args=[profile.account.code])}">on the account</a>' in text
    assert "Marieke de Vries can do that" in text


def test_P11_why_tells_who_gave_a_role_here(browser, profile, tom):
    text = browser.get(page(profile), {"why": tom.user.pk}).content.decode()

    assert "Why Tom Bakker is invoice manager here" in text
    assert "Given by Marieke de Vries on" in text


@pytest.mark.parametrize("why", ["999999", "letters", "\x00", "1' OR 1=1"])
def test_why_of_nobody_explains_nothing(browser, profile, why):
    response = browser.get(page(profile), {"why": why})

    assert response.status_code == 200
    assert "why-in" not in response.content.decode()


def test_S4_14a_only_roles_given_here_have_verbs(browser, profile, tom):
    text = browser.get(page(profile)).content.decode()

    assert text.count(reverse("profile_role_removal", args=[profile.code, tom.pk])) == 1
    assert text.count("/removal/") == 2  # its own, and that of everybody who is ticked
    assert "Inherited roles come from the account and cannot be removed here." in text


def test_S2_22_everybody_on_the_profile_sees_the_list_but_only_owners_the_verbs(client, profile, tom):
    client.force_login(tom.user)

    text = client.get(page(profile)).content.decode()

    assert "Marieke de Vries" in text
    assert "/removal/" not in text
    assert reverse("profile_role_new", args=[profile.code]) not in text
    assert 'aria-disabled="true"' in text


def test_a_long_list_is_searched_by_name_and_address(browser, profile, tom):
    for number in range(12):
        ProfileRoleFactory(profile=profile, user=UserFactory(name=f"Person {number}"), role=Role.PROFILE_READER)

    found = browser.get(page(profile), {"q": "TOM"}).context["rows"]

    assert [here.user.name for here in found] == ["Tom Bakker"]
    assert "Nobody fits" in browser.get(page(profile), {"q": "zzz"}).content.decode()


@pytest.mark.parametrize("number", [1, 3])
def test_list_asks_the_same_of_the_database_whoever_is_on_it(browser, profile, number, django_assert_num_queries):
    for _each in range(number):
        ProfileRoleFactory(profile=profile)

    with django_assert_num_queries(10):
        response = browser.get(page(profile))

    assert len(response.context["rows"]) == 1 + number


def test_an_outsider_and_a_sibling_get_404(client, profile):
    for person in (AccountRoleFactory().user, ProfileRoleFactory(profile__account=profile.account).user):
        client.force_login(person)
        assert client.get(page(profile)).status_code == 404
        assert client.get(export(profile)).status_code == 404


# --- Export ---------------------------------------------------------------------------------------


def test_T38_export_lists_everybody_without_formulas(browser, profile, tom):
    ProfileRole.objects.update(assigned_at="2025-06-18T10:00:00Z", expires_on=date(2099, 12, 31))
    tom.user.name = '=HYPERLINK("http://x.example")'
    tom.user.save()

    response = browser.get(export(profile))

    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[0] == ["Name", "E-mail", "Role here", "Given on", "Role given", "Since", "By", "Until", "Stands in for"]
    assert [row[:5] for row in rows[1:2]] == [
        ["Marieke de Vries", rows[1][1], "Billing profile owner", "Alfa", "Billing account owner"]
    ]
    assert rows[2] == [
        '\'=HYPERLINK("http://x.example")',
        "tom@alfa.example",
        "Invoice manager",
        "Operations",
        "Invoice manager",
        "2025-06-18",
        "Marieke de Vries",
        "2099-12-31",
        "",
    ]
    assert response["Content-Disposition"] == f'attachment; filename="permissions-{profile.code}.csv"'


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER, Role.PROFILE_OWNER])
def test_every_role_on_the_profile_may_export(client, profile, role):
    client.force_login(ProfileRoleFactory(profile=profile, role=role).user)

    assert client.get(export(profile)).status_code == 200


def test_S4_12_a_long_list_goes_by_pages_of_which_none_is_lost(browser, profile):
    for number in range(60):
        ProfileRoleFactory(profile=profile, user=UserFactory(name=f"Person {number:02}"), role=Role.PROFILE_READER)

    seen, address = [], ""
    while True:
        response = browser.get(page(profile) + address)
        seen += [here.user.name for here in response.context["rows"]]
        if not (address := response.context["page"].older):
            break

    assert seen == ["Marieke de Vries", *(f"Person {number:02}" for number in range(60))]
    assert "1 of 61 people can assign roles." in response.content.decode()
    assert "61 people with a role that counts here" in response.content.decode()


def test_S4_12_the_list_is_filtered_by_the_role_that_counts_and_sorted_by_name(browser, profile, tom):
    reader = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER, user=UserFactory(name="Anna")).user
    names = [here.user.name for here in browser.get(page(profile), {"role": "profile_reader"}).context["rows"]]
    by_name = [here.user.name for here in browser.get(page(profile), {"sort": "-name"}).context["rows"]]

    assert names == [reader.name]
    assert by_name == ["Tom Bakker", "Marieke de Vries", "Anna"]


def test_S4_14a_everything_that_the_ticked_people_hold_here_goes(browser, profile, owner, tom):
    kees = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    removal = reverse("profile_roles_removal", args=[profile.code])

    shown = browser.get(removal, {"person": [tom.user.pk, kees.user.pk, owner.pk]})
    assert [row.pk for row in shown.context["held"]] == [kees.pk, tom.pk]
    browser.post(removal, {"role": [kees.pk, tom.pk]})

    assert not ProfileRole.objects.filter(profile=profile).exists()
