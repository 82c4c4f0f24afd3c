"""What is supplied, as far as VAT asks: it decides where a consumer is taxed, and at which rate."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Supply(models.TextChoices):
    """The kind of a supply of services."""

    # Article 58 of the VAT directive: a consumer is taxed where they live.
    ELECTRONIC = "electronic", _("Electronic service (standard rate)")
    # Article 45: a consumer is taxed where the seller is.
    GENERAL = "general", _("Other service, such as advice or training (standard rate)")
    REDUCED = "reduced", _("Electronic publication (reduced rate)")
    ZERO = "zero", _("Service at the rate of zero")
