"""What the vendor's staff enter about credits."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms import MoneyField
from invoices.models import CreditLot, CreditSource
from profiles.models import BillingProfile


class GiveCreditForm(forms.Form):
    """A credit for one billing profile. Sent once it is shown for a second look; sent again it is given."""

    source = forms.ChoiceField(
        label=_("source"),
        choices=[(each.value, each.label) for each in CreditSource if each != CreditSource.OVERPAID],
        help_text=_("Promotions and compensations lower the amount before VAT. Money paid in advance pays the total."),
    )
    starts_on = forms.DateField(
        label=_("usable from"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    expires_on = forms.DateField(
        label=_("last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Empty: it does not expire. Money paid in advance never does."),
    )
    description = forms.CharField(label=_("description"), max_length=150, help_text=_("The customer reads it."))
    reason = forms.CharField(
        label=_("reason"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Kept with your name; the customer does not read it."),
    )

    def __init__(self, data: Any = None, *, profile: BillingProfile, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        amount = MoneyField(currency=profile.currency, minimum=1, label=_("amount"))
        self.fields = {"source": self.fields["source"], "amount": amount, **self.fields}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("source") == CreditSource.PREPAID:
            cleaned["expires_on"] = None
        return cleaned


class ReasonForm(forms.Form):
    """Why, in a sentence that both profiles can read."""

    reason = forms.CharField(label=_("reason"), max_length=300, help_text=_("The customer reads it."))


class MoveCreditForm(ReasonForm):
    """To which other billing profile of the account."""

    def __init__(self, data: Any = None, *, lot: CreditLot) -> None:
        super().__init__(data)
        others = BillingProfile.objects.filter(account=lot.account_id, currency=lot.currency).shown().open()
        field = forms.ModelChoiceField(others.exclude(pk=lot.profile_id).order_by("name"), label=_("billing profile"))
        self.fields = {"profile": field, **self.fields}
