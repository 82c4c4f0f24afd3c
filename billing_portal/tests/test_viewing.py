"""View as: an owner sees pages as somebody else sees them, and nothing more than the owner may see (P12)."""

from datetime import timedelta

import pytest
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import HttpResponseRedirect
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountRole, ScopeMemory
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from billing_portal.activity import Filters, all_activity
from billing_portal.checks import routes
from billing_portal.middleware import FROM_GATEWAY, WITHOUT_SCOPE
from billing_portal.models import Viewing
from billing_portal.tests.test_fuzz import set_the_stage, targets_of
from billing_portal.tests.test_routes import WITH_OBJECT
from billing_portal.viewing import lens_on, start_viewing
from core.errors import Forbidden, Refused
from core.mail import write_mail
from core.models import Message
from core.policy import GRANTS, Action, Role, read_roles
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek", owner=owner)


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account, name="Warehouse")


@pytest.fixture
def tom(profile):
    person = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    ProfileRoleFactory(profile=profile, user=person, role=Role.INVOICE_MANAGER)
    return person


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def begin(browser, scope, person):
    name = "profile_viewing" if scope._meta.model_name == "billingprofile" else "account_viewing"
    return browser.post(reverse(name, args=[scope.code, person.pk]))


def text_of(response):
    return response.content.decode()


# --- Beginning ------------------------------------------------------------------------------------


def test_P12_the_page_says_what_happens_and_begins_nothing(browser, account, tom):
    text = text_of(browser.get(reverse("account_viewing", args=[account.code, tom.pk])))

    assert "You see the pages of Alfa Logistiek with the roles of Tom Bakker, for 30 minutes at most" in text
    assert not Viewing.objects.exists()


def test_P12_an_owner_sees_what_the_person_sees_and_a_banner_says_so(browser, account, profile, tom):
    other = BillingProfileFactory(account=account, name="Head office")

    response = begin(browser, account, tom)
    assert response.url == account.get_absolute_url()
    text = text_of(browser.get(reverse("profiles", args=[account.code])))

    assert "You see <b>Alfa Logistiek</b> as <b>Tom Bakker</b> sees it." in text
    assert "Warehouse" in text
    assert "Head office" not in text
    assert browser.get(profile.get_absolute_url()).status_code == 200
    assert browser.get(other.get_absolute_url()).status_code == 404
    assert browser.get(reverse("account_access", args=[account.code])).status_code == 403


def test_P12_it_is_in_the_activity_and_the_person_is_told_once_a_day(browser, account, owner, tom):
    begin(browser, account, tom)
    browser.post(reverse("viewing_end"))
    begin(browser, account, tom)

    entries = all_activity(account, Filters(kind="portal.viewingevent"))
    assert [(entry.who, entry.word, entry.name) for entry in entries] == [
        ("Marieke de Vries", "Added", "Tom Bakker"),
        ("Marieke de Vries", "Changed", "Tom Bakker"),
        ("Marieke de Vries", "Added", "Tom Bakker"),
    ]
    assert [mail.recipient for mail in Message.objects.filter(template="viewed_as")] == ["tom@alfa.example"]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "looked at its pages as you see them"), ("nl", "zoals u ze ziet")]
)
def test_P12_the_person_reads_it_in_their_language(account, owner, tom, language, said):
    get_user_model().objects.filter(pk=tom.pk).update(language=language)
    tom.refresh_from_db()
    start_viewing(account, user=tom, by=owner)

    mail = write_mail(Message.objects.get(template="viewed_as"))

    assert "Marieke de Vries" in mail.subject
    assert said in mail.body


@pytest.mark.parametrize(
    ("who", "code"), [("yourself", "yourself"), ("no role", "no_role"), ("deactivated", "inactive_person")]
)
def test_P12_there_is_nothing_to_see_as_yourself_without_a_role_or_as_somebody_deactivated(account, owner, who, code):
    person = {
        "yourself": lambda: owner,
        "no role": lambda: OrganisationMemberFactory(organisation=account.organisation).user,
        "deactivated": lambda: AccountRoleFactory(account=account, user__is_active=False).user,
    }[who]()

    with pytest.raises(Refused) as refused:
        start_viewing(account, user=person, by=owner)

    assert refused.value.code == code
    assert not Viewing.objects.exists()
    assert not Message.objects.exists()


