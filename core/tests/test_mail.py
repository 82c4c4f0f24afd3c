"""Sending the outbox through a real SMTP server that errs as it is asked to (F13-F18, I25, PR9)."""

import random
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
import time_machine
from axe_playwright_python.sync_playwright import Axe
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, connections, transaction
from django.utils import timezone

from core import jobs, messages
from core.mail import Line, ReadyMail, Writer
from core.messages import Attachment, MailClass, Verdict, queue_message
from core.models import JobClaim, Message
from core.testing import MailServer, NetworkInTransaction, start_process

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def queue(to: str = "inge@beta.example", **more: Any) -> Message:
    values = {
        "template": "test_mail",
        "mail_class": MailClass.SERVICE,
        "language": "en",
        "context": {"asked_at": START, "note": "a note"},
    }
    return queue_message(to=to, **{**values, **more})


def send() -> None:
    jobs.run_due(only=["core.send_messages"])


def timeline(message: Message) -> list[tuple[str, int | None]]:
    return list(message.timeline.values_list("outcome", "code"))


def test_mail_carries_subject_text_page_and_files_in_the_language_of_the_recipient(mail_server, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    stored = default_storage.save("invoices/G0001.pdf", ContentFile(b"%PDF-1.7 invoice"))
    message = queue(language="nl", attachments=[Attachment(stored, "G0001.pdf", "application/pdf")])

    send()

    [mail] = mail_server.received
    text, page, file = [part for part in mail.walk() if not part.is_multipart()]
    assert mail["To"] == "inge@beta.example"
    assert mail["Message-ID"] == message.message_id
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "Testmail van Factureringsportaal"
    assert "Deze mail ging de weg van elke mail" in text.get_content()
    assert '<html lang="nl">' in page.get_content()
    assert (file.get_filename(), file.get_content_type()) == ("G0001.pdf", "application/pdf")
    assert file.get_content() == b"%PDF-1.7 invoice"


def test_page_of_a_mail_has_its_styles_inlined_and_escapes_values(mail_server):
    queue(context={"asked_at": START, "note": "<script>alert(1)</script>"})

    send()

    text, page = [part.get_content() for part in mail_server.received[0].walk() if not part.is_multipart()]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert 'class="button" href="http://testserver/" style="' in page
    assert "prefers-color-scheme: dark" in page
    assert "<script>alert(1)</script>" in text


def test_accepted_mail_knows_when_and_what_the_server_said(mail_server):
    message = queue(secret_context={"code": "314159"})

    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False):
        send()
        moment = timezone.now()

    message.refresh_from_db()
    assert (message.status, message.accepted_at, message.attempts) == (Message.Status.ACCEPTED, moment, 1)
    assert message.secret_context == {}
    [attempt] = message.timeline.all()
    assert (attempt.outcome, attempt.code, attempt.words) == ("accepted", 250, "2.0.0 queued as 1")


def test_sent_mail_is_not_sent_again(mail_server):
    queue()

    send()
    send()

    assert mail_server.recipients == ["inge@beta.example"]


def test_mail_of_a_hundred_takes_one_connection(mail_server):
    for number in range(101):
        queue(f"a{number}@beta.example")

    send()

    assert mail_server.recipients == [f"a{number}@beta.example" for number in range(101)]
    assert mail_server.connections == 2


