"""Forms of payment methods and payments. None of them takes a card number: that is the gateway's page."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.forms import ChoiceCardsField, MoneyField, PortalFormHelper
from core.money import Money
from core.templatetags.ui import money
from invoices.models import Invoice
from payments.models import PaymentMethod
from payments.shown import ShownMethod
from profiles.models import BillingProfile
from subscriptions.models import Subscription


def method_choice(methods: Sequence[ShownMethod], current: PaymentMethod | None, **options: Any) -> ChoiceCardsField:
    """Methods as cards; an expired one cannot be chosen and says so. `current` is marked as the default."""
    rows = []
    for shown in methods:
        words = [shown.short_line]
        if current is not None and shown.method.pk == current.pk:
            words.append(_("default"))
        rows.append((shown.method.code, str(shown.method), " · ".join(filter(None, words))))
    return ChoiceCardsField(
        rows=rows,
        marks={shown.method.code: shown.mark for shown in methods},
        refusals={
            shown.method.code: _("It has expired: add the new card, or choose another one.")
            for shown in methods
            if shown.is_expired
        },
        **options,
    )


class CardSetupForm(forms.Form):
    """What a new card is for, before the person goes to the gateway's page (S3-6, S3-8)."""

    default_for = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, profiles: Sequence[tuple[BillingProfile, str]], label: str
    ) -> None:
        """`profiles` that may take it as their default, each with the words of its box."""
        super().__init__(data)
        self.profiles = {profile.code: profile for profile, _words in profiles}
        field = self.fields["default_for"]
        field.label = label
        field.choices = [(profile.code, words) for profile, words in profiles]
        if not profiles:
            del self.fields["default_for"]
        self.helper = PortalFormHelper(guarded=False)

    def chosen(self) -> list[BillingProfile]:
        return [self.profiles[code] for code in self.cleaned_data.get("default_for", [])]


class DefaultMethodForm(forms.Form):
    """With what a billing profile pays from now on (S3-23)."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        methods: Sequence[ShownMethod],
        current: PaymentMethod | None,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.methods = {shown.method.code: shown.method for shown in methods}
        self.fields["method"] = method_choice(methods, current, label=gettext_lazy("Pay with"))
        self.helper = PortalFormHelper("method")

    def chosen(self) -> PaymentMethod:
        return self.methods[self.cleaned_data["method"]]


class ActiveMethodForm(DefaultMethodForm):
    """With what subscriptions of an online-services account are paid, and which of them (S3-9, S3-11, P5)."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        subscription: Subscription,
        sharing: Iterable[Subscription],
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.subscriptions = {each.code: each for each in sharing}
        self.fields["subscriptions"] = forms.MultipleChoiceField(
            label=gettext_lazy("Subscriptions that change"),
            help_text=gettext_lazy("They are paid with the same card now. Clear what should stay as it is."),
            choices=[(code, str(each)) for code, each in self.subscriptions.items()],
            widget=forms.CheckboxSelectMultiple,
            initial=list(self.subscriptions),
        )
        self.helper = PortalFormHelper("method", "subscriptions")

    def profiles(self) -> list[BillingProfile]:
        return [self.subscriptions[code].profile for code in self.cleaned_data["subscriptions"]]


class MethodRemovalForm(forms.Form):
    """Remove a method; where it is in use, another one takes its place first (P4)."""

    replacement = forms.ChoiceField(label=gettext_lazy("Use instead"), required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, *, candidates: Sequence[ShownMethod]) -> None:
        super().__init__(data)
        self.candidates = {shown.method.code: shown.method for shown in candidates}
        if candidates:
            names = [(shown.method.code, f"{shown.method}, {shown.expiry}") for shown in candidates]
            self.fields["replacement"].choices = names
            self.fields["replacement"].required = True
        else:
            del self.fields["replacement"]
        self.helper = PortalFormHelper(guarded=False)

    def chosen(self) -> PaymentMethod | None:
        return self.candidates.get(self.cleaned_data.get("replacement", ""))


class PayForm(forms.Form):
    """Pay one invoice: how much, and with what.

    `shown` is the amount that the page said will be paid. Who changed the amount sees the new total
    before anything is paid, also without JavaScript. `request_key` makes the same form one attempt.
    """

    request_key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    shown = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        invoice: Invoice,
        methods: Sequence[ShownMethod],
        current: PaymentMethod | None,
        on: date,
        chosen: str = "",
        amount: Money | None = None,
    ) -> None:
        self.invoice = invoice
        self.entered: Money | None = None
        self.methods = {shown.method.code: shown.method for shown in methods}
        amount = amount or invoice.amount_due
        super().__init__(
            data,
            initial={
                "request_key": uuid.uuid4().hex,
                "shown": amount.minor,
                "amount": amount,
                "method": chosen or self._preferred(methods, current, on),
            },
        )
        self.fields["amount"] = MoneyField(
            label=_("Amount to pay on %(number)s") % {"number": invoice.number}, currency=invoice.currency, minimum=1
        )
        self.fields["method"] = method_choice(methods, current, label=gettext_lazy("Payment method"))
        self.order_fields(["request_key", "shown", "amount", "method"])
        self.helper = PortalFormHelper(tag=False)

    @property
    def total(self) -> Money:
        """What the page says will be paid."""
        return self.entered or self.initial["amount"]

    def chosen(self) -> PaymentMethod:
        return self.methods[self.cleaned_data["method"]]

    def clean_amount(self) -> Money:
        amount: Money = self.cleaned_data["amount"]
        if amount > self.invoice.amount_due:
            raise forms.ValidationError(
                _("Only %(due)s is owed."), code="too_much", params={"due": money(self.invoice.amount_due)}
            )
        self.entered = amount
        return amount

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        amount, shown = cleaned.get("amount"), cleaned.get("shown")
        if amount is not None and shown is not None and amount.minor != shown:
            self.data = {**self.data.dict(), "shown": str(amount.minor)}  # type: ignore[union-attr]
            self.add_error(
                "amount",
                forms.ValidationError(
                    _("You changed the amount to %(amount)s. Look at the total, then pay."),
                    code="changed",
                    params={"amount": money(amount)},
                ),
            )
        return cleaned

    @staticmethod
    def _preferred(methods: Sequence[ShownMethod], current: PaymentMethod | None, on: date) -> str:
        usable = [shown.method for shown in methods if not shown.is_expired]
        if current is not None and current in usable:
            return current.code
        return usable[0].code if usable else ""
