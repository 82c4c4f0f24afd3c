"""The forms of the sandbox's hosted pages. They are the only place where a number is typed."""

import re
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from payments.gateways.sandbox.cards import specimen_of


class ExpiryForm(forms.Form):
    """What the forms of a card share: an expiry that is not past."""

    def __init__(self, *args: Any, on: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on = on

    def clean_expiry(self) -> tuple[int, int]:
        match = re.fullmatch(r"\s*([0-9]{1,2})\s*/\s*(?:20)?([0-9]{2})\s*", self.cleaned_data["expiry"])
        if not match or not 1 <= int(match[1]) <= 12:
            raise forms.ValidationError(_("Enter month and year, like 09/29."), code="invalid")
        month, year = int(match[1]), 2000 + int(match[2])
        if (year, month) < (self.on.year, self.on.month):
            raise forms.ValidationError(_("This card has expired."), code="expired")
        return year, month


def expiry_field() -> forms.CharField:
    return forms.CharField(
        label=_("Expiry date (MM/YY)"),
        max_length=7,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "placeholder": "MM/YY"}),
    )


class CardForm(ExpiryForm):
    """Number, expiry, security code and name. What was typed into the first and third is never sent back."""

    number = forms.CharField(
        label=_("Card number"),
        max_length=23,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "list": "test-numbers"}),
        error_messages={"max_length": _("A card number is shorter.")},
    )
    expiry = expiry_field()
    code = forms.CharField(
        label=_("Security code"),
        max_length=4,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    holder = forms.CharField(label=_("Name on card"), max_length=150)

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self.errors:
            # What was typed does not even come back on the page: it may be the number of a real card.
            self.data = {**self.data.dict(), "number": "", "code": ""}

    def clean_number(self) -> str:
        number = self.cleaned_data["number"]
        specimen = specimen_of(number)
        if specimen is None or specimen.is_account:
            raise forms.ValidationError(
                _("This test gateway takes only the numbers below. What you typed was not kept."), code="not_listed"
            )
        return str(number)

    def clean_code(self) -> str:
        if not re.fullmatch(r"[0-9]{3,4}", self.cleaned_data["code"]):
            raise forms.ValidationError(_("Enter the three or four digits on the card."), code="invalid")
        return ""


class AccountForm(forms.Form):
    """A bank account and whose it is. What was typed as its number is never sent back."""

    number = forms.CharField(
        label="IBAN", max_length=42, widget=forms.TextInput(attrs={"autocomplete": "off", "list": "test-numbers"})
    )
    holder = forms.CharField(label=_("Account holder"), max_length=150)
    agreed = forms.BooleanField(label=_("I let this account be debited, and may have a debit returned within 8 weeks"))

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self.errors:
            self.data = {**self.data.dict(), "number": ""}

    def clean_number(self) -> str:
        number = self.cleaned_data["number"]
        specimen = specimen_of(number)
        if specimen is None or not specimen.is_account:
            raise forms.ValidationError(
                _("This test gateway takes only the numbers below. What you typed was not kept."), code="not_listed"
            )
        return str(number)


class ChangeForm(ExpiryForm):
    """Expiry, name and address of a card that is kept; its number cannot be changed."""

    expiry = expiry_field()
    holder = forms.CharField(label=_("Name on card"), max_length=150)
    address = forms.CharField(label=_("Billing address"), max_length=300, required=False)
