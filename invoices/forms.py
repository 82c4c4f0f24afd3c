"""Forms of the vendor's staff around the billing run."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.periods import Month, months_between
from profiles.models import BillingProfile

# How far back a month can be chosen; what was missed before is billed with it all the same.
MONTHS_OFFERED = 6


class HoldForm(forms.Form):
    """Which profile is held, and why."""

    profile = forms.CharField(
        label=gettext_lazy("Billing profile"),
        max_length=32,
        help_text=gettext_lazy("Its code, as it stands in the address of its page."),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("Why, and until when. The customer only reads that the invoice is being checked."),
    )

    def clean_profile(self) -> BillingProfile:
        code = self.cleaned_data["profile"].strip()
        profile = BillingProfile.objects.filter(code=code).first()
        if profile is None:
            raise forms.ValidationError(_("There is no billing profile %(code)s.") % {"code": code})
        return profile


class ReleaseForm(forms.Form):
    """Why the profile may be billed again."""

    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What was found. It is kept with your name."),
    )


class RunForm(forms.Form):
    """Up to which month everybody is billed."""

    period = forms.ChoiceField(
        label=gettext_lazy("Month"),
        help_text=gettext_lazy("Months that were missed before are billed first, each with an invoice of its own."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, on: date) -> None:
        super().__init__(data)
        last = Month.of(on).previous
        months = months_between(last.plus(1 - MONTHS_OFFERED), last)
        self.fields["period"].choices = [(str(month), str(month)) for month in reversed([*months])]  # type: ignore[attr-defined]

    @property
    def month(self) -> Month:
        return Month.parse(self.cleaned_data["period"])
