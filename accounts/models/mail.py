"""What people choose to read, the links that lead there, and what the staff announce."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import states
from accounts.models.people import User
from core.codes import CodeField
from core.history import tracked
from core.mail_classes import MailClass
from core.states import only_along


class Topic(models.TextChoices):
    """What a person may take or leave among the mails (S0-11c). The marketing ones are off until asked for."""

    RECEIPTS = "receipts", _("Receipts of payments")
    CREDITS = "credits", _("Credits that are about to expire")
    RECOMMENDATIONS = "recommendations", _("Recommendations on how to use and pay for less")
    NEWS = "news", _("News about products")
    EVENTS = "events", _("Events and training")
    OFFERS = "offers", _("Offers")


MARKETING_TOPICS = (Topic.NEWS, Topic.EVENTS, Topic.OFFERS)


@tracked()
class TopicChoice(models.Model):
    """What a person said about a topic; nobody said anything where there is no row."""

    user = models.ForeignKey(User, models.CASCADE, related_name="topic_choices")
    topic = models.CharField(_("topic"), max_length=16, choices=Topic)
    is_wanted = models.BooleanField(_("wanted"))

    class Meta:
        verbose_name = _("choice of a topic")
        verbose_name_plural = _("choices of topics")
        constraints = [models.UniqueConstraint(fields=["user", "topic"], name="one_choice_per_topic")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_topic_display()}"


class LinkKind(models.TextChoices):
    """What somebody who is not signed in may ask a link for."""

    PASSWORD = "password", _("New password")
    TOPICS = "topics", _("Communication preferences")


class LinkRequest(models.Model):
    """Somebody typed an address and wants a link by mail. Whose it is, a job finds out: the request itself does the
    same work for everybody, so neither its answer nor its time tells who is known here (T14, M6)."""

    code = CodeField()
    kind = models.CharField(max_length=10, choices=LinkKind)
    email = models.EmailField(max_length=254)
    language = models.CharField(max_length=2, choices=settings.LANGUAGES)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    # Of codes for a new password; counted for everybody alike.
    tries = models.PositiveSmallIntegerField(default=0)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("request for a link")
        verbose_name_plural = _("requests for links")
        indexes = [models.Index("id", name="link_request_waiting", condition=Q(answered_at=None))]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.asked_at:%Y-%m-%d %H:%M}"


class Audience(models.TextChoices):
    """Who gets a service notice."""

    EVERYBODY = "everybody", _("Everybody who signs in")
    OWNERS = "owners", _("Owners and administrators of accounts")
    ORGANISATION = "organisation", _("Everybody of one organisation")


class ServiceNotice(models.Model):
    """A mail of the vendor's staff to many people, in both languages (S0-4). A job hands it out."""

    mail_class = models.CharField(
        _("class"),
        max_length=20,
        choices=[
            (each.value, each.label)
            for each in (MailClass.MANDATORY_SERVICE, MailClass.SERVICE, MailClass.RECOMMENDATION, MailClass.MARKETING)
        ],
        help_text=_("Security, price and breaking changes go to the sign-in address, whatever anybody declined."),
    )
    topic = models.CharField(
        _("topic"),
        max_length=16,
        blank=True,
        choices=[(each.value, each.label) for each in MARKETING_TOPICS],
        help_text=_("For marketing alone: it goes to those who asked for this topic."),
    )
    audience = models.CharField(_("audience"), max_length=16, choices=Audience, default=Audience.EVERYBODY)
    organisation = models.ForeignKey(
        "Organisation", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("organisation")
    )
    subject_en = models.CharField(_("subject, English"), max_length=150)
    text_en = models.TextField(_("text, English"), max_length=5000)
    subject_nl = models.CharField(_("subject, Dutch"), max_length=150)
    text_nl = models.TextField(_("text, Dutch"), max_length=5000)
    status = models.CharField(max_length=10, choices=states.NoticeStatus, default=states.NoticeStatus.DRAFT)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", editable=False)
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    number_of_people = models.PositiveIntegerField(_("people"), null=True, editable=False)

    TRANSITIONS = states.NOTICE

    class Meta:
        verbose_name = _("service notice")
        verbose_name_plural = _("service notices")
        ordering = ["-pk"]
        triggers = [only_along(states.NOTICE, "notice_status_edges")]

    def __str__(self) -> str:
        return self.subject_en
