"""Forms of collecting: a promise to pay, the switch of automatic payment, paying by the link of a mail."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import PortalFormHelper
from core.money import Money
from core.templatetags.ui import money
from payments.schedule import PROMISE_DAYS


class PromiseForm(forms.Form):
    """By when a past-due invoice is paid."""

    until = forms.DateField(
        label=gettext_lazy("It is paid by"),
        help_text=gettext_lazy("At most two weeks ahead, and once for an invoice."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d", "%d-%m-%Y"],
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, on: date) -> None:
        super().__init__(data, initial={"until": on + timedelta(days=7)})
        last = on + timedelta(days=PROMISE_DAYS)
        self.fields["until"].widget.attrs |= {"min": on.isoformat(), "max": last.isoformat()}
        self.helper = PortalFormHelper()


class AutomaticPaymentForm(forms.Form):
    """Whether invoices are charged by themselves on their due date."""

    is_on = forms.BooleanField(
        label=gettext_lazy("Charge each invoice on its due date"),
        help_text=gettext_lazy("With the default method, and with the backup where that is refused."),
        required=False,
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, is_on: bool) -> None:
        super().__init__(data, initial={"is_on": is_on})
        self.helper = PortalFormHelper()


class PayByLinkForm(forms.Form):
    """All that is owed on the invoice of a link. Who sent a form with another amount looks at it again first."""

    request_key = forms.CharField(widget=forms.HiddenInput, max_length=32)
    shown = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    def __init__(self, data: Mapping[str, Any] | None = None, *, amount: Money, key: str) -> None:
        self.amount = amount
        super().__init__(data, initial={"request_key": key, "shown": amount.minor})
        self.helper = PortalFormHelper(tag=False)

    def clean_shown(self) -> int:
        shown: int = self.cleaned_data["shown"]
        if shown != self.amount.minor:
            self.data = {**dict(self.data.items()), "shown": str(self.amount.minor)}
            raise forms.ValidationError(
                _("%(amount)s is owed by now. Look at it, then pay."),
                code="changed",
                params={"amount": money(self.amount)},
            )
        return shown

    def shown_amount(self) -> Money:
        return Money(self.cleaned_data["shown"], self.amount.currency)
