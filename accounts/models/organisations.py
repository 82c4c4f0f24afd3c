"""Organisations, their members, and who administers them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import states
from accounts.models.people import User
from accounts.querysets import (
    RoleQuerySet,
)
from core.codes import CodeField
from core.history import tracked
from core.policy import Action, PolicyQuerySet, Role, Scope
from core.states import only_along


@tracked()
class Organisation(models.Model):
    """A customer: a company whose people act in the portal."""

    code = CodeField()
    name = models.CharField(_("name"), max_length=200)
    preferred_language = models.CharField(
        _("preferred language"), max_length=2, choices=settings.LANGUAGES, default="en"
    )
    # The name by which a vendor that moved in knows it.
    external_id = models.CharField(max_length=100, null=True, blank=True, unique=True)
    # Where it is, apart from the addresses of its accounts: for people, and on no invoice (S1-2).
    address = models.OneToOneField(
        "Address", models.PROTECT, null=True, blank=True, related_name="address_of", verbose_name=_("address")
    )
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    technical_contact_name = models.CharField(_("technical contact"), max_length=150, blank=True)
    technical_contact_email = models.EmailField(_("e-mail of the technical contact"), max_length=254, blank=True)
    technical_contact_phone = models.CharField(_("phone of the technical contact"), max_length=32, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    POLICY = Scope(view=Action.ORGANISATION_VIEW, organisation="")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


@tracked()
class OrganisationMember(models.Model):
    """A person belongs to an organisation."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="members")
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "user"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.organisation}"


@tracked()
class OrganisationRole(models.Model):
    """A role on an organisation: user administrator or organisation administrator."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="roles")
    user = models.ForeignKey(User, models.PROTECT, related_name="organisation_roles")
    role = models.CharField(
        max_length=32,
        choices=[(role.value, role.label) for role in (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR)],
    )
    assigned_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    assigned_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_on = models.DateField(null=True, blank=True)

    objects = RoleQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "user", "role"], name="organisation_role_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.organisation}"


class MemberInvitation(models.Model):
    """Somebody is asked by mail to become a person of an organisation: no role, one use, seven days (S0-17).

    Nobody is there before the answer, so an address that somebody signs in with already looks like any other.
    The token is in the mail only; here is its digest.
    """

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="member_invitations")
    email = models.EmailField(max_length=254)
    name = models.CharField(_("name"), max_length=150)
    job_title = models.CharField(_("job title"), max_length=100, blank=True)
    department = models.CharField(_("department"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=states.InvitationStatus, default=states.InvitationStatus.PENDING)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    TRANSITIONS = states.INVITATION

    class Meta:
        verbose_name = _("invitation to an organisation")
        verbose_name_plural = _("invitations to organisations")
        constraints = [
            models.UniqueConstraint(
                Lower("email"), F("organisation"), condition=Q(status="pending"), name="one_open_member_invitation"
            )
        ]
        triggers = [only_along(states.INVITATION, "member_invitation_edges")]

    def __str__(self) -> str:
        return f"{self.email} · {self.organisation}"
