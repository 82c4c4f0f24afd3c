"""Adding a card: written down before anybody goes, and finished by what the gateway says."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.history import acting
from core.models import Message
from core.policy import Role
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import SPECIMENS
from payments.jobs import forget_removed_method, look_up_card_setup
from payments.models import CardSetup, PaymentMethod, ProfileMethods
from payments.services.cards import LOOKUP_AFTER, finish_card_setup, start_card_setup
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def contributor(profile):
    return ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user


def begin(profile, by, **options):
    setup, _address = start_card_setup(profile.account, profile=profile, by=by, **options)
    return setup


def enter(setup, card="visa", year=2029, month=8):
    api.enter_card(
        setup.session_id, number=SPECIMENS[card].number, expiry_year=year, expiry_month=month, holder="T. Test"
    )


def test_S3_7_card_is_kept_as_token_brand_last_digits_and_expiry(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup)

    setup = finish_card_setup(setup)

    method = setup.method
    assert setup.status == "completed"
    assert (method.account, method.profile, method.added_by) == (profile.account, profile, contributor)
    assert (method.brand, method.last4, method.valid_until) == ("visa", "4242", date(2029, 8, 31))
    assert method.token.startswith("card_")


def test_S3_8_without_the_box_a_new_card_pays_for_nothing(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup)

    finish_card_setup(setup)

    assert not ProfileMethods.objects.exists()


def test_S3_8_with_the_box_it_becomes_the_default_at_once(profile, contributor):
    setup = begin(profile, contributor, default_for=[profile])
    enter(setup)

    setup = finish_card_setup(setup)

    assert ProfileMethods.objects.get(profile=profile).default == setup.method


def test_P9_owners_are_told_of_a_new_card(profile, contributor):
    owner = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    setup = begin(profile, contributor, default_for=[profile])
    enter(setup)

    finish_card_setup(setup)

    mails = Message.objects.filter(template="method_added")
    assert sorted(mails.values_list("recipient", flat=True)) == sorted([owner.email, contributor.email])
    assert mails.first().context["profiles"] == [profile.name]


def test_I26_history_says_who_added_the_card(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup)

    setup = finish_card_setup(setup)

    event = setup.method.events.get()
    assert event.pgh_context.metadata["actor"] == contributor.pk
    assert event.pgh_context.metadata["action"] == "method.add"
    assert not hasattr(event, "token")


def test_S3_10_refused_card_leaves_a_reason_and_no_method(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup, "never")

    setup = finish_card_setup(setup)

    assert (setup.status, setup.decline_reason, setup.method) == ("failed", "declined_by_bank", None)
    assert not PaymentMethod.objects.exists()


def test_S3_7_expired_and_prepaid_cards_are_refused(profile, contributor):
    reasons = []
    for card in ("expired", "prepaid"):
        setup = begin(profile, contributor)
        enter(setup, card)
        reasons.append(finish_card_setup(setup).decline_reason)

    assert reasons == ["card_expired", "not_accepted"]


def test_L10_the_banks_check_of_a_new_card_is_waited_for(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup, "checked_once")
    waiting = finish_card_setup(setup).status
    api.answer_session_check(setup.session_id, confirmed=True)

    setup = finish_card_setup(setup)

    assert (waiting, setup.status) == ("started", "completed")


def test_T33_finishing_twice_makes_one_card(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup)
    stale = CardSetup.objects.get(pk=setup.pk)

    first = finish_card_setup(setup)
    second = finish_card_setup(stale)

    assert first.method == second.method
    assert PaymentMethod.objects.count() == 1


def test_who_never_comes_back_is_found_by_the_job(profile, contributor):
    setup = begin(profile, contributor)
    enter(setup)
    soon, later = setup.started_at + timedelta(minutes=14), setup.started_at + timedelta(minutes=15)
    due_before, due_after = list(CardSetup.objects.to_look_up(soon)), list(CardSetup.objects.to_look_up(later))

    look_up_card_setup(setup.pk)

    setup.refresh_from_db()
    assert (due_before, due_after) == ([], [setup])
    assert setup.status == "completed"


def test_an_abandoned_set_up_ends_by_itself(profile, contributor, time_machine):
    setup = begin(profile, contributor)
    asked = 0
    while setup.status == "started":
        time_machine.move_to(setup.next_lookup_at)
        look_up_card_setup(setup.pk)
        setup.refresh_from_db()
        asked += 1

    assert setup.status == "cancelled"
    assert asked <= len(LOOKUP_AFTER) + 1


def test_I23_a_right_lost_meanwhile_keeps_the_card_out(profile, contributor):
    setup = begin(profile, contributor, default_for=[profile])
    enter(setup)
    with acting(None, "test"):
        ProfileRole.objects.filter(user=contributor).delete()

    setup = finish_card_setup(setup)
    method = PaymentMethod.objects.get()
    forget_removed_method(method.pk)

    method.refresh_from_db()
    assert (setup.status, setup.method) == ("cancelled", None)
    assert (method.status, method.token) == ("deleted", "")
    assert not ProfileMethods.objects.exists()


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S3_2_readers_and_invoice_managers_add_no_cards(profile, role):
    person = ProfileRoleFactory(profile=profile, role=role).user

    with pytest.raises(Forbidden):
        begin(profile, person)

    assert not CardSetup.objects.exists()


def test_a_profile_owner_adds_no_card_to_the_whole_account(profile):
    owner = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user

    with pytest.raises(Forbidden):
        start_card_setup(profile.account, by=owner)


def test_T01_a_card_becomes_the_default_only_where_the_person_may_choose(profile, contributor):
    sibling = BillingProfileFactory(account=profile.account)

    with pytest.raises(Forbidden):
        begin(profile, contributor, default_for=[sibling])


def test_Q12_T31_ten_cards_an_hour_and_no_more(profile, contributor, time_machine):
    start = timezone.now()
    for _time in range(10):
        begin(profile, contributor)

    with pytest.raises(Refused) as refusal:
        begin(profile, contributor)
    other = BillingAccountFactory(owner=UserFactory())
    start_card_setup(other, by=other.roles.get().user)
    time_machine.move_to(start + timedelta(minutes=61))
    begin(profile, contributor)

    assert refusal.value.code == "too_many"
    assert "Wait an hour" in str(refusal.value)
    assert CardSetup.objects.count() == 12
