"""Reports of mail servers about mail that they had taken and could not deliver (F17)."""

import mailbox

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from core.messages import MailClass, queue_message
from core.models import Message

pytestmark = pytest.mark.django_db

REPORT = """From: MAILER-DAEMON@mx.example
To: billing@localhost
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: text/plain

I am sorry.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; inge@beta.example
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; {words}

--x
Content-Type: {kind}

From: billing@localhost
Message-ID: {message_id}
Subject: Invoice

--x--
"""


@pytest.fixture
def box(tmp_path):
    return mailbox.Maildir(tmp_path / "bounces")


def accepted() -> Message:
    message = queue_message(
        to="inge@beta.example", template="test_mail", mail_class=MailClass.SERVICE, language="en", context={}
    )
    Message.objects.filter(pk=message.pk).update(status="sending")
    Message.objects.filter(pk=message.pk).update(status="accepted", accepted_at=timezone.now())
    return message


def report(message_id: str, words="550 5.1.1 no such user", action="failed", kind="message/rfc822") -> str:
    return REPORT.format(message_id=message_id, words=words, action=action, kind=kind)


def read(box, **more) -> None:
    call_command("read_bounces", box._path, **more)


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
def test_F17_a_mail_that_came_back_is_bounced_in_the_words_of_the_server(box, kind):
    message, other = accepted(), accepted()
    box.add(report(message.message_id, kind=kind))

    read(box)
    read(box)

    message.refresh_from_db()
    assert (message.status, message.last_error) == ("bounced", "5.1.1 no such user")
    assert list(message.timeline.values_list("outcome", "code")) == [("bounced", 550)]
    other.refresh_from_db()
    assert other.status == "accepted"
    assert len(box) == 0


def test_delays_and_other_mail_change_nothing_and_stay(box):
    message = accepted()
    box.add(report(message.message_id, action="delayed"))
    box.add("From: somebody@beta.example\nSubject: A question\n\nHello")

    read(box)

    message.refresh_from_db()
    assert message.status == "accepted"
    assert len(box) == 2


def test_a_report_about_no_mail_of_ours_is_taken_away(box):
    box.add(report("<none@elsewhere.example>"))

    read(box)

    assert len(box) == 0


def test_a_dry_run_says_what_it_would_do_and_does_nothing(box, capsys):
    message = accepted()
    box.add(report(message.message_id))

    read(box, dry_run=True)

    message.refresh_from_db()
    assert message.status == "accepted"
    assert len(box) == 1
    assert message.message_id in capsys.readouterr().out


@pytest.mark.parametrize("words", ["\x00\x1b[31m\u202e", "5" * 100_000, "<script>", "=?utf-8?q?=FF?=", ""])
def test_T39_hostile_words_are_kept_as_text(box, words):
    message = accepted()
    box.add(report(message.message_id, words=words).encode())

    read(box)

    message.refresh_from_db()
    assert message.status == "bounced"
    assert len(message.last_error) <= 1000
    assert "\x1b" not in message.last_error


def test_broken_reports_stop_nothing(box):
    message = accepted()
    for broken in (b"", b"\xff\xfe\x00", report("").encode(), b'Content-Type: multipart/report; boundary="x"\n\n--x'):
        box.add(broken)
    box.add(report(message.message_id))

    read(box)

    message.refresh_from_db()
    assert message.status == "bounced"


def test_a_folder_that_is_no_maildir_is_said_to_be_none(tmp_path):
    with pytest.raises(CommandError, match="is no Maildir"):
        call_command("read_bounces", tmp_path)
