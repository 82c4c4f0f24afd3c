"""What the portal as a whole keeps: who looked at an account through whose eyes."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.history import tracked
from profiles.models import BillingProfile


class ViewingQuerySet(models.QuerySet):
    def running(self, at: datetime) -> "ViewingQuerySet":
        """Neither ended nor over at that moment."""
        return self.filter(ended_at=None, ends_at__gt=at)


@tracked()
class Viewing(models.Model):
    """An owner looks at an account, or at one billing profile of it, as somebody else sees it: read-only, for half an
    hour at most. The row is the log of it, and what the session of the owner points at."""

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    # Where only a profile is looked at.
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, blank=True, related_name="+")
    user = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("person"))
    viewer = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("viewed by"))
    started_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    ends_at = models.DateTimeField(_("ends by itself"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = ViewingQuerySet.as_manager()

    class Meta:
        verbose_name = _("view as a person")
        verbose_name_plural = _("views as a person")
        constraints = [models.CheckConstraint(condition=~Q(user=F("viewer")), name="viewing_somebody_else")]

    def __str__(self) -> str:
        return f"{self.viewer} · {self.user}"

    @property
    def scope(self) -> BillingAccount | BillingProfile:
        """What is looked at."""
        return self.profile or self.account
