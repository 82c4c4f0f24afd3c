"""Paying several invoices at once: which, how much in all, and with what."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import MoneyField, PortalFormHelper
from core.money import Money
from core.templatetags.ui import money
from invoices.models import Invoice
from payments.forms import IDEAL, method_choice
from payments.models import PaymentMethod
from payments.shown import ShownMethod
from payments.spreading import owed, spread


class SpreadForm(forms.Form):
    """Which invoices, and how much of them in all: the part of the page that is looked at before anything is paid.

    An empty amount is all that is owed on what is ticked; less goes to the oldest first.
    """

    def __init__(self, data: Mapping[str, Any] | None, *, invoices: Sequence[Invoice], currency: str) -> None:
        self.invoices = {invoice.code: invoice for invoice in invoices}
        self.currency = currency
        self.entered: Money | None = None
        super().__init__(data, initial={"invoice": list(self.invoices)})
        self.fields["invoice"] = forms.MultipleChoiceField(
            label=gettext_lazy("Invoices"),
            choices=[(code, invoice.number) for code, invoice in self.invoices.items()],
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": gettext_lazy("Tick at least one invoice.")},
        )
        self.fields["amount"] = MoneyField(
            label=gettext_lazy("Amount in all"),
            help_text=gettext_lazy("Leave it empty to pay all that is ticked. Less goes to the oldest invoice first."),
            currency=currency,
            minimum=1,
            required=False,
        )
        self.helper = PortalFormHelper(tag=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        amount, most = cleaned.get("amount"), owed(self.chosen(), self.currency)
        self.entered = amount if amount is not None and amount <= most else None
        if amount is not None and "invoice" in cleaned and amount > most:
            self.add_error(
                "amount",
                forms.ValidationError(
                    _("Only %(due)s is owed on what is ticked."), code="too_much", params={"due": money(most)}
                ),
            )
        return cleaned

    def chosen(self) -> list[Invoice]:
        """What is ticked; everything where nothing was sent yet."""
        if not self.is_bound:
            return list(self.invoices.values())
        codes = self.cleaned_data.get("invoice", []) if hasattr(self, "cleaned_data") else []
        return [self.invoices[code] for code in codes]

    @property
    def total(self) -> Money:
        """What is paid in all."""
        return self.entered or owed(self.chosen(), self.currency)

    def parts(self) -> list[tuple[Invoice, Money]]:
        """Each invoice on the page with what it gets."""
        parts = dict(spread(self.chosen(), self.total))
        return [(invoice, parts.get(invoice, Money.zero(self.currency))) for invoice in self.invoices.values()]


class PaySeveralForm(SpreadForm):
    """The same, paid with a method. `shown` is the total that the page said; another is looked at first."""

    request_key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    shown = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        invoices: Sequence[Invoice],
        currency: str,
        methods: Sequence[ShownMethod],
        current: PaymentMethod | None,
        offers_ideal: bool,
    ) -> None:
        super().__init__(data, invoices=invoices, currency=currency)
        self.methods = {shown.method.code: shown.method for shown in methods}
        usable = [shown.method.code for shown in methods if not shown.is_expired]
        preferred = current.code if current and current.code in usable else next(iter(usable), "")
        self.initial["request_key"] = uuid.uuid4().hex
        self.initial["method"] = preferred or (IDEAL if offers_ideal else "")
        self.fields["method"] = method_choice(
            methods, current, with_ideal=offers_ideal, label=gettext_lazy("Payment method")
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        shown = cleaned.get("shown")
        if not self.errors and shown is not None and self.total.minor != shown:
            self.add_error(
                "amount",
                forms.ValidationError(
                    _("It is %(amount)s now. Look at the total, then pay."),
                    code="changed",
                    params={"amount": money(self.total)},
                ),
            )
        return cleaned

    def method(self) -> PaymentMethod | None:
        """The saved method; None for iDEAL."""
        return self.methods.get(self.cleaned_data["method"])
