"""Handing over an online-services account by offer and acceptance (§2.2), and owners by way of the organisation."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountRole, Invitation
from accounts.services.handover import offer_administration, withdraw_offer
from accounts.services.invitations import accept_invitation, renew_invitation, why_unusable
from accounts.services.joining import join_as_owner
from accounts.tests.factories import (
    PASSWORD,
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import Message
from core.policy import Action, Role, may, read_roles

pytestmark = pytest.mark.django_db
ADDRESS = "next@beta.example"


@pytest.fixture
def inge():
    return UserFactory(name="Inge de Wit", email="inge@beta.example")


@pytest.fixture
def account(inge):
    return BillingAccountFactory(online_services=True, owner=inge, name="Beta Webshop")


@pytest.fixture
def offer(account, inge):
    return offer_administration(account, email=ADDRESS, by=inge)


def administrators(account):
    return [held.user.email for held in AccountRole.objects.filter(account=account)]


def test_the_one_row_moves_and_both_are_told(offer, account, inge):
    row = AccountRole.objects.get(account=account)
    Message.objects.all().delete()
    successor = UserFactory(email=ADDRESS, name="Jan Smit")

    accept_invitation(offer, by=successor)

    moved = AccountRole.objects.get(account=account)
    assert (moved.pk, moved.user, moved.role, moved.assigned_by) == (row.pk, successor, row.role, inge)
    assert not may(inge, Action.ACCOUNT_SEE, account, read_roles(inge))
    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("inge@beta.example", "administration_handed_over"),
        (ADDRESS, "role_assigned"),
    ]


def test_until_it_is_accepted_nothing_changes(offer, account):
    assert administrators(account) == ["inge@beta.example"]
    assert offer.status == "pending"


def test_the_successor_can_be_nobody_yet(offer, account):
    client = Client()
    client.get(Message.objects.about(f"invitation:{offer.code}").last().secret_context["path"])

    client.post("/invitations/answer/", {"name": "Jan Smit", "password": PASSWORD})

    assert administrators(account) == [ADDRESS]


def test_somebody_else_cannot_take_it(offer, account):
    with pytest.raises(Refused) as refusal:
        accept_invitation(offer, by=UserFactory(email="thief@beta.example"))

    assert refusal.value.code == "other_person"
    assert administrators(account) == ["inge@beta.example"]


def test_withdrawn_it_works_no_more_and_both_are_told(offer, account, inge):
    Message.objects.all().delete()

    withdraw_offer(offer, by=inge)

    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("inge@beta.example", "administration_withdrawn"),
        (ADDRESS, "administration_withdrawn"),
    ]
    assert why_unusable(Invitation.objects.get()).code == "revoked"
    with pytest.raises(Refused):
        accept_invitation(Invitation.objects.get(), by=UserFactory(email=ADDRESS))
    with pytest.raises(Refused):
        withdraw_offer(Invitation.objects.get(), by=inge)


def test_it_expires_by_itself_and_both_are_told_once(offer, account, time_machine):
    Message.objects.all().delete()
    run_due(only=["accounts.expire_offers"])
    assert not Message.objects.exists()

    time_machine.move_to(timezone.now() + timedelta(days=7, seconds=1))
    for _twice in range(2):
        run_due(only=["accounts.expire_offers"])

    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("inge@beta.example", "administration_expired"),
        (ADDRESS, "administration_expired"),
    ]
    assert Invitation.objects.get().status == "expired"
    assert why_unusable(Invitation.objects.get()).code == "expired"


def test_an_invitation_of_the_first_administrator_is_left_for_staff(time_machine):
    empty = BillingAccountFactory(online_services=True)
    now = timezone.now()
    Invitation.objects.create(
        account=empty, email=ADDRESS, role=Role.ACCOUNT_ADMINISTRATOR, token_digest="0", expires_at=now
    )

    time_machine.move_to(now + timedelta(days=1))
    run_due(only=["accounts.expire_offers"])

    assert Invitation.objects.get().status == "pending"


def test_an_administrator_who_handed_over_to_another_has_no_offers_left(offer, account, inge):
    AccountRole.objects.filter(account=account).update(user=UserFactory())

    with pytest.raises(Refused) as refusal:
        accept_invitation(offer, by=UserFactory(email=ADDRESS))

    assert refusal.value.code == "inviter_lost_right"


@pytest.mark.parametrize(
    ("email", "code"), [("INGE@beta.example ", "yourself"), ("third@beta.example", "already_offered")]
)
def test_what_makes_no_sense_is_refused(offer, account, inge, email, code):
    with pytest.raises(Refused) as refusal:
        offer_administration(account, email=email, by=inge)

    assert refusal.value.code == code


def test_T05_nobody_else_offers_it_and_no_customer_agreement_has_one(account):
    with pytest.raises(Forbidden):
        offer_administration(account, email=ADDRESS, by=UserFactory())
    owner = UserFactory()
    with pytest.raises(Refused) as refusal:
        offer_administration(BillingAccountFactory(owner=owner), email=ADDRESS, by=owner)
    assert refusal.value.code == "no_administrator"


def test_it_is_offered_sent_again_and_withdrawn_on_its_page(client, account, inge):
    client.force_login(inge)
    page = reverse("account_handover", args=[account.code])

    shown = client.post(page, {"email": ADDRESS}, follow=True).content.decode()
    assert "You stay administrator until it is accepted." in shown
    first = Invitation.objects.get().token_digest
    client.post(reverse("account_handover_renewal", args=[account.code]))
    assert Invitation.objects.get().token_digest != first
    client.post(reverse("account_handover_withdrawal", args=[account.code]))

    assert Invitation.objects.get().status == "revoked"
    assert page in client.get(reverse("account_access", args=[account.code])).content.decode()


def test_the_page_of_acceptance_says_whose_place_is_taken(offer):
    client = Client()
    client.force_login(UserFactory(email=ADDRESS))
    client.get(Message.objects.about(f"invitation:{offer.code}").last().secret_context["path"])

    assert "You take the place of Inge de Wit" in client.get("/invitations/answer/").content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=2)
@pytest.mark.parametrize("number", range(50))
def test_I20_accepted_and_withdrawn_at_once_one_of_them_holds(number):
    inge = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=inge)
    offer = offer_administration(account, email=f"n{number}@beta.example", by=inge)
    successor = UserFactory(email=f"n{number}@beta.example")

    def run(act):
        try:
            act(Invitation.objects.get(pk=offer.pk))
        except (Refused, Forbidden):  # whoever handed over meanwhile may not withdraw either
            return False
        finally:
            connection.close()
        return True

    acts = [lambda each: accept_invitation(each, by=successor), lambda each: withdraw_offer(each, by=inge)]
    with ThreadPoolExecutor(2) as pool:
        accepted, withdrawn = pool.map(run, acts)

    assert [accepted, withdrawn].count(True) == 1
    assert administrators(account) == [successor.email if accepted else inge.email]


# --- Organisation administrators ------------------------------------------------------------------


@pytest.fixture
def lone():
    return BillingAccountFactory(owner=UserFactory(email="owner@alfa.example"), name="Alfa")


@pytest.fixture
def keeper(lone):
    role = Role.ORGANISATION_ADMINISTRATOR
    return OrganisationRoleFactory(
        organisation=lone.organisation, user=UserFactory(name="Oscar", email="oscar@alfa.example"), role=role
    ).user


def test_an_organisation_administrator_becomes_owner_and_all_owners_are_told(client, lone, keeper):
    client.force_login(keeper)
    page = reverse("account_ownership", args=[lone.code])
    assert page in client.get(reverse("account_access", args=[lone.code])).content.decode()

    assert client.post(page).url == reverse("account_access", args=[lone.code])

    held = AccountRole.objects.get(user=keeper)
    assert (held.role, held.expires_on) == (Role.ACCOUNT_OWNER, None)
    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("oscar@alfa.example", "organisation_owner_joined"),
        ("owner@alfa.example", "organisation_owner_joined"),
    ]
    entry = AccountRole.events.rel.related_model.objects.filter(pgh_obj_id=held.pk).last()
    assert entry.pgh_context.metadata["action"] == "organisation.joined_account"


def test_a_lower_role_gives_way_and_twice_is_refused(lone, keeper):
    AccountRoleFactory(account=lone, user=keeper, role=Role.ACCOUNT_READER)

    join_as_owner(lone, by=keeper)

    assert AccountRole.objects.get(user=keeper).role == Role.ACCOUNT_OWNER
    assert Message.objects.first().context["before"] == Role.ACCOUNT_READER
    with pytest.raises(Refused) as refusal:
        join_as_owner(lone, by=keeper)
    assert refusal.value.code == "already_holds"


def test_T05_nobody_else_and_not_on_online_services(client, lone, keeper):
    online = BillingAccountFactory(online_services=True, organisation=lone.organisation)
    user_keeper = OrganisationRoleFactory(organisation=lone.organisation, role=Role.USER_ADMINISTRATOR).user

    for person in (user_keeper, AccountRoleFactory(account=lone, role=Role.ACCOUNT_CONTRIBUTOR).user):
        with pytest.raises(Forbidden):
            join_as_owner(lone, by=person)
    with pytest.raises(Refused) as refusal:
        join_as_owner(online, by=keeper)
    assert refusal.value.code == "one_administrator"
    client.force_login(keeper)
    assert client.post(reverse("account_ownership", args=[online.code])).status_code == 404


@pytest.mark.step_up
def test_it_takes_a_confirmation(client, lone, keeper):
    client.force_login(keeper)

    response = client.post(reverse("account_ownership", args=[lone.code]))

    assert response.status_code == 302
    assert not AccountRole.objects.filter(user=keeper).exists()


def test_the_offer_can_be_sent_again_by_its_administrator_only(offer):
    with pytest.raises(Forbidden):
        renew_invitation(offer, by=UserFactory())
