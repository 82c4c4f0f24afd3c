"""Questions to the vendor about a charge, a profile or anything else, with their thread (S2-26, S2-27)."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import append_only
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along
from invoices.models import Dispute, Invoice, InvoiceLine
from profiles.models import BillingProfile
from support import states


class Category(models.TextChoices):
    """What a request is about; the source documents send charges and profiles to two desks."""

    CHARGE = "charge", _("A charge on an invoice")
    PAYMENT = "payment", _("A payment or payment method")
    PROFILE = "profile", _("A billing profile, its addresses or people")
    OTHER = "other", _("Something else")


class SupportRequest(models.Model):
    """A question to the vendor. Those who see its billing profile see it; without one, those on the account."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="support_requests")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, blank=True, related_name="support_requests")
    invoice = models.ForeignKey(Invoice, models.PROTECT, null=True, blank=True, related_name="+")
    line = models.ForeignKey(InvoiceLine, models.PROTECT, null=True, blank=True, related_name="+")
    # The dispute that this is the thread of.
    dispute = models.OneToOneField(Dispute, models.PROTECT, null=True, blank=True, related_name="+")
    category = models.CharField(_("category"), max_length=8, choices=Category)
    subject = models.CharField(_("subject"), max_length=150)
    status = models.CharField(
        _("status"), max_length=8, choices=states.RequestStatus, default=states.RequestStatus.OPEN
    )
    opened_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("asked by"))
    opened_at = models.DateTimeField(_("asked"), default=timezone.now, editable=False)
    # The last message; the list stands in this order.
    changed_at = models.DateTimeField(_("last message"), default=timezone.now, editable=False)

    TRANSITIONS = states.REQUEST
    POLICY = Scope(view=Action.SUPPORT_VIEW, account="account", profile="profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("support request")
        verbose_name_plural = _("support requests")
        ordering = ["-changed_at", "-pk"]
        indexes = [models.Index(fields=["account", "-changed_at", "-id"], name="request_list")]
        constraints = [
            models.CheckConstraint(name="line_of_an_invoice", condition=Q(line=None) | Q(invoice__isnull=False)),
        ]
        triggers = [only_along(states.REQUEST, "request_status_edges")]

    def __str__(self) -> str:
        return self.subject

    def get_absolute_url(self) -> str:
        return reverse("support_request", args=[self.code])


class SupportMessage(models.Model):
    """One message of a thread. Append-only."""

    request = models.ForeignKey(SupportRequest, models.PROTECT, related_name="messages")
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("by"))
    # Whether it is the vendor's answer, whatever the person becomes later.
    is_answer = models.BooleanField(_("answer"), default=False)
    text = models.TextField(_("text"))
    sent_at = models.DateTimeField(_("sent"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("support message")
        verbose_name_plural = _("support messages")
        ordering = ["pk"]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.author} {self.sent_at:%Y-%m-%d %H:%M}"


class SupportFile(models.Model):
    """A file that came with a message: looked into, kept under a name of ours, given out as a download only."""

    message = models.ForeignKey(SupportMessage, models.PROTECT, related_name="files")
    name = models.CharField(_("name"), max_length=100)
    content_type = models.CharField(max_length=50)
    size_bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_name = models.CharField(max_length=255)

    class Meta:
        verbose_name = _("file of a support request")
        verbose_name_plural = _("files of support requests")
        ordering = ["pk"]
        triggers = append_only()

    def __str__(self) -> str:
        return self.name
