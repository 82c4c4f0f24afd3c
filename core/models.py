"""What core keeps: the outbox of every mail, and who has which piece of background work in hand.

An address and a reference stand here as text: core knows no user and no invoice.
"""

import pgtrigger
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pghistory.models import Context

from core import states
from core.guards import append_only, no_truncate
from core.mail_classes import MailClass
from core.plain import PlainDecoder, PlainEncoder
from core.querysets import UNFINISHED, JobClaimQuerySet, JobSlotQuerySet, MailComplaintQuerySet, MessageQuerySet
from core.templatetags.ui import day, moment


class MessageStatus(states.Status):
    """Where a mail is on its way."""

    QUEUED = "queued", _("Queued")
    SENDING = "sending", _("Sending")
    ACCEPTED = "accepted", _("Delivered")
    DEFERRED = "deferred", _("Trying again")
    BOUNCED = "bounced", _("Came back")
    GIVEN_UP = "given_up", _("Given up")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    SUPPRESSED = "suppressed", _("Declined by the recipient")

    __tones__ = {
        "queued": "info",
        "sending": "info",
        "accepted": "ok",
        "deferred": "warn",
        "bounced": "danger",
        "given_up": "danger",
        "withdrawn": "neutral",
        "suppressed": "neutral",
    }


_S = MessageStatus
MESSAGE_TRANSITIONS: states.Transitions = {
    (_S.QUEUED, _S.SENDING): "message.sending",
    (_S.DEFERRED, _S.SENDING): "message.sending",
    (_S.SENDING, _S.ACCEPTED): "message.accepted",
    (_S.SENDING, _S.DEFERRED): "message.deferred",
    (_S.SENDING, _S.BOUNCED): "message.bounced",
    (_S.SENDING, _S.GIVEN_UP): "message.given_up",
    # A mail that cannot be written (a template in error) never reaches the server.
    (_S.QUEUED, _S.DEFERRED): "message.deferred",
    (_S.QUEUED, _S.GIVEN_UP): "message.given_up",
    (_S.DEFERRED, _S.DEFERRED): "message.deferred",
    (_S.DEFERRED, _S.GIVEN_UP): "message.given_up",
    # Looked up again just before sending: the right to read it is gone, or the person said no.
    (_S.QUEUED, _S.WITHDRAWN): "message.withdrawn",
    (_S.DEFERRED, _S.WITHDRAWN): "message.withdrawn",
    (_S.QUEUED, _S.SUPPRESSED): "message.suppressed",
    (_S.DEFERRED, _S.SUPPRESSED): "message.suppressed",
    # A server may take a mail and send it back later.
    (_S.ACCEPTED, _S.BOUNCED): "message.bounced",
    # Somebody asked to send it once more.
    (_S.ACCEPTED, _S.QUEUED): "message.requeued",
    (_S.BOUNCED, _S.QUEUED): "message.requeued",
    (_S.GIVEN_UP, _S.QUEUED): "message.requeued",
    (_S.WITHDRAWN, _S.QUEUED): "message.requeued",
    (_S.SUPPRESSED, _S.QUEUED): "message.requeued",
}


class Channel(models.TextChoices):
    """How a message travels."""

    EMAIL = "email", _("E-mail")
    SMS = "sms", _("Text message")


