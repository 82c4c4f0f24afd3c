"""Roles on an account: who may give them, and that an account never runs out of owners."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import services
from accounts.models import AccountRole
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import ACCOUNT_ROLES, Role


@pytest.fixture
def owner(db):
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


def member(account, **values):
    person = UserFactory(**values)
    OrganisationMemberFactory(organisation=account.organisation, user=person)
    return person


def held_roles(account):
    return {(held.user, held.role) for held in AccountRole.objects.filter(account=account).select_related("user")}


def mails():
    return {(mail.recipient, mail.template, mail.mail_class) for mail in Message.objects.all()}


@pytest.mark.parametrize("role", ACCOUNT_ROLES)
def test_S4_13_owner_gives_a_member_of_the_organisation_a_role(account, owner, role):
    person = member(account)

    given = services.assign_account_role(account, user=person, role=role, by=owner)

    assert (given.user, given.role, given.assigned_by, given.expires_on) == (person, role, owner, None)
    assert held_roles(account) == {(owner, Role.ACCOUNT_OWNER), (person, role)}


def test_S4_14_the_person_and_every_owner_are_mailed_once(account, owner):
    person = member(account, contact_email="contact@alfa.example", contact_email_verified_at=timezone.now())

    services.assign_account_role(account, user=person, role=Role.ACCOUNT_OWNER, by=owner)

    assert mails() == {
        ("contact@alfa.example", "role_assigned", "access_changed"),
        ("owner@alfa.example", "role_assigned", "access_changed"),
    }
    assert Message.objects.count() == 2


def test_S4_13_whoever_holds_the_role_already_changes_nothing(account, owner):
    person = member(account)
    services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner)
    Message.objects.all().delete()

    with pytest.raises(Refused) as refusal:
        services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner)

    assert refusal.value.code == "already_holds"
    assert mails() == set()


def test_another_role_takes_the_place_of_the_one_held(account, owner):
    person = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user

    services.assign_account_role(account, user=person, role=Role.ACCOUNT_CONTRIBUTOR, by=owner)

    assert held_roles(account) == {(owner, Role.ACCOUNT_OWNER), (person, Role.ACCOUNT_CONTRIBUTOR)}


@pytest.mark.parametrize("role", [Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER])
def test_T05_only_owners_give_roles(account, role):
    weaker = AccountRoleFactory(account=account, role=role).user

    with pytest.raises(Forbidden):
        services.assign_account_role(account, user=weaker, role=Role.ACCOUNT_OWNER, by=weaker)

    assert (weaker, role) in held_roles(account)


@pytest.mark.parametrize("role", [role for role in Role if role not in ACCOUNT_ROLES])
def test_T04_roles_of_other_scopes_cannot_be_given_on_an_account(account, owner, role):
    person = member(account)

    with pytest.raises(Refused) as refusal:
        services.assign_account_role(account, user=person, role=role, by=owner)

    assert refusal.value.code == "role_not_here"


def test_S4_13_people_of_other_organisations_are_refused(account, owner):
    stranger = BillingAccountFactory(owner=UserFactory()).roles.get().user

    with pytest.raises(Refused) as refusal:
        services.assign_account_role(account, user=stranger, role=Role.ACCOUNT_READER, by=owner)

    assert refusal.value.code == "not_a_member"


def test_somebody_deactivated_gets_no_role(account, owner):
    person = member(account, is_active=False)

    with pytest.raises(Refused) as refusal:
        services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner)

    assert refusal.value.code == "inactive_person"


def test_a_role_can_end_but_not_in_the_past(account, owner):
    person, today = member(account), timezone.localdate()

    given = services.assign_account_role(
        account, user=person, role=Role.ACCOUNT_OWNER, by=owner, expires_on=today + timedelta(days=14)
    )

    assert given.expires_on == today + timedelta(days=14)
    with pytest.raises(Refused) as refusal:
        services.assign_account_role(
            account, user=person, role=Role.ACCOUNT_READER, by=owner, expires_on=today - timedelta(days=1)
        )
    assert refusal.value.code == "ends_in_the_past"


def test_S4_14a_owner_takes_a_role_away(account, owner):
    held = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER)

    services.remove_account_role(held, by=owner)

    assert held_roles(account) == {(owner, Role.ACCOUNT_OWNER)}
    assert mails() == {
        (held.user.email, "role_removed", "access_changed"),
        ("owner@alfa.example", "role_removed", "access_changed"),
    }


def test_S4_14b_the_last_owner_stays(account, owner):
    AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR)

    with pytest.raises(Refused) as refusal:
        services.remove_account_role(account.roles.get(user=owner), by=owner)

    assert refusal.value.code == "last_owner"
    assert (owner, Role.ACCOUNT_OWNER) in held_roles(account)
    assert mails() == set()


@pytest.mark.parametrize("change", [{"role": Role.ACCOUNT_READER}, {"role": Role.ACCOUNT_OWNER, "days": 30}])
def test_S4_14b_the_last_owner_is_not_demoted_and_gets_no_end(account, owner, change):
    end = timezone.localdate() + timedelta(days=change["days"]) if "days" in change else None

    with pytest.raises(Refused) as refusal:
        services.assign_account_role(account, user=owner, role=change["role"], by=owner, expires_on=end)

    assert refusal.value.code == "last_owner"
    assert held_roles(account) == {(owner, Role.ACCOUNT_OWNER)}


def test_S4_14b_an_owner_who_will_leave_does_not_count_as_the_one_who_stays(account, owner):
    AccountRoleFactory(account=account, expires_on=timezone.localdate() + timedelta(days=30))

    with pytest.raises(Refused) as refusal:
        services.remove_account_role(account.roles.get(user=owner), by=owner)

    assert refusal.value.code == "last_owner"


def test_S4_14b_somebody_deactivated_does_not_count_as_owner(account, owner):
    AccountRoleFactory(account=account, user=UserFactory(is_active=False))

    with pytest.raises(Refused) as refusal:
        services.remove_account_role(account.roles.get(user=owner), by=owner)

    assert refusal.value.code == "last_owner"


def test_an_owner_may_leave_when_another_stays(account, owner):
    other = AccountRoleFactory(account=account).user

    services.remove_account_role(account.roles.get(user=owner), by=owner)

    assert held_roles(account) == {(other, Role.ACCOUNT_OWNER)}


@pytest.mark.django_db
def test_the_administrator_of_an_online_services_account_is_handed_over_and_not_assigned():
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    person = member(account)

    for attempt in (
        lambda: services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=administrator),
        lambda: services.remove_account_role(account.roles.get(), by=administrator),
        lambda: services.invite_to_account(
            account, email="new@alfa.example", role=Role.ACCOUNT_OWNER, by=administrator
        ),
    ):
        with pytest.raises(Refused) as refusal:
            attempt()
        assert refusal.value.code == "one_administrator"


def test_I26_history_tells_who_gave_and_who_took(account, owner):
    person = member(account)
    given = services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner)
    services.remove_account_role(given, by=owner)

    entries = AccountRole.pgh_event_models["insert"].objects.filter(user=person).order_by("pgh_id")

    assert [(entry.pgh_label, entry.pgh_context.metadata) for entry in entries] == [
        ("insert", {"actor": owner.pk, "actor_name": "Marieke de Vries", "action": "role.assigned"}),
        ("delete", {"actor": owner.pk, "actor_name": "Marieke de Vries", "action": "role.removed"}),
    ]


def test_I20_the_database_keeps_the_last_owner_against_everybody(account, owner):
    with transaction.atomic():
        account.roles.all().delete()
        with pytest.raises(IntegrityError, match="without an owner"):
            connection.check_constraints()
        transaction.set_rollback(True)


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


@pytest.mark.django_db(transaction=True)
def test_I20_M3_two_owners_who_demote_each_other_leave_one(long):
    for _repeat in range(50 if long else 5):
        first = AccountRoleFactory()
        second = AccountRoleFactory(account=first.account)

        outcomes = at_once(
            partial(services.remove_account_role, first, by=second.user),
            partial(services.remove_account_role, second, by=first.user),
        )

        assert outcomes == ["done", "forbidden"]
        assert first.account.roles.count() == 1


@pytest.mark.django_db(transaction=True)
def test_I20_M3_two_owners_who_leave_at_once_leave_one(long):
    for _repeat in range(50 if long else 5):
        first = AccountRoleFactory()
        second = AccountRoleFactory(account=first.account)

        outcomes = at_once(
            partial(services.remove_account_role, first, by=first.user),
            partial(services.remove_account_role, second, by=second.user),
        )

        assert outcomes == ["done", "last_owner"]
        assert first.account.roles.count() == 1


@pytest.mark.django_db(transaction=True)
def test_I20_the_database_decides_when_no_service_does(long):
    """Two sessions that go around the services: each deletes another owner, and both commit at once."""
    for _repeat in range(50 if long else 5):
        roles = [AccountRoleFactory()]
        roles.append(AccountRoleFactory(account=roles[0].account))

        def delete(held):
            try:
                AccountRole.objects.filter(pk=held.pk).delete()
            except IntegrityError as error:
                raise Refused(str(error), "refused by the database") from error

        assert at_once(*(partial(delete, held) for held in roles)) == ["done", "refused by the database"]
        assert AccountRole.objects.filter(account=roles[0].account).count() == 1
