"""Forms of staff: giving money back, giving a debt up."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import MoneyField
from core.money import Money
from invoices.models import Invoice


class AmountForm(forms.Form):
    """How much, and why."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, data: Mapping[str, Any] | None = None, *, most: Money, is_told: bool = False) -> None:
        """`is_told`: the customer reads the reason."""
        super().__init__(data, initial={"amount": most})
        self.fields["reason"].help_text = gettext_lazy("The customer reads it.") if is_told else ""
        self.fields["amount"] = MoneyField(label=gettext_lazy("Amount"), currency=most.currency, minimum=1)
        self.order_fields(["amount", "reason"])


class InvoiceNumberForm(forms.Form):
    """Which invoice."""

    number = forms.CharField(label=gettext_lazy("Invoice number"), max_length=24)

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"].strip().upper()
        if not Invoice.objects.open().filter(number=number).exists():
            raise forms.ValidationError(_("There is no open invoice of that number."), code="unknown")
        return number
