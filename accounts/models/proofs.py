"""What somebody proves by a code or a link, and how often it was tried."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.mail import LinkRequest
from accounts.models.people import User
from accounts.querysets import (
    AttemptQuerySet,
)


class ProofKind(models.TextChoices):
    """Which of a person's addresses is to be proved."""

    CONTACT_EMAIL = "contact_email", _("Contact e-mail")
    ALTERNATE_EMAIL = "alternate_email", _("Alternate e-mail")
    PHONE = "phone", _("Mobile phone")


class Proof(models.Model):
    """An address or number that a person says is theirs, waiting for the code that was sent there (S1-7).

    Neither code nor link is kept: only digests. It works once, for that person and that value, for ten
    minutes and five tries; until then the old value stays in force. One waits per person and kind.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="proofs")
    kind = models.CharField(max_length=16, choices=ProofKind)
    value = models.CharField(max_length=254)
    code_digest = models.CharField(max_length=64)
    # Of the link in the mail, where there is one: the contact address is proved by either.
    token_digest = models.CharField(max_length=64, unique=True, null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("proof of an address")
        verbose_name_plural = _("proofs of addresses")
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], condition=Q(used_at=None), name="one_waiting_proof"),
            models.CheckConstraint(condition=Q(tries__lte=5), name="proof_five_tries"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_kind_display()}"


class ResetWay(models.TextChoices):
    """By which proofs a lost password may be replaced (§3.9)."""

    LINK = "link", _("The link to the sign-in address")
    CODES = "codes", _("Codes to the alternate e-mail and to the phone")
    FACTOR = "factor", _("The link to the sign-in address and a second factor")
    HELP = "help", _("Another administrator")


class PasswordReset(models.Model):
    """A request for a new password that turned out to be somebody's, and the proofs it takes (T15).

    Two codes belong to one row: each is good for nothing elsewhere or alone. Only digests are kept.
    """

    request = models.OneToOneField(LinkRequest, models.CASCADE, related_name="reset")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    way = models.CharField(max_length=8, choices=ResetWay)
    mail_digest = models.CharField(max_length=64, blank=True)
    text_digest = models.CharField(max_length=64, blank=True)
    token_digest = models.CharField(max_length=64, unique=True, null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reset of a password")
        verbose_name_plural = _("resets of passwords")
        constraints = [models.CheckConstraint(condition=Q(tries__lte=5), name="reset_five_tries")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_way_display()}"


class Attempt(models.Model):
    """One counted try of something that is limited: a sign-in, a reset (Q12). Kept for an hour.

    `key` is a digest of what is limited and for whom; the row tells neither.
    """

    key = models.CharField(max_length=64)
    at = models.DateTimeField()

    objects = AttemptQuerySet.as_manager()

    class Meta:
        indexes = [
            # How many tries there were on one counter lately.
            models.Index("key", "at", name="attempt_lately"),
            # The old ones, every hour.
            models.Index("at", name="attempt_old"),
        ]

    def __str__(self) -> str:
        return f"{self.key[:8]} · {self.at:%H:%M:%S}"
