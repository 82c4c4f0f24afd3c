"""The outbox: how a mail is asked for. Nothing is sent here; `core.mail` sends.

    queue_message(
        to="inge@beta.example", template="invoice_issued", mail_class=MailClass.INVOICE_ISSUED,
        language="nl", context={"number": "G0001", "path": invoice.get_absolute_url()},
        reference="invoice:G0001", key="invoice:G0001:inge@beta.example",
    )

The template is a folder `templates/emails/<template>/` with `subject.txt`, `body.txt` and `body.html`.
"""

import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.errors import Refused
from core.mail_classes import MAIL_RULES, MailClass, Suppressible
from core.models import Channel, MailComplaint, Message, MessageAttempt
from core.states import move

__all__ = [
    "MAIL_RULES",
    "Attachment",
    "MailClass",
    "Verdict",
    "ask_before_sending",
    "offer_way_out",
    "queue_message",
    "queue_text_message",
    "recheck",
    "requeue_message",
]


@dataclass(frozen=True)
class Attachment:
    """A file of the default storage that goes with a mail; it is read when the mail is sent."""

    storage_name: str
    file_name: str
    content_type: str


def queue_message(
    *,
    to: str,
    template: str,
    mail_class: MailClass,
    language: str,
    context: Mapping[str, Any],
    secret_context: Mapping[str, Any] | None = None,
    attachments: Sequence[Attachment] = (),
    reference: str = "",
    key: str | None = None,
    expires_at: datetime | None = None,
) -> Message:
    """Write one mail to one recipient into the outbox, in the caller's transaction. Sends nothing.

    `context` holds plain values (text, numbers, dates, decimals, lists, dictionaries); what opens doors
    (a code, a link with a token) belongs into `secret_context`, which is emptied with the outcome.
    With `key`, a second call returns the first message unchanged. After `expires_at` an unsent mail is
    given up. `reference` finds the mails of a thing: `Message.objects.about("invoice:G0001")`.

    Refuses an address that is none or that holds control characters (T39).
    """
    return _queue(
        to=_checked_address(to),
        channel=Channel.EMAIL,
        template=template,
        mail_class=mail_class,
        language=language,
        context=context,
        secret_context=secret_context,
        attachments=attachments,
        reference=reference,
        key=key,
        expires_at=expires_at,
    )


def queue_text_message(
    *,
    to: str,
    template: str,
    mail_class: MailClass,
    language: str,
    context: Mapping[str, Any],
    secret_context: Mapping[str, Any] | None = None,
    reference: str = "",
    expires_at: datetime | None = None,
) -> Message:
    """Write one text message (SMS) into the outbox, in the caller's transaction. `to` is a number as E.164, and the
    template one file, `templates/text_messages/<template>.txt`. Refuses what is no such number."""
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", to):
        raise Refused(_("This is no phone number that a text message can be sent to."), "not_a_number")
    return _queue(
        to=to,
        channel=Channel.SMS,
        template=template,
        mail_class=mail_class,
        language=language,
        context=context,
        secret_context=secret_context,
        reference=reference,
        expires_at=expires_at,
    )


def _queue(
    *,
    to: str,
    channel: Channel,
    template: str,
    mail_class: MailClass,
    language: str,
    context: Mapping[str, Any],
    secret_context: Mapping[str, Any] | None = None,
    attachments: Sequence[Attachment] = (),
    reference: str = "",
    key: str | None = None,
    expires_at: datetime | None = None,
) -> Message:
    values = _values(
        to=to,
        channel=channel,
        template=template,
        mail_class=mail_class,
        language=language,
        context=context,
        secret_context=secret_context,
        attachments=attachments,
        reference=reference,
        expires_at=expires_at,
    )
    if key is None:
        return Message.objects.create(**values)
    return Message.objects.get_or_create(key=key, defaults=values)[0]


def new_message(
    *,
    to: str,
    template: str,
    mail_class: MailClass,
    language: str,
    context: Mapping[str, Any],
    attachments: Sequence[Attachment] = (),
    reference: str = "",
) -> Message:
    """The mail as `queue_message` would write it, not written yet: for many at once with `bulk_create`."""
    return Message(
        **_values(
            to=_checked_address(to),
            channel=Channel.EMAIL,
            template=template,
            mail_class=mail_class,
            language=language,
            context=context,
            attachments=attachments,
            reference=reference,
        )
    )


