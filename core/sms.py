"""Sending text messages: the job that hands them to whoever carries them, through a port (architecture §11).

`SMS_URL` names the carrier: `console:` prints them, for development; `https://user:password@host/path` posts each
as JSON, `{"to": "+31612345678", "text": "…", "reference": "…"}`, with basic authentication where the address has a
user. The reference stays the same when a message is repeated, so that a carrier can tell. A 2xx is taken for
accepted, 4xx (but 408 and 429) for refused; everything else is tried again, as mail is. Without `SMS_URL` nothing
is carried, and security info does not offer a phone.

Another way to carry them is a class with `send(to, text, reference) -> Outcome`, named by `SMS_CARRIER`.
"""

import sys
import time
from contextlib import suppress
from functools import partial
from typing import Protocol
from urllib.parse import unquote, urlsplit

import requests
from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from urllib3.exceptions import HTTPError

from core.jobs import Boundary, job, stopping
from core.mail import Outcome, Status, send_message, set_aside
from core.models import Channel, Message

BATCH = 20
LONGEST_WORDS = 500  # bytes of what a carrier says


class Carrier(Protocol):
    """Who carries a text message. Never raises for trouble on the way: the outcome says what became of it."""

    def send(self, to: str, text: str, reference: str) -> Outcome: ...


class Console:
    """Prints them instead."""

    def send(self, to: str, text: str, reference: str) -> Outcome:
        sys.stderr.write(f"SMS to {to}: {text}\n")
        return Outcome(Status.ACCEPTED)


class Http:
    """Posts them to the address of `SMS_URL`."""

    def send(self, to: str, text: str, reference: str) -> Outcome:
        parts = urlsplit(settings.SMS_URL)
        login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        try:
            # The address holds for one host: where it sends us instead is not followed (ASVS 15.3.2).
            answer = requests.post(
                address,
                json={"to": to, "text": text, "reference": reference},
                auth=login,
                timeout=settings.SMS_TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
        except requests.ConnectTimeout as error:
            return Outcome(Status.DEFERRED, str(error))
        except requests.RequestException as error:
            is_in_doubt = not isinstance(error, requests.ConnectionError)
            return Outcome(Status.DEFERRED, str(error), in_doubt=is_in_doubt)
        with answer:
            words, code = _first_words(answer), answer.status_code
        if 200 <= code < 300:
            return Outcome(Status.ACCEPTED, words, code)
        is_refused = 400 <= code < 500 and code not in {408, 429}
        return Outcome(Status.BOUNCED if is_refused else Status.DEFERRED, words, code)


def _first_words(answer: requests.Response) -> str:
    """How its body begins. The status has said what counts: a body that breaks off, or never ends, changes nothing."""
    ends, content = time.monotonic() + settings.SMS_TIMEOUT, b""
    with suppress(HTTPError, OSError):
        while len(content) < LONGEST_WORDS and time.monotonic() < ends:
            piece = answer.raw.read1(LONGEST_WORDS, decode_content=True)
            if not piece:
                break
            content += piece
    return content[:LONGEST_WORDS].decode(errors="replace").replace("\x00", "")


def is_carried() -> bool:
    """Whether text messages can be sent at all."""
    return bool(settings.SMS_URL or settings.SMS_CARRIER)


def carrier() -> Carrier:
    """Who carries them, by the settings."""
    if settings.SMS_CARRIER:
        return import_string(settings.SMS_CARRIER)()  # type: ignore[no-any-return]
    return Console() if settings.SMS_URL.startswith("console:") else Http()


class TextLine:
    """The carrier in the place that a connection to the mail server has for a mail."""

    handed_over = False

    def trouble_opening(self) -> Outcome | None:
        return None if is_carried() else Outcome(Status.GIVEN_UP, "SMS_URL is not set")

    def send(self, text: tuple[str, str, str]) -> Outcome:
        return carrier().send(*text)


@job(due=lambda now: Message.objects.due(at=now).filter(channel=Channel.SMS), batch=BATCH)
def send_text_messages(row_ids: list[int]) -> None:
    """Send these text messages, one after the other. A bad one does not stop the others."""
    messages, line = Message.objects.in_bulk(row_ids), TextLine()
    for message in (messages[row_id] for row_id in row_ids if row_id in messages):
        if stopping():
            return
        with Boundary(partial(set_aside, message, line)):
            send_message(message, line, write_text)


def write_text(message: Message) -> tuple[str, str, str]:
    """(number, text, reference) as it goes out, in the recipient's language."""
    with translation.override(message.language):
        context = {
            **message.context,
            **message.secret_context,
            "portal_name": settings.PORTAL_NAME or _("Billing portal"),
        }
        template = get_template(f"text_messages/{message.template}.txt").template  # type: ignore[attr-defined]
        text = template.render(Context(context, autoescape=False))
    return message.recipient, " ".join(text.split()), message.message_id.strip("<>")
