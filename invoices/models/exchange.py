"""Rates of exchange, as the European Central Bank publishes them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.figures import quantity
from core.templatetags.ui import day as day_words
from subscriptions.models import validate_currency


class ExchangeRate(models.Model):
    """How many units of a currency one euro was worth on a day. Documents keep a copy of the one they used."""

    currency = models.CharField(_("currency"), max_length=3, validators=[validate_currency])
    day = models.DateField(_("day"))
    rate = models.DecimalField(_("units for one euro"), max_digits=20, decimal_places=10)

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        constraints = [
            models.UniqueConstraint(fields=["currency", "day"], name="one_exchange_rate_a_day"),
            models.CheckConstraint(name="exchange_rate_above_zero", condition=Q(rate__gt=0)),
        ]

    def __str__(self) -> str:
        return f"1 EUR = {quantity(self.rate)} {self.currency} · {day_words(self.day)}"