def test_P12_a_refusal_is_shown_on_the_page(browser, account):
    member = OrganisationMemberFactory(organisation=account.organisation, user__name="Sanne").user

    assert "Sanne has no role on Alfa Logistiek" in text_of(begin(browser, account, member))


def test_I23_who_lost_the_right_meanwhile_begins_nothing(account, profile, owner, tom):
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user

    for scope in (account, profile):
        with pytest.raises(Forbidden):
            start_viewing(scope, user=tom, by=contributor)


# --- What is seen -----------------------------------------------------------------------------------


def test_P12_whoever_may_view_as_may_see_all_that_there_is_to_see():
    """So the pages of the other never show more than the viewer could look up."""
    seeing = [
        action for action in Action if action.endswith((":see", ":download", ":export_roles")) or ":view" in action
    ]
    in_accounts = [action for action in seeing if not action.startswith(("user:", "organisation:"))]

    for action in in_accounts:
        agreement = {Role.ACCOUNT_ADMINISTRATOR} if Role.ACCOUNT_ADMINISTRATOR in GRANTS[action] else set()
        assert {Role.ACCOUNT_OWNER} | agreement <= GRANTS[action], action
        if GRANTS[action] & {Role.PROFILE_CONTRIBUTOR, Role.PROFILE_READER, Role.INVOICE_MANAGER}:
            assert Role.PROFILE_OWNER in GRANTS[action], action
    assert GRANTS[Action.ACCOUNT_VIEW_AS] == {Role.ACCOUNT_OWNER, Role.ACCOUNT_ADMINISTRATOR}
    assert GRANTS[Action.PROFILE_VIEW_AS] == GRANTS[Action.ACCOUNT_VIEW_AS] | {Role.PROFILE_OWNER}


def test_T01_what_the_person_has_elsewhere_is_not_seen(browser, account, tom):
    elsewhere = AccountRoleFactory(user=tom, account=BillingAccountFactory(name="Gamma")).account
    sibling = BillingProfileFactory(account=BillingAccountFactory(organisation=account.organisation))
    ProfileRoleFactory(profile=sibling, user=tom)
    OrganisationRoleFactory(organisation=account.organisation, user=tom, role=Role.USER_ADMINISTRATOR)
    begin(browser, account, tom)

    for address in (
        elsewhere.get_absolute_url(),
        sibling.get_absolute_url(),
        reverse("users", args=[account.organisation.code]),
        reverse("organisation_profile", args=[account.organisation.code]),
    ):
        assert browser.get(address).status_code == 404, address
    assert "Gamma" not in text_of(browser.get(reverse("search"), {"q": "Gam"}))
    assert browser.get(reverse("home")).url == account.get_absolute_url()


def test_T01_an_organisation_administrator_is_seen_in_this_account_alone(browser, account, owner):
    sibling = BillingAccountFactory(organisation=account.organisation)
    held = OrganisationRoleFactory(organisation=account.organisation, role=Role.ORGANISATION_ADMINISTRATOR)
    begin(browser, account, held.user)

    assert browser.get(reverse("account_properties", args=[account.code])).status_code == 200
    assert browser.get(sibling.get_absolute_url()).status_code == 404


def test_P12_the_owner_of_a_profile_sees_that_profile_and_nothing_beside_it(client, account, profile):
    sibling = BillingProfileFactory(account=account)
    person = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    client.force_login(ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user)

    assert begin(client, profile, person).url == profile.get_absolute_url()

    assert client.get(profile.get_absolute_url()).status_code == 200
    assert client.get(sibling.get_absolute_url()).status_code == 404
    assert client.get(reverse("account_properties", args=[account.code])).status_code == 403
    assert lens_on(profile)(read_roles(person)).profiles == {profile.pk: {Role.PROFILE_READER}}


def test_T01_the_page_to_begin_on_knows_nobody_from_elsewhere(browser, account, profile):
    stranger = ProfileRoleFactory().user

    assert begin(browser, account, stranger).status_code == 404
    assert begin(browser, profile, stranger).status_code == 404