class Message(models.Model):
    """One mail to one recipient: the outbox (architecture §11, I25).

    Written by `core.messages.queue_message` in the caller's transaction, sent by the job of
    `core.mail`. `secret_context` (codes, reset links) is emptied with the outcome, and the database
    refuses an ended message that still has some (I30).
    """

    TRANSITIONS = MESSAGE_TRANSITIONS
    Status = MessageStatus

    channel = models.CharField(_("channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    recipient = models.CharField(_("recipient"), max_length=254)
    language = models.CharField(_("language"), max_length=10)
    mail_class = models.CharField(_("class"), max_length=20, choices=MailClass)
    template = models.CharField(_("template"), max_length=60)
    context = models.JSONField(_("context"), default=dict, encoder=PlainEncoder, decoder=PlainDecoder)
    secret_context = models.JSONField(default=dict, encoder=PlainEncoder, decoder=PlainDecoder, blank=True)
    attachments = models.JSONField(_("attachments"), default=list, blank=True)
    reference = models.CharField(_("about"), max_length=100, blank=True)
    key = models.CharField(max_length=150, unique=True, null=True, blank=True)
    message_id = models.CharField("Message-ID", max_length=120, unique=True)
    status = models.CharField(_("status"), max_length=10, choices=MessageStatus, default=MessageStatus.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    expires_at = models.DateTimeField(_("useless after"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    possibly_twice = models.BooleanField(_("possibly sent twice"), default=False)
    created_at = models.DateTimeField(_("created"))
    accepted_at = models.DateTimeField(_("delivered"), null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [
            # The mail job, twice a second.
            models.Index(
                "next_attempt_at",
                "id",
                name="message_due",
                condition=Q(status__in=UNFINISHED),
            ),
            # The mails of one invoice, on its page.
            models.Index("reference", "id", name="message_about", condition=~Q(reference="")),
        ]
        constraints = [
            models.CheckConstraint(
                name="message_ended_without_secrets",
                condition=Q(secret_context={}) | Q(status__in=UNFINISHED),
            ),
            models.CheckConstraint(
                name="message_accepted_has_moment",
                condition=~Q(status="accepted") | Q(accepted_at__isnull=False),
            ),
        ]
        triggers = [states.only_along(MESSAGE_TRANSITIONS, "message_status")]

    def __str__(self) -> str:
        return gettext("Message to %(recipient)s: %(template)s") % {
            "recipient": self.recipient,
            "template": self.template,
        }

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED


class MessageAttempt(models.Model):
    """What became of one try to send a message, in the server's words. Append-only.

    `outcome` is the status the message moved to.
    """

    message = models.ForeignKey(Message, models.CASCADE, related_name="timeline")
    at = models.DateTimeField(_("moment"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=MessageStatus)
    code = models.PositiveSmallIntegerField(_("reply code"), null=True, blank=True)
    words = models.TextField(_("reply"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["pk"]
        # Deleting stays possible: it goes with its message, when that is old enough to be forgotten.
        triggers = [pgtrigger.Protect(name="no_update", operation=pgtrigger.Update), no_truncate()]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.outcome}"


class MailEventKind(models.TextChoices):
    """What a mail service reports that matters here."""

    BOUNCED = "bounced", _("Came back")
    COMPLAINED = "complained", _("Marked as spam")


class MailEventStatus(states.Status):
    RECEIVED = "received", _("Received")
    PROCESSED = "processed", _("Processed")
    QUARANTINED = "quarantined", _("About no mail of ours")

    __tones__ = {"received": "info", "processed": "ok", "quarantined": "warn"}


MAIL_EVENT_TRANSITIONS: states.Transitions = {
    ("received", "processed"): "mail_event.processed",
    ("received", "quarantined"): "mail_event.quarantined",
    # Staff have it looked at once more.
    ("quarantined", "received"): "mail_event.retried",
}


class MailEvent(models.Model):
    """Something a mail service told us, stored once and only after its secret was checked."""

    TRANSITIONS = MAIL_EVENT_TRANSITIONS

    service = models.CharField(_("service"), max_length=20)
    event_id = models.CharField(max_length=64)
    kind = models.CharField(_("kind"), max_length=10, choices=MailEventKind)
    recipient = models.CharField(_("recipient"), max_length=254, blank=True)
    mail_id = models.CharField("Message-ID", max_length=200, blank=True)
    message = models.ForeignKey(Message, models.SET_NULL, null=True, related_name="+")
    words = models.TextField(_("reply"), blank=True)
    # As it came, cut where it is long.
    payload = models.TextField(_("content"))
    status = models.CharField(_("status"), max_length=12, choices=MailEventStatus, default=MailEventStatus.RECEIVED)
    received_at = models.DateTimeField(_("received"), default=timezone.now, editable=False)
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)

    class Meta:
        verbose_name = _("report of a mail service")
        verbose_name_plural = _("reports of mail services")
        constraints = [models.UniqueConstraint(fields=["service", "event_id"], name="mail_event_once")]
        indexes = [models.Index(fields=["id"], condition=Q(status="received"), name="mail_event_due")]
        triggers = [states.only_along(MAIL_EVENT_TRANSITIONS, "mail_event_status")]

    def __str__(self) -> str:
        return " · ".join(filter(None, (self.get_kind_display(), self.recipient, day(self.received_at))))


class MailComplaint(models.Model):
    """Somebody marked a mail of ours as spam: what can be declined no longer goes to that address, until its holder
    asks for it again (`lifted_at`)."""

    recipient = models.CharField(_("recipient"), max_length=254)
    message = models.ForeignKey(Message, models.SET_NULL, null=True, related_name="+")
    noted_at = models.DateTimeField(_("noted"), default=timezone.now, editable=False)
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True)

    objects = MailComplaintQuerySet.as_manager()

    class Meta:
        verbose_name = _("complaint about mail")
        verbose_name_plural = _("complaints about mail")
        constraints = [
            models.UniqueConstraint(fields=["recipient"], condition=Q(lifted_at=None), name="complaint_once")
        ]

    def __str__(self) -> str:
        return self.recipient


class Session(AbstractBaseSession):
    """Where somebody is signed in: Django's session, with what its person wants to know of it (ASVS 7.5.2)."""

    # The person, as a number: core knows no user.
    user_id = models.BigIntegerField(_("person"), null=True, blank=True)
    address = models.CharField(_("network address"), max_length=45, blank=True)
    browser = models.CharField(_("browser"), max_length=200, blank=True)
    signed_in_at = models.DateTimeField(_("signed in"), null=True, blank=True)
    seen_at = models.DateTimeField(_("last seen"), null=True, blank=True)

    class Meta(AbstractBaseSession.Meta):
        verbose_name = _("session")  # type: ignore[assignment]
        verbose_name_plural = _("sessions")  # type: ignore[assignment]
        indexes = [models.Index("user_id", name="session_person", condition=Q(user_id__isnull=False))]

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        return import_string(f"{settings.SESSION_ENGINE}.SessionStore")  # type: ignore[no-any-return]


class JobSlot(models.Model):
    """One appointment of the clock: this job, this hour or day, once (unique)."""

    job = models.CharField(_("job"), max_length=100)
    slot = models.DateTimeField(_("slot"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = JobSlotQuerySet.as_manager()

    class Meta:
        verbose_name = _("clock slot")
        verbose_name_plural = _("clock slots")
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="job_slot_once")]
        indexes = [models.Index("job", "slot", name="job_slot_unfinished", condition=Q(finished_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.job} · {moment(self.slot)}"


class JobClaim(models.Model):
    """A row that a job has in hand, or has failed on. It is gone once the job has succeeded.

    `until` is the end of the lease: of the worker that holds it, or of the pause before the next try.
    `tries_left` is counted down when a try starts, so a worker that dies has used one too; at zero the
    row is left alone until a person deletes the claim (I32).
    """

    job = models.CharField(_("job"), max_length=100)
    row_id = models.BigIntegerField(_("row"))
    token = models.UUIDField(editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    until = models.DateTimeField(_("until"))
    tries_left = models.PositiveSmallIntegerField(_("tries left"))
    last_error = models.TextField(_("last error"), blank=True)

    objects = JobClaimQuerySet.as_manager()

    class Meta:
        verbose_name = _("job in hand")
        verbose_name_plural = _("jobs in hand")
        constraints = [models.UniqueConstraint(fields=["job", "row_id"], name="job_claim_once")]

    def __str__(self) -> str:
        return gettext("%(job)s, row %(row)s") % {"job": self.job, "row": self.row_id}


class HistoryContext(Context):
    """Who was acting, as which action, from where: what the entries of one act share (I26). Final, as they are."""

    class Meta:
        proxy = True
        verbose_name = _("context of history")
        verbose_name_plural = _("contexts of history")
        triggers = [
            # Not by taking the right away: the library writes a context by an upsert, which needs it.
            pgtrigger.Trigger(
                name="no_update",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="RAISE EXCEPTION 'who was acting is final' USING ERRCODE = 'check_violation';",
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            no_truncate(),
        ]


class HistorySeal(models.Model):
    """The seal of one entry of history, chained to the one before it (I27). `core.seals` writes and checks them.

    `chain` is the id of the account that the entry belongs to, 0 for none; `content` is the digest of
    the entry's `columns` and its context; `erased` names fields that were lawfully emptied.
    """

    chain = models.BigIntegerField()
    number = models.PositiveIntegerField()
    table = models.CharField(max_length=100)
    entry = models.BigIntegerField()
    columns = models.TextField()
    content = models.CharField(max_length=64)
    erased = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("seal of history")
        verbose_name_plural = _("seals of history")
        constraints = [models.UniqueConstraint(fields=["chain", "number"], name="seal_number_once")]
        indexes = [models.Index(fields=["table", "entry"], name="seal_of_entry")]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.chain}/{self.number}"
