"""Forms of the portal itself."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import ColorMode, User
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
