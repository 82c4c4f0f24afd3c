"""Sending the outbox: the job that turns a Message into a mail and writes down what the server said.

Every mail goes to one recipient over a connection shared by its batch, with the Message-ID it got when
it was queued. Nothing here holds a transaction open while it talks to the server (I34).

An answer decides: 250 is accepted, 5xx to the recipient or the mail is bounced, everything else is
tried again after 1, 5, 15 and 60 minutes, then hourly for a day. A line that breaks after the final
dot, or a worker that dies while sending, leaves a doubt: such a mail is repeated once, flagged
*possibly sent twice*; a second doubt ends it (PR9: at least once, never more than one extra).

Mails are looked at again and written in handfuls. Each is marked as being sent in a commit that is safe
on the disk before it leaves: the one that writes down what became of the mail before it. So one mail is
marked at any moment, and whatever dies, the one mail that may have left is marked. While the server
thinks about one mail, one of the next handful is written.
"""

import logging
import secrets
import smtplib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from email.generator import BytesGenerator
from email.policy import Compat32
from functools import cache, cached_property, partial
from io import BytesIO
from types import TracebackType
from typing import Any

import css_inline
from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailAttachment, EmailMultiAlternatives, get_connection
from django.db import Error, connection, transaction
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.branding import Brand, current_brand
from core.errors import Refused
from core.jobs import Boundary, job, stopping
from core.messages import Verdict, has_control_characters, verdict_on, verdicts_on, way_out_of
from core.models import Channel, Message, MessageAttempt
from core.states import move, note_move

logger = logging.getLogger(__name__)

# One connection carries at most this many mails.
BATCH = 100
# So many are asked about and written at once. Each is marked as being sent by itself, so that a worker which dies
# leaves a doubt about one mail alone: a mail in doubt twice is not sent a third time (PR9).
HANDFUL = 20
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, *[60] * 23))
LONGEST_WORDS = 1000
# Files kept encoded for the mails of a batch that carry them too.
KEPT_BYTES = 32 * 1024 * 1024
# Of a header (RFC 5322), and of a file in base64 (RFC 2045).
LONGEST_LINE = 78
ENCODED_LINE = 76

EXPIRED = gettext_noop("Its content expired before it could be sent.")
RIGHT_GONE = gettext_noop("The recipient may no longer read it.")
DECLINED = gettext_noop("The recipient declined mail of this kind.")
COMPLAINED = gettext_noop("The recipient marked our mail as spam, so no mail goes there that can be declined.")
WORKER_DIED = gettext_noop("The worker stopped while it was sending; the mail may have arrived.")
TWICE_IN_DOUBT = gettext_noop("Handed over twice, and the server confirmed neither; it was not sent a third time.")
NOT_WRITTEN = gettext_noop("The mail could not be written; the log says why.")

Status = Message.Status


@dataclass(frozen=True)
class Outcome:
    """What became of a try. `in_doubt`: the server may have the mail although it did not say so."""

    status: str
    words: str = ""
    code: int | None = None
    in_doubt: bool = False


@job(due=lambda now: Message.objects.due(at=now).filter(channel=Channel.EMAIL), batch=BATCH)
def send_messages(row_ids: list[int]) -> None:
    """Send these mails over one connection. A bad one does not stop the others."""
    messages = Message.objects.in_bulk(row_ids)
    waiting = [messages[row_id] for row_id in row_ids if row_id in messages]
    with Line() as line:
        writer = Writer()
        for start in range(0, len(waiting), HANDFUL):
            if stopping():
                return
            line.meanwhile = partial(writer.write_one_of, iter(waiting[start + HANDFUL : start + 2 * HANDFUL]))
            _send_handful(waiting[start : start + HANDFUL], line, writer)


