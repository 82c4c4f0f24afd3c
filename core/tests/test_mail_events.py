"""Reports of mail services: checked, kept once, and what they do to mails and to who gets mail (F17, P10)."""

import base64
import json

import pytest
from django.urls import reverse
from django.utils import timezone

from core.jobs import run_due
from core.mail_events import LARGEST_BYTES, lift_complaints
from core.messages import MailClass, Verdict, queue_message, verdict_on, verdicts_on
from core.models import MailComplaint, MailEvent, Message

pytestmark = pytest.mark.django_db

ADDRESS = "/webhooks/mail/postmark/"
SECRET = "portal:a-secret-of-ours"


@pytest.fixture(autouse=True)
def service(settings):
    settings.MAIL_SERVICE, settings.ANYMAIL = "postmark", {"WEBHOOK_SECRET": [SECRET]}


def accepted(to="inge@beta.example", mail_class=MailClass.SERVICE):
    message = queue_message(to=to, template="test_mail", mail_class=mail_class, language="en", context={})
    Message.objects.filter(pk=message.pk).update(status="sending")
    Message.objects.filter(pk=message.pk).update(status="accepted", accepted_at=timezone.now())
    message.refresh_from_db()
    return message


def report(message, kind="Bounce", type_="HardBounce", **more):
    return {
        "RecordType": kind,
        "Type": type_,
        "ID": 42,
        "Email": message.recipient,
        "Details": "smtp;550 5.1.1 no such user",
        "BouncedAt": "2026-11-20T10:00:00Z",
        "MessageID": "0a1b2c",
        "Metadata": {"message_id": message.message_id},
        **more,
    }


def send(client, told, secret=SECRET, **headers):
    headers = {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode(), **headers}
    body = told if isinstance(told, bytes) else json.dumps(told)
    return client.post(ADDRESS, body, content_type="application/json", headers=headers)


def handle():
    run_due(only=["core.read_mail_event"])


def test_F17_a_report_marks_the_mail_as_come_back_in_the_words_of_the_server(client):
    message = accepted()

    assert send(client, report(message)).status_code == 200
    handle()

    message.refresh_from_db()
    assert (message.status, message.last_error) == ("bounced", "smtp;550 5.1.1 no such user")
    assert message.timeline.get().outcome == "bounced"


def test_F09_the_same_report_ten_times_is_one_and_replaying_it_later_does_nothing(client):
    message = accepted()
    for _ in range(10):
        assert send(client, report(message)).status_code == 200
    handle()
    assert send(client, report(message)).status_code == 200
    handle()

    message.refresh_from_db()
    assert MailEvent.objects.count() == 1
    assert message.timeline.count() == 1


@pytest.mark.parametrize("secret", ["portal:another", "", "portal", "portal:a-secret-of-ours "])
def test_T26_a_report_without_the_secret_is_refused_and_changes_nothing(client, secret):
    assert send(client, report(accepted()), secret=secret).status_code == 400
    assert not MailEvent.objects.exists()


def test_T26_no_service_and_no_secret_take_nothing_in(client, settings):
    message = accepted()
    settings.ANYMAIL = {}
    assert send(client, report(message)).status_code == 404
    settings.MAIL_SERVICE, settings.ANYMAIL = "mailgun", {"WEBHOOK_SECRET": [SECRET]}
    assert send(client, report(message)).status_code == 404


def test_T37_a_report_that_is_too_large_is_refused_unread(client):
    assert send(client, b"x" * (LARGEST_BYTES + 1)).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"RecordType": {}}', b"[[[[]]]]"]
)
def test_Q10_what_is_no_report_is_refused(client, body):
    assert send(client, body).status_code in {200, 400}
    assert not MailEvent.objects.exists()


