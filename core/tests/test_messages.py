"""The outbox: what is queued, what is refused, and what the database guards."""

import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy

from core import messages
from core.errors import Refused
from core.mail_classes import MAIL_RULES, MailAddress, Suppressible
from core.messages import Attachment, MailClass, Verdict, queue_message, recheck, requeue_message
from core.models import MESSAGE_TRANSITIONS, Message, MessageAttempt
from core.money import Money
from core.policy import Action, Role
from core.states import move

pytestmark = pytest.mark.django_db
STATUSES = Message.Status.values


def queue(**more):
    values = {
        "to": "inge@beta.example",
        "template": "test_mail",
        "mail_class": MailClass.SERVICE,
        "language": "en",
        "context": {},
    }
    return queue_message(**{**values, **more})


def test_queued_mail_is_due_at_once_and_not_sent(mailoutbox):
    message = queue(reference="invoice:G0001")

    message.refresh_from_db()
    assert (message.status, message.attempts, message.next_attempt_at) == ("queued", 0, message.created_at)
    assert list(Message.objects.about("invoice:G0001")) == [message]
    assert mailoutbox == []


@pytest.mark.django_db(transaction=True)
def test_I25_mail_is_dropped_with_the_transaction_that_queued_it():
    with transaction.atomic():
        queue()
        transaction.set_rollback(True)

    assert not Message.objects.exists()


def test_I25_same_key_gives_the_first_message_unchanged():
    first = queue(key="invoice:G0001:inge", language="nl")

    second = queue(key="invoice:G0001:inge", language="en")

    assert (second.pk, second.language, second.message_id) == (first.pk, "nl", first.message_id)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_I25_same_key_queued_by_ten_at_once_is_one_message():
    together = threading.Barrier(10)
    found = []

    def work() -> None:
        together.wait()
        with transaction.atomic():
            found.append(queue(key="invoice:G0001:inge").pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [Message.objects.get().pk] * 10


def test_mails_without_a_key_are_each_their_own():
    first, second = queue(), queue()

    assert first.pk != second.pk
    assert first.message_id != second.message_id


@pytest.mark.parametrize("sender", ["Billing <billing@portal.example>", "billing@portal.example"])
def test_message_id_is_of_the_domain_that_sends(settings, sender):
    settings.DEFAULT_FROM_EMAIL = sender

    assert queue().message_id.endswith("@portal.example>")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("inge@beta.example\nBcc: thief@evil.example", "control_character"),
        ("inge@beta.example\r\n", "control_character"),
        ("inge\u2028@beta.example", "control_character"),
        ("inge\u2029@beta.example", "control_character"),
        ("inge\u202e@beta.example", "control_character"),
        ("inge@beta.example, thief@evil.example", "not_an_address"),
        ("Inge <inge@beta.example>", "not_an_address"),
        ("inge", "not_an_address"),
        ("", "not_an_address"),
    ],
)
def test_T39_address_that_could_add_a_header_or_a_recipient_is_refused(address, code):
    with pytest.raises(Refused) as refusal:
        queue(to=address)

    assert refusal.value.code == code
    assert not Message.objects.exists()


def test_values_come_back_as_what_they_were():
    context = {
        "amount": Money(123456, "EUR"),
        "day": date(2026, 11, 20),
        "moment": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
        "rate": Decimal("21.00"),
        "lines": [{"text": 'Zaanse „kaas” \\ "quote"', "amount": Money(-1, "JPY")}],
        "nothing": None,
        "tagged": {"$date": "2026-11-20", "other": 1},
    }

    message = Message.objects.get(pk=queue(context=context).pk)

    assert message.context == context
    assert str(message.context["rate"]) == "21.00"


NAIVE = datetime(2026, 11, 20)  # noqa: DTZ001


@pytest.mark.parametrize(
    "value", [Message(), gettext_lazy("Due"), {1, 2}, NAIVE, b"bytes"], ids=lambda value: type(value).__name__
)
def test_value_that_is_not_plain_is_refused(value):
    with pytest.raises(TypeError):
        queue(context={"value": value})


def test_attachments_name_a_stored_file():
    message = queue(attachments=[Attachment("invoices/G0001.pdf", "G0001.pdf", "application/pdf")])

    message.refresh_from_db()
    assert message.attachments == [
        {"storage_name": "invoices/G0001.pdf", "file_name": "G0001.pdf", "content_type": "application/pdf"}
    ]


# --- The table of classes -----------------------------------------------------------------------


def test_every_class_of_mail_has_its_rule():
    assert list(MAIL_RULES) == list(MailClass)


