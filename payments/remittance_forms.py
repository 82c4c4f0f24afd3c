"""Remittances: which invoices one transfer pays, and what a bank's payment file needs besides."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.validators import clean_iban
from core.forms import Grid, PortalFormHelper
from core.money import Money
from invoices.models import Invoice
from payments.bank.pain import sepa_text
from payments.spreading import owed

# Banks take an order that much before its day.
LATEST_DAYS = 365


class RemittanceForm(forms.Form):
    """Which of these invoices one transfer is to pay."""

    def __init__(
        self, data: Mapping[str, Any] | None, *, invoices: Sequence[Invoice], currency: str, ticked: Sequence[str]
    ) -> None:
        self.invoices = {invoice.code: invoice for invoice in invoices}
        self.currency = currency
        super().__init__(data, initial={"invoice": [code for code in ticked if code in self.invoices]})
        self.fields["invoice"] = forms.MultipleChoiceField(
            label=gettext_lazy("Invoices"),
            choices=[(code, invoice.number) for code, invoice in self.invoices.items()],
            widget=forms.CheckboxSelectMultiple,
            error_messages={
                "required": gettext_lazy("Tick at least one invoice."),
                "invalid_choice": gettext_lazy("One of these invoices is not open any more. Look again."),
            },
        )

    def chosen(self) -> list[Invoice]:
        """What is ticked; what was ticked beforehand where nothing was sent yet."""
        codes = self.initial["invoice"] if not self.is_bound else getattr(self, "cleaned_data", {}).get("invoice", [])
        return [self.invoices[code] for code in codes]

    @property
    def ticked(self) -> set[str]:
        return {invoice.code for invoice in self.chosen()}

    @property
    def total(self) -> Money:
        """What is transferred."""
        return owed(self.chosen(), self.currency)


class PaymentFileForm(forms.Form):
    """What a payment file says of the payer. Put into the file that comes back, and kept nowhere (I30)."""

    name = forms.CharField(label=gettext_lazy("Account holder"), max_length=70)
    iban = forms.CharField(
        label=gettext_lazy("IBAN you pay from"),
        max_length=42,
        help_text=gettext_lazy("It goes into the file and is not kept here."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    pays_on = forms.DateField(
        label=gettext_lazy("Pay on"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, data: Any = None, *, address: str, name: str, on: date) -> None:
        super().__init__(data, initial={"name": name[:70], "pays_on": on})
        self.on = on
        self.helper = PortalFormHelper(Grid("name", "iban", ("pays_on", 3)), action=address, guarded=False)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not sepa_text(name, 70):
            raise ValidationError(_("Banks take the letters a to z and digits. Write the name with those."), "charset")
        return name

    def clean_iban(self) -> str:
        return clean_iban(self.cleaned_data["iban"])

    def clean_pays_on(self) -> date:
        chosen: date = self.cleaned_data["pays_on"]
        if chosen < self.on:
            raise ValidationError(_("Choose today or a later day."), code="past")
        if chosen > self.on + timedelta(days=LATEST_DAYS):
            raise ValidationError(_("Banks take orders for a year ahead at most. Choose an earlier day."), code="far")
        return chosen
