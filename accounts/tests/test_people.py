"""The people of an organisation: found, invited, edited, deactivated by their own user administrator."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AccountRole, MemberInvitation, OrganisationMember, User, UserProfile
from accounts.services import people
from accounts.tests.factories import (
    PASSWORD,
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from accounts.tests.test_pictures import picture
from core.errors import Forbidden, Refused
from core.mail import write_mail
from core.models import Message, Session
from core.policy import Role

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "another battery of staples"


@pytest.fixture
def organisation():
    return OrganisationFactory(name="Beta Bouw B.V.")


@pytest.fixture
def bas(organisation):
    """The user administrator."""
    person = OrganisationMemberFactory(organisation=organisation, user__name="Bas de Groot").user
    return OrganisationRoleFactory(organisation=organisation, user=person, role=Role.USER_ADMINISTRATOR).user


@pytest.fixture
def member(organisation):
    return OrganisationMemberFactory(
        organisation=organisation, user__name="Pim Kuipers", user__email="pim@beta.example"
    )


@pytest.fixture
def browser(client, bas):
    client.force_login(bas)
    return client


def page_of(member, name="user"):
    return reverse(name, args=[member.organisation.code, member.pk])


def sent(member, **values):
    """What the edit form sends, with these values."""
    return {"version": 1, "name": member.user.name, "language": "en", **values}


def edit(member, by, version=1, **values):
    return people.save_person(member.user, values, version=version, by=by, organisation=member.organisation)


# --- The list -------------------------------------------------------------------------------------


def test_S0_14_users_are_found_filtered_and_sorted(browser, organisation, member, django_assert_max_num_queries):
    OrganisationMemberFactory(organisation=organisation, user__name="Zoë Zwart", user__is_active=False)
    OrganisationMemberFactory(user__name="Stranger")
    users = reverse("users", args=[organisation.code])

    def names(query=""):
        return [row.user.name for row in browser.get(users + query).context["page"].rows]

    assert names() == ["Bas de Groot", "Pim Kuipers", "Zoë Zwart"]
    assert names("?sort=-name")[0] == "Zoë Zwart"
    assert names("?q=kuip") == ["Pim Kuipers"]
    assert names("?q=pim@beta") == ["Pim Kuipers"]
    assert names("?state=deactivated") == ["Zoë Zwart"]
    assert names("?q=nothing") == []
    for number in range(30):
        OrganisationMemberFactory(organisation=organisation, user__name=f"Somebody {number}")
    with django_assert_max_num_queries(12):
        assert len(names()) == 25


def test_S0_13_somebody_else_is_told_who_keeps_the_users(client, bas, member):
    client.force_login(member.user)

    assert "Bas de Groot" in client.get("/users/").content.decode()
    assert client.get(reverse("users", args=[member.organisation.code])).status_code == 404


def test_S0_13_an_organisation_administrator_reads_and_sees_who_may_change(client, bas, member):
    reader = OrganisationRoleFactory(organisation=member.organisation, role=Role.ORGANISATION_ADMINISTRATOR).user
    client.force_login(reader)

    page = client.get(page_of(member)).content.decode()

    assert "Bas de Groot" in page
    assert client.get(page_of(member, "user_edit")).status_code == 403


def test_S0_14_the_users_of_another_organisation_do_not_exist(browser, organisation):
    stranger = OrganisationMemberFactory()
    own = reverse("users", args=[organisation.code])

    assert browser.get(page_of(stranger)).status_code == 404
    assert browser.get(f"{own}{stranger.pk}/").status_code == 404


# --- Editing --------------------------------------------------------------------------------------


def test_S0_12_S0_15_S0_16_job_contact_address_and_language_are_saved_with_history(browser, bas, member):
    UserFactory(email="boss@beta.example")
    OrganisationMemberFactory(organisation=member.organisation, user=User.objects.get(email="boss@beta.example"))
    values = sent(
        member,
        name="Pim Kuipers-Jansen",
        job_title="Controller",
        department="Finance",
        employee_id="4711",
        manager="Boss@beta.example",
        office="R2.10",
        business_phone="+31 10 428 50 00",
        line1="Coolsingel 1",
        postal_code="3011 AA",
        city="Rotterdam",
        country="NL",
        language="nl",
    )

    assert browser.post(page_of(member, "user_edit"), values).url == page_of(member)

    profile = UserProfile.objects.get(user=member.user)
    assert (profile.job_title, profile.manager.email, profile.business_phone) == (
        "Controller",
        "boss@beta.example",
        "+31104285000",
    )
    assert (profile.version, profile.user.name, profile.user.language) == (2, "Pim Kuipers-Jansen", "nl")
    assert profile.events.order_by("-pgh_id").first().pgh_context.metadata["actor"] == bas.pk


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 151),
        ("manager", "stranger@alfa.example"),
        ("manager", "pim@beta.example"),
        ("business_phone", "0104285000"),
        ("language", "xx"),
        ("country", "XX"),
        ("name", "nul\x00"),
    ],
)
def test_S0_15_a_mistake_stands_at_its_field_and_nothing_is_saved(browser, member, field, value):
    response = browser.post(page_of(member, "user_edit"), sent(member, **{field: value}))

    assert response.context["form"].errors[field]
    assert not UserProfile.objects.exists()


def test_S0_15_a_postcode_that_the_country_does_not_have_is_refused(browser, member):
    response = browser.post(page_of(member, "user_edit"), sent(member, country="NL", postal_code="99"))

    assert response.context["form"].errors["postal_code"]


def test_S0_15_no_right_is_given_by_this_page(browser, bas, member):
    browser.post(page_of(member, "user_edit"), sent(member, is_staff="on", role="account_owner", email="x@x.example"))

    member.user.refresh_from_db()
    assert (member.user.is_staff, member.user.email) == (False, "pim@beta.example")
    assert not AccountRole.objects.exists()


def test_S0_16_the_second_of_two_editors_gets_both_versions_and_decides(browser, bas, member):
    edit(member, bas, job_title="Controller")

    response = browser.post(page_of(member, "user_edit"), sent(member, job_title="Buyer"))
    page = response.content.decode()
    assert "Somebody else changed this meanwhile" in page
    assert "Controller" in page
    assert UserProfile.objects.get().job_title == "Controller"

    browser.post(page_of(member, "user_edit"), dict(response.context["kept"]))
    assert UserProfile.objects.get().job_title == "Buyer"


def test_a_person_of_two_organisations_is_kept_by_neither(bas, member):
    OrganisationMemberFactory(user=member.user)

    for change in (
        lambda: edit(member, bas, job_title="x"),
        lambda: people.deactivate_person(member.organisation, member.user, by=bas),
    ):
        with pytest.raises(Refused) as refusal:
            change()
        assert refusal.value.code == "other_organisation"


def test_T08_the_service_asks_for_the_right(member):
    with pytest.raises(Forbidden):
        edit(member, UserFactory(), job_title="x")


def test_S0_12_people_edit_what_is_theirs_and_not_their_job(client, member):
    client.force_login(member.user)

    client.post("/profile/", sent(member, name="Pim", business_phone="+31104285000", job_title="CEO", version=1))

    profile = UserProfile.objects.get()
    assert (profile.user.name, profile.business_phone, profile.job_title) == ("Pim", "+31104285000", "")


def test_S0_12_a_picture_is_shown_as_we_wrote_it_and_can_be_removed(browser, member, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    upload = SimpleUploadedFile("me.png", picture("PNG"), "image/png")

    assert browser.post(page_of(member, "user_picture"), {"picture": upload}).url == page_of(member)
    assert "data:image/webp;base64," in browser.get(page_of(member)).content.decode()
    browser.post(page_of(member, "user_picture"), {"remove": "1"})

    assert UserProfile.objects.get().picture.name == ""


# --- Coming and going -----------------------------------------------------------------------------


def invited(browser, organisation, email="new@beta.example"):
    values = {"email": email, "name": "New Person", "job_title": "Buyer", "department": "", "language": "en"}
    return browser.post(reverse("user_new", args=[organisation.code]), values)


def link_sent():
    mail = Message.objects.filter(template="member_invitation").latest("pk")
    return re.search(r"http://testserver(/joining/\S+)", write_mail(mail).body)[1]


def test_S0_17_a_new_user_comes_in_by_invitation(browser, organisation):
    invited(browser, organisation)
    newcomer = Client()
    page = newcomer.get(link_sent())

    newcomer.post(page.url, {"name": "New Person", "password": NEW_PASSWORD})

    person = User.objects.get(email="new@beta.example")
    assert person.profile.job_title == "Buyer"
    assert OrganisationMember.objects.filter(organisation=organisation, user=person).exists()
    assert not person.account_roles.exists()
    assert Client().get(link_sent(), follow=True).status_code == 410


def test_T14_an_address_known_elsewhere_looks_like_any_other_and_its_person_decides(browser, organisation):
    known = UserFactory(email="known@alfa.example", name="Known Elsewhere")
    said = invited(browser, organisation, "known@alfa.example")
    assert said.url == reverse("users", args=[organisation.code])
    assert "Known Elsewhere" not in browser.get(said.url).content.decode()

    theirs = Client()
    assert "Sign in to accept" in theirs.get(link_sent(), follow=True).content.decode()
    theirs.force_login(known)
    theirs.get(link_sent())
    theirs.post("/joining/answer/")

    assert OrganisationMember.objects.filter(organisation=organisation, user=known).exists()


def test_T22_an_invitation_is_for_one_person_and_dies_with_the_right_of_the_inviter(browser, bas, organisation):
    invited(browser, organisation)
    link, other = link_sent(), Client()
    other.force_login(UserFactory())
    other.get(link)
    other.post("/joining/answer/")
    assert (
        not OrganisationMember.objects.filter(user__email__startswith="person")
        .filter(organisation=organisation, user__organisation_roles=None)
        .exists()
    )

    bas.organisation_roles.all().delete()
    assert Client().get(link, follow=True).status_code == 410


@pytest.mark.parametrize(("email", "said"), [("pim@beta.example", "belongs to the organisation"), ("nonsense", "")])
def test_S0_17_what_cannot_be_invited_is_refused_with_the_reason(browser, organisation, member, email, said):
    response = invited(browser, organisation, email)

    assert said in response.content.decode()
    assert not MemberInvitation.objects.exists()


def test_S0_17_an_invitation_is_sent_again_or_taken_back(browser, organisation):
    invited(browser, organisation)
    assert "is invited already" in invited(browser, organisation).content.decode()
    first, offer = link_sent(), MemberInvitation.objects.get()
    page = reverse("member_invitation", args=[organisation.code, offer.pk])

    browser.post(page)
    assert Client().get(first, follow=True).status_code == 410
    assert Client().get(link_sent(), follow=True).status_code == 200
    browser.post(page, {"revoke": "1"})

    assert Client().get(link_sent(), follow=True).status_code == 410


def test_S0_17_deactivating_ends_every_session_and_the_person_is_told(browser, member):
    theirs = Client()
    theirs.post("/sign-in/login/", {"login": "pim@beta.example", "password": PASSWORD})
    assert theirs.get("/help/").status_code == 200

    browser.post(page_of(member, "user_deactivation"))

    assert theirs.get("/help/").status_code == 302
    assert not Session.objects.filter(user_id=member.user_id).exists()
    assert Message.objects.get(template="security_changed").context["what"] == "deactivated"
    theirs.post("/sign-in/login/", {"login": "pim@beta.example", "password": PASSWORD})
    assert theirs.get("/help/").status_code == 302

    browser.post(page_of(member, "user_deactivation"))
    theirs.post("/sign-in/login/", {"login": "pim@beta.example", "password": PASSWORD})
    assert theirs.get("/help/").status_code == 200


def test_S0_17_I20_the_last_owner_of_an_account_is_not_deactivated(browser, bas, member):
    account = BillingAccountFactory(organisation=member.organisation, owner=member.user, name="Beta Bouw")

    page = browser.post(page_of(member, "user_deactivation")).content.decode()
    assert "is the last owner of Beta Bouw" in page
    assert User.objects.get(pk=member.user_id).is_active

    other = OrganisationMemberFactory(organisation=member.organisation).user
    AccountRoleFactory(account=account, user=other)
    browser.post(page_of(member, "user_deactivation"))
    assert not User.objects.get(pk=member.user_id).is_active
    with pytest.raises(Refused) as refusal:
        people.deactivate_person(member.organisation, other, by=bas)
    assert refusal.value.code == "last_owner"


def test_nobody_deactivates_themselves(bas, organisation):
    with pytest.raises(Refused) as refusal:
        people.deactivate_person(organisation, bas, by=bas)

    assert refusal.value.code == "yourself"


def test_P18_a_user_administrator_has_a_password_link_sent(browser, member):
    browser.post(page_of(member, "user_password"))

    assert Message.objects.get(template="password_reset").recipient == "pim@beta.example"
