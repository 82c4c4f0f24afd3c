"""What a customer enters to have an invoice corrected, and what staff decide."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.validators import clean_vat_id
from core.forms import Grid, MoneyField, PortalFormHelper
from core.money import Money
from core.templatetags.ui import money
from invoices.models import CorrectionReason, CorrectionRequest, Invoice, InvoiceLine
from invoices.services.correcting import left_to_credit

LABELS = {
    "company_name": (_("Company name"), 200, True),
    "line1": (_("Street and number"), 200, True),
    "line2": (_("Address line 2"), 200, False),
    "postal_code": (_("Postal code"), 20, True),
    "city": (_("City"), 100, True),
    "po_number": (_("PO number"), 50, False),
    "vat_id": (_("VAT ID"), 20, True),
}
FIELDS = {
    CorrectionReason.NAME: ("company_name",),
    CorrectionReason.ADDRESS: ("line1", "line2", "postal_code", "city"),
    CorrectionReason.PO_NUMBER: ("po_number",),
    CorrectionReason.VAT_ID: ("vat_id",),
    CorrectionReason.AMOUNT: (),
}


def line_choice(line: InvoiceLine, left: Money) -> str:
    """A line in a list to choose from, with what of it was not credited yet."""
    return f"{line.position}. {line.description[:100]} · {money(left)}"


class CorrectionForm(forms.Form):
    """What the invoice should say, filled in with what it says now."""

    explanation = forms.CharField(
        label=_("Explanation"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 4})
    )

    def __init__(self, data: Any = None, *, invoice: Invoice, reason: CorrectionReason) -> None:
        super().__init__(data)
        self.invoice, self.reason = invoice, reason
        stored = {**invoice.bill_to, "po_number": invoice.po_number, "vat_id": invoice.customer_vat_id}
        fields: dict[str, forms.Field] = {}
        for name in FIELDS[reason]:
            label, longest, required = LABELS[name]
            fields[name] = forms.CharField(
                label=label, max_length=longest, required=required, initial=stored.get(name, "")
            )
        self.lines = {}
        if reason == CorrectionReason.AMOUNT:
            self.lines = {str(line.pk): (line, left) for line, left in left_to_credit(invoice)[:500]}
            choices = [(pk, line_choice(line, left)) for pk, (line, left) in self.lines.items()]
            fields["line"] = forms.ChoiceField(label=_("Line"), choices=choices)
            fields["amount"] = MoneyField(
                currency=invoice.currency,
                label=_("Right amount, excl. VAT"),
                help_text=_("Zero: it should not be there."),
            )
            self.fields["explanation"].required = True
        self.fields = {**fields, **self.fields}
        self.helper = PortalFormHelper(Grid(*self.fields))

    def clean_vat_id(self) -> str:
        country = self.invoice.sold_to.get("country", "")
        return clean_vat_id(self.cleaned_data["vat_id"], country)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "line" in cleaned and isinstance(cleaned.get("amount"), Money):
            _line, left = self.lines[cleaned["line"]]
            if not cleaned["amount"] < left:
                said = _("Enter an amount below that of the line.")
                self.add_error("amount", forms.ValidationError(said, "not_lower"))
        return cleaned

    def values(self) -> dict[str, Any]:
        """For `request_correction`."""
        cleaned = self.cleaned_data
        common = {"reason": self.reason, "explanation": cleaned["explanation"]}
        if self.reason == CorrectionReason.AMOUNT:
            line, _left = self.lines[cleaned["line"]]
            return {**common, "line": line, "proposed": {"amount_minor": cleaned["amount"].minor}}
        return {**common, "proposed": {name: cleaned[name].strip() for name in FIELDS[self.reason]}}


def wanted_changes(asked: CorrectionRequest) -> list[tuple[str, str, str]]:
    """What a request is about, in words: the label, what the invoice says, and what it should say."""
    invoice = asked.invoice
    if asked.line:
        right = Money(int(asked.proposed["amount_minor"]), invoice.currency)
        return [(str(_("Amount, excl. VAT")), money(asked.line.net), money(right))]
    says = {**invoice.bill_to, "po_number": invoice.po_number, "vat_id": invoice.customer_vat_id}
    return [
        (str(LABELS[name][0]), says.get(name, ""), value) for name, value in asked.proposed.items() if name in LABELS
    ]


class DecideForm(forms.Form):
    """Approve or decline, with an answer that the customer reads."""

    APPROVE, DECLINE = "approve", "decline"

    decision = forms.ChoiceField(
        label=_("decision"), choices=[(APPROVE, _("Approve")), (DECLINE, _("Decline"))], widget=forms.RadioSelect
    )
    answer = forms.CharField(
        label=_("answer"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
        help_text=_("The customer reads it. Needed where you decline."),
    )


class VoidForm(forms.Form):
    """Why the whole invoice is credited."""

    reason = forms.CharField(label=_("reason"), max_length=300, help_text=_("Kept with your name."))

    def __init__(self, data: Any = None, *, invoice: Invoice) -> None:
        super().__init__(data)


class CreditLinesForm(VoidForm):
    """Which part of which line is given back."""

    def __init__(self, data: Any = None, *, invoice: Invoice) -> None:
        super().__init__(data, invoice=invoice)
        self.lines = {f"line-{line.pk}": (line.pk, left) for line, left in left_to_credit(invoice)[:500]}
        amounts = {
            f"line-{line.pk}": MoneyField(
                currency=invoice.currency,
                required=False,
                label=f"{line.position}. {line.description}",
                help_text=_("At most %(left)s, without VAT") % {"left": money(left)},
            )
            for line, left in left_to_credit(invoice)[:500]
        }
        self.fields = {**amounts, **self.fields}

    def amounts(self) -> dict[int, Money]:
        """By line, for `credit_lines`."""
        return {pk: self.cleaned_data[name] for name, (pk, _left) in self.lines.items() if self.cleaned_data.get(name)}
