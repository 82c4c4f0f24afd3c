"""Forms of support requests."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount
from core.forms import Grid, MoneyField, PortalFormHelper
from core.uploads import PAPERS_AND_TEXT, CheckedFilesField
from invoices.correction_forms import line_choice
from invoices.models import Invoice
from invoices.services.correcting import left_to_credit
from profiles.models import BillingProfile
from support.models import Category
from support.services import LONGEST, MOST_FILES


def _files_field() -> CheckedFilesField:
    return CheckedFilesField(
        most=MOST_FILES,
        kinds=PAPERS_AND_TEXT,
        label=_("Files"),
        required=False,
        help_text=_("At most 3 of 5 MB each: PDF, PNG, JPEG, TXT or CSV."),
    )


class MessageForm(forms.Form):
    """What somebody writes in a thread."""

    text = forms.CharField(label=_("Message"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 5}))
    attachments = _files_field()

    def __init__(self, data: Mapping[str, Any] | None = None, files: Any = None, *, action: str, **kwargs: Any) -> None:
        super().__init__(data, files, **kwargs)
        self.helper = PortalFormHelper("text", "attachments", action=action)

    def values(self) -> dict[str, Any]:
        """For `write_message`."""
        return {"text": self.cleaned_data["text"], "files": self.cleaned_data["attachments"]}


class DisputeForm(forms.Form):
    """With what somebody does not agree: the whole invoice, or so much of a line."""

    line = forms.ChoiceField(label=_("What do you not agree with?"), required=False)
    text = forms.CharField(label=_("Why?"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 6}))
    attachments = _files_field()

    def __init__(self, data: Mapping[str, Any] | None = None, files: Any = None, *, invoice: Invoice) -> None:
        super().__init__(data, files)
        self.lines = {str(line.pk): (line, left) for line, left in left_to_credit(invoice)[:500]}
        rows = [(pk, line_choice(line, left)) for pk, (line, left) in self.lines.items()]
        whole = [("", _("The whole invoice"))]
        self.fields["line"].choices = [*whole, *rows]  # type: ignore[attr-defined]
        amount = MoneyField(
            currency=invoice.currency,
            minimum=1,
            required=False,
            label=_("How much of that line, excl. VAT"),
            help_text=_("Empty: all of it."),
        )
        self.fields = {"line": self.fields["line"], "amount": amount, **self.fields}
        self.helper = PortalFormHelper(Grid(("line", 4), ("amount", 2), "text", "attachments"))

    def values(self) -> dict[str, Any]:
        """For `dispute_invoice`."""
        cleaned = self.cleaned_data
        line, _left = self.lines.get(cleaned.get("line", ""), (None, None))
        common = {"text": cleaned["text"], "files": cleaned["attachments"]}
        return {**common, "line": line, "amount": cleaned.get("amount") if line else None}


class RequestForm(forms.Form):
    """A new question, pre-filled from where it was asked (S2-26, S2-27)."""

    category = forms.ChoiceField(label=_("What is it about?"), choices=Category)
    profile = forms.ChoiceField(label=_("Billing profile"), required=False)
    line = forms.ChoiceField(label=_("Charge"), required=False)
    subject = forms.CharField(label=_("Subject"), max_length=150)
    text = forms.CharField(label=_("Your question"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 7}))
    attachments = _files_field()

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        *,
        account: BillingAccount,
        profiles: Sequence[BillingProfile],
        is_whole_account: bool,
        invoice: Invoice | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, files, **kwargs)
        self.invoice = invoice
        self.profiles = {profile.code: profile for profile in profiles}
        self.lines = {str(line.position): line for line in invoice.lines.order_by("position")[:500]} if invoice else {}
        layout: list[Any] = ["category"]
        if invoice is None and not account.is_online_services and profiles:
            whole = [("", _("The whole account"))] if is_whole_account else []
            self.fields["profile"].choices = [*whole, *((code, each.name) for code, each in self.profiles.items())]
            self.fields["profile"].required = not is_whole_account
            layout.append("profile")
        else:
            del self.fields["profile"]
        if self.lines:
            rows = [(key, f"{line.section}: {line.description}"[:120]) for key, line in self.lines.items()]
            self.fields["line"].choices = [("", _("The whole invoice")), *rows]
            layout.append("line")
        else:
            del self.fields["line"]
        self.helper = PortalFormHelper(Grid(*layout, "subject", "text", "attachments"))

    def values(self) -> dict[str, Any]:
        """For `open_request`."""
        cleaned = self.cleaned_data
        return {
            **{name: cleaned[name] for name in ("category", "subject", "text")},
            "files": cleaned["attachments"],
            "profile": self.profiles.get(cleaned.get("profile", "")),
            "invoice": self.invoice,
            "line": self.lines.get(cleaned.get("line", "")),
        }
