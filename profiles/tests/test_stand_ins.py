"""Stand-ins: the role of somebody else until a day, on an account and on a billing profile (§2.2)."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountRole
from accounts.services.roles import ON_ACCOUNT, appoint_stand_in, assign_account_role, remove_account_role
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, OrganisationMemberFactory, UserFactory
from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import Message
from core.policy import Action, Role, may, read_roles
from profiles.models import ProfileRole
from profiles.people import people_on
from profiles.recipients import recipients_on
from profiles.services.roles import ON_PROFILE, assign_profile_role, remove_profile_role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner, name="Alfa"), name="Operations")


@pytest.fixture
def daan(profile):
    user = UserFactory(name="Daan Vos", email="daan@alfa.example")
    return ProfileRoleFactory(profile=profile, user=user, role=Role.PROFILE_CONTRIBUTOR)


@pytest.fixture
def fatima(profile):
    user = UserFactory(name="Fatima El Amrani", email="fatima@alfa.example")
    return OrganisationMemberFactory(organisation=profile.account.organisation, user=user).user


def soon():
    return timezone.localdate() + timedelta(days=10)


def appoint(held, user, by, expires_on="soon"):
    day = soon() if expires_on == "soon" else expires_on
    scope, obj = (ON_PROFILE, held.profile) if isinstance(held, ProfileRole) else (ON_ACCOUNT, held.account)
    return appoint_stand_in(scope, obj, held=held, user=user, expires_on=day, by=by)


def can_edit(user, profile):
    return may(user, Action.PROFILE_RENAME, profile, read_roles(user))


def test_a_stand_in_may_what_the_role_may_beside_what_they_hold(daan, fatima, owner, profile):
    own = assign_profile_role(profile, user=fatima, role=Role.PROFILE_READER, by=owner)

    given = appoint(daan, fatima, owner)

    assert (given.role, given.stands_in_for, given.expires_on) == (Role.PROFILE_CONTRIBUTOR, daan.user, soon())
    assert can_edit(fatima, profile)
    assert can_edit(daan.user, profile)
    own.refresh_from_db()
    assert own.role == Role.PROFILE_READER


def test_it_ends_by_itself_and_everybody_concerned_hears_it(daan, fatima, owner, profile, time_machine):
    appoint(daan, fatima, owner)
    Message.objects.all().delete()

    time_machine.move_to(timezone.now() + timedelta(days=10))
    run_due(only=["profiles.end_stand_ins_on_profiles"])
    assert can_edit(fatima, profile)  # the last day counts
    time_machine.move_to(timezone.now() + timedelta(days=1))
    assert not can_edit(fatima, profile)
    for _twice in range(2):
        run_due(only=["profiles.end_stand_ins_on_profiles"])

    assert not ProfileRole.objects.filter(user=fatima).exists()
    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("daan@alfa.example", "stand_in_ended"),
        ("fatima@alfa.example", "stand_in_ended"),
        ("marieke@alfa.example", "stand_in_ended"),
    ]


def test_both_and_the_owners_are_mailed(daan, fatima, owner):
    appoint(daan, fatima, owner)

    mails = Message.objects.filter(template="stand_in_appointed")
    assert sorted(mails.values_list("recipient", flat=True)) == [
        "daan@alfa.example",
        "fatima@alfa.example",
        "marieke@alfa.example",
    ]
    assert mails[0].context["instead_of"] == "Daan Vos"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda daan, fatima, owner: appoint(daan, fatima, owner, None), "end_needed"),
        (
            lambda daan, fatima, owner: appoint(daan, fatima, owner, timezone.localdate() - timedelta(days=1)),
            "ends_in_the_past",
        ),
        (lambda daan, fatima, owner: appoint(daan, daan.user, owner), "yourself"),
        (lambda daan, fatima, owner: appoint(daan, UserFactory(), owner), "not_a_member"),
        (lambda daan, fatima, owner: appoint(appoint(daan, fatima, owner), owner, owner), "stands_in"),
        (lambda daan, fatima, owner: [appoint(daan, fatima, owner) for _twice in range(2)], "already_holds"),
    ],
)
def test_what_makes_no_sense_is_refused(daan, fatima, owner, change, code):
    with pytest.raises(Refused) as refusal:
        change(daan, fatima, owner)

    assert refusal.value.code == code


def test_it_lasts_no_longer_than_the_role(daan, fatima, owner, profile):
    end = timezone.localdate() + timedelta(days=5)
    assign_profile_role(profile, user=daan.user, role=Role.PROFILE_CONTRIBUTOR, expires_on=end, by=owner)

    with pytest.raises(Refused) as refusal:
        appoint(daan, fatima, owner)
    assert refusal.value.code == "ends_after_role"

    assert appoint(daan, fatima, owner, end).expires_on == end


def test_the_stand_in_follows_another_role_and_an_earlier_end(daan, fatima, owner, profile):
    given = appoint(daan, fatima, owner)
    end = timezone.localdate() + timedelta(days=3)

    assign_profile_role(profile, user=daan.user, role=Role.PROFILE_READER, expires_on=end, by=owner)

    given.refresh_from_db()
    assert (given.role, given.expires_on) == (Role.PROFILE_READER, end)
    assert not can_edit(fatima, profile)


def test_who_loses_the_role_takes_the_stand_in_along(daan, fatima, owner, profile):
    appoint(daan, fatima, owner)
    Message.objects.all().delete()

    remove_profile_role(daan, by=owner)

    assert not ProfileRole.objects.filter(profile=profile).exists()
    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("daan@alfa.example", "role_removed"),
        ("daan@alfa.example", "role_removed"),
        ("fatima@alfa.example", "role_removed"),
        ("marieke@alfa.example", "roles_removed"),
    ]


def test_the_stand_in_can_be_taken_away_alone(daan, fatima, owner, profile):
    given = appoint(daan, fatima, owner)

    remove_profile_role(given, by=owner)

    assert [row.user for row in ProfileRole.objects.filter(profile=profile)] == [daan.user]


def test_S4_2_the_invoices_reach_the_stand_in_too(daan, fatima, owner, profile):
    assert {each.email for each in recipients_on(profile, on=timezone.localdate())} == {"daan@alfa.example"}

    appoint(daan, fatima, owner)

    reached = {each.email for each in recipients_on(profile, on=timezone.localdate())}
    assert reached == {"daan@alfa.example", "fatima@alfa.example"}


def test_T06_a_stand_in_of_an_owner_is_not_the_owner_who_stays(fatima, owner, profile):
    account = profile.account
    held = AccountRole.objects.get(account=account, user=owner)
    appoint(held, fatima, owner)

    with pytest.raises(Refused) as refusal:
        remove_account_role(held, by=fatima)
    assert refusal.value.code == "last_owner"
    with pytest.raises(Refused) as refusal:
        assign_account_role(account, user=owner, role=Role.ACCOUNT_READER, by=fatima)
    assert refusal.value.code == "last_owner"


def test_a_stand_in_becomes_an_owner_of_their_own(fatima, owner, profile):
    appoint(AccountRole.objects.get(user=owner), fatima, owner)

    assign_account_role(profile.account, user=fatima, role=Role.ACCOUNT_OWNER, by=owner)

    assert AccountRole.objects.filter(user=fatima).count() == 2


@pytest.mark.parametrize("role", [Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER])
def test_T05_only_owners_appoint(daan, fatima, profile, role):
    weak = ProfileRoleFactory(profile=profile, role=role).user

    with pytest.raises(Forbidden):
        appoint(daan, fatima, weak)


@pytest.mark.parametrize("wrong", [{"expires_on": None}, {"stands_in_for": "user"}])
def test_the_database_wants_an_end_and_somebody_else(daan, wrong):
    values = {"expires_on": soon(), "stands_in_for": UserFactory(), "user": UserFactory()} | wrong
    if values["stands_in_for"] == "user":
        values["stands_in_for"] = values["user"]

    with pytest.raises(IntegrityError), transaction.atomic():
        ProfileRole.objects.create(profile=daan.profile, role=Role.PROFILE_READER, **values)


def test_people_see_for_whom_and_until_when(daan, fatima, owner, profile, client):
    given = appoint(daan, fatima, owner)
    client.force_login(owner)

    text = client.get(reverse("profile_permissions", args=[profile.code]), {"why": fatima.pk}).content.decode()

    assert "for Daan Vos until" in text
    assert "standing in for<b>Daan Vos</b>" in text
    here = next(here for here in people_on(profile, on=timezone.localdate()) if here.user == fatima)
    assert (here.instead_of, here.removable) == (daan.user, [given])
    why = client.get(reverse("account_person", args=[profile.account.code, fatima.pk])).content.decode()
    assert "Stands in for" in why
    activity = client.get(reverse("profile_activity", args=[profile.code])).content.decode()
    assert "Stands in for" in activity


def test_it_is_appointed_and_refused_on_the_page(daan, fatima, owner, profile, client):
    client.force_login(owner)
    page = reverse("profile_role_stand_in", args=[profile.code, daan.pk])

    assert "Daan Vos keeps the role" in client.get(page).content.decode()
    refused = client.post(page, {"email": "nobody@x.example", "expires_on": soon().isoformat()})
    assert "Invite the person to a role first" in refused.content.decode()
    assert "expires_on" in client.post(page, {"email": fatima.email}).context["form"].errors
    done = client.post(page, {"email": fatima.email, "expires_on": soon().isoformat()})

    assert done.url == reverse("profile_permissions", args=[profile.code])
    assert ProfileRole.objects.get(user=fatima).stands_in_for == daan.user


def test_on_an_account_it_stands_on_the_access_page(fatima, owner, profile, client):
    sanne = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_CONTRIBUTOR, user=UserFactory(name="Sanne"))
    client.force_login(owner)
    page = reverse("account_role_stand_in", args=[profile.account.code, sanne.pk])

    done = client.post(page, {"email": fatima.email, "expires_on": soon().isoformat()}, follow=True)

    assert "for Sanne until" in done.content.decode()
    assert can_edit(fatima, profile)
