"""Addresses that change on a day to come: looked at, planned, withdrawn, brought into force (S0-8, S0-8a)."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.jobs import apply_planned_changes
from accounts.models import Address, PlannedChange
from accounts.services.planned import Part, apply_planned_change, plan_addresses
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.history import last_change
from core.jobs import run_due
from core.models import Message
from core.policy import Action, Role
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db

TODAY, DAY = date(2026, 11, 20), date(2027, 1, 1)
NEW = {"contact_name": "Inkoop", "line1": "Coolsingel 40", "line2": "", "postal_code": "3011 AD", "city": "Rotterdam"}
NEW |= {"email": "inkoop@alfa.example", "phone": "+31 10 200 30 40"}


@pytest.fixture(autouse=True)
def on_a_day_in_november(time_machine):
    time_machine.move_to("2026-11-20 10:00")


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)


@pytest.fixture
def online(owner):
    return BillingAccountFactory(name="Alfa Online", online_services=True, owner=owner)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def page_of(account):
    return reverse("account_addresses", args=[account.code])


def sent(account, day=DAY, values=NEW, **more):
    data = {f"sold_to_{name}": value for name, value in values.items()}
    data |= {"sold_to_version": account.sold_to.version, "takes_effect_on": day.isoformat()}
    if account.bill_to:
        data |= {"bill_to_version": account.bill_to.version, "same_as_sold_to": "on"}
    return data | more


def planned(account, by, day=DAY, line1="Coolsingel 40"):
    return services.plan_account_addresses(
        account, sold_to={**NEW, "line1": line1}, sold_to_version=1, takes_effect_on=day, today=TODAY, by=by
    )


def stored(address):
    return Address.objects.get(pk=address.pk)


# --- Planning -------------------------------------------------------------------------------------


def test_S0_8a_before_it_is_saved_the_page_shows_what_changes_and_the_first_invoice(account, owner):
    BillingProfileFactory(account=account, name="Operations NL", invoice_day=5)

    response = signed_in(owner).post(page_of(account), sent(account))

    page = response.content.decode()
    assert {(row["label"], row["before"], row["after"]) for row in response.context["rows"]} >= {
        ("Sold-to · Street and number", "Waalhaven Zuidzijde 21", "Coolsingel 40"),
        ("Sold-to · Postal code", "3089 JH", "3011 AD"),
    }
    assert "The invoice of 5 Jan 2027, for December 2026" in page
    assert not PlannedChange.objects.exists()


@pytest.mark.parametrize(
    ("day", "invoice"),
    [("2026-12-05", "5 Dec 2026, for November 2026"), ("2026-12-06", "5 Jan 2027, for December 2026")],
)
def test_S0_8a_the_day_decides_which_invoice_is_first(account, owner, day, invoice):
    BillingProfileFactory(account=account, invoice_day=5)

    page = signed_in(owner).post(page_of(account), sent(account, date.fromisoformat(day))).content.decode()

    assert f"The invoice of {invoice}" in page


def test_S0_8_what_was_looked_at_is_planned_and_shown(account, owner):
    browser = signed_in(owner)
    kept = dict(browser.post(page_of(account), sent(account)).context["kept"])

    response = browser.post(page_of(account), {**kept, "confirmed": "on"})

    assert response.url == reverse("account_properties", args=[account.code])
    change = PlannedChange.objects.get()
    assert (change.status, change.takes_effect_on, change.planned_by) == ("planned", DAY, owner)
    assert stored(account.sold_to).line1 == "Waalhaven Zuidzijde 21"
    assert [mail.template for mail in Message.objects.all()] == ["address_change_planned"]
    for name in ("account_properties", "account_addresses"):
        page = browser.get(reverse(name, args=[account.code])).content.decode()
        assert "A change of address is planned for 1 Jan 2027, by Marieke de Vries" in page
        assert "Coolsingel 40" in page


def test_the_form_comes_back_with_what_was_typed(account, owner):
    browser = signed_in(owner)
    kept = dict(browser.post(page_of(account), sent(account)).context["kept"])

    page = browser.post(page_of(account), {**kept, "again": "1"}).content.decode()

    assert 'value="Coolsingel 40"' in page
    assert 'value="2027-01-01"' in page


@pytest.mark.parametrize(
    ("day", "code"),
    [(TODAY - timedelta(days=1), "day_over"), (TODAY + timedelta(days=800), "day_too_far")],
)
def test_a_day_that_makes_no_sense_is_refused_at_its_field(account, owner, day, code):
    response = signed_in(owner).post(page_of(account), sent(account, day))

    assert response.context["form"].errors.as_data()["takes_effect_on"][0].code == code
    assert not PlannedChange.objects.exists()


def test_today_is_at_once(account, owner):
    signed_in(owner).post(page_of(account), sent(account, TODAY))

    assert stored(account.sold_to).line1 == "Coolsingel 40"
    assert not PlannedChange.objects.exists()


def test_S0_8_both_addresses_are_planned_together(online, owner):
    signed_in(owner).post(page_of(online), sent(online, confirmed="on"))

    change = PlannedChange.objects.get()
    assert {part.address_id for part in change.parts.all()} == {online.sold_to_id, online.bill_to_id}
    apply_planned_change(change)
    assert stored(online.bill_to).line1 == stored(online.sold_to).line1 == "Coolsingel 40"


def test_a_second_plan_for_the_same_address_is_refused_with_the_way_out(account, owner):
    planned(account, owner)

    response = signed_in(owner).post(page_of(account), sent(account, DAY + timedelta(days=9), confirmed="on"))

    assert "planned already, for" in str(response.context["form"].non_field_errors())
    assert PlannedChange.objects.count() == 1


def test_a_plan_on_an_old_version_finds_out(account, owner):
    opened = sent(account, confirmed="on")
    signed_in(owner).post(page_of(account), sent(account, TODAY, {**NEW, "line1": "Weena 10"}))

    response = signed_in(owner).post(page_of(account), opened)

    assert response.context["rows"]
    assert not PlannedChange.objects.exists()


def test_planning_what_is_there_already_plans_nothing(account, owner):
    same = {name: getattr(account.sold_to, name) for name in NEW}

    signed_in(owner).post(page_of(account), sent(account, DAY, same, confirmed="on"))

    assert not PlannedChange.objects.exists()


def test_I24_the_services_ask_for_the_right_themselves(account, owner):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    change = planned(account, owner)

    with pytest.raises(Forbidden):
        planned(account, reader)
    with pytest.raises(Forbidden):
        services.withdraw_planned_change(change, of=account, action=Action.ACCOUNT_EDIT_SOLD_TO, by=reader)


def test_a_plan_writes_nothing_that_is_no_address_field(account, owner):
    part = Part(account.sold_to, {"country": "DE"}, 1)
    with pytest.raises(ValueError, match="country"):
        plan_addresses(
            account, [part], takes_effect_on=DAY, today=TODAY, of=account, action=Action.ACCOUNT_EDIT_SOLD_TO, by=owner
        )


# --- Withdrawing ----------------------------------------------------------------------------------


def withdrawal_of(account, change):
    return reverse("account_change_withdrawal", args=[account.code, change.pk])


def test_a_plan_can_be_withdrawn_until_it_is_in_force(account, owner):
    change, browser = planned(account, owner), signed_in(owner)

    browser.post(withdrawal_of(account, change))

    change.refresh_from_db()
    assert change.status == "withdrawn"
    assert not apply_planned_change(change)
    assert stored(account.sold_to).version == 1
    again = browser.post(withdrawal_of(account, change))
    assert again.context["refusal"].code == "no_such_edge"


def test_T01_nobody_withdraws_the_plan_of_another_account(account, owner):
    change = planned(account, owner)
    stranger = UserFactory()
    other = BillingAccountFactory(owner=stranger)

    assert signed_in(stranger).post(withdrawal_of(account, change)).status_code == 404
    assert signed_in(stranger).post(withdrawal_of(other, change)).status_code == 404


# --- In force -------------------------------------------------------------------------------------


def test_the_job_brings_it_into_force_on_its_day_once(account, owner, time_machine):
    change = planned(account, owner)
    assert run_due(only=["accounts.apply_planned_changes"]) == 0

    time_machine.move_to("2027-01-01 00:10")
    assert run_due(only=["accounts.apply_planned_changes"]) == 1
    apply_planned_changes(change.pk)

    address = stored(account.sold_to)
    assert (address.line1, address.version) == ("Coolsingel 40", 2)
    change.refresh_from_db()
    part = change.parts.get()
    assert (change.status, part.before["line1"]) == ("applied", "Waalhaven Zuidzijde 21")
    told = last_change(account.sold_to)
    assert (told.by, told.action) == ("Marieke de Vries", "address.changed_as_planned")


def test_days_missed_while_nothing_ran_are_made_up_for(account, owner, time_machine):
    planned(account, owner)

    time_machine.move_to("2027-01-20 08:00")
    run_due(only=["accounts.apply_planned_changes"])

    assert stored(account.sold_to).line1 == "Coolsingel 40"


def test_a_plan_writes_only_what_it_changes_and_the_postal_lines_together(account, owner):
    change = planned(account, owner)
    Address.objects.filter(pk=account.sold_to_id).update(email="new@alfa.example", postal_code="1234 AB")
    change.parts.update(values={name: NEW[name] for name in ("line1", "line2", "postal_code", "city")})

    apply_planned_change(change)

    address = stored(account.sold_to)
    assert (address.email, address.postal_code) == ("new@alfa.example", "3011 AD")


def test_what_a_plan_keeps(account, owner):
    part = planned(account, owner, line1="Weena 10").parts.get()

    assert set(part.values) == {*NEW}
    services.withdraw_planned_change(part.change, of=account, action=Action.ACCOUNT_EDIT_SOLD_TO, by=owner)
    only_mail = {name: getattr(account.sold_to, name) for name in NEW} | {"email": "x@alfa.example"}
    change = services.plan_account_addresses(
        account, sold_to=only_mail, sold_to_version=1, takes_effect_on=DAY, today=TODAY, by=owner
    )
    assert change.parts.get().values == {"email": "x@alfa.example"}


def test_the_service_refuses_a_day_that_is_not_to_come(account, owner):
    for day in (TODAY, TODAY - timedelta(days=1)):
        with pytest.raises(Refused) as refusal:
            planned(account, owner, day)
        assert refusal.value.code == "day_over"
    assert timezone.localdate() == TODAY


# --- At once --------------------------------------------------------------------------------------


def at_once(*calls):
    """What each call gave or raised, all of them started together on connections of their own."""
    start, outcomes = threading.Barrier(len(calls)), []

    def run(call):
        try:
            start.wait()
            outcomes.append(call())
        except Refused as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_two_who_plan_at_once_one_does(account, owner):
    outcomes = at_once(*[lambda: planned(account, owner)] * 4)

    assert outcomes.count("change_planned") == 3
    assert PlannedChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_comes_into_force_once_whoever_runs_the_job(account, owner):
    change = planned(account, owner)

    outcomes = at_once(*[lambda: apply_planned_change(change)] * 4)

    assert sorted(outcomes) == [False, False, False, True]
    assert stored(account.sold_to).version == 2