@pytest.mark.parametrize(
    "name", ["security_info", "own_profile", "contact_information", "preferences", "scopes", "sessions"]
)
def test_P12_pages_of_the_person_stay_closed(browser, account, tom, name):
    tom.contact_email = "private@tom.example"
    tom.save()
    begin(browser, account, tom)

    response = browser.get(reverse(name))

    assert response.status_code == 403
    assert "This page belongs to the person" in text_of(response)
    assert "private@tom.example" not in text_of(response)


def test_P12_the_viewer_keeps_language_and_colours_and_is_asked_nothing_for_the_other(browser, account, owner, tom):
    get_user_model().objects.filter(pk=tom.pk).update(
        language="nl",
        color_mode="dark",
        contact_email="private@tom.example",
        contact_email_verified_at=timezone.now() - timedelta(days=200),
        contact_email_confirmed_at=timezone.now() - timedelta(days=200),
    )
    begin(browser, account, tom)

    text = text_of(browser.get(account.get_absolute_url()))

    assert '<html lang="en" data-bs-theme="light"' in text
    assert "private@tom.example" not in text


def test_P12_every_page_of_the_scope_answers_or_says_no(settings, tmp_path):
    """None of them writes, asks a gateway or breaks, whatever stands in its address."""
    settings.MEDIA_ROOT = tmp_path
    stage = set_the_stage()
    account = stage.world.places["own"].account
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER).user
    browser = Client()
    browser.force_login(stage.world.actors[Role.ACCOUNT_OWNER])
    begin(browser, account, second)
    answers = {}
    for name in [pattern.name for _route, pattern in WITH_OBJECT]:
        for actor, address, _target in targets_of(stage, name):
            if actor != Role.ACCOUNT_ADMINISTRATOR:
                answers[address] = browser.get(address)

    assert len(answers) > 60
    assert {response.status_code for response in answers.values()} <= {200, 202, 302, 403, 404, 405}
    files = [address for address, response in answers.items() if "Files are not given" in text_of(response)]
    assert len(files) >= 5
    assert [address for address, response in answers.items() if "would change something" in text_of(response)] == []


# --- What is not done -------------------------------------------------------------------------------


def test_P12_nothing_that_is_sent_is_done(browser, account, profile, owner):
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user
    begin(browser, account, contributor)
    address = reverse("profile_policies_edit", args=[profile.code])
    assert browser.get(address).status_code == 200

    response = browser.post(address, {"marketplace_policy": "none"})

    assert response.status_code == 403
    assert "Nothing can be changed while you view as somebody else." in text_of(response)
    profile.refresh_from_db()
    assert profile.marketplace_policy == "all"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_P12_only_get_and_head_are_answered(browser, account, tom, method):
    begin(browser, account, tom)

    assert getattr(browser, method)(account.get_absolute_url()).status_code == 403
    assert browser.head(account.get_absolute_url()).status_code == 200


def test_P12_a_page_that_would_write_is_refused_and_writes_nothing(browser, account, tom, monkeypatch):
    begin(browser, account, tom)
    # The overview remembers what was opened last; while somebody is viewed as it does not.
    browser.get(account.get_absolute_url())
    assert not ScopeMemory.objects.filter(user=tom).exists()

    monkeypatch.setattr("billing_portal.views.figures.amounts", lambda *_: ScopeMemory.objects.create(user=tom))
    response = browser.get(account.get_absolute_url())

    assert "Opening this page would change something." in text_of(response)
    assert response.status_code == 403
    assert not ScopeMemory.objects.filter(user=tom).exists()
    assert browser.get(reverse("profiles", args=[account.code])).status_code == 200