def _send_handful(messages: list[Message], line: "Line", writer: "Writer") -> None:
    wanted = _still_to_send(messages)
    written: dict[int, EmailMultiAlternatives] = {}
    for message in wanted:
        with _aside(message):
            written[message.pk] = writer.written(message)
    ready = [message for message in wanted if message.pk in written]
    if ready and (trouble := line.trouble_opening()):
        for message in ready:
            with _aside(message):
                record(message, trouble)
        return
    for message, following in zip(ready, [*ready[1:], None], strict=True):
        if stopping() and message.status != Status.SENDING:
            return
        with _aside(message, line):
            _hand_over(message, written[message.pk], line, following)


def _still_to_send(messages: list[Message]) -> list[Message]:
    """Those that may go now. What became of the others is recorded."""
    verdicts = verdicts_on(messages)
    wanted = []
    for message in messages:
        with _aside(message):
            outcome = _outcome_without_sending(message, verdicts.get(message.pk))
            if outcome is None:
                wanted.append(message)
            else:
                record(message, outcome)
    return wanted


def send_message(message: Message, line: Any, write: Callable[[Message], Any]) -> None:
    """Send this message by itself unless it is no longer wanted, and record the outcome. Text messages come with a
    line and a writer of their own (`core.sms`)."""
    outcome = _outcome_without_sending(message)
    if outcome is None:
        content = write(message)
        outcome = line.trouble_opening()
    if outcome is None:
        _hand_over(message, content, line)
    else:
        record(message, outcome)


def _hand_over(message: Message, content: Any, line: Any, following: Message | None = None) -> None:
    """Mark it as being sent, unless the one before it did, send it, and record the outcome. Where it was taken, the
    one that follows is marked in the same commit."""
    if message.status != Status.SENDING:
        try:
            move(message, Status.SENDING)
        except Refused:
            return  # Another worker has it: ours had lost its lease.
    outcome = line.trouble_opening() or line.send(content)
    if outcome.status == Status.ACCEPTED:
        _record_accepted(message, outcome, None if stopping() else following)
    else:
        record(message, outcome)


def record(message: Message, outcome: Outcome) -> None:
    """Move the message to what became of it, and write the try into its timeline."""
    if outcome.status == Status.ACCEPTED:
        _record_accepted(message, outcome)
        return
    now = timezone.now()
    attempts = message.attempts + 1
    outcome = _final(message, outcome, attempts)
    fields: dict[str, Any] = {"attempts": attempts, "last_error": outcome.words}
    if outcome.status == Status.DEFERRED:
        fields["next_attempt_at"] = now + RETRY_AFTER[attempts - 1]
    else:
        fields["secret_context"] = {}
    if outcome.in_doubt:
        fields["possibly_twice"] = True
    with transaction.atomic():
        move(message, outcome.status, **fields)
        MessageAttempt.objects.create(
            message=message, at=now, outcome=outcome.status, code=outcome.code, words=outcome.words
        )


def _record_accepted(message: Message, outcome: Outcome, following: Message | None = None) -> None:
    """`record` for the mail that was taken, in one statement, for that is nearly every mail; it marks the one that
    follows as being sent, unless another worker has it.

    Without one to mark, the commit does not wait for the disk: where a crash of the database loses it, the mail is
    still marked as being sent, which is a doubt and flagged.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _ACCEPT,
            {
                "id": message.pk,
                "now": timezone.now(),
                "code": outcome.code,
                "words": outcome.words,
                "next": following.pk if following else None,
                "waiting": following.status if following else None,
            },
        )
        row = cursor.fetchone()
    if row is None:
        raise Refused(_("Somebody else changed this a moment ago. Look again and retry."), "moved_meanwhile")
    note_move(message, Status.ACCEPTED)
    if following is not None and row[0]:
        note_move(following, Status.SENDING)


_ACCEPT = """
    WITH moved AS (
        UPDATE core_message
        SET status = 'accepted', accepted_at = %(now)s, attempts = attempts + 1, last_error = '', secret_context = '{}'
        WHERE id = %(id)s AND status = 'sending' RETURNING id
    ), tried AS (
        INSERT INTO core_messageattempt (message_id, at, outcome, code, words)
        SELECT id, %(now)s, 'accepted', %(code)s, %(words)s FROM moved RETURNING message_id
    ), marked AS (
        UPDATE core_message SET status = 'sending'
        WHERE id = %(next)s AND status = %(waiting)s AND EXISTS (SELECT FROM tried) RETURNING id
    )
    SELECT (SELECT id FROM marked), CASE WHEN %(next)s IS NULL THEN set_config('synchronous_commit', 'off', true) END
    FROM tried
