"""Mail that came back after the server had taken it: reports of delivery status (RFC 3464), told by Message-ID.

A mail that is bounced later is handled like one refused at once: its delivery says so in the server's
words, the owners are told, and home has a task to mend the address and send it again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message as Mail

from django.db import transaction
from django.utils import timezone

from core.errors import Refused
from core.mail import LONGEST_WORDS
from core.models import Channel, Message, MessageAttempt, MessageStatus
from core.states import move

# Characters of a report that no page shows.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True)
class Bounce:
    """That a mail will not arrive: its Message-ID, the words of the server that had it last, and its SMTP code."""

    message_id: str
    words: str
    code: int | None = None


def bounce_in(mail: Mail) -> Bounce | None:
    """What a report of delivery status says has failed for good; None for any other mail, and for a mere delay."""
    if mail.get_content_type() != "multipart/report":
        return None
    failed = next((block for block in _recipients(mail) if _field(block, "Action").lower() == "failed"), None)
    message_id = _original_id(mail)
    if failed is None or not message_id:
        return None
    _kind, _semicolon, diagnostic = _field(failed, "Diagnostic-Code").partition(";")
    words = diagnostic.strip() or _field(failed, "Status")
    code = re.match(r"[45]\d\d\b", words)
    said = words[code.end() :].strip(" -") if code else words
    return Bounce(message_id, said[:LONGEST_WORDS], int(code[0]) if code else None)


def note_bounce(bounce: Bounce) -> bool:
    """Write down that the mail came back. False where it is none of ours, known already, or under way again."""
    message = Message.objects.filter(message_id=bounce.message_id, channel=Channel.EMAIL).first()
    if message is None or message.status != MessageStatus.ACCEPTED:
        return False
    try:
        with transaction.atomic():
            move(message, MessageStatus.BOUNCED, last_error=bounce.words)
            MessageAttempt.objects.create(
                message=message, at=timezone.now(), outcome=MessageStatus.BOUNCED, code=bounce.code, words=bounce.words
            )
    except Refused:
        return False
    return True


def _recipients(mail: Mail) -> Iterator[Mail]:
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
            yield from part.get_payload()  # type: ignore[misc]


def _original_id(mail: Mail) -> str:
    """The Message-ID of the mail that the report is about: it comes back whole, or with its headers alone."""
    for part in mail.walk():
        if part is mail:
            continue
        if part.get_content_type() == "text/rfc822-headers":
            found = re.search(
                r"^Message-ID:\s*(<[^<>\s]{1,118}>)", str(part.get_payload()), re.IGNORECASE | re.MULTILINE
            )
            if found:
                return found[1]
        elif returned := _field(part, "Message-ID"):
            return returned
    return ""


def _field(part: Mail, name: str) -> str:
    return " ".join(CONTROLS.sub(" ", str(part.get(name, ""))).split())