def test_only_these_classes_may_be_declined():
    declinable = {cls: rule.suppressible for cls, rule in MAIL_RULES.items() if rule.suppressible != Suppressible.NO}

    assert declinable == {
        MailClass.RECOMMENDATION: Suppressible.BY_PERSON,
        MailClass.INVOICE_ISSUED: Suppressible.BY_PROFILE,
        MailClass.RECEIPT: Suppressible.BY_PERSON,
        MailClass.CREDIT_EXPIRING: Suppressible.BY_PERSON,
        MailClass.MARKETING: Suppressible.BY_PERSON,
    }


def test_invoice_goes_to_receivers_and_dunning_to_those_who_pay():
    assert MAIL_RULES[MailClass.INVOICE_ISSUED].action == Action.INVOICE_RECEIVE
    assert MAIL_RULES[MailClass.PAYMENT_TROUBLE].action == Action.INVOICE_RECEIVE_DUNNING
    assert MAIL_RULES[MailClass.CARD_EXPIRING].fallback_roles == (Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR)
    assert MAIL_RULES[MailClass.PASSWORD_RESET].address == MailAddress.ALTERNATE


def test_class_of_mail_is_rechecked_by_one_function(monkeypatch):
    monkeypatch.setattr(messages, "_rechecks", {})

    @recheck(MailClass.MARKETING)
    def look(message: Message) -> Verdict:
        return Verdict.SEND

    with pytest.raises(ValueError, match="marketing is already rechecked by"):
        recheck(MailClass.MARKETING)(lambda message: Verdict.SEND)


# --- Guards of the database ---------------------------------------------------------------------


def test_I14_every_status_of_a_message_can_be_reached():
    reached = {"queued"}
    for _ in STATUSES:
        reached |= {str(to) for start, to in MESSAGE_TRANSITIONS if str(start) in reached}

    assert reached == set(STATUSES)


@pytest.mark.parametrize("start", STATUSES)
@pytest.mark.parametrize("to", STATUSES)
def test_I14_status_moves_only_along_the_table(start, to):
    message = queue()
    Message.objects.filter(pk=message.pk).delete()
    message.status = start
    message.accepted_at = message.created_at
    message.save(force_insert=True)

    if (start, to) in MESSAGE_TRANSITIONS:
        move(message, to)
        assert Message.objects.get().status == to
    else:
        with pytest.raises(Refused):
            move(message, to)
        if start != to:
            with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
                Message.objects.update(status=to)


@pytest.mark.parametrize("status", ["accepted", "bounced", "given_up", "withdrawn", "suppressed"])
def test_I30_ended_mail_may_not_keep_its_secrets(status):
    message = queue(secret_context={"code": "314159"})
    Message.objects.filter(pk=message.pk).delete()
    message.status, message.accepted_at = status, message.created_at

    with pytest.raises(IntegrityError, match="message_ended_without_secrets"):
        message.save(force_insert=True)


def test_timeline_cannot_be_rewritten():
    message = queue()
    MessageAttempt.objects.create(message=message, at=message.created_at, outcome="bounced", words="no such user")

    with pytest.raises(DatabaseError, match="Cannot update"):
        MessageAttempt.objects.update(outcome="accepted")


def test_ended_mail_is_sent_again_with_its_message_id():
    message = queue()
    Message.objects.update(status="sending")
    message.refresh_from_db()
    move(message, Message.Status.BOUNCED, last_error="no such user", attempts=1)

    requeue_message(message, words="Inge Dekker")

    message.refresh_from_db()
    assert (message.status, message.attempts, message.last_error) == ("queued", 0, "")
    assert [(attempt.outcome, attempt.words) for attempt in message.timeline.all()] == [("queued", "Inge Dekker")]


def test_mail_on_its_way_is_not_queued_again():
    message = queue()

    with pytest.raises(Refused):
        requeue_message(message, words="Inge Dekker")


# --- The command --------------------------------------------------------------------------------


def test_command_queues_a_test_mail_that_the_job_sends(capsys, mailoutbox):
    call_command("messages", test="inge@beta.example", language="nl", note="van ons")

    message = Message.objects.get()
    assert (message.recipient, message.language, message.reference) == ("inge@beta.example", "nl", "test")
    assert message.message_id in capsys.readouterr().out


def test_command_refuses_what_is_no_address():
    with pytest.raises(CommandError, match="Enter a valid email address"):
        call_command("messages", test="inge")


def test_command_lists_newest_first_and_filtered(capsys):
    queue(reference="invoice:G0001", key="a")
    queue(reference="invoice:G0002", key="b", to="other@beta.example")
    queue(reference="invoice:G0001", key="c", to="last@beta.example")

    call_command("messages", about="invoice:G0001")

    listed = [line.split()[3] for line in capsys.readouterr().out.splitlines()]
    assert listed == ["last@beta.example", "inge@beta.example"]