@pytest.mark.parametrize("name", ["account_access_export", "account_activity_export"])
def test_P12_files_are_not_given_out(browser, account, name):
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER).user
    begin(browser, account, second)

    response = browser.get(reverse(name, args=[account.code]))

    assert (response.status_code, response.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "Files are not given out here." in text_of(response)


def test_P12_a_way_out_of_the_portal_is_not_followed(browser, account, tom, monkeypatch):
    begin(browser, account, tom)
    monkeypatch.setattr("billing_portal.views.todo.tasks", _leads_away)

    response = browser.get(account.get_absolute_url())

    assert response.status_code == 403
    assert "This leads out of the portal." in text_of(response)


def _leads_away(*_arguments):
    raise ImmediateHttpResponse(HttpResponseRedirect("https://gateway.example/pay/"))


def test_P12_the_ways_back_from_a_gateway_and_the_pages_without_a_scope_are_routes():
    names = {pattern.name for _route, pattern in routes()}

    assert names >= FROM_GATEWAY | WITHOUT_SCOPE


# --- Ending -----------------------------------------------------------------------------------------


def test_P12_the_button_ends_it(browser, account, tom):
    begin(browser, account, tom)

    response = browser.post(reverse("viewing_end"))

    assert response.url == reverse("account_person", args=[account.code, tom.pk])
    assert Viewing.objects.get().ended_at is not None
    assert browser.get(reverse("account_access", args=[account.code])).status_code == 200


def test_P12_half_an_hour_ends_it_and_what_is_sent_after_that_is_not_done(
    browser, account, profile, owner, time_machine
):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    browser.force_login(owner)
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user
    begin(browser, account, contributor)

    time_machine.move_to("2026-11-20 12:29:00", tick=False)
    assert "viewing-bar" in text_of(browser.get(profile.get_absolute_url()))
    time_machine.move_to("2026-11-20 12:30:01", tick=False)
    response = browser.post(reverse("profile_policies_edit", args=[profile.code]), {"marketplace_policy": "none"})

    assert response.url == reverse("home")
    profile.refresh_from_db()
    assert profile.marketplace_policy == "all"
    text = text_of(browser.get(profile.get_absolute_url()))
    assert "You see the portal with your own eyes again." in text
    assert "viewing-bar" not in text


def test_P12_signing_out_ends_it(browser, account, owner, tom):
    begin(browser, account, tom)

    browser.post(reverse("account_logout"))
    browser.force_login(owner)

    assert "viewing-bar" not in text_of(browser.get(account.get_absolute_url()))


@pytest.mark.parametrize("who", ["viewer", "person", "deactivated"])
def test_I23_a_lost_role_ends_it_at_the_next_request(browser, account, owner, tom, who):
    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)
    begin(browser, account, tom)
    if who == "viewer":
        AccountRole.objects.filter(account=account, user=owner).update(role=Role.ACCOUNT_CONTRIBUTOR)
    elif who == "person":
        tom.profile_roles.all().delete()
    else:
        get_user_model().objects.filter(pk=tom.pk).update(is_active=False)

    assert "viewing-bar" not in text_of(browser.get(account.get_absolute_url()))
    assert "viewing-bar" not in text_of(browser.get(account.get_absolute_url()))


def test_P12_another_session_of_the_viewer_looks_with_its_own_eyes(browser, account, owner, tom):
    begin(browser, account, tom)
    other = Client()
    other.force_login(owner)

    assert "viewing-bar" not in text_of(other.get(account.get_absolute_url()))


def test_P12_a_viewing_of_somebody_else_cannot_be_taken_up(browser, account, tom):
    begin(browser, account, tom)
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER).user
    other = Client()
    other.force_login(second)
    session = other.session
    session["viewing"] = Viewing.objects.get().pk
    session.save()

    assert "viewing-bar" not in text_of(other.get(account.get_absolute_url()))


def test_the_transaction_of_a_viewed_page_is_read_only_and_the_next_one_is_not(browser, account, tom, monkeypatch):
    seen = []

    def ask(*_arguments):
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            seen.append(cursor.fetchone()[0])
        return []

    begin(browser, account, tom)
    monkeypatch.setattr("billing_portal.views.todo.tasks", ask)
    browser.get(account.get_absolute_url())
    browser.post(reverse("viewing_end"))
    browser.get(account.get_absolute_url())

    assert seen == ["on", "off"]


def test_P12_what_somebody_pays_is_shown_and_not_offered_to_the_viewer(browser, account, profile, tom):
    invoice = InvoiceFactory(profile=profile)
    begin(browser, account, tom)

    assert browser.get(reverse("invoice_payment", args=[invoice.code])).status_code == 200
    assert browser.post(reverse("invoice_payment", args=[invoice.code])).status_code == 403
