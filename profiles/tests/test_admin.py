"""What the vendor's staff sees of billing profiles."""

import pytest
from django.urls import reverse

from accounts.tests.factories import UserFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(UserFactory(staff=True))
    return client


@pytest.fixture
def profile():
    return ProfileRoleFactory(profile__name="Operations").profile


def change(profile):
    return reverse("admin:profiles_billingprofile_change", args=[profile.pk])


def test_staff_finds_a_profile_by_the_start_of_its_name(staff, profile):
    BillingProfileFactory(name="Fleet")

    response = staff.get(reverse("admin:profiles_billingprofile_changelist"), {"q": "oper"})

    assert [row.name for row in response.context["cl"].result_list] == ["Operations"]


def test_staff_sets_the_invoice_day_and_nothing_that_is_the_customers(staff, profile):
    sent = {"invoice_day": 10, "payment_term_days": 14, "time_zone": "Europe/Brussels"}
    sent |= {"name": "Changed", "currency": "USD", "status": "closed"}
    sent |= {"roles-TOTAL_FORMS": 0, "roles-INITIAL_FORMS": 0}

    staff.post(change(profile), sent)

    stored = BillingProfile.objects.get()
    assert (stored.invoice_day, stored.payment_term_days, stored.time_zone) == (10, 14, "Europe/Brussels")
    assert (stored.name, stored.currency, stored.status) == ("Operations", "EUR", "active")


@pytest.mark.parametrize(("field", "value"), [("invoice_day", 29), ("invoice_day", 0), ("time_zone", "Europe/Nowhere")])
def test_staff_gets_a_mistake_explained(staff, profile, field, value):
    sent = {"invoice_day": 10, "payment_term_days": 14, "time_zone": "Europe/Brussels"} | {field: value}

    response = staff.post(change(profile), sent | {"roles-TOTAL_FORMS": 0, "roles-INITIAL_FORMS": 0})

    assert response.status_code == 200
    assert BillingProfile.objects.get().invoice_day == 5


def test_staff_neither_makes_nor_deletes_a_profile(staff, profile):
    assert staff.get(reverse("admin:profiles_billingprofile_add")).status_code == 403
    assert staff.post(reverse("admin:profiles_billingprofile_delete", args=[profile.pk])).status_code == 403
    assert BillingProfile.objects.count() == 1


def test_a_customer_does_not_come_into_the_admin(client, profile):
    client.force_login(profile.roles.get().user)

    assert client.get(change(profile)).status_code == 302
