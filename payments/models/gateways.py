"""Whether the gateways answer."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from payments.querysets import GatewayHealthQuerySet


class GatewayHealth(models.Model):
    """How often a gateway failed to answer in a row, and until when it is left alone (F08).

    There is one for all processes. A gateway without a row never failed. Who sets `rests_until` further ahead is the
    one who may ask it first: see `payments.gateways.breaker`.
    """

    gateway = models.CharField(_("gateway"), max_length=20, unique=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    last_failure_at = models.DateTimeField(_("last failure"), null=True)
    # Rests since it answered last: each is longer than the one before.
    rests = models.PositiveIntegerField(_("rests in a row"), default=0)
    rests_until = models.DateTimeField(_("is left alone until"), null=True)

    objects = GatewayHealthQuerySet.as_manager()

    class Meta:
        verbose_name = _("health of a gateway")
        verbose_name_plural = _("health of gateways")

    def __str__(self) -> str:
        return self.gateway
