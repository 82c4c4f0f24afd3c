"""What the portal as a whole keeps: who looked at an account through whose eyes, and who confirmed whose access."""

from datetime import datetime

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from billing_portal import states
from billing_portal.take_out_models import TakeOut, TakeOutPart
from core.codes import CodeField
from core.history import tracked
from core.policy import Action, PolicyQuerySet, Role, Scope
from core.states import only_along
from profiles.models import BillingProfile

__all__ = [
    "AccessReview",
    "Choice",
    "Outcome",
    "ReviewInterval",
    "ReviewPlan",
    "ReviewedOn",
    "ReviewedRole",
    "TakeOut",
    "TakeOutPart",
    "Viewing",
    "ViewingQuerySet",
]


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


# --- Reviews of access ----------------------------------------------------------------------------


class ReviewInterval(models.IntegerChoices):
    """After how many months the access to an account is reviewed again."""

    NEVER = 0, _("Never")
    QUARTER = 3, _("Every three months")
    HALF_YEAR = 6, _("Every six months")
    YEAR = 12, _("Every year")


@tracked()
class ReviewPlan(models.Model):
    """How often the owners of an account want to review it; without a row the vendor's setting counts."""

    account = models.OneToOneField(BillingAccount, models.PROTECT, related_name="+")
    every_months = models.PositiveSmallIntegerField(_("review of access"), choices=ReviewInterval)

    class Meta:
        verbose_name = _("interval of reviews")
        verbose_name_plural = _("intervals of reviews")

    def __str__(self) -> str:
        return f"{self.account} · {self.get_every_months_display()}"


@tracked()
class AccessReview(models.Model):
    """An owner goes through everybody with access to an account, and confirms or removes each. Kept for good."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    status = models.CharField(max_length=8, choices=states.ReviewStatus, default=states.ReviewStatus.OPEN)
    started_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("started by"))
    started_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    finished_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("finished by")
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    TRANSITIONS = states.REVIEW
    POLICY = Scope(view=Action.ACCOUNT_VIEW_ROLES, account="account")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("review of access")
        verbose_name_plural = _("reviews of access")
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(status="open"), name="one_open_review"),
            models.CheckConstraint(
                condition=Q(status="open", finished_at=None) | Q(status="finished", finished_at__isnull=False),
                name="review_finished_once",
            ),
        ]
        triggers = [only_along(states.REVIEW, "review_status_edges")]

    def __str__(self) -> str:
        return f"{self.account} · {timezone.localdate(self.started_at)}"

    def get_absolute_url(self) -> str:
        return reverse("access_review", args=[self.code])


class ReviewedOn(models.IntegerChoices):
    """Where a reviewed role is held; the widest first."""

    ORGANISATION = 0, _("Organisation")
    ACCOUNT = 1, _("Billing account")
    PROFILE = 2, _("Billing profile")


class Choice(models.TextChoices):
    """What the owner wants."""

    NONE = "", _("Undecided")
    KEEP = "keep", _("Keep")
    REMOVE = "remove", _("Remove")


class Outcome(models.TextChoices):
    """What became of it."""

    NONE = "", _("Not yet")
    CONFIRMED = "confirmed", _("Confirmed")
    REMOVED = "removed", _("Removed")
    GONE = "gone", _("Ended elsewhere")


class ReviewedRole(models.Model):
    """One role in a review, as it stood when somebody decided about it. Final once it has an outcome."""

    review = models.ForeignKey(AccessReview, models.PROTECT, related_name="roles")
    held_on = models.PositiveSmallIntegerField(choices=ReviewedOn)
    # The row that gives the role. It may be gone by now, so it is no foreign key.
    held_id = models.BigIntegerField()
    scope_name = models.CharField(max_length=200)
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    role = models.CharField(max_length=32, choices=Role)
    given_by = models.CharField(max_length=254, blank=True)
    given_at = models.DateTimeField()
    expires_on = models.DateField(null=True, blank=True)
    last_sign_in = models.DateTimeField(null=True, blank=True)
    # Changed, or given, after the review had begun.
    is_news = models.BooleanField(default=False)
    choice = models.CharField(max_length=6, choices=Choice, blank=True, default=Choice.NONE)
    chosen_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    chosen_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=9, choices=Outcome, blank=True, default=Outcome.NONE)

    class Meta:
        verbose_name = _("reviewed role")
        verbose_name_plural = _("reviewed roles")
        constraints = [models.UniqueConstraint(fields=["review", "held_on", "held_id"], name="role_once_per_review")]
        triggers = [
            pgtrigger.Protect(
                name="final_with_outcome",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=~pgtrigger.Q(old__outcome=""),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.scope_name}"

    @property
    def field(self) -> str:
        """Under which name a form sends what is chosen for it."""
        return f"choice-{self.pk}"

    @property
    def can_go(self) -> bool:
        """Whether an owner of the account may take it away: not a role on the organisation."""
        return self.held_on != ReviewedOn.ORGANISATION
