"""The pages that change what was bought: the money first, then the deed."""

from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.models import SubscriptionChange, SubscriptionMove
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today():
    with time_machine.travel("2026-11-20 12:00:00+00:00", tick=False):
        yield date(2026, 11, 20)


@pytest.fixture
def bought():
    """Three at € 10.00 a month, renewed on the 16th; its account has an owner."""
    account = BillingAccountFactory(owner=UserFactory())
    profile = BillingProfileFactory(account=account, name="Operations")
    return SubscriptionFactory(profile=profile, quantity=3, unit_price=Decimal(10), started_on=date(2026, 1, 16))


@pytest.fixture
def owner(client, bought):
    client.force_login(bought.account.roles.get().user)
    return client


def address(bought, name):
    return reverse(f"subscription_{name}", args=[bought.code])


def confirmed(page, **values):
    """What the page would send when it is confirmed."""
    return {"expected_minor": page.context["expected_minor"], "request_key": page.context["request_key"], **values}


def test_T24_a_change_says_its_money_before_and_is_done_once(owner, bought):
    better = PriceFactory(unit_price=Decimal(25), product__name="Mail Pro")
    chosen = {"quantity": 4, "plan": better.pk}

    asked = owner.get(address(bought, "change"), chosen)
    text = asked.content.decode()
    sent = [owner.post(address(bought, "change"), confirmed(asked, **chosen)) for _twice in range(2)]

    # (4 × 25 − 3 × 10) × 26 / 30
    for words in ("€60.67", "26 of the 30 days", "3 → 4", "Mail Pro", "5 Dec 2026", "€100.00"):
        assert words in text
    assert sent[0].url == bought.get_absolute_url()
    assert SubscriptionChange.objects.get().net_minor == 6067


def test_T30_an_amount_that_was_made_up_is_asked_anew(owner, bought):
    asked = owner.get(address(bought, "change"), {"quantity": 4})

    answer = owner.post(address(bought, "change"), confirmed(asked, quantity=4, expected_minor=1))

    assert "The amount is another one by now." in answer.content.decode()
    assert not SubscriptionChange.objects.exists()


@pytest.mark.parametrize("quantity", ["0", "100001", "-1", "2.5", "many", "", "9" * 400])
def test_a_quantity_that_makes_no_sense_is_said_at_its_field(owner, bought, quantity):
    page = owner.get(address(bought, "change"), {"quantity": quantity})

    assert page.status_code == 200
    assert "quantity" in page.context["form"].errors
    assert owner.post(address(bought, "change"), {"quantity": quantity}).status_code == 200
    assert not SubscriptionChange.objects.exists()


@pytest.mark.parametrize(("when", "status", "ended_on"), [("now", "cancelled", 20), ("term_end", "active", 15)])
def test_3_5_cancelling_says_both_ways_and_does_the_chosen_one(owner, bought, when, status, ended_on):
    asked = owner.get(address(bought, "cancellation"))
    answer = owner.post(address(bought, "cancellation"), confirmed(asked, when=when))

    bought.refresh_from_db()
    assert "€25.00 is given back" in asked.content.decode()
    assert answer.url == bought.get_absolute_url()
    assert (bought.status, bought.ended_on.day) == (status, ended_on)


def test_3_5_recurring_billing_is_turned_off_and_on(owner, bought):
    for wanted in ("off", "on"):
        page = owner.get(address(bought, "recurring_billing")).content.decode()
        assert f'value="{wanted}"' in page
        owner.post(address(bought, "recurring_billing"), {"recurring": wanted})
        bought.refresh_from_db()
        assert bought.runs_out == (wanted == "off")


def test_3_5_what_was_cancelled_is_brought_back_and_its_page_tells_all(owner, bought):
    asked = owner.get(address(bought, "cancellation"))
    owner.post(address(bought, "cancellation"), confirmed(asked, when="now"))
    asked = owner.get(address(bought, "reactivation"))
    wrong = owner.post(address(bought, "reactivation"), confirmed(asked, expected_minor=1))

    owner.post(address(bought, "reactivation"), confirmed(asked))

    page = owner.get(bought.get_absolute_url()).content.decode()
    assert wrong.url == address(bought, "reactivation")
    for words in ("2 changes", "Cancelled", "Reactivated", "21 Nov 2026"):
        assert words in page
    assert "Only what was cancelled" in owner.get(address(bought, "reactivation")).content.decode()


def test_3_9_a_move_is_asked_for_shown_and_withdrawn(owner, bought):
    other = BillingProfileFactory(account=bought.account, name="Projects")

    owner.post(address(bought, "move"), {"profile": other.code})
    assert "Goes to Projects on 1 Dec 2026." in owner.get(bought.get_absolute_url()).content.decode()

    owner.post(address(bought, "move"), {"withdraw": "yes"})
    assert SubscriptionMove.objects.get().withdrawn_at is not None


def test_a_profile_of_somebody_else_is_no_choice(owner, bought):
    elsewhere = BillingProfileFactory()

    page = owner.post(address(bought, "move"), {"profile": elsewhere.code})

    assert page.status_code == 200
    assert not SubscriptionMove.objects.exists()


def test_readers_see_the_verbs_locked(client, bought):
    client.force_login(ProfileRoleFactory(profile=bought.profile, role=Role.PROFILE_READER).user)

    page = client.get(bought.get_absolute_url()).content.decode()

    assert address(bought, "change") not in page
    assert client.get(address(bought, "change")).status_code == 403


def test_the_page_costs_the_same_however_often_it_was_changed(owner, bought):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            owner.get(bought.get_absolute_url())
        return len(queries)

    asked = owner.get(address(bought, "change"), {"quantity": 4})
    owner.post(address(bought, "change"), confirmed(asked, quantity=4))
    once = cost()
    for quantity in (5, 6, 7):
        asked = owner.get(address(bought, "change"), {"quantity": quantity})
        owner.post(address(bought, "change"), confirmed(asked, quantity=quantity))
    assert cost() == once
