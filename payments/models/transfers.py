"""Requests to pay by bank transfer."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.guards import nothing_new_when_closed
from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.history import tracked
from core.money import Money
from core.policy import Action, Scope
from core.states import only_along
from payments import states
from payments.querysets import (
    TransferRequestQuerySet,
)
from profiles.models import BillingProfile


@tracked(exclude=("contact_phone",))
class TransferRequest(models.Model):
    """Somebody asks to pay by bank transfer, on a billing profile or, on online services, for the whole account
    (S3-21, P16). Staff decide, and with it the payment term."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="transfer_requests")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, related_name="transfer_requests")
    legal_name = models.CharField(_("legal name"), max_length=200)
    registration_number = models.CharField(_("registration number"), max_length=40)
    contact_name = models.CharField(_("contact for accounts payable"), max_length=150)
    contact_email = models.EmailField(_("e-mail of the contact"))
    contact_phone = models.CharField(_("phone of the contact"), max_length=40)
    monthly_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    term_wanted_days = models.PositiveSmallIntegerField(_("payment term that is asked for"))
    explanation = models.TextField(_("explanation"), max_length=2000, blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=states.TransferStatus, default=states.TransferStatus.SUBMITTED
    )
    # What staff said with the latest step: a question, or why it was decided so.
    note = models.TextField(_("answer of the vendor"), max_length=2000, blank=True)
    term_days = models.PositiveSmallIntegerField(_("payment term"), null=True)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    TRANSITIONS = states.TRANSFER
    POLICY = Scope(view=Action.METHOD_VIEW, account="account", profile="profile")

    objects = TransferRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request to pay by transfer")
        verbose_name_plural = _("requests to pay by transfer")
        constraints = [
            models.UniqueConstraint(
                fields=["profile"], condition=Q(status__in=states.OPEN_TRANSFER), name="one_open_request_of_profile"
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(status__in=states.OPEN_TRANSFER, profile=None),
                name="one_open_request_of_account",
            ),
            models.CheckConstraint(name="transfer_spend_above_zero", condition=Q(monthly_minor__gt=0)),
            models.CheckConstraint(
                name="approved_with_a_term", condition=~Q(status="approved") | Q(term_days__isnull=False)
            ),
        ]
        triggers = [only_along(states.TRANSFER, "transfer_status_edges"), nothing_new_when_closed()]

    def __str__(self) -> str:
        return str(self.profile or self.account)

    def get_absolute_url(self) -> str:
        return reverse("transfer_request", args=[self.code])

    @property
    def monthly(self) -> Money:
        return Money(self.monthly_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.status in states.OPEN_TRANSFER


class TransferDocument(models.Model):
    """A file that goes with such a request: an extract of a register, annual accounts. Checked before it is kept."""

    request = models.ForeignKey(TransferRequest, models.PROTECT, related_name="documents")
    name = models.CharField(_("name"), max_length=100)
    file = models.CharField(max_length=200, unique=True)
    size = models.PositiveIntegerField(_("size"))
    content_type = models.CharField(max_length=40)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")

    def __str__(self) -> str:
        return self.name
