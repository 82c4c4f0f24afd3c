"""Take-outs: everything that an account has, prepared in pieces and offered for some days."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from billing_portal import states
from core.codes import CodeField
from core.history import tracked
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along


@tracked(exclude=("table_number", "after"))
class TakeOut(models.Model):
    """Somebody asked for everything an account has. It is prepared piece by piece: `table_number` is the table in
    hand, and `after` the key of its last row that lies in a piece."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    status = models.CharField(
        _("status"), max_length=8, choices=states.TakeOutStatus, default=states.TakeOutStatus.PENDING
    )
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("asked for by"))
    asked_at = models.DateTimeField(_("asked for"), default=timezone.now, editable=False)
    made_at = models.DateTimeField(_("ready"), null=True, blank=True)
    expires_at = models.DateTimeField(_("offered until"), null=True, blank=True)
    last_fetched_at = models.DateTimeField(_("last downloaded"), null=True, blank=True)
    table_number = models.PositiveSmallIntegerField(default=0)
    after = models.JSONField(default=list)

    TRANSITIONS = states.TAKE_OUT
    POLICY = Scope(view=Action.ACCOUNT_TAKE_OUT, account="account")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("take-out")
        verbose_name_plural = _("take-outs")
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(status="pending"), name="one_take_out_at_a_time"),
            models.CheckConstraint(
                name="ready_take_out_ends", condition=~Q(status="ready") | Q(expires_at__isnull=False)
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(status="pending"), name="take_out_due")]
        triggers = [only_along(states.TAKE_OUT, "take_out_status_edges")]

    def __str__(self) -> str:
        return f"{self.account} · {timezone.localdate(self.asked_at)}"


class TakeOutPart(models.Model):
    """One piece: some rows of one table as a file. Gone with its file when the take-out is over."""

    take_out = models.ForeignKey(TakeOut, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    file = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["take_out", "number"], name="take_out_part_once")]

    def __str__(self) -> str:
        return self.name