# --- F13: the server refuses --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Inge", "Ingeborg-Wilhelmina van der Veldencamp-Rijkhuizen of Rotterdam", "Ilse Dürer", "京"]
)
@time_machine.travel(START, tick=False)  # both are dated when they are written
def test_what_goes_over_the_line_is_the_mail_as_django_writes_it(settings, tmp_path, name):
    settings.MEDIA_ROOT, settings.PORTAL_NAME = tmp_path, name
    default_storage.save("a.pdf", ContentFile(bytes(range(256)) * 40))
    message = queue("a@beta.example", attachments=[Attachment("a.pdf", f"{name}.pdf", "application/pdf")])
    mail = Writer().written(message)

    ours, theirs = (
        message_from_bytes(each, policy=policy.default) for each in (mail.wire, mail.message().as_bytes(linesep="\r\n"))
    )
    assert ours.is_multipart()
    assert max(map(len, mail.wire.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78
    for one, other in zip(ours.walk(), theirs.walk(), strict=True):
        assert [(key, value) for key, value in one.items() if "boundary" not in value] == [
            (key, value) for key, value in other.items() if "boundary" not in value
        ]
        assert one.get_content_type() == other.get_content_type()
        assert one.is_multipart() or one.get_payload(decode=True) == other.get_payload(decode=True)


def test_a_line_that_begins_with_a_dot_arrives_with_it(mail_server):
    for text in (".one dot", "..two", "none"):
        mail = ReadyMail("Dots", text, "a@beta.example", ["b@beta.example"])
        mail.wire = f"Subject: Dots\r\n\r\n{text}\r\n{text}\r\n".encode()
        with Line() as line:
            assert line.trouble_opening() is None
            assert line.send(mail).status == "accepted"
        assert mail_server.received[-1].get_content().splitlines() == [text, text]


@pytest.mark.parametrize("banner", ["554 5.3.2 go away", "421 4.3.2 not now"])
def test_F13_refusing_banner_defers_every_mail_and_asks_once(mail_server, banner):
    mail_server.banner = banner
    first, second = queue("a@beta.example"), queue("b@beta.example")

    send()

    code = int(banner[:3])
    assert timeline(first) == timeline(second) == [("deferred", code)]
    first.refresh_from_db()
    assert (first.status, first.last_error, first.possibly_twice) == (Message.Status.DEFERRED, banner[4:], False)
    assert mail_server.connections == 1


def test_F13_unreachable_server_is_tried_after_1_5_15_60_minutes_then_hourly_for_a_day(mail_server):
    mail_server.refuse()
    with time_machine.travel(START, tick=False) as clock:
        message = queue(secret_context={"code": "314159"})
        tried_at = []
        while message.status in ("queued", "deferred"):
            clock.move_to(message.next_attempt_at)
            send()
            tried_at.append(timezone.now() - START)
            message.refresh_from_db()

    minutes = [round(moment.total_seconds() / 60) for moment in tried_at]
    assert minutes[:6] == [0, 1, 6, 21, 81, 141]
    assert minutes[-1] == 21 + 23 * 60
    assert (message.status, message.last_error) == (Message.Status.GIVEN_UP, "[Errno 111] Connection refused")
    assert message.secret_context == {}
    assert [outcome for outcome, _ in timeline(message)] == ["deferred"] * 26 + ["given_up"]


def test_F13_mail_goes_out_when_the_server_is_back(mail_server):
    mail_server.banner = "421 4.3.2 not now"
    with time_machine.travel(START, tick=False) as clock:
        message = queue()
        send()
        mail_server.banner = ""
        clock.move_to(START + timedelta(seconds=59))
        send()
        assert mail_server.received == []
        clock.move_to(START + timedelta(minutes=1))
        send()

    assert timeline(message) == [("deferred", 421), ("accepted", 250)]
    assert len(mail_server.received) == 1


# --- F14: 4xx for one recipient -----------------------------------------------------------------


def test_F14_451_after_RCPT_and_after_DATA_retries_only_that_recipient(mail_server):
    mail_server.answers_to_recipient["a@beta.example"] = ["451 4.7.1 greylisted"]
    mail_server.answers_to_data["b@beta.example"] = ["451 4.3.0 disk full"]
    with time_machine.travel(START, tick=False) as clock:
        greylisted, full, fine = (queue(f"{name}@beta.example") for name in "abc")
        send()
        assert mail_server.recipients == ["c@beta.example"]
        clock.move_to(START + timedelta(minutes=1))
        send()

    assert sorted(mail_server.recipients) == ["a@beta.example", "b@beta.example", "c@beta.example"]
    assert timeline(greylisted) == timeline(full) == [("deferred", 451), ("accepted", 250)]
    assert timeline(fine) == [("accepted", 250)]
    assert greylisted.timeline.first().words == "4.7.1 greylisted"
    assert not Message.objects.filter(possibly_twice=True).exists()


# --- F15, F16: the line is cut ------------------------------------------------------------------


def test_F15_cut_within_the_mail_is_not_counted_as_sent(mail_server, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    stored = default_storage.save("large.pdf", ContentFile(b"x" * 20_000_000))
    mail_server.behaviour["a@beta.example"] = ["cut mid-data"]
    with time_machine.travel(START, tick=False) as clock:
        message = queue("a@beta.example", attachments=[Attachment(stored, "large.pdf", "application/pdf")])
        other = queue("b@beta.example")
        send()
        message.refresh_from_db()
        assert (message.status, message.possibly_twice) == (Message.Status.DEFERRED, False)
        assert mail_server.recipients == ["b@beta.example"]
        Message.objects.update(attachments=[])
        clock.move_to(START + timedelta(minutes=1))
        send()

    assert mail_server.recipients == ["b@beta.example", "a@beta.example"]
    assert timeline(message) == [("deferred", None), ("accepted", 250)]
    assert timeline(other) == [("accepted", 250)]


def test_F16_cut_after_the_final_dot_repeats_once_with_the_same_id_and_a_flag(mail_server):
    mail_server.behaviour["a@beta.example"] = ["cut after dot"]
    with time_machine.travel(START, tick=False) as clock:
        message = queue("a@beta.example")
        send()
        clock.move_to(START + timedelta(minutes=1))
        send()

    message.refresh_from_db()
    assert [mail["Message-ID"] for mail in mail_server.received] == [message.message_id] * 2
    assert (message.status, message.possibly_twice) == (Message.Status.ACCEPTED, True)
    assert timeline(message) == [("deferred", None), ("accepted", 250)]


def test_F16_mail_in_doubt_twice_is_never_sent_a_third_time(mail_server):
    mail_server.behaviour["a@beta.example"] = ["cut after dot"] * 3
    with time_machine.travel(START, tick=False) as clock:
        message = queue("a@beta.example")
        for minutes in range(120):
            clock.move_to(START + timedelta(minutes=minutes))
            send()

    message.refresh_from_db()
    assert len(mail_server.received) == 2
    assert message.status == Message.Status.GIVEN_UP
    assert "it was not sent a third time" in message.last_error


def test_F16_cut_is_not_blamed_on_the_mail_before_it_on_the_same_line(mail_server):
    queue("a@beta.example")
    mail_server.answers_to_recipient["b@beta.example"] = ["421 4.3.2 closing"]
    message = queue("b@beta.example")

    send()

    message.refresh_from_db()
    assert (message.status, message.possibly_twice) == (Message.Status.DEFERRED, False)


# --- F17: no such mailbox -----------------------------------------------------------------------


def test_F17_550_for_one_of_five_bounces_that_one(mail_server):
    mail_server.answers_to_recipient["c@beta.example"] = ["550 5.1.1 no such user"]
    mails = {name: queue(f"{name}@beta.example", secret_context={"code": "1"}) for name in "abcde"}

    send()

    bounced = mails.pop("c")
    bounced.refresh_from_db()
    assert (bounced.status, bounced.last_error) == (Message.Status.BOUNCED, "5.1.1 no such user")
    assert bounced.secret_context == {}
    assert mail_server.recipients == [f"{name}@beta.example" for name in "abde"]
    assert mail_server.connections == 1


def test_F17_554_to_the_mail_itself_bounces_it(mail_server):
    mail_server.answers_to_data["a@beta.example"] = ["554 5.6.0 no thank you"]
    message = queue("a@beta.example")

    send()

    assert timeline(message) == [("bounced", 554)]


# --- F18: the tar pit ---------------------------------------------------------------------------


def test_F18_tar_pit_times_out_and_the_other_mails_flow(mail_server, settings):
    settings.EMAIL_TIMEOUT = 0.5
    mail_server.behaviour["a@beta.example"] = ["tar pit"]
    stuck, other = queue("a@beta.example"), queue("b@beta.example")

    send()

    assert timeline(stuck) == [("deferred", None)]
    assert timeline(other) == [("accepted", 250)]
    stuck.refresh_from_db()
    assert (stuck.possibly_twice, stuck.last_error) == (False, "Connection unexpectedly closed: timed out")


def test_F18_timeout_of_the_portal_is_twenty_seconds(settings):
    assert settings.EMAIL_TIMEOUT == 20


def test_line_that_breaks_twice_in_a_row_is_left_alone_for_the_batch(mail_server):
    mail_server.behaviour |= {f"{name}@beta.example": ["cut after dot"] for name in "abcd"}
    mails = [queue(f"{name}@beta.example") for name in "abcd"]

    send()

    assert mail_server.connections == 2
    doubts = []
    for mail in mails:
        mail.refresh_from_db()
        doubts.append((mail.status, mail.possibly_twice))
    assert doubts == [("deferred", True), ("deferred", True), ("deferred", False), ("deferred", False)]


# --- A bad mail among good ones -----------------------------------------------------------------


def test_mail_whose_template_is_in_error_does_not_stop_the_others(mail_server, caplog):
    broken, fine = queue("a@beta.example", template="no_such_template"), queue("b@beta.example")

    send()

    assert timeline(broken) == [("deferred", None)]
    assert timeline(fine) == [("accepted", 250)]
    assert f"Message {broken.pk} could not be written" in caplog.text
    assert not JobClaim.objects.exists()


def test_mail_whose_file_is_missing_is_tried_again(mail_server, settings, tmp_path, caplog):
    settings.MEDIA_ROOT = tmp_path
    with time_machine.travel(START, tick=False) as clock:
        message = queue(attachments=[Attachment("late.pdf", "late.pdf", "application/pdf")])
        send()
        default_storage.save("late.pdf", ContentFile(b"%PDF"))
        clock.move_to(START + timedelta(minutes=1))
        send()

    assert timeline(message) == [("deferred", None), ("accepted", 250)]


@pytest.mark.parametrize("character", ["\n", "\r\n", "\u2028", "\x0b", "\u202e"])
def test_T39_control_character_in_a_subject_becomes_a_space(mail_server, settings, tmp_path, character):
    folder = tmp_path / "emails" / "named"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("Invoice for {{ name }}")
    (folder / "body.txt").write_text("{{ name }}")
    (folder / "body.html").write_text("<p>{{ name }}</p>")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    queue(template="named", context={"name": f"Beta{character}Bcc: thief@evil.example"})

    send()

    [mail] = mail_server.received
    assert mail["Subject"] == "Invoice for Beta Bcc: thief@evil.example"
    assert mail["Bcc"] is None


# --- Looked at again just before sending --------------------------------------------------------


@pytest.fixture
def rechecked(monkeypatch):
    """What the recheck of recommendations says, by recipient."""
    says: dict[str, Verdict] = {}
    monkeypatch.setitem(messages._rechecks, MailClass.RECOMMENDATION, lambda message: says[message.recipient])
    return says


def test_T07_right_lost_since_queueing_withdraws_the_mail(mail_server, rechecked):
    rechecked |= {"a@x.example": Verdict.SEND, "b@x.example": Verdict.WITHDRAW, "c@x.example": Verdict.SUPPRESS}
    mails = [queue(address, mail_class=MailClass.RECOMMENDATION) for address in rechecked]

    send()

    assert mail_server.recipients == ["a@x.example"]
    assert [timeline(mail) for mail in mails] == [[("accepted", 250)], [("withdrawn", None)], [("suppressed", None)]]


def test_mail_that_expired_meanwhile_is_given_up_unsent(mail_server):
    with time_machine.travel(START, tick=False) as clock:
        message = queue(secret_context={"code": "314159"}, expires_at=START + timedelta(minutes=30))
        clock.move_to(START + timedelta(minutes=30))
        send()

    message.refresh_from_db()
    assert (message.status, message.secret_context) == (Message.Status.GIVEN_UP, {})
    assert mail_server.received == []


def test_mail_found_in_sending_was_left_by_a_dead_worker_and_is_repeated_once(mail_server):
    with time_machine.travel(START, tick=False) as clock:
        message = queue()
        Message.objects.update(status=Message.Status.SENDING)
        send()
        clock.move_to(START + timedelta(minutes=1))
        send()

    message.refresh_from_db()
    assert (message.status, message.possibly_twice) == (Message.Status.ACCEPTED, True)
    assert timeline(message) == [("deferred", None), ("accepted", 250)]


@pytest.mark.django_db(transaction=True)
def test_PR9_database_lost_before_the_outcome_is_written_repeats_the_mail_once(mail_server, caplog):
    first, second = queue("a@beta.example"), queue("b@beta.example")
    mail_server.on_mail = lose_database_once(mail_server)

    send()
    assert Message.objects.counted_by_status() == {"sending": 1, "queued": 1}
    for _ in range(3):  # the pause of the failed job, the doubt, the repetition
        JobClaim.objects.update(until=timezone.now())
        Message.objects.update(next_attempt_at=timezone.now())
        send()

    assert sorted(mail_server.recipients) == ["a@beta.example", "a@beta.example", "b@beta.example"]
    assert list(Message.objects.order_by("pk").values_list("pk", "status", "possibly_twice")) == [
        (first.pk, "accepted", True),
        (second.pk, "accepted", False),
    ]
    assert not JobClaim.objects.exists()


def lose_database_once(mail_server: MailServer):
    """Ends every other connection to the database, as its restart does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()

    def lose() -> None:
        mail_server.on_mail = lambda: None
        with closing(connections["default"].copy()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    return lose


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_a_mail_has_no_axe_violation_and_fits_a_phone(mail_server, chromium, scheme):
    queue(language="nl")
    send()
    page = [part.get_content() for part in mail_server.received[0].walk() if part.get_content_type() == "text/html"]

    with chromium.new_context(
        viewport={"width": 360, "height": 700}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        tab = context.new_page()
        tab.set_content(page[0])
        assert Axe().run(tab).response["violations"] == []
        assert tab.evaluate("document.documentElement.scrollWidth") == 360


# --- Transactions -------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network_in_transactions")
def test_I34_no_transaction_is_open_while_the_server_is_spoken_to(mail_server: MailServer):
    mail_server.answers_to_recipient["b@beta.example"] = ["451 4.7.1 later"]
    mail_server.behaviour["c@beta.example"] = ["cut after dot"]
    mails = [queue(f"{name}@beta.example") for name in "abcd"]

    send()

    assert [mail.timeline.get().outcome for mail in mails] == ["accepted", "deferred", "deferred", "accepted"]


@pytest.mark.usefixtures("no_network_in_transactions")
def test_I34_guard_sees_mail_sent_within_a_transaction(mail_server, caplog):
    queue()

    with transaction.atomic():
        send()

    assert "NetworkInTransaction: socket.connect() inside a transaction" in caplog.text
    assert mail_server.received == []
    assert issubclass(NetworkInTransaction, AssertionError)


@pytest.mark.django_db(transaction=True)
def test_sending_takes_few_statements_per_mail(mail_server, django_assert_max_num_queries):
    for number in range(20):
        queue(f"a{number}@beta.example")

    # Reserving, starting and finishing the batch, and marking its first mail; then one for each mail.
    with django_assert_max_num_queries(13 + 20):
        send()

    assert len(mail_server.received) == 20
    assert connection.in_atomic_block is False


# --- One mail at a time is marked ---------------------------------------------------------------


@pytest.fixture
def marked(mail_server):
    """Who is marked as being sent while the server has a mail, mail by mail; asked over another connection."""
    seen = []

    def look() -> None:
        with closing(connections["default"].copy()) as other, other.cursor() as cursor:
            cursor.execute("SELECT recipient FROM core_message WHERE status = 'sending'")
            seen.append([recipient for (recipient,) in cursor.fetchall()])

    mail_server.on_mail = look
    return seen


@pytest.mark.django_db(transaction=True)
def test_PR9_the_mail_that_may_have_left_is_marked_and_no_other(mail_server, marked):
    mail_server.answers_to_recipient["a5@beta.example"] = ["550 5.1.1 no such user"]
    mail_server.behaviour["a9@beta.example"] = ["cut after dot"]
    mails = [queue(f"a{number}@beta.example") for number in range(25)]

    send()

    assert marked == [[mail.recipient] for mail in mails if mail.recipient != "a5@beta.example"]
    assert not Message.objects.filter(status="sending").exists()
    assert timeline(mails[5]) == [("bounced", 550)]
    assert timeline(mails[6]) == timeline(mails[10]) == [("accepted", 250)]
    assert timeline(mails[9]) == [("deferred", None)]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_told_to_stop_leaves_no_mail_marked(mail_server):
    mails = [queue(f"a{number}@beta.example") for number in range(5)]
    mail_server.on_mail = jobs.stop

    send()
    left = Message.objects.counted_by_status()
    mail_server.on_mail = lambda: None
    jobs.resume()
    send()

    assert left == {"accepted": 1, "queued": 4}
    assert mail_server.recipients == [mail.recipient for mail in mails]
    assert not Message.objects.filter(possibly_twice=True).exists()


@pytest.mark.django_db(transaction=True)
def test_F29_a_mail_that_another_worker_took_meanwhile_is_left_to_it(mail_server):
    mails = [queue(f"a{number}@beta.example") for number in range(3)]

    def take() -> None:
        mail_server.on_mail = lambda: None
        with closing(connections["default"].copy()) as other, other.cursor() as cursor:
            cursor.execute("UPDATE core_message SET status = 'sending' WHERE id = %s", [mails[1].pk])

    mail_server.on_mail = take
    send()

    assert mail_server.recipients == ["a0@beta.example", "a2@beta.example"]
    assert [Message.objects.get(pk=mail.pk).status for mail in mails] == ["accepted", "sending", "accepted"]


@pytest.mark.django_db(transaction=True)
def test_F29_a_mail_taken_out_of_our_hands_marks_no_other(mail_server, caplog):
    mails = [queue(f"a{number}@beta.example") for number in range(3)]

    def lose_it() -> None:
        mail_server.on_mail = lambda: None
        with closing(connections["default"].copy()) as other, other.cursor() as cursor:
            cursor.execute("UPDATE core_message SET status = 'deferred' WHERE id = %s", [mails[0].pk])

    mail_server.on_mail = lose_it
    send()

    assert "was moved by another worker" in caplog.text
    assert [Message.objects.get(pk=mail.pk).status for mail in mails] == ["deferred", "accepted", "accepted"]
    assert mail_server.recipients == [mail.recipient for mail in mails]


# --- A worker that is killed --------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=2)
@pytest.mark.parametrize("seed", range(20))
def test_PR9_I25_a_worker_killed_anywhere_loses_no_mail_and_marks_every_one_that_may_have_gone_twice(
    seed, mail_server, settings
):
    chance = random.Random(seed)
    mails = [queue(f"a{number}@beta.example") for number in range(45)]
    worker = start_process("-c", _WORKER, EMAIL_URL=f"smtp://127.0.0.1:{settings.EMAIL_PORT}")
    left = [chance.randrange(1, 45)]

    def kill() -> None:
        left[0] -= 1
        if left[0] == 0:
            worker.kill()

    mail_server.on_mail = kill
    worker.communicate()
    mail_server.on_mail = lambda: None
    for _ in range(4):  # the lease of the dead one, the doubts, their repetition
        JobClaim.objects.update(until=timezone.now())
        Message.objects.unfinished().update(next_attempt_at=timezone.now())
        send()

    got = Counter(mail_server.recipients)
    stored = {message.recipient: message for message in Message.objects.all()}
    assert {message.status for message in stored.values()} == {"accepted"}
    assert set(got) == {mail.recipient for mail in mails}
    assert max(got.values()) <= 2
    assert [address for address, times in got.items() if times > 1 and not stored[address].possibly_twice] == []
    assert sum(message.possibly_twice for message in stored.values()) <= 1


_WORKER = """
import django
django.setup()
from core import jobs
jobs.run_due(only=["core.send_messages"])
"""
