"""Forms of staff about movements at the bank."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.templatetags.ui import money
from invoices.models import Invoice

MOST_TYPED = 20


class BankFileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("Statement of the bank"),
        help_text=gettext_lazy("camt.053 (XML), or a CSV of ING, Rabobank or our own layout."),
    )


class BookingForm(forms.Form):
    """To which invoices a movement goes: those suggested, or others by their number."""

    invoices = forms.MultipleChoiceField(
        label=gettext_lazy("Suggested"), required=False, widget=forms.CheckboxSelectMultiple
    )
    numbers = forms.CharField(
        label=gettext_lazy("Other invoices, by number"),
        required=False,
        max_length=400,
        help_text=gettext_lazy("Several with a space between them. The oldest is paid first."),
    )

    keeps_rest = forms.BooleanField(
        label=gettext_lazy("Keep what these invoices do not need as a balance of the billing profile"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Without it the rest stays on the movement, to be booked to another billing profile."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, suggested: Sequence[Invoice]) -> None:
        super().__init__(data)
        self.suggested = {str(invoice.pk): invoice for invoice in suggested}
        self.fields["invoices"].choices = [  # type: ignore[attr-defined]
            (key, f"{invoice.number} · {invoice.account_name} · {money(invoice.amount_due)}")
            for key, invoice in self.suggested.items()
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        typed = list(dict.fromkeys(cleaned.get("numbers", "").upper().replace(",", " ").split()))[:MOST_TYPED]
        found = {invoice.number: invoice for invoice in Invoice.objects.filter(number__in=typed, kind="invoice")}
        if missing := [number for number in typed if number not in found]:
            self.add_error("numbers", _("There is no invoice %(numbers)s.") % {"numbers": ", ".join(missing)})
        elif not typed and not cleaned.get("invoices"):
            self.add_error(None, _("Choose an invoice, or type its number."))
        self.found = list(found.values())
        return cleaned

    def chosen(self) -> list[Invoice]:
        ticked = [self.suggested[key] for key in self.cleaned_data["invoices"]]
        return list({invoice.pk: invoice for invoice in [*ticked, *self.found]}.values())


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 2}))
