"""Giving and taking roles on a billing profile; the rules themselves are proved in accounts/tests/test_roles.py."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import PROFILE_ROLES, Action, Role, may, read_roles
from profiles.models import ProfileRole
from profiles.services.roles import assign_profile_role, remove_profile_role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory


def colleague_of(profile, **fields):
    return OrganisationMemberFactory(organisation=profile.account.organisation, user=UserFactory(**fields)).user


def assigners(profile):
    """Who may give roles: an owner of the profile and one of its account."""
    return ProfileRoleFactory(profile=profile).user, AccountRoleFactory(account=profile.account).user


# --- Giving ---------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("role", PROFILE_ROLES)
def test_S2_22_owner_assigns_role(role):
    profile = BillingProfileFactory()
    person = colleague_of(profile)

    for owner in assigners(profile):
        ProfileRole.objects.filter(user=person).delete()
        held = assign_profile_role(profile, user=person, role=role, by=owner)

        assert (held.profile, held.user, held.role, held.assigned_by) == (profile, person, role, owner)
        assert may(person, Action.INVOICE_VIEW, profile, read_roles(person))


@pytest.mark.django_db
def test_S4_9_invoice_manager_pays_from_then_on():
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)
    person = colleague_of(profile)
    assert not may(person, Action.INVOICE_PAY, profile)

    assign_profile_role(profile, user=person, role=Role.INVOICE_MANAGER, by=owner)

    assert may(person, Action.INVOICE_PAY, profile)
    assert not may(person, Action.PROFILE_PURCHASE, profile)


@pytest.mark.django_db
def test_S4_14_person_and_owners_get_a_mail_each():
    profile = BillingProfileFactory()
    owner, above = assigners(profile)
    ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    person = colleague_of(profile, language="nl")

    assign_profile_role(profile, user=person, role=Role.INVOICE_MANAGER, by=owner)

    mails = {mail.recipient: mail for mail in Message.objects.filter(template="role_assigned")}
    assert set(mails) == {owner.email, above.email, person.email}
    assert mails[person.email].language == "nl"
    assert mails[person.email].context["role"] == Role.INVOICE_MANAGER


@pytest.mark.django_db
def test_S4_13_the_same_role_again_changes_nothing_and_tells_nobody():
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)
    held = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER)

    with pytest.raises(Refused) as refusal:
        assign_profile_role(profile, user=held.user, role=Role.INVOICE_MANAGER, by=owner)

    assert refusal.value.code == "already_holds"
    assert Message.objects.count() == 0


@pytest.mark.django_db
def test_another_role_takes_the_place_of_the_first():
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)
    held = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)

    assign_profile_role(profile, user=held.user, role=Role.PROFILE_CONTRIBUTOR, by=owner, expires_on=date(2030, 1, 31))

    stored = ProfileRole.objects.get(user=held.user)
    assert (stored.pk, stored.role, stored.expires_on) == (held.pk, Role.PROFILE_CONTRIBUTOR, date(2030, 1, 31))


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER])
@pytest.mark.parametrize("wanted", PROFILE_ROLES)
def test_T05_nobody_but_an_owner_assigns_not_even_less_than_they_have(role, wanted):
    profile = BillingProfileFactory()
    person = ProfileRoleFactory(profile=profile, role=role).user
    colleague = colleague_of(profile)

    with pytest.raises(Forbidden):
        assign_profile_role(profile, user=colleague, role=wanted, by=person)
    with pytest.raises(Forbidden):
        assign_profile_role(profile, user=person, role=Role.PROFILE_OWNER, by=person)

    assert [row.role for row in ProfileRole.objects.all()] == [role]


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.ACCOUNT_OWNER, Role.ACCOUNT_READER, Role.ORGANISATION_ADMINISTRATOR])
def test_T05_no_role_above_the_profile_is_given_on_it(role):
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)

    with pytest.raises(Refused) as refusal:
        assign_profile_role(profile, user=colleague_of(profile), role=role, by=owner)

    assert refusal.value.code == "role_not_here"


@pytest.mark.django_db
def test_S4_13_somebody_of_another_organisation_is_refused():
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)
    stranger = colleague_of(BillingProfileFactory())

    with pytest.raises(Refused) as refusal:
        assign_profile_role(profile, user=stranger, role=Role.PROFILE_READER, by=owner)

    assert refusal.value.code == "not_a_member"
    assert not ProfileRole.objects.filter(user=stranger).exists()


@pytest.mark.django_db
def test_a_subscription_of_an_online_services_account_takes_no_roles():
    profile = SubscriptionProfileFactory()
    administrator = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_ADMINISTRATOR).user

    with pytest.raises(Refused) as refusal:
        assign_profile_role(profile, user=colleague_of(profile), role=Role.PROFILE_READER, by=administrator)

    assert refusal.value.code == "no_roles_here"


# --- Taking away ----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_S4_14a_owner_removes_a_role_and_everybody_concerned_is_told():
    profile = BillingProfileFactory()
    owner, above = assigners(profile)
    held = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER)

    remove_profile_role(held, by=owner)

    assert not may(held.user, Action.PROFILE_VIEW, profile)
    told = Message.objects.filter(template="role_removed").values_list("recipient", flat=True)
    assert sorted(told) == sorted([owner.email, above.email, held.user.email])


@pytest.mark.django_db
def test_T06_last_owner_neither_leaves_nor_steps_down_nor_ends():
    profile = BillingProfileFactory()
    held = ProfileRoleFactory(profile=profile)
    tomorrow = timezone.localdate() + timedelta(days=1)

    attempts = [
        partial(remove_profile_role, held, by=held.user),
        partial(assign_profile_role, profile, user=held.user, role=Role.PROFILE_READER, by=held.user),
        partial(
            assign_profile_role, profile, user=held.user, role=Role.PROFILE_OWNER, by=held.user, expires_on=tomorrow
        ),
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as refusal:
            attempt()
        assert refusal.value.code == "last_owner"

    stored = ProfileRole.objects.get()
    assert (stored.role, stored.expires_on) == (Role.PROFILE_OWNER, None)


@pytest.mark.django_db
@pytest.mark.parametrize("ends", [0, 30])
def test_T06_an_owner_with_an_end_does_not_replace_the_last_one(ends):
    profile = BillingProfileFactory()
    held = ProfileRoleFactory(profile=profile)
    ProfileRoleFactory(profile=profile, expires_on=timezone.localdate() + timedelta(days=ends))

    with pytest.raises(Refused) as refusal:
        remove_profile_role(held, by=held.user)

    assert refusal.value.code == "last_owner"


@pytest.mark.django_db
def test_I20_an_owner_of_the_account_owns_the_profile_too():
    profile = BillingProfileFactory()
    held = ProfileRoleFactory(profile=profile)
    AccountRoleFactory(account=profile.account)

    remove_profile_role(held, by=held.user)

    assert ProfileRole.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["deactivated", "reader of the account", "owner of another account"])
def test_I20_who_does_not_own_the_profile_does_not_count(reason):
    profile = BillingProfileFactory()
    held = ProfileRoleFactory(profile=profile)
    if reason == "deactivated":
        ProfileRoleFactory(profile=profile, user=UserFactory(is_active=False))
    elif reason == "reader of the account":
        AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER)
    else:
        AccountRoleFactory(account=BillingAccountFactory(organisation=profile.account.organisation))

    with pytest.raises(Refused):
        remove_profile_role(held, by=held.user)

    assert ProfileRole.objects.filter(pk=held.pk).exists()


@pytest.mark.django_db
def test_a_role_that_is_gone_is_said_to_be_gone():
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)
    held = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    ProfileRole.objects.filter(pk=held.pk).delete()

    with pytest.raises(Refused) as refusal:
        remove_profile_role(held, by=owner)

    assert refusal.value.code == "removed_meanwhile"


@pytest.mark.django_db
def test_both_verbs_stand_in_the_history_with_their_actor():
    profile = BillingProfileFactory()
    owner, _above = assigners(profile)
    person = colleague_of(profile)

    held = assign_profile_role(profile, user=person, role=Role.INVOICE_MANAGER, by=owner)
    remove_profile_role(held, by=owner)

    entries = ProfileRole.pgh_event_models["insert"].objects.filter(user=person).order_by("pgh_id")
    assert [(entry.pgh_label, entry.pgh_context.metadata["action"]) for entry in entries] == [
        ("insert", "role.assigned"),
        ("delete", "role.removed"),
    ]
    assert {entry.pgh_context.metadata["actor"] for entry in entries} == {owner.pk}


# --- At once --------------------------------------------------------------------------------------


def at_once(*verbs):
    """Run each verb in a thread and connection of its own, all released together; what each ended with."""
    start = threading.Barrier(len(verbs))

    def run(verb):
        start.wait()
        try:
            verb()
        except (Refused, Forbidden) as refusal:
            return getattr(refusal, "code", "forbidden")
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(verbs)) as pool:
        return sorted(pool.map(run, verbs))


def two_owners():
    first = ProfileRoleFactory()
    return first, ProfileRoleFactory(profile=first.profile)


@pytest.mark.django_db(transaction=True)
def test_I20_M3_two_owners_who_remove_each_other_leave_one(long):
    for _repeat in range(50 if long else 5):
        first, second = two_owners()

        outcomes = at_once(
            partial(remove_profile_role, first, by=second.user),
            partial(remove_profile_role, second, by=first.user),
        )

        assert outcomes == ["done", "forbidden"]
        assert first.profile.roles.count() == 1


@pytest.mark.django_db(transaction=True)
def test_I20_M3_two_owners_who_step_down_at_once_leave_one(long):
    for _repeat in range(50 if long else 5):
        first, second = two_owners()

        outcomes = at_once(
            *(
                partial(assign_profile_role, held.profile, user=held.user, role=Role.PROFILE_READER, by=held.user)
                for held in (first, second)
            )
        )

        assert outcomes == ["done", "last_owner"]
        assert first.profile.roles.filter(role=Role.PROFILE_OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_I20_the_database_decides_when_no_service_does(long):
    for _repeat in range(50 if long else 5):
        held = two_owners()

        def delete(row):
            try:
                ProfileRole.objects.filter(pk=row.pk).delete()
            except IntegrityError as error:
                assert "without an owner" in str(error)  # noqa: PT017 said by a thread
                raise Refused("kept by the database", "kept") from error

        assert at_once(*(partial(delete, row) for row in held)) == ["done", "kept"]
        assert held[0].profile.roles.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_role_for_two_owners_who_give_it_at_once(long):
    for _repeat in range(50 if long else 5):
        first, second = two_owners()
        person = colleague_of(first.profile)

        outcomes = at_once(
            partial(assign_profile_role, first.profile, user=person, role=Role.INVOICE_MANAGER, by=first.user),
            partial(assign_profile_role, first.profile, user=person, role=Role.INVOICE_MANAGER, by=second.user),
        )

        assert outcomes == ["already_holds", "done"]
        assert first.profile.roles.filter(user=person).count() == 1


@pytest.mark.django_db
def test_I20_the_database_keeps_the_last_owner_in_a_bulk_delete():
    profile = BillingProfileFactory()
    two = [ProfileRoleFactory(profile=profile), ProfileRoleFactory(profile=profile)]

    with transaction.atomic():
        ProfileRole.objects.filter(pk__in=[row.pk for row in two]).delete()
        with pytest.raises(IntegrityError, match="without an owner"):
            connection.check_constraints()
        transaction.set_rollback(True)