"""


def _final(message: Message, outcome: Outcome, attempts: int) -> Outcome:
    """A deferral that may not be repeated is the end."""
    if outcome.status != Status.DEFERRED:
        return outcome
    if outcome.in_doubt and message.possibly_twice:
        return Outcome(Status.GIVEN_UP, TWICE_IN_DOUBT, outcome.code, in_doubt=True)
    if attempts > len(RETRY_AFTER):
        return Outcome(Status.GIVEN_UP, outcome.words, outcome.code, outcome.in_doubt)
    return outcome


def _outcome_without_sending(message: Message, verdict: Verdict | None = None) -> Outcome | None:
    if message.status == Status.SENDING:
        return Outcome(Status.DEFERRED, WORKER_DIED, in_doubt=True)
    if message.expires_at and message.expires_at <= timezone.now():
        return Outcome(Status.GIVEN_UP, EXPIRED)
    match verdict or verdict_on(message):
        case Verdict.WITHDRAW:
            return Outcome(Status.WITHDRAWN, RIGHT_GONE)
        case Verdict.SUPPRESS:
            return Outcome(Status.SUPPRESSED, DECLINED)
        case Verdict.COMPLAINED:
            return Outcome(Status.SUPPRESSED, COMPLAINED)
    return None


def _aside(message: Message, line: "Line | None" = None) -> Boundary:
    """An error within sets this mail aside and lets the others go."""
    return Boundary(partial(set_aside, message, line))


def set_aside(message: Message, line: Any, error: Exception) -> None:
    """A mail that cannot be written is a bug, and tried again: a corrected template may be on its way."""
    if isinstance(error, Error):
        raise error
    if isinstance(error, Refused):
        logger.warning("Message %s was moved by another worker: %s", message.pk, error)
        return
    logger.error("Message %s could not be written", message.pk, exc_info=error)
    in_doubt = message.status == Status.SENDING and line is not None and line.handed_over
    record(message, Outcome(Status.DEFERRED, NOT_WRITTEN, in_doubt=in_doubt))


# --- The line to the server ---------------------------------------------------------------------


class Line:
    """One connection to the mail server, opened at the first mail and kept for the batch.

    A server that cannot be reached, or breaks off twice in a row, is not asked again in this batch.
    """

    def __init__(self) -> None:
        self.backend = get_connection(_careful(settings.EMAIL_BACKEND))
        self.down: Outcome | None = None
        # What there is to do while the server has a whole mail and has not answered yet.
        self.meanwhile: Callable[[], None] = do_nothing
        self.troubles = 0

    def __enter__(self) -> "Line":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.backend.close()

    def trouble_opening(self) -> Outcome | None:
        """None when the line is open, else why it is not."""
        if self.down is None:
            try:
                self.backend.open()
            except OSError as error:
                self.down = outcome_of(error, handed_over=False)
                self._drop()
        return self.down

    def send(self, mail: EmailMultiAlternatives) -> Outcome:
        self.backend.meanwhile = self.meanwhile  # type: ignore[attr-defined]
        try:
            self.backend.send_messages([mail])
        except (OSError, AnymailError) as error:
            outcome = outcome_of(error, handed_over=self.handed_over)
            if self._is_broken(error):
                self.troubles += 1
                self._drop()
                if self.troubles > 1:
                    self.down = Outcome(Status.DEFERRED, outcome.words, outcome.code)
            else:
                self.troubles = 0
            return outcome
        self.troubles = 0
        code, words = getattr(self.backend, "last_reply", (None, ""))
        return Outcome(Status.ACCEPTED, _shortened(words), code)

    @property
    def handed_over(self) -> bool:
        """Whether the last mail may be with the server; of a backend that cannot say it is assumed."""
        return getattr(self.backend, "handed_over", True)

    def _is_broken(self, error: Exception) -> bool:
        return _reply(error) is None or not getattr(self.backend, "is_open", True)

    def _drop(self) -> None:
        drop = getattr(self.backend, "drop", self.backend.close)
        with suppress(OSError):
            drop()


def outcome_of(error: Exception, *, handed_over: bool) -> Outcome:
    """What an error of the line means for the mail. A refusal of the sender, the greeting or the sign-in
    is our own trouble, not the recipient's, and is tried again."""
    reply = _reply(error)
    if reply is None:
        if isinstance(error, AnymailRecipientsRefused):
            return Outcome(Status.BOUNCED, _shortened(str(error)))
        return Outcome(Status.DEFERRED, _shortened(str(error) or type(error).__name__), in_doubt=handed_over)
    code, words = reply
    about_this_mail = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    status = Status.BOUNCED if about_this_mail and code >= 500 else Status.DEFERRED
    return Outcome(status, _shortened(words), code)


