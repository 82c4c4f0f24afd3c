"""Forms of the portal itself."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import ColorMode, User
from billing_portal.models import ReviewInterval, ReviewPlan
from core.forms import ChoiceCards, PortalFormHelper

# Each in its own words, for somebody who cannot read the other.
OWN_NAMES = (("en", "English"), ("nl", "Nederlands"))


class PreferencesForm(forms.ModelForm):
    """Language and colours of one person."""

    language = forms.ChoiceField(label=_("Language"), choices=OWN_NAMES, widget=ChoiceCards)
    color_mode = forms.ChoiceField(label=_("Colours"), choices=ColorMode.choices, widget=ChoiceCards)

    class Meta:
        model = User
        fields = ["language", "color_mode"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = PortalFormHelper()


class ReviewIntervalForm(forms.Form):
    """How often the access to an account is reviewed."""

    every_months = forms.TypedChoiceField(
        label=_("Review of access"), choices=ReviewInterval.choices, coerce=int, widget=ChoiceCards
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, plan: ReviewPlan | None, **kwargs: Any) -> None:
        now = plan.every_months if plan else settings.ACCESS_REVIEW_MONTHS
        super().__init__(data, initial={"every_months": now}, **kwargs)
        self.helper = PortalFormHelper()
