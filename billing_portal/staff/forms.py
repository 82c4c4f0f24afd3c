"""What the staff's pages ask: all of it stands in the address, so that a page can be kept and sent."""

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import BillingAccount
from invoices.ledger_files.rows import Stretch
from invoices.receivables import GROUPS, SORTS, Asked


def _day(label: Any, **options: Any) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget, input_formats=["%Y-%m-%d", "%d-%m-%Y"], **options)


def _currencies(none: Any) -> list[tuple[str, Any]]:
    used = BillingAccount.objects.order_by("currency").values_list("currency", flat=True).distinct()
    return [("", none), *((currency, currency) for currency in used)]


class ReceivablesForm(forms.Form):
    """Of which day, by what, in which order, and of whom. What makes no sense is as if it were not there."""

    on = _day(gettext_lazy("On"))
    by = forms.ChoiceField(label=gettext_lazy("For each"), choices=list(GROUPS.items()))
    sort = forms.ChoiceField(label=gettext_lazy("Sort by"), choices=list(SORTS.items()))
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), required=False)
    q = forms.CharField(label=gettext_lazy("Name or number"), required=False, max_length=100)
    account = forms.CharField(widget=forms.HiddenInput, required=False, max_length=32)

    def __init__(self, asked: Any, *, today: date) -> None:
        usual = {"on": today.isoformat(), "by": "account", "sort": "total"}
        super().__init__({**usual, **{name: value for name, value in asked.items() if value}})
        self.fields["currency"].choices = _currencies(gettext_lazy("all"))  # type: ignore[attr-defined]
        self.today = today

    def asked(self) -> Asked:
        self.is_valid()
        read = self.cleaned_data
        return Asked(
            on=read.get("on") or self.today,
            by=read.get("by") or "account",
            sort=read.get("sort") or "total",
            words=read.get("q") or "",
            account=read.get("account") or "",
            currency=read.get("currency") or "",
        )


class LedgerForm(forms.Form):
    """Which postings."""

    starts_on = _day(gettext_lazy("From"))
    ends_on = _day(gettext_lazy("Until and including"))
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), required=False)

    def __init__(self, asked: Any, *, usual: Stretch) -> None:
        values = {"starts_on": usual.starts_on.isoformat(), "ends_on": usual.ends_on.isoformat()}
        super().__init__({**values, **{name: value for name, value in asked.items() if value}})
        self.fields["currency"].choices = _currencies(gettext_lazy("all"))  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        read: dict[str, Any] = super().clean() or {}
        start, end = read.get("starts_on"), read.get("ends_on")
        if start and end and start > end:
            self.add_error("ends_on", forms.ValidationError(_("The first day is after the last one."), code="reversed"))
        return read

    def stretch(self) -> Stretch | None:
        """None where a field is wrong."""
        if not self.is_valid():
            return None
        return Stretch(**self.cleaned_data)