def _reply(error: Exception) -> tuple[int, str] | None:
    """The server's code and words, where the error is an answer: 4xx or 5xx."""
    code: Any
    words: Any
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    else:
        code, words = getattr(error, "status_code", None), str(error)
    if not isinstance(code, int) or not 400 <= code < 600:
        return None
    return code, words.decode(errors="replace") if isinstance(words, bytes) else words


def _careful(backend: str) -> str:
    """Django's SMTP backend cannot say whether a mail was handed over; ours takes its place."""
    return "core.smtp.EmailBackend" if backend == "django.core.mail.backends.smtp.EmailBackend" else backend


def _shortened(words: str) -> str:
    return words if len(words) <= LONGEST_WORDS else words[:LONGEST_WORDS] + "…"


# --- Writing ------------------------------------------------------------------------------------


def do_nothing() -> None:
    """For a line that has nothing to do meanwhile."""


class ReadyMail(EmailMultiAlternatives):
    """A mail with the bytes that go over the line, made beforehand; for our SMTP backend alone."""

    wire: bytes | None = None
    metadata: dict[str, str]


class Writer:
    """Writes the mails of a batch. A file that several of them carry is read and encoded once; the vendor's brand is
    asked for once."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, bytes]] = {}
        self._ahead: dict[int, ReadyMail | Exception] = {}

    @cached_property
    def _brand(self) -> Brand:
        return current_brand()

    def write_one_of(self, messages: Iterator[Message]) -> None:
        """Write the next of these ahead of its time. What goes wrong comes out where the mail is asked for."""
        for message in messages:
            with Boundary(partial(self._ahead.__setitem__, message.pk)):
                self._ahead[message.pk] = self._write(message)
            return

    def written(self, message: Message) -> ReadyMail:
        """The mail with its bytes ready."""
        found = self._ahead.pop(message.pk, None) or self._write(message)
        if isinstance(found, Exception):
            raise found
        return found

    def _write(self, message: Message) -> ReadyMail:
        mail = write_mail(message, self._file, self._brand)
        # In the place of each file something short that stands nowhere else, until the files are put in.
        tokens = {secrets.token_bytes(24): attachment["storage_name"] for attachment in message.attachments}
        light = copy(mail)
        light.attachments = [
            EmailAttachment(attachment.filename, token, attachment.mimetype)
            for attachment, token in zip(mail.attachments, tokens, strict=True)
        ]
        wire = bytes_of(light)
        for token, name in tokens.items():
            wire = wire.replace(b64encode(token), self._files[name][1], 1)
        mail.wire = wire
        return mail

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            if sum(len(content) for content, _encoded in self._files.values()) > KEPT_BYTES:
                self._files.clear()
            with default_storage.open(name) as file:
                content = file.read()
            encoded = b64encode(content)
            lines = (encoded[start : start + ENCODED_LINE] for start in range(0, len(encoded), ENCODED_LINE))
            self._files[name] = content, b"\r\n".join(lines)
        return self._files[name][0]


class _PlainHeaders(Compat32):
    """Headers as ever; a short plain one, and nearly every header is, is written without looking where to fold it."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        line = f"{name}: {value}"
        if len(line) <= LONGEST_LINE and line.isascii() and line.isprintable():
            return line.encode() + b"\r\n"
        return super().fold_binary(name, value)


