"""Forms of payment methods, payments and requests to pay by transfer.

None of them takes a card number: that is the gateway's page.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import BillingAccount
from core.forms import ChoiceCardsField, Grid, MoneyField, PortalFormHelper, Section
from core.money import Money
from core.templatetags.ui import money
from core.uploads import CheckedFilesField
from invoices.models import Invoice
from payments.models import Decision, PaymentMethod, TransferRequest
from payments.shown import ShownMethod, Use
from profiles.models import BillingProfile
from subscriptions.models import Subscription

# A choice beside the saved methods: pay this once, and keep nothing (P19).
IDEAL = "ideal"


def method_choice(
    methods: Sequence[ShownMethod], current: PaymentMethod | None, *, with_ideal: bool = False, **options: Any
) -> ChoiceCardsField:
    """Methods as cards; an expired one cannot be chosen and says so. `current` is marked as the default."""
    rows = []
    for shown in methods:
        words = [shown.short_line]
        if current is not None and shown.method.pk == current.pk:
            words.append(_("default"))
        rows.append((shown.method.code, str(shown.method), " · ".join(filter(None, words))))
    marks = {shown.method.code: shown.mark for shown in methods}
    if with_ideal:
        rows.append((IDEAL, "iDEAL", _("Pay this once on your bank's page; nothing is kept")))
        marks[IDEAL] = "iDEAL"
    return ChoiceCardsField(
        rows=rows,
        marks=marks,
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


class ActiveCardSetupForm(CardSetupForm):
    """A card that may become the active method of a subscription, and of those that share its old one (S3-8, S3-9).

    Off by default; the box switches everything that is listed and not cleared.
    """

    is_active = forms.BooleanField(label=gettext_lazy("Use this card as my active payment method"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["default_for"].initial = list(self.profiles)

    def chosen(self) -> list[BillingProfile]:
        return super().chosen() if self.cleaned_data["is_active"] else []

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("is_active") and not cleaned.get("default_for"):
            self.add_error(
                "default_for",
                forms.ValidationError(_("Choose at least one subscription, or clear the box above."), code="none"),
            )
        return cleaned


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


class CardUpdateForm(forms.Form):
    """The step to the gateway's page on which a card is changed: nothing is typed here."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.helper = PortalFormHelper(guarded=False)


class BackupMethodForm(forms.Form):
    """With what a billing profile falls back when its default is refused (P19)."""

    NONE = "none"

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        methods: Sequence[ShownMethod],
        backup: PaymentMethod | None,
        **options: Any,
    ) -> None:
        super().__init__(data, initial={"method": backup.code if backup else self.NONE}, **options)
        self.methods = {shown.method.code: shown.method for shown in methods}
        self.fields["method"] = method_choice(methods, None, label=gettext_lazy("When the default is refused"))
        field: Any = self.fields["method"]
        field.choices = [*field.choices, (self.NONE, _("Nothing: the invoice stays open until somebody pays it"))]
        self.helper = PortalFormHelper("method")

    def chosen(self) -> PaymentMethod | None:
        return self.methods.get(self.cleaned_data["method"])


class ReplacementForm(forms.Form):
    """What is to move to another method, and to which (S3-23, P5): one thing, some of them, or everything."""

    item = forms.MultipleChoiceField(
        label=gettext_lazy("What changes"),
        help_text=gettext_lazy("Clear what should stay as it is."),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one thing that is to change.")},
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        uses: Sequence[Use],
        methods: Sequence[ShownMethod],
        chosen: str = "",
        only: Sequence[str] = (),
    ) -> None:
        self.uses = {use.key: use for use in uses if use.may_change}
        wanted = [key for key in self.uses if key in only] or list(self.uses)
        super().__init__(data, initial={"item": wanted, "method": chosen})
        self.methods = {shown.method.code: shown.method for shown in methods}
        item: Any = self.fields["item"]
        item.choices = [(key, f"{use.name} · {use.line}") for key, use in self.uses.items()]
        self.fields["method"] = method_choice(methods, None, label=gettext_lazy("Use instead"))
        self.helper = PortalFormHelper("item", "method", method="get", guarded=False)

    def chosen(self) -> PaymentMethod:
        return self.methods[self.cleaned_data["method"]]

    def moved(self) -> list[Use]:
        return [self.uses[key] for key in self.cleaned_data["item"]]

    def defaults(self) -> list[BillingProfile]:
        return [use.profile for use in self.moved() if not use.is_backup]

    def backups(self) -> list[BillingProfile]:
        return [use.profile for use in self.moved() if use.is_backup]


