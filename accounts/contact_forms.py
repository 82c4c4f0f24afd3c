"""Forms about how a person is reached: addresses, numbers, codes, topics."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import MARKETING_TOPICS, Topic
from core.forms import PortalFormHelper, Section


class EmailForm(forms.Form):
    """One e-mail address."""

    email = forms.EmailField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, label: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        if label:
            self.fields["email"].label = label
        self.helper = PortalFormHelper("email")

    def value(self) -> str:
        return str(self.cleaned_data["email"])


class PhoneForm(forms.Form):
    """One mobile number, with its country."""

    phone = forms.CharField(
        label=_("Mobile phone"),
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
        help_text=_("With its country, like +31 6 12345678."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.helper = PortalFormHelper("phone")

    def value(self) -> str:
        return str(self.cleaned_data["phone"])


class CodeForm(forms.Form):
    """The six digits that were sent."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.helper = PortalFormHelper("code", guarded=False)


class TopicsForm(forms.Form):
    """Which mails a person wants; each topic is a tick."""

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for topic in Topic:
            self.fields[topic.value] = forms.BooleanField(label=topic.label, required=False)
        billing = [topic.value for topic in Topic if topic not in MARKETING_TOPICS]
        marketing = [topic.value for topic in MARKETING_TOPICS]
        self.helper = PortalFormHelper(Section(_("About your billing"), *billing), Section(_("Marketing"), *marketing))

    def wanted(self) -> list[str]:
        return [name for name, is_wanted in self.cleaned_data.items() if is_wanted]