def test_what_is_about_no_mail_of_ours_is_set_aside_and_staff_see_it(client, admin_client):
    message = accepted()
    strange = report(message, Metadata={"message_id": "<nobody@elsewhere>"})
    other = report(message, Email="somebody@else.example", ID=43)
    send(client, strange), send(client, other)
    handle()

    message.refresh_from_db()
    assert message.status == "accepted"
    assert set(MailEvent.objects.values_list("status", flat=True)) == {"quarantined"}
    page = admin_client.get("/staff/core/mailevent/?status__exact=quarantined").content.decode()
    assert "About no mail of ours" in page
    assert "somebody@else.example" in page


def test_deliveries_and_clicks_are_not_kept(client):
    message = accepted()
    for kind in ("Delivery", "Open", "Click"):
        assert send(client, report(message, kind=kind)).status_code == 200
    assert not MailEvent.objects.exists()


def test_a_soft_bounce_that_is_tried_again_is_no_bounce(client):
    message = accepted()
    send(client, report(message, type_="Transient"))
    handle()
    message.refresh_from_db()
    assert message.status == "accepted"


def test_P10_a_complaint_stops_what_can_be_declined_and_nothing_else(client):
    message = accepted(to="Inge@Beta.example")
    send(client, report(message, kind="SpamComplaint", type_="SpamComplaint"))
    handle()

    message.refresh_from_db()
    assert message.status == "accepted"
    for mail_class, verdict in (
        (MailClass.INVOICE_ISSUED, Verdict.COMPLAINED),
        (MailClass.RECEIPT, Verdict.COMPLAINED),
        (MailClass.MARKETING, Verdict.COMPLAINED),
        (MailClass.SERVICE, Verdict.SEND),
        (MailClass.PASSWORD_RESET, Verdict.SEND),
    ):
        mail = queue_message(to="inge@beta.example", template="x", mail_class=mail_class, language="en", context={})
        assert verdict_on(mail) == verdict, mail_class
        assert verdicts_on([mail]).get(mail.pk, Verdict.SEND) == verdict, mail_class


def test_P10_a_mail_to_who_complained_ends_suppressed_with_the_reason(client):
    MailComplaint.objects.create(recipient="inge@beta.example")
    mail = queue_message(
        to="inge@beta.example", template="test_mail", mail_class=MailClass.RECEIPT, language="en", context={}
    )
    run_due(only=["core.send_messages"])
    mail.refresh_from_db()
    assert mail.status == "suppressed"
    assert "marked our mail as spam" in mail.last_error


def test_P10_who_asks_for_mail_again_gets_it(client):
    MailComplaint.objects.create(recipient="inge@beta.example")
    assert lift_complaints("Inge@beta.example") == 1
    mail = queue_message(
        to="inge@beta.example", template="x", mail_class=MailClass.MARKETING, language="en", context={}
    )
    assert verdict_on(mail) == Verdict.SEND


def test_P10_complaining_twice_is_one_complaint(client):
    for number in range(2):
        send(client, report(accepted(), kind="SpamComplaint", type_="SpamComplaint", ID=number))
    handle()
    assert MailComplaint.objects.count() == 1


def test_a_report_that_comes_before_our_own_answer_waits_for_it(client):
    message = accepted()
    late = queue_message(to=message.recipient, template="x", mail_class=MailClass.SERVICE, language="en", context={})
    Message.objects.filter(pk=late.pk).update(status="sending")
    send(client, report(late))
    handle()
    assert MailEvent.objects.get().status == "received"


def test_a_service_may_ask_whether_anybody_is_here(client):
    assert client.head(ADDRESS).status_code == 200
    assert client.get(ADDRESS).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_F17_staff_have_a_report_looked_at_once_more(client, django_user_model):
    event = MailEvent.objects.create(
        service="postmark", event_id="1", kind="bounced", payload="{}", status="quarantined"
    )
    client.force_login(django_user_model.objects.create_superuser(email="ops@vendor.example", password="x"))

    page = reverse("admin:core_mailevent_changelist")
    answer = client.post(page, {"action": "look_again", "_selected_action": [event.pk]}, follow=True)

    assert [str(message) for message in answer.context["messages"]] == ["1 report is looked at again."]
    event.refresh_from_db()
    assert event.status == "received"
