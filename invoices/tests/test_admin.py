"""Staff look at what was billed and release parked profiles; nothing else is done there."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.tests.factories import UserFactory
from invoices.models import NumberSeries, ParkedProfile
from invoices.tests.factories import ChargeImportFactory, InvoiceFactory, ParkedProfileFactory

pytestmark = pytest.mark.django_db

MODELS = ["parkedprofile", "invoice", "chargeimport", "numberseries"]


@pytest.fixture
def world():
    InvoiceFactory()
    ChargeImportFactory()
    ParkedProfileFactory()
    assert NumberSeries.objects.exists()


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_the_list_and_each_row_and_change_neither(client, world, model):
    client.force_login(UserFactory(staff=True))
    row = {"parkedprofile": ParkedProfile, "numberseries": NumberSeries}.get(model)

    answer = client.get(reverse(f"admin:invoices_{model}_changelist"))

    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == 1
    pk = answer.context["cl"].result_list[0].pk
    assert row is None or row.objects.filter(pk=pk).exists()
    assert client.get(reverse(f"admin:invoices_{model}_change", args=[pk])).status_code == 200
    assert client.post(reverse(f"admin:invoices_{model}_change", args=[pk]), {}).status_code == 403
    assert client.get(reverse(f"admin:invoices_{model}_add")).status_code == 403
    assert client.post(reverse(f"admin:invoices_{model}_delete", args=[pk])).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_nobody_else_comes_in(client, world, model):
    client.force_login(UserFactory())

    assert client.get(reverse(f"admin:invoices_{model}_changelist")).status_code in (302, 403)


def test_PR6_a_parked_profile_is_released_by_somebody_who_may(client):
    parked, other = ParkedProfileFactory(), ParkedProfileFactory()
    client.force_login(UserFactory(staff=True))
    page = reverse("admin:invoices_parkedprofile_changelist")

    answer = client.post(page, {"action": "release", "_selected_action": [parked.pk]}, follow=True)

    parked.refresh_from_db()
    other.refresh_from_db()
    assert (parked.released_at is not None, other.released_at) == (True, None)
    assert [str(message) for message in answer.context["messages"]] == ["1 profile was released."]
    assert [row.pk for row in client.get(page).context["cl"].result_list] == [other.pk]
    assert len(client.get(page, {"state": "all"}).context["cl"].result_list) == 2


def test_PR6_somebody_who_may_only_look_cannot_release(client):
    parked = ParkedProfileFactory()
    looker = UserFactory(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_parkedprofile"))
    client.force_login(looker)

    client.post(
        reverse("admin:invoices_parkedprofile_changelist"), {"action": "release", "_selected_action": [parked.pk]}
    )

    parked.refresh_from_db()
    assert parked.released_at is None
