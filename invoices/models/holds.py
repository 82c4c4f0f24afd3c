"""Profiles that staff keep from being billed for a while, and why."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.templatetags.ui import day
from invoices.querysets import BillingHoldQuerySet
from profiles.models import BillingProfile


class BillingHold(models.Model):
    """Until it is released no run bills the profile; its months are made up for then. Never deleted.

    Who did what and when stands in the row itself. The notes are for the vendor's people alone, so they
    are no part of the history that customers see.
    """

    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="billing_holds", verbose_name=_("profile"))
    note = models.TextField(_("note"))
    placed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("held by"))
    placed_at = models.DateTimeField(_("held since"), default=timezone.now, editable=False)
    release_note = models.TextField(_("note on the release"), blank=True)
    released_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("released by"))
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    objects = BillingHoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("held profile")
        verbose_name_plural = _("held profiles")
        constraints = [models.UniqueConstraint(fields=["profile"], condition=Q(released_at=None), name="held_once")]

    def __str__(self) -> str:
        return f"{self.profile} · {day(self.placed_at)}"
