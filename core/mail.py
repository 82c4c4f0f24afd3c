"""Sending the outbox: the job that turns a Message into a mail and writes down what the server said.

Every mail goes to one recipient over a connection shared by its batch, with the Message-ID it got when
it was queued. Nothing here holds a transaction open while it talks to the server (I34).

An answer decides: 250 is accepted, 5xx to the recipient or the mail is bounced, everything else is
tried again after 1, 5, 15 and 60 minutes, then hourly for a day. A line that breaks after the final
dot, or a worker that dies while sending, leaves a doubt: such a mail is repeated once, flagged
*possibly sent twice*; a second doubt ends it (PR9: at least once, never more than one extra).
"""

import logging
import smtplib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from types import TracebackType
from typing import Any

import css_inline
from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import Error, transaction
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.errors import Refused
from core.jobs import Boundary, job, stopping
from core.messages import Verdict, has_control_characters, verdict_on
from core.models import Channel, Message, MessageAttempt
from core.states import move

logger = logging.getLogger(__name__)

# One connection carries at most this many mails.
BATCH = 100
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, *[60] * 23))
LONGEST_WORDS = 1000

EXPIRED = gettext_noop("Its content expired before it could be sent.")
RIGHT_GONE = gettext_noop("The recipient may no longer read it.")
DECLINED = gettext_noop("The recipient declined mail of this kind.")
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
    with Line() as line:
        for message in (messages[row_id] for row_id in row_ids if row_id in messages):
            if stopping():
                return
            with Boundary(partial(set_aside, message, line)):
                send_message(message, line)


def send_message(message: Message, line: Any, write: Callable[[Message], Any] | None = None) -> None:
    """Send this message unless it is no longer wanted, and record the outcome. Text messages come with a line and a
    writer of their own (`core.sms`)."""
    outcome = _outcome_without_sending(message)
    if outcome is None:
        mail = (write or write_mail)(message)
        outcome = line.trouble_opening()
    if outcome is None:
        try:
            move(message, Status.SENDING)
        except Refused:
            return  # Another worker has it: ours had lost its lease.
        outcome = line.send(mail)
    record(message, outcome)


def record(message: Message, outcome: Outcome) -> None:
    """Move the message to what became of it, and write the try into its timeline."""
    now = timezone.now()
    attempts = message.attempts + 1
    outcome = _final(message, outcome, attempts)
    fields: dict[str, Any] = {"attempts": attempts, "last_error": outcome.words}
    if outcome.status == Status.ACCEPTED:
        fields |= {"accepted_at": now, "last_error": ""}
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


def _final(message: Message, outcome: Outcome, attempts: int) -> Outcome:
    """A deferral that may not be repeated is the end."""
    if outcome.status != Status.DEFERRED:
        return outcome
    if outcome.in_doubt and message.possibly_twice:
        return Outcome(Status.GIVEN_UP, TWICE_IN_DOUBT, outcome.code, in_doubt=True)
    if attempts > len(RETRY_AFTER):
        return Outcome(Status.GIVEN_UP, outcome.words, outcome.code, outcome.in_doubt)
    return outcome


def _outcome_without_sending(message: Message) -> Outcome | None:
    if message.status == Status.SENDING:
        return Outcome(Status.DEFERRED, WORKER_DIED, in_doubt=True)
    if message.expires_at and message.expires_at <= timezone.now():
        return Outcome(Status.GIVEN_UP, EXPIRED)
    match verdict_on(message):
        case Verdict.WITHDRAW:
            return Outcome(Status.WITHDRAWN, RIGHT_GONE)
        case Verdict.SUPPRESS:
            return Outcome(Status.SUPPRESSED, DECLINED)
    return None


def set_aside(message: Message, line: Any, error: Exception) -> None:
    """A mail that cannot be written is a bug, and tried again: a corrected template may be on its way."""
    if isinstance(error, Error):
        raise error
    if isinstance(error, Refused):
        logger.warning("Message %s was moved by another worker: %s", message.pk, error)
        return
    logger.error("Message %s could not be written", message.pk, exc_info=error)
    in_doubt = message.status == Status.SENDING and line.handed_over
    record(message, Outcome(Status.DEFERRED, NOT_WRITTEN, in_doubt=in_doubt))


# --- The line to the server ---------------------------------------------------------------------


class Line:
    """One connection to the mail server, opened at the first mail and kept for the batch.

    A server that cannot be reached, or breaks off twice in a row, is not asked again in this batch.
    """

    def __init__(self) -> None:
        self.backend = get_connection(_careful(settings.EMAIL_BACKEND))
        self.down: Outcome | None = None
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


def write_mail(message: Message) -> EmailMultiAlternatives:
    """The mail as it goes out: subject, text and page in the recipient's language, and its files."""
    with translation.override(message.language):
        context = {
            **message.context,
            **message.secret_context,
            "base_url": settings.BASE_URL,
            "portal_name": settings.PORTAL_NAME or _("Billing portal"),
        }
        subject = _one_line(_rendered(message.template, "subject.txt", context, autoescape=False))
        text = _rendered(message.template, "body.txt", {**context, "subject": subject}, autoescape=False)
        page = _rendered(message.template, "body.html", {**context, "subject": subject}, autoescape=True)
    mail = EmailMultiAlternatives(
        subject,
        text.strip() + "\n",
        settings.DEFAULT_FROM_EMAIL,
        [message.recipient],
        headers={
            "Message-ID": message.message_id,
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(_inliner().inline(page), "text/html")
    for attachment in message.attachments:
        with default_storage.open(attachment["storage_name"]) as file:
            mail.attach(attachment["file_name"], file.read(), attachment["content_type"])
    return mail


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
