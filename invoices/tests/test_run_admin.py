"""The staff's pages of the billing run: begin, watch, stop, go on; hold and release; and what customers see of it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import Seller
from accounts.tests.factories import SellerFactory, UserFactory
from core import jobs
from invoices.models import BillingHold, BillingRun, Invoice
from invoices.services.holding import hold_profile, release_hold
from invoices.services.schedule import start_run
from invoices.tests.factories import OCTOBER, ParkedProfileFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

RUNS, HOLDS = "admin:invoices_billingrun", "admin:invoices_billinghold"
SEVENTH = datetime(2026, 11, 7, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def seventh():
    SellerFactory()
    with time_machine.travel(SEVENTH, tick=False):
        yield


@pytest.fixture
def profile(owner) -> BillingProfile:
    made = BillingProfileFactory(account__owner=owner, created_at=datetime(2026, 10, 1, tzinfo=UTC), name="Warehouse")
    SubscriptionFactory(profile=made, unit_price=Decimal(100), started_on=date(2026, 10, 1))
    return made


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def staff(client):
    person = UserFactory(staff=True)
    client.force_login(person)
    return person


def looker(*permissions: str):
    person = UserFactory(is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


def test_staff_begin_a_run_and_see_its_control_totals(client, staff, profile):
    answer = client.post(reverse(f"{RUNS}_add"), {"period": "2026-10"}, follow=True)
    run = BillingRun.objects.get()
    assert (run.origin, run.started_by, run.profiles_total) == ("staff", staff, 1)
    assert "0 of 1 profiles are billed" in answer.content.decode()

    jobs.run_due(only=["invoices.bill_ranges"])
    page = client.get(reverse(f"{RUNS}_change", args=[run.pk])).content.decode()

    for words in ("1 of 1 profiles are billed", "€100.00", "€21.00", "€121.00", "G000000001 – G000000001"):
        assert words in page
    assert "1 of 1" in client.get(reverse(f"{RUNS}_changelist")).content.decode()


def test_staff_stop_a_run_and_let_it_go_on(client, staff, profile):
    run = start_run(OCTOBER, by=None)
    page = reverse(f"{RUNS}_change", args=[run.pk])
    assert b'name="stop"' in client.get(page).content

    client.post(page, {"stop": "1"})
    jobs.run_due(only=["invoices.bill_ranges"])
    assert not Invoice.objects.exists()
    assert b'name="resume"' in client.get(page).content
    client.post(page, {"resume": "1"})
    jobs.run_due(only=["invoices.bill_ranges"])

    assert Invoice.objects.count() == 1
    answer = client.post(page, {"resume": "1"}, follow=True)
    assert "cannot become" in str(next(iter(answer.context["messages"]))) or "done" in answer.content.decode()


def test_the_page_says_why_nothing_can_be_issued_or_is_due(client, staff):
    said = client.post(reverse(f"{RUNS}_add"), {"period": "2026-10"}).content.decode()
    assert "Nothing is due" in said

    Seller.objects.update(vat_id="")
    assert "The seller is incomplete" in client.get(reverse(f"{RUNS}_add")).content.decode()
    assert client.post(reverse(f"{RUNS}_add"), {"period": "2031-10"}).status_code == 200
    assert not BillingRun.objects.exists()


def test_who_may_only_look_neither_begins_nor_stops_nor_holds(client, profile):
    run, hold = start_run(OCTOBER, by=None), hold_profile(profile, note="Why", by=None)
    client.force_login(looker("view_billingrun", "view_billinghold"))

    for name, row in ((RUNS, run), (HOLDS, hold)):
        assert client.get(reverse(f"{name}_changelist")).status_code == 200
        assert client.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
        assert client.post(reverse(f"{name}_change", args=[row.pk]), {"stop": "1", "note": "x"}).status_code == 403
        assert client.get(reverse(f"{name}_add")).status_code == 403
        assert client.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
    client.force_login(UserFactory())
    assert client.get(reverse(f"{RUNS}_change", args=[run.pk])).status_code in (302, 403)


@pytest.mark.parametrize("name", [RUNS, HOLDS])
@pytest.mark.parametrize("pk", ["9999999", "abc"])
def test_a_row_that_is_not_there_is_not_found(client, staff, name: str, pk: str):
    assert client.get(reverse(f"{name}_change", args=[pk])).status_code == 404


def test_staff_hold_a_profile_with_a_note_and_release_it_with_one(client, staff, profile):
    page = reverse(f"{HOLDS}_add")
    assert profile.code.encode() in client.get(page, {"profile": profile.code}).content
    assert "There is no billing profile nope" in client.post(page, {"profile": "nope", "note": "x"}).content.decode()
    assert client.post(page, {"profile": profile.code, "note": ""}).context["form"].errors

    client.post(page, {"profile": profile.code, "note": "The price is wrong."})
    hold = BillingHold.objects.get()
    assert (hold.profile, hold.note, hold.placed_by) == (profile, "The price is wrong.", staff)
    again = client.post(page, {"profile": profile.code, "note": "Again"}).content.decode()
    assert "Warehouse is held already." in again
    answer = client.post(reverse(f"{HOLDS}_change", args=[hold.pk]), {"note": "Mended."}, follow=True)

    hold.refresh_from_db()
    assert (hold.release_note, hold.released_by) == ("Mended.", staff)
    assert "Warehouse is released" in answer.content.decode()
    assert not answer.context["cl"].result_list
    shown = client.get(reverse(f"{HOLDS}_change", args=[hold.pk])).content.decode()
    assert "Mended." in shown
    assert "<textarea" not in shown


# --- What the customer sees ---------------------------------------------------------------------


def shown_to(client, owner, profile: BillingProfile) -> tuple[bool, bool]:
    """Whether the profile's page and home say that an invoice is being checked."""
    client.force_login(owner)
    page = client.get(profile.get_absolute_url()).content.decode()
    home = client.get(profile.account.get_absolute_url()).content.decode()
    words = "Your invoice of October 2026 is being checked"
    return words in page, "The invoice of Warehouse of October 2026 is being checked" in home


def test_the_customer_reads_that_the_invoice_of_a_held_profile_is_being_checked(client, owner, profile):
    assert shown_to(client, owner, profile) == (False, False)

    hold = hold_profile(profile, note="Internal words", by=None)

    assert shown_to(client, owner, profile) == (True, True)
    assert "Internal words" not in client.get(profile.get_absolute_url()).content.decode()
    release_hold(hold, note="Done", by=None)
    assert shown_to(client, owner, profile) == (False, False)


def test_PR6_the_customer_of_a_parked_profile_reads_it_too_but_mends_an_address_alone(client, owner, profile):
    parked = ParkedProfileFactory(profile=profile, reason="sums_differ")
    assert shown_to(client, owner, profile) == (True, True)

    parked.reason = "address_incomplete"
    parked.save()

    assert shown_to(client, owner, profile) == (False, False)


def test_before_the_invoice_day_nobody_waits_for_the_invoice(client, owner, profile):
    BillingProfile.objects.update(invoice_day=9)
    hold_profile(profile, note="Early", by=None)

    assert shown_to(client, owner, profile) == (False, False)
