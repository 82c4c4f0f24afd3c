"""Forms of approving payments: the limit of a billing profile, and refusing."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import MoneyField, PortalFormHelper
from core.money import Money


class ApprovalLimitForm(forms.Form):
    """Whether payments wait for an owner, and above which amount."""

    is_on = forms.BooleanField(
        label=gettext_lazy("An owner approves payments above a limit"),
        required=False,
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, above: Money | None, currency: str) -> None:
        super().__init__(data, initial={"is_on": above is not None, "above": above})
        self.fields["above"] = MoneyField(
            label=gettext_lazy("Limit, incl. VAT"),
            help_text=gettext_lazy(
                "Counted is the whole payment, and each invoice in it: paying in parts does not come below it."
            ),
            currency=currency,
            required=False,
        )
        self.helper = PortalFormHelper()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("is_on") and "above" in cleaned and cleaned["above"] is None:
            self.add_error("above", forms.ValidationError(_("Enter the limit."), code="required"))
        return cleaned

    def limit(self) -> Money | None:
        return self.cleaned_data["above"] if self.cleaned_data["is_on"] else None


class RefusalForm(forms.Form):
    """Why a payment is not approved."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Who prepared it reads it."),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.helper = PortalFormHelper()
