"""VAT rates that the vendor's staff entered, beside those that come with the portal (`data/vat_rates.csv`)."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

from accounts.models import User
from core.guards import append_only
from core.templatetags.ui import day
from invoices.tax import REDUCED, STANDARD

# In percent. Article 97 of the VAT directive has the lower bound; the upper one is there to stop typing errors.
LOWEST_STANDARD, HIGHEST = 15, 50


class RateKind(models.TextChoices):
    STANDARD = STANDARD, _("Standard rate")
    REDUCED = REDUCED, _("Electronic publications")


class VatRate(models.Model):
    """The rate of a member state in percent from a day on; empty where none is known any more.

    Never changed and never removed, since invoices may stand on it: a later row of the same day counts before an
    earlier one, and `invoices.services.vat_rates` lets one in only where nothing was invoiced otherwise.
    """

    country: Any = CountryField(_("country"))
    kind = models.CharField(_("rate of"), max_length=8, choices=RateKind)
    valid_from = models.DateField(_("valid from"))
    rate = models.DecimalField(_("rate in percent"), max_digits=5, decimal_places=2, null=True, blank=True)
    source = models.CharField(_("source"), max_length=200)
    entered_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("entered by"))
    entered_at = models.DateTimeField(_("entered"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("VAT rate")
        verbose_name_plural = _("VAT rates")
        constraints = [
            # Article 97: a standard rate is at least 15 percent, and every member state has one.
            models.CheckConstraint(
                name="standard_vat_rate_is_one",
                condition=~Q(kind=STANDARD) | Q(rate__isnull=False, rate__gte=LOWEST_STANDARD),
            ),
            models.CheckConstraint(
                name="vat_rate_is_a_rate", condition=Q(rate=None) | Q(rate__gte=0, rate__lte=HIGHEST)
            ),
            models.CheckConstraint(name="vat_rate_says_its_source", condition=~Q(source="")),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.country.code} · {self.get_kind_display()} · {day(self.valid_from)}"  # type: ignore[attr-defined]
