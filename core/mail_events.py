"""What a mail service reports by itself: mail that came back, and people who marked it as spam (F17, P10).

An event is taken in by `receive_events` once its secret and signature were checked, kept once, and handled by a job:
the service reads no page of ours. `django-anymail` knows the services, and says in one vocabulary what they mean.
"""

import hashlib
import json
import warnings
from typing import Any

from anymail.exceptions import AnymailError, AnymailInsecureWebhookWarning, AnymailWebhookValidationFailure
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from core.bounces import CONTROLS, Bounce, note_bounce
from core.errors import Refused
from core.jobs import job
from core.mail import LONGEST_WORDS
from core.models import Channel, MailComplaint, MailEvent, MailEventKind, MailEventStatus, Message, MessageStatus
from core.states import move

SERVICES = {
    "brevo": "anymail.webhooks.brevo.BrevoTrackingWebhookView",
    "mailersend": "anymail.webhooks.mailersend.MailerSendTrackingWebhookView",
    "mailgun": "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    "mailjet": "anymail.webhooks.mailjet.MailjetTrackingWebhookView",
    "postmark": "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
    "sendgrid": "anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
    "sparkpost": "anymail.webhooks.sparkpost.SparkPostTrackingWebhookView",
}
KINDS = {
    "bounced": MailEventKind.BOUNCED,
    "rejected": MailEventKind.BOUNCED,
    "failed": MailEventKind.BOUNCED,
    "complained": MailEventKind.COMPLAINED,
}
# What a service may send at once; SendGrid's batches are the largest.
LARGEST_BYTES = 1024 * 1024
MOST_EVENTS = 2000
KEPT_PAYLOAD = 8 * 1024


class BadReport(Exception):
    """A request of which the secret, the signature or the form is wrong."""


def takes_events(service: str) -> bool:
    """Whether that service is the one whose reports are taken in. Without a secret none is."""
    return service == settings.MAIL_SERVICE and bool(settings.ANYMAIL.get("WEBHOOK_SECRET"))


def receive_events(service: str, request: HttpRequest) -> int:
    """Keep what the request reports, each event once; returns how many were new. Raises BadReport.

    Deliveries, opened mails and clicks are not kept.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AnymailInsecureWebhookWarning)
            view = import_string(SERVICES[service])()
        view.run_validators(request)
        found = view.parse_events(request)
    except (AnymailWebhookValidationFailure, AnymailInsecureWebhookWarning) as error:
        raise BadReport("the secret or the signature is wrong") from error
    except (AnymailError, ImproperlyConfigured, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        # What passes the secret and is no event in the service's own form.
        raise BadReport(f"{type(error).__name__}: {error}"[:200]) from error
    if len(found) > MOST_EVENTS:
        raise BadReport("too many events at once")
    events = [event for each in found if (event := _event(service, each)) is not None]
    before = MailEvent.objects.filter(event_id__in=[event.event_id for event in events], service=service).count()
    MailEvent.objects.bulk_create(events, ignore_conflicts=True)
    after = MailEvent.objects.filter(event_id__in=[event.event_id for event in events], service=service).count()
    return after - before


def _event(service: str, event: Any) -> MailEvent | None:
    kind = KINDS.get(event.event_type)
    if kind is None:
        return None
    told = event.esp_event
    told = told.dict() if hasattr(told, "dict") else told
    text = json.dumps(told, sort_keys=True, default=str)
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    return MailEvent(
        service=service,
        # Some services number their events, all repeat them word for word.
        event_id=hashlib.sha256(text.encode(errors="replace")).hexdigest(),
        kind=kind,
        recipient=_plain(event.recipient, 254),
        mail_id=_plain(metadata.get("message_id") or event.message_id, 200),
        words=_plain(event.mta_response or event.description or event.reject_reason, LONGEST_WORDS),
        payload=_plain(text, KEPT_PAYLOAD),
    )


@job(due=lambda now: MailEvent.objects.filter(status=MailEventStatus.RECEIVED).order_by("pk"))
def read_mail_event(row_id: int) -> None:
    """Do what a report of a mail service asks for."""
    handle_event(MailEvent.objects.get(pk=row_id))


def handle_event(event: MailEvent) -> None:
    """Do what an event asks for: mark the mail as come back, or stop what its recipient may decline. What is about no
    mail of ours is set aside for a person."""
    if event.status != MailEventStatus.RECEIVED:
        return
    message = _message_of(event)
    if message is None:
        move(event, MailEventStatus.QUARANTINED)
        return
    if message.status == MessageStatus.SENDING:
        return  # It came before the answer of our own line; it is due again in a minute.
    try:
        with transaction.atomic():
            move(event, MailEventStatus.PROCESSED, message=message, processed_at=timezone.now())
            if event.kind == MailEventKind.COMPLAINED:
                note_complaint(message)
            else:
                note_bounce(Bounce(message.message_id, event.words))
    except Refused:
        return  # Another worker was first.


def note_complaint(message: Message) -> None:
    """Who this mail went to marked it as spam: mail that can be declined stops, until they ask for it again."""
    MailComplaint.objects.get_or_create(
        recipient=message.recipient.lower(), lifted_at=None, defaults={"message": message}
    )


def lift_complaints(address: str) -> int:
    """The holder of the address wants mail again; returns how many complaints that ends."""
    return MailComplaint.objects.open().filter(recipient=address.lower()).update(lifted_at=timezone.now())


def _message_of(event: MailEvent) -> Message | None:
    """The mail that the event is about: by its Message-ID, and never one to somebody else."""
    ids = {event.mail_id, f"<{event.mail_id.strip('<>')}>"}
    message = Message.objects.filter(message_id__in=ids, channel=Channel.EMAIL).first() if event.mail_id else None
    if message is None or (event.recipient and event.recipient.lower() != message.recipient.lower()):
        return None
    return message


def _plain(text: Any, most: int) -> str:
    """What the service said, without characters that no page shows."""
    return " ".join(CONTROLS.sub(" ", str(text or "")).split())[:most]