class MethodRemovalForm(forms.Form):
    """Remove a method; where it is in use, another one takes its place first, or none does (P4)."""

    NONE = "none"

    replacement = forms.ChoiceField(label=gettext_lazy("Use instead"), required=False)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        candidates: Sequence[ShownMethod],
        can_detach: bool = False,
    ) -> None:
        super().__init__(data)
        self.candidates = {shown.method.code: shown.method for shown in candidates}
        names = [(shown.method.code, f"{shown.method}, {shown.expiry}") for shown in candidates]
        if can_detach:
            names.append((self.NONE, _("Nothing: leave them without a payment method")))
        if names:
            self.fields["replacement"].choices = names  # type: ignore[attr-defined]
            self.fields["replacement"].required = True
        else:
            del self.fields["replacement"]
        self.helper = PortalFormHelper(guarded=False)

    def chosen(self) -> PaymentMethod | None:
        return self.candidates.get(self.cleaned_data.get("replacement", ""))

    @property
    def detaches(self) -> bool:
        return bool(self.cleaned_data.get("replacement") == self.NONE)


class AccountClosingForm(forms.Form):
    """Says yes to closing a billing account, by typing its name: it is not undone by a second click."""

    name = forms.CharField(
        label=gettext_lazy("Name of the billing account"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, account: BillingAccount) -> None:
        super().__init__(data)
        self.account = account
        self.fields["name"].help_text = _("Type “%(name)s”") % {"name": account.name}
        self.helper = PortalFormHelper()

    def clean_name(self) -> str:
        typed, name = (" ".join(text.split()) for text in (self.cleaned_data["name"], self.account.name))
        if typed.casefold() != name.casefold():
            raise forms.ValidationError(_("That is not its name. Type “%(name)s”."), "other_name", {"name": name})
        return name


class RemovalPlanForm(forms.Form):
    """From which day on a method may be deleted by itself (P4)."""

    start = forms.DateField(
        label=gettext_lazy("Delete it by itself from"),
        help_text=gettext_lazy("On that day, or on the first one after it on which nothing uses it any more."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d", "%d-%m-%Y"],
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, on: date, suggested: date) -> None:
        super().__init__(data, initial={"start": suggested})
        self.fields["start"].widget.attrs["min"] = (on + timedelta(days=1)).isoformat()
        self.helper = PortalFormHelper()


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
        offers_ideal: bool = False,
    ) -> None:
        self.invoice = invoice
        self.entered: Money | None = None
        self.methods = {shown.method.code: shown.method for shown in methods}
        amount = amount or invoice.amount_asked
        super().__init__(
            data,
            initial={
                "request_key": uuid.uuid4().hex,
                "shown": amount.minor,
                "amount": amount,
                "method": chosen or self._preferred(methods, current, on) or (IDEAL if offers_ideal else ""),
            },
        )
        self.fields["amount"] = MoneyField(
            label=_("Amount to pay on %(number)s") % {"number": invoice.number}, currency=invoice.currency, minimum=1
        )
        self.fields["method"] = method_choice(
            methods, current, with_ideal=offers_ideal, label=gettext_lazy("Payment method")
        )
        self.order_fields(["request_key", "shown", "amount", "method"])
        self.helper = PortalFormHelper(tag=False)

    @property
    def total(self) -> Money:
        """What the page says will be paid."""
        return self.entered or self.initial["amount"]

    def chosen(self) -> PaymentMethod | None:
        """The saved method; None for iDEAL."""
        return self.methods.get(self.cleaned_data["method"])

    def clean_amount(self) -> Money:
        amount: Money = self.cleaned_data["amount"]
        if amount > self.invoice.amount_asked:
            raise forms.ValidationError(
                _("Only %(due)s is owed."), code="too_much", params={"due": money(self.invoice.amount_asked)}
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


# --- Bank transfer ------------------------------------------------------------------------------


TERMS = [(days, gettext_lazy("%d days") % days) for days in (14, 30, 45, 60)]
MOST_FILES = 5
_FILES = gettext_lazy("PDF, PNG or JPEG, at most 5 MB each.")


class TransferRequestForm(forms.Form):
    """All that is needed to decide about paying by bank transfer, asked once (P16)."""

    legal_name = forms.CharField(label=gettext_lazy("Legal name"), max_length=200)
    registration_number = forms.CharField(
        label=gettext_lazy("Registration number"),
        help_text=gettext_lazy("In the Netherlands the KvK number."),
        max_length=40,
    )
    contact_name = forms.CharField(label=gettext_lazy("Contact for accounts payable"), max_length=150)
    contact_email = forms.EmailField(label=gettext_lazy("E-mail of the contact"))
    contact_phone = forms.CharField(label=gettext_lazy("Phone of the contact"), max_length=40)
    term_wanted_days = forms.TypedChoiceField(
        label=gettext_lazy("Payment term"), choices=TERMS[:3], coerce=int, initial=30
    )
    explanation = forms.CharField(
        label=gettext_lazy("Explanation"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    documents = CheckedFilesField(
        most=MOST_FILES,
        label=gettext_lazy("Extract of the trade register, annual accounts"),
        help_text=_FILES,
        required=False,
    )

    def __init__(self, data: Any = None, files: Any = None, *, account: BillingAccount, profile: Any) -> None:
        sold_to = account.sold_to
        super().__init__(
            data,
            files,
            initial={
                "legal_name": sold_to.company_name or account.name,
                "registration_number": account.registration_number,
                "contact_name": sold_to.contact_name,
                "contact_email": sold_to.email,
                "contact_phone": sold_to.phone,
            },
        )
        self.fields["monthly"] = MoneyField(
            label=_("Expected spend in a month, %(currency)s") % {"currency": account.currency},
            currency=account.currency,
            minimum=1,
        )
        self.helper = PortalFormHelper(
            Section(_("Company"), Grid("legal_name", ("registration_number", 3), ("monthly", 3))),
            Section(_("Who pays the invoices"), Grid("contact_name", ("contact_email", 3), ("contact_phone", 3))),
            Section(_("Request"), Grid(("term_wanted_days", 3), "explanation", "documents")),
        )

    def values(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if name not in {"documents", "monthly"}}
        return {**values, "monthly_minor": self.cleaned_data["monthly"].minor}


class TransferAnswerForm(forms.Form):
    """What staff asked about a request."""

    answer = forms.CharField(
        label=gettext_lazy("Your answer"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4})
    )
    documents = CheckedFilesField(most=MOST_FILES, label=gettext_lazy("Documents"), help_text=_FILES, required=False)

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.helper = PortalFormHelper("answer", "documents")


class TransferDecisionForm(forms.Form):
    """What staff decide about a request to pay by transfer."""

    TAKE_UP, ASK, APPROVE, DECLINE = "take_up", "ask", "approve", "decline"

    decision = forms.ChoiceField(label=gettext_lazy("decision"), widget=forms.RadioSelect)
    term_days = forms.TypedChoiceField(label=gettext_lazy("payment term"), choices=TERMS, coerce=int, initial=30)
    note = forms.CharField(
        label=gettext_lazy("question or reason"),
        help_text=gettext_lazy("The customer reads it. Needed for a question and for a refusal."),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
    )

    def __init__(self, data: Any = None, *, request: TransferRequest) -> None:
        super().__init__(data, initial={"term_days": request.term_wanted_days})
        words = {
            "in_review": (self.TAKE_UP, _("Begin to review it")),
            "question": (self.ASK, _("Ask the customer for more")),
            "approved": (self.APPROVE, _("Approve, with the payment term below")),
            "declined": (self.DECLINE, _("Do not approve")),
        }
        decision: Any = self.fields["decision"]
        decision.choices = [
            words[to] for (start, to) in TransferRequest.TRANSITIONS if start == request.status if to in words
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("decision") in {self.ASK, self.DECLINE} and not cleaned.get("note"):
            self.add_error("note", forms.ValidationError(_("Say what is needed, or why not."), code="required"))
        return cleaned


class DecisionForm(forms.Form):
    """What a person of the vendor decides about an attempt, and why."""

    decision = forms.ChoiceField(label=gettext_lazy("Decision"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("What you looked at, and where. It is kept with your name."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, choices: Sequence[Decision]) -> None:
        super().__init__(data)
        self.fields["decision"].choices = [(each.value, each.label) for each in choices]

    def values(self) -> dict[str, Any]:
        return {"decision": Decision(self.cleaned_data["decision"]), "reason": self.cleaned_data["reason"]}


def _day_input() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class StatementForm(forms.Form):
    """Of what a statement tells, and of which time."""

    profile = forms.ChoiceField(label=gettext_lazy("Of"), required=False)
    starts_on = forms.DateField(label=gettext_lazy("From"), widget=_day_input())
    ends_on = forms.DateField(label=gettext_lazy("Until"), widget=_day_input())

    def __init__(self, data: Any = None, *, profiles: Sequence[BillingProfile], is_whole: bool, on: date) -> None:
        before = on.replace(day=1) - timedelta(days=1)
        super().__init__(data, initial={"starts_on": before.replace(day=1), "ends_on": before})
        self.profiles = {profile.code: profile for profile in profiles}
        whole = [("", _("The whole account"))] if is_whole else []
        choices: Any = self.fields["profile"]
        choices.choices = [*whole, *((code, profile.name) for code, profile in self.profiles.items())]
        choices.required = not is_whole
        self.helper = PortalFormHelper(Grid("profile", ("starts_on", 3), ("ends_on", 3)), guarded=False)

    def values(self) -> dict[str, Any]:
        """For `ask_for_statement`."""
        cleaned = self.cleaned_data
        return {
            "profile": self.profiles.get(cleaned["profile"]),
            "starts_on": cleaned["starts_on"],
            "ends_on": cleaned["ends_on"],
        }
