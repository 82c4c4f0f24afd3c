"""Editing a billing profile, also two people at once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.models import BillingProfile
from profiles.services.profiles import bring_po_numbers_up
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Anna")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(owner=owner, name="Operations", po_number="PO-1")


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def opened(browser, profile):
    """What the form holds when it is opened, as the browser would send it back."""
    form = browser.get(reverse("profile_edit", args=[profile.code])).context["form"]
    return {name: form[name].value() or "" for name in form.fields}


def send(browser, profile, values, **options):
    return browser.post(reverse("profile_edit", args=[profile.code]), values, **options)


def test_S2_21_S2_5b_changes_are_saved_and_said_to_count_from_the_next_invoice(browser, profile):
    values = opened(browser, profile) | {"name": "Ops", "po_number": "", "bill_to_city": "Delft"}

    response = send(browser, profile, values, follow=True)

    stored = BillingProfile.objects.get()
    assert response.redirect_chain == [(profile.get_absolute_url(), 302)]
    assert (stored.name, stored.po_number, stored.bill_to.city) == ("Ops", "", "Delft")
    page = browser.get(reverse("profile_edit", args=[profile.code])).content.decode()
    assert "What you save here counts at once, also the bill-to address" in page


def test_saving_nothing_says_so(browser, profile):
    response = send(browser, profile, opened(browser, profile), follow=True)

    assert "Nothing was changed." in response.content.decode()


def test_S0_16_two_editors_get_both_versions_and_the_second_decides(browser, profile):
    mine = opened(browser, profile) | {"po_number": "mine"}
    theirs = opened(browser, profile) | {"po_number": "theirs", "bill_to_city": "Gouda"}
    send(browser, profile, theirs)

    conflict = send(browser, profile, mine)

    assert conflict.status_code == 409
    rows = [(str(row["label"]), row["theirs"], row["yours"]) for row in conflict.context["rows"]]
    assert rows == [("PO number", "theirs", "mine"), ("City", "Gouda", "Rotterdam")]
    assert conflict.context["changed_by"] == "Anna"
    assert BillingProfile.objects.get().po_number == "theirs"

    send(browser, profile, dict(conflict.context["kept"]))

    stored = BillingProfile.objects.get()
    assert (stored.po_number, stored.bill_to.city) == ("mine", "Rotterdam")


def test_S0_16_a_conflict_inside_a_panel_is_an_answer_that_htmx_shows(browser, profile):
    mine = opened(browser, profile) | {"po_number": "mine"}
    send(browser, profile, opened(browser, profile) | {"po_number": "theirs"})

    conflict = send(browser, profile, mine, headers={"HX-Request": "true", "HX-Target": "panel"})

    assert conflict.status_code == 200
    assert "<html" not in conflict.content.decode()


def test_S2_11_a_taken_name_is_said_at_the_name(browser, profile):
    BillingProfileFactory(account=profile.account, name="Marketing")

    response = send(browser, profile, opened(browser, profile) | {"name": "marketing"})

    assert list(response.context["form"].errors) == ["name"]


@pytest.mark.parametrize("version", ["", "0", "letters", "9" * 30])
def test_a_version_that_makes_no_sense_saves_nothing(browser, profile, version):
    response = send(browser, profile, opened(browser, profile) | {"version": version, "po_number": "x"})

    assert response.status_code in {200, 409}
    assert BillingProfile.objects.get().po_number == "PO-1"


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S4_1_who_may_only_read_or_pay_gets_a_page_that_says_who_may(client, profile, role):
    client.force_login(ProfileRoleFactory(profile=profile, role=role).user)

    for answer in (client.get, client.post):
        response = answer(reverse("profile_edit", args=[profile.code]))
        assert response.status_code == 403
        assert "Anna" in response.content.decode()


def test_an_outsider_gets_404(client, profile):
    client.force_login(BillingAccountFactory(owner=UserFactory()).roles.get().user)

    assert client.post(reverse("profile_edit", args=[profile.code])).status_code == 404


def test_P17_the_next_po_number_counts_from_its_day(browser, profile):
    tomorrow = timezone.localdate() + timedelta(days=1)
    values = opened(browser, profile) | {"coming_po_number": "PO-2", "coming_po_from": tomorrow.isoformat()}

    text = send(browser, profile, values, follow=True).content.decode()

    stored = BillingProfile.objects.get()
    assert "PO-2 from" in text
    assert [stored.po_number_on(day) for day in (tomorrow - timedelta(days=1), tomorrow)] == ["PO-1", "PO-2"]
    assert bring_po_numbers_up(tomorrow - timedelta(days=1)) == 0
    assert bring_po_numbers_up(tomorrow) == 1
    stored.refresh_from_db()
    assert (stored.po_number, stored.coming_po_number, stored.coming_po_from) == ("PO-2", "", None)


def test_P17_a_next_po_number_without_a_day_is_said_at_the_day(browser, profile):
    response = send(browser, profile, opened(browser, profile) | {"coming_po_number": "PO-2"})
    assert set(response.context["form"].errors) == {"coming_po_from"}
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingProfile.objects.update(coming_po_number="PO-2")


@pytest.mark.parametrize(("sent", "stored"), [("12", 12), ("0", 5), ("29", 5), ("", 5), ("x", 5)])
def test_S2_13_the_invoice_day_is_set_within_every_month(browser, profile, sent, stored):
    send(browser, profile, opened(browser, profile) | {"invoice_day": sent})
    assert BillingProfile.objects.get().invoice_day == stored


def test_S2_5a_the_payment_term_and_the_currency_are_not_in_the_form(browser, profile):
    send(browser, profile, opened(browser, profile) | {"payment_term_days": "90", "currency": "USD", "name": "Ops"})
    stored = BillingProfile.objects.get()
    assert (stored.name, stored.payment_term_days, stored.currency) == ("Ops", 30, "EUR")


def test_a_closed_profile_is_not_edited(browser, profile):
    values = opened(browser, profile) | {"name": "Ops"}
    BillingProfile.objects.update(status="closed")
    assert "is closed" in send(browser, profile, values).content.decode()
    assert BillingProfile.objects.get().name == "Operations"