def _values(
    *,
    to: str,
    channel: Channel,
    template: str,
    mail_class: MailClass,
    language: str,
    context: Mapping[str, Any],
    secret_context: Mapping[str, Any] | None = None,
    attachments: Sequence[Attachment] = (),
    reference: str = "",
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    now = timezone.now()
    return {
        "recipient": to,
        "channel": channel,
        "template": template,
        "mail_class": MailClass(mail_class),
        "language": language,
        "context": dict(context),
        "secret_context": dict(secret_context or {}),
        "attachments": [asdict(attachment) for attachment in attachments],
        "reference": reference,
        "message_id": new_message_id(),
        "next_attempt_at": now,
        "created_at": now,
        "expires_at": expires_at,
    }


def requeue_message(message: Message, *, words: str) -> None:
    """Send a mail that has ended once more: the same content, the same Message-ID (I25).

    `words` say in its timeline who asked. Its secrets are gone, so this is for mail without any.
    Refuses `no_such_edge` one that is still on its way.
    """
    now = timezone.now()
    queued = Message.Status.QUEUED
    with transaction.atomic():
        move(message, queued, attempts=0, next_attempt_at=now, last_error="", possibly_twice=False)
        MessageAttempt.objects.create(message=message, at=now, outcome=queued, words=words)


class Verdict(StrEnum):
    """What a look just before sending says of a mail that was due when it was queued."""

    SEND = "send"
    WITHDRAW = "withdraw"  # the right to read it is gone
    SUPPRESS = "suppress"  # the recipient declined this class of mail meanwhile
    COMPLAINED = "complained"  # the recipient marked mail of ours as spam


Recheck = Callable[[Message], Verdict]
_rechecks: dict[MailClass, Recheck] = {}


def recheck(mail_class: MailClass) -> Callable[[Recheck], Recheck]:
    """Register the function that is asked just before a mail of that class is sent (T07, I23).

    One function per class, in the `jobs.py` of the app that knows the recipients.
    """

    def register(function: Recheck) -> Recheck:
        known = _rechecks.setdefault(mail_class, function)
        if known is not function:
            raise ValueError(f"{mail_class} is already rechecked by {known.__module__}.{known.__name__}")
        return function

    return register


Declined = Callable[[Message], bool]
_declined: list[Declined] = []


def ask_before_sending(function: Declined) -> Declined:
    """Register the function that knows whether the recipient of a mail said no to mail of its kind. It is asked
    about classes that each person decides on, and about no other."""
    _declined.append(function)
    return function


WayOut = Callable[[Message], str]
_ways_out: list[WayOut] = []


def offer_way_out(function: WayOut) -> WayOut:
    """Register the function that knows the path by which the recipient of a mail declines its kind with one click
    (RFC 8058); empty where there is nobody to decline. It is asked about classes that each person decides on."""
    _ways_out.append(function)
    return function


def way_out_of(message: Message) -> str:
    """The path to decline mail of this kind; empty for mail that cannot be declined."""
    by_person = MAIL_RULES[MailClass(message.mail_class)].suppressible == Suppressible.BY_PERSON
    return next(filter(None, (offer(message) for offer in _ways_out if by_person)), "")


RecheckMany = Callable[[Sequence[Message]], Mapping[int, Verdict]]
_rechecks_of_many: dict[MailClass, RecheckMany] = {}


def recheck_many(mail_class: MailClass) -> Callable[[RecheckMany], RecheckMany]:
    """Register, beside the `recheck` of that class, a function that looks at many mails in a few statements.

    It gives a verdict by primary key, and leaves out those that have to be looked at one by one.
    """

    def register(function: RecheckMany) -> RecheckMany:
        _rechecks_of_many[mail_class] = function
        return function

    return register


def verdicts_on(messages: Sequence[Message]) -> dict[int, Verdict]:
    """The verdicts that can be had on many at once, by primary key; the others are asked for by `verdict_on`."""
    found: dict[int, Verdict] = {}
    declinable = [message for message in messages if _can_be_declined(message)]
    complained = MailComplaint.objects.of(message.recipient for message in declinable) if declinable else set()
    for mail_class, look in _rechecks_of_many.items():
        if concerned := [message for message in messages if message.mail_class == mail_class]:
            found |= look(concerned)
    stopped = [message.pk for message in declinable if message.recipient.lower() in complained]
    return found | dict.fromkeys(stopped, Verdict.COMPLAINED)


def verdict_on(message: Message) -> Verdict:
    """What the recipient's choices and the recheck of its class say; a class without one is sent."""
    if _can_be_declined(message) and MailComplaint.objects.of([message.recipient]):
        return Verdict.COMPLAINED
    by_person = MAIL_RULES[MailClass(message.mail_class)].suppressible == Suppressible.BY_PERSON
    if by_person and any(declined(message) for declined in _declined):
        return Verdict.SUPPRESS
    look = _rechecks.get(MailClass(message.mail_class))
    return look(message) if look else Verdict.SEND


def _can_be_declined(message: Message) -> bool:
    return MAIL_RULES[MailClass(message.mail_class)].suppressible != Suppressible.NO


def new_message_id() -> str:
    """A Message-ID, fixed for the life of a message so that a repeat is recognisable (PR9)."""
    return f"<{secrets.token_hex(16)}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].strip(' >')}>"


def has_control_characters(text: str) -> bool:
    """Whether it holds a character that ends a header line or hides text: controls, U+2028, U+2029."""
    return any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in text)


def _checked_address(address: str) -> str:
    if has_control_characters(address):
        raise Refused(_("The e-mail address contains a control character."), "control_character")
    try:
        validate_email(address)
    except ValidationError as error:
        raise Refused(error.message, "not_an_address") from error
    return address