_HEADERS = _PlainHeaders(linesep="\r\n")


def bytes_of(mail: EmailMultiAlternatives) -> bytes:
    """What goes over the line. What parts its parts nobody can guess, so no part is searched for it."""
    message = mail.message()
    for part in message.walk():
        if part.is_multipart():
            kind = part.get_content_type()
            part.replace_header("Content-Type", f'{kind}; boundary="{secrets.token_hex(16)}"')
    written = BytesIO()
    BytesGenerator(written, mangle_from_=False, policy=_HEADERS).flatten(message)
    return written.getvalue()


def read_file(name: str) -> bytes:
    """A file of the default storage."""
    with default_storage.open(name) as file:
        content: bytes = file.read()
    return content


def write_mail(message: Message, read: Callable[[str], bytes] = read_file, brand: Brand | None = None) -> ReadyMail:
    """The mail as it goes out: subject, text and page in the recipient's language and the vendor's colours, and its
    files."""
    with translation.override(message.language):
        context = {
            **message.context,
            **message.secret_context,
            "base_url": settings.BASE_URL,
            "portal_name": settings.PORTAL_NAME or _("Billing portal"),
            "brand": brand or current_brand(),
        }
        subject = _one_line(_rendered(message.template, "subject.txt", context, autoescape=False))
        text = _rendered(message.template, "body.txt", {**context, "subject": subject}, autoescape=False)
        page = _rendered(message.template, "body.html", {**context, "subject": subject}, autoescape=True)
    mail = ReadyMail(
        subject,
        text.strip() + "\n",
        settings.DEFAULT_FROM_EMAIL,
        [message.recipient],
        headers={
            "Message-ID": message.message_id,
            "Auto-Submitted": "auto-generated",
            **_way_out(message),
        },
    )
    if settings.EMAIL_BACKEND.startswith("anymail."):
        # A mail service gives mails an id of its own; its reports repeat this.
        mail.metadata = {"message_id": message.message_id}
    mail.attach_alternative(_inliner().inline(page), "text/html")
    for attachment in message.attachments:
        mail.attach(attachment["file_name"], read(attachment["storage_name"]), attachment["content_type"])
    return mail


def _way_out(message: Message) -> dict[str, str]:
    """What lets a mail program show a button that declines mail of this kind (RFC 2369, RFC 8058)."""
    path = way_out_of(message)
    if not path:
        return {}
    return {
        "List-Unsubscribe": f"<{settings.BASE_URL}{path}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _rendered(template: str, part: str, context: dict[str, Any], *, autoescape: bool) -> str:
    compiled = get_template(f"emails/{template}/{part}").template  # type: ignore[attr-defined]
    return str(compiled.render(Context(context, autoescape=autoescape)))


def _one_line(subject: str) -> str:
    """A subject is one header: what would end the line, or turn the reading direction, becomes a space (T39)."""
    return " ".join("".join(" " if has_control_characters(c) else c for c in subject).split())


@cache
def _inliner() -> css_inline.CSSInliner:
    # What is inlined no longer needs its style sheet; the rules for dark mode and small screens do.
    return css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
