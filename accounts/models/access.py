"""Who has a role on a billing account, who is invited to one, and what was opened last."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import states
from accounts.guards import last_owner_stays, nothing_new_when_closed
from accounts.models.customers import BillingAccount
from accounts.models.people import User
from accounts.querysets import (
    InvitationQuerySet,
    RoleQuerySet,
)
from core.codes import CodeField
from core.history import tracked
from core.policy import ACCOUNT_ROLES, Role
from core.states import only_along


class ScopeMemory(models.Model):
    """Where a person's work is: the account they chose as their default, and the one they opened last (S0-18)."""

    user = models.OneToOneField(User, models.CASCADE, related_name="scope_memory")
    default_account = models.ForeignKey(BillingAccount, models.SET_NULL, null=True, blank=True, related_name="+")
    last_account = models.ForeignKey(BillingAccount, models.SET_NULL, null=True, blank=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.user}"


@tracked()
class AccountRole(models.Model):
    """A role on a billing account; it counts for every profile below.

    A stand-in holds the role of somebody else until a day, beside what they hold themselves.
    """

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="roles")
    user = models.ForeignKey(User, models.PROTECT, related_name="account_roles")
    role = models.CharField(
        max_length=32,
        choices=[(role.value, role.label) for role in (*ACCOUNT_ROLES, Role.ACCOUNT_ADMINISTRATOR)],
    )
    assigned_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    assigned_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_on = models.DateField(null=True, blank=True)
    stands_in_for = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    objects = RoleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "user"], condition=Q(stands_in_for=None), name="one_account_role_per_person"
            ),
            models.UniqueConstraint(fields=["account", "user", "stands_in_for"], name="account_stand_in_once"),
            models.CheckConstraint(
                condition=Q(stands_in_for=None) | Q(expires_on__isnull=False) & ~Q(stands_in_for=F("user")),
                name="account_stand_in_ends",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(role=Role.ACCOUNT_ADMINISTRATOR),
                name="one_account_administrator",
            ),
        ]
        triggers = [last_owner_stays()]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.account}"


class Invitation(models.Model):
    """A role offered by mail to an address that is nobody here yet: one use, seven days (T22).

    `scope` names where the role is given, and `scope_code` on what there; the account itself where it is empty. The
    account is always that whose row is locked. The token is in the mail only; here is its digest.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="invitations")
    scope = models.CharField(max_length=16, default="account", db_default="account")
    scope_code = models.CharField(max_length=32, blank=True, default="", db_default="")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=32, choices=Role.choices)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES, default="en")
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    # The last day of the offered role, where it ends.
    role_expires_on = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=states.InvitationStatus, default=states.InvitationStatus.PENDING)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)

    TRANSITIONS = states.INVITATION

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                F("account"),
                F("scope"),
                F("scope_code"),
                condition=Q(status="pending"),
                name="one_open_invitation",
            )
        ]
        triggers = [only_along(states.INVITATION, "invitation_status_edges"), nothing_new_when_closed()]

    def __str__(self) -> str:
        return f"{self.email} · {self.get_role_display()} · {self.account}"
