"""What the vendor's staff see of mail and background work, and may do about it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from core.messages import MailClass, queue_message
from core.models import JobClaim, JobSlot, Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client, django_user_model):
    """The browser of a superuser."""
    person = django_user_model.objects.create_superuser(email="ops@vendor.example", password="x")
    client.force_login(person)
    return client


@pytest.fixture
def message():
    return queue_message(
        to="inge@beta.example",
        template="test_mail",
        mail_class=MailClass.SERVICE,
        language="en",
        context={},
        secret_context={"code": "314159"},
    )


def claim(**values) -> JobClaim:
    usual = {"job": "core.send_messages", "token": uuid4(), "until": timezone.now(), "tries_left": 0}
    return JobClaim.objects.create(**{**usual, **values})


@pytest.mark.parametrize("model", ["message", "jobclaim", "jobslot"])
def test_lists_open(staff, message, model):
    claim(row_id=message.pk, last_error="ZeroDivisionError")
    JobSlot.objects.create(job="core.tidy", slot=timezone.now())

    page = staff.get(reverse(f"admin:core_{model}_changelist"))

    assert page.status_code == 200
    assert {"message": "inge@beta.example", "jobclaim": "ZeroDivisionError", "jobslot": "core.tidy"}[
        model
    ] in page.content.decode()


def test_I30_page_of_a_mail_shows_no_secret(staff, message):
    page = staff.get(reverse("admin:core_message_change", args=[message.pk])).content.decode()

    assert "inge@beta.example" in page
    assert "314159" not in page


@pytest.mark.parametrize("model", ["message", "jobclaim", "jobslot"])
def test_nothing_is_added_by_hand(staff, model):
    assert staff.get(reverse(f"admin:core_{model}_add")).status_code == 403


def test_waiting_mail_is_sent_now(staff, message):
    later = timezone.now() + timedelta(hours=1)
    Message.objects.update(status="deferred", next_attempt_at=later)

    staff.post(
        reverse("admin:core_message_changelist"), {"action": "try_now", "_selected_action": [message.pk]}, follow=True
    )

    assert Message.objects.get().next_attempt_at < later


def test_stopped_row_is_tried_again_and_one_in_hand_is_left_alone(staff):
    soon = timezone.now() + timedelta(minutes=1)
    stopped, failing = claim(row_id=1), claim(row_id=2, until=soon, tries_left=3, last_error="no")
    held = claim(row_id=3, until=soon, tries_left=4, started_at=timezone.now())

    staff.post(
        reverse("admin:core_jobclaim_changelist"),
        {"action": "try_again", "_selected_action": [stopped.pk, failing.pk, held.pk]},
        follow=True,
    )

    assert list(JobClaim.objects.all()) == [held]


@pytest.mark.parametrize("model", ["message", "jobclaim"])
def test_person_who_is_no_staff_is_sent_away(client, django_user_model, model):
    client.force_login(django_user_model.objects.create_user(email="inge@beta.example", password="x"))

    assert client.get(reverse(f"admin:core_{model}_changelist")).status_code == 302
