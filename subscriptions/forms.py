"""The order form, and those that change what was bought."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount
from core.forms import ChoiceCardsField, Grid, PortalFormHelper
from core.money import Money, exponent
from core.policy import Role
from profiles.models import BillingProfile, ExtraRecipient, InvoiceSection, ProfileRole
from subscriptions.models import Price, Subscription
from subscriptions.services.purchasing import MAX_QUANTITY, why_not_allowed, why_not_usable


class OrderForm(forms.Form):
    """How many, and on which billing profile. What it costs is never read from a form (T30)."""

    quantity = forms.IntegerField(
        label=_("Quantity"),
        min_value=1,
        max_value=MAX_QUANTITY,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, profiles: Iterable[BillingProfile], price: Price, **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.profiles = {profile.code: profile for profile in profiles}
        refusals = {
            code: reason
            for code, profile in self.profiles.items()
            if (reason := why_not_usable(profile) or why_not_allowed(profile, price))
        }
        usable = [code for code in self.profiles if code not in refusals]
        self.initial.setdefault("quantity", 1)
        if self.profiles:
            self.fields["profile"] = ChoiceCardsField(
                label=_("Billing profile"),
                rows=[(code, profile.name, _what_it_carries(profile)) for code, profile in self.profiles.items()],
                refusals=refusals,
                initial=usable[0] if len(usable) == 1 else None,
            )
        self.helper = PortalFormHelper(Grid(("quantity", 2)), *self._chosen(), method="get", guarded=False)

    @property
    def profile(self) -> BillingProfile | None:
        """The chosen profile; None where the purchase brings one."""
        return self.profiles.get(self.cleaned_data.get("profile", ""))

    def _chosen(self) -> list[str]:
        return ["profile"] if "profile" in self.fields else []


class BuyForm(OrderForm):
    """The order as it was summed up, with the key by which it buys once (T24)."""

    request_key = forms.CharField(max_length=32, min_length=16, widget=forms.HiddenInput)

    def values(self) -> dict[str, Any]:
        """For `purchase_product`."""
        names = ("quantity", "request_key")
        return {**{name: self.cleaned_data[name] for name in names}, "profile": self.profile}


class ConfirmedForm(forms.Form):
    """A verb as the person saw it: its money, which is compared and never taken from here, and a key (T24, T30)."""

    expected_minor = forms.IntegerField(widget=forms.HiddenInput, min_value=-(10**17), max_value=10**17)
    request_key = forms.CharField(max_length=32, min_length=16, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, currency: str, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.currency = currency
        self.helper = PortalFormHelper(*self.fields)

    def values(self) -> dict[str, Any]:
        """For the service that carries it out."""
        expected = Money(self.cleaned_data["expected_minor"], self.currency)
        return {"expected": expected, "request_key": self.cleaned_data["request_key"]}


class ChangeForm(forms.Form):
    """How many of which plan from now on. The plan is a price on offer; KEPT is the one it has."""

    KEPT = "kept"

    quantity = forms.IntegerField(
        label=_("Quantity"),
        min_value=1,
        max_value=MAX_QUANTITY,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        subscription: Subscription,
        plans: Iterable[Price],
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        self.plans = {str(price.pk): price for price in plans}
        self.initial.setdefault("quantity", subscription.quantity)
        if self.plans:
            kept = (self.KEPT, str(subscription.product), _price_text(subscription))
            rows = [(key, str(price.product), _price_text(price)) for key, price in self.plans.items()]
            reasons = {key: why_not_allowed(subscription.profile, price) for key, price in self.plans.items()}
            refusals = {key: reason for key, reason in reasons.items() if reason}
            self.fields["plan"] = ChoiceCardsField(label=_("Plan"), rows=[kept, *rows], refusals=refusals)
            self.initial.setdefault("plan", self.KEPT)
        names = ["plan"] if self.plans else []
        self.helper = PortalFormHelper(Grid(("quantity", 2)), *names, method="get", guarded=False)

    @property
    def price(self) -> Price | None:
        """The plan to go over to; None where it keeps its own."""
        return self.plans.get(self.cleaned_data.get("plan", ""))


class CancellationForm(ConfirmedForm):
    """Now, or with the end of the term."""

    def __init__(self, *args: Any, rows: Iterable[tuple[str, Any, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["when"] = ChoiceCardsField(label=_("When"), rows=rows)
        self.helper = PortalFormHelper(*self.fields)


class MoveForm(forms.Form):
    """The billing profile that it is invoiced on from next month."""

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, profiles: Iterable[BillingProfile], **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.profiles = {profile.code: profile for profile in profiles}
        reasons = {code: why_not_usable(profile) for code, profile in self.profiles.items()}
        self.fields["profile"] = ChoiceCardsField(
            label=_("Billing profile"),
            rows=[(code, profile.name, _what_it_carries(profile)) for code, profile in self.profiles.items()],
            refusals={code: reason for code, reason in reasons.items() if reason},
        )
        self.helper = PortalFormHelper("profile")

    @property
    def profile(self) -> BillingProfile:
        """The chosen one."""
        return self.profiles[self.cleaned_data["profile"]]


class SectionForm(forms.Form):
    """The name of an invoice section."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Stands as a heading on the invoices."))
    helper = PortalFormHelper("name")


class ViewerForm(forms.Form):
    """Somebody who may see the invoices of one subscription of an online-services account."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"list": "colleagues", "autocomplete": "off"}),
        help_text=_("Somebody who is not in the organisation yet gets an invitation, valid for 7 days."),
    )
    expires_on = forms.DateField(
        label=_("Ends on"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=_("The last day on which the role counts. Empty: until somebody takes it away."),
    )
    helper = PortalFormHelper("email", "expires_on")


class CloneForm(forms.Form):
    """Where a billing profile is copied to, and who comes along."""

    to = forms.ChoiceField(label=_("Billing account"), help_text=_("Where you may create billing profiles."))
    name = forms.CharField(label=_("Name"), max_length=100)
    po_number = forms.CharField(label=_("PO number"), max_length=50, required=False)
    recipients = forms.MultipleChoiceField(
        label=_("Extra addresses to ask again"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Each holder gets a mail, and no invoices before they say yes."),
    )
    roles = forms.MultipleChoiceField(
        label=_("People who get the same role there"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Who does not belong to that organisation is invited by mail."),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        profile: BillingProfile,
        accounts: Iterable[BillingAccount],
        recipients: Iterable[ExtraRecipient],
        roles: Iterable[ProfileRole],
        **kwargs: Any,
    ) -> None:
        super().__init__(data, initial={"name": profile.name, "po_number": profile.po_number}, **kwargs)
        self.accounts = {account.code: account for account in accounts}
        self.rows: dict[str, dict[str, Any]] = {
            "recipients": {str(extra.pk): extra for extra in recipients},
            "roles": {str(held.pk): held for held in roles},
        }
        self.fields["to"].choices = [
            (code, f"{account.name} · {account.country.name}") for code, account in self.accounts.items()
        ]
        self.fields["recipients"].choices = [(key, extra.email) for key, extra in self.rows["recipients"].items()]
        self.fields["roles"].choices = [
            (key, f"{held.user}, {Role(held.role).label}") for key, held in self.rows["roles"].items()
        ]
        for name, rows in self.rows.items():
            if not rows:
                del self.fields[name]
        self.helper = PortalFormHelper(*self.fields)

    def values(self) -> dict[str, Any]:
        """For `clone_profile`."""
        chosen = {name: [rows[key] for key in self.cleaned_data.get(name, [])] for name, rows in self.rows.items()}
        said = {name: self.cleaned_data[name] for name in ("name", "po_number")}
        return {"to": self.accounts[self.cleaned_data["to"]], **said, **chosen}


class SectionChoiceForm(forms.Form):
    """The section in which a subscription stands."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        sections: Iterable[InvoiceSection],
        chosen: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        self.sections = {str(section.pk): section for section in sections}
        default = next((key for key, section in self.sections.items() if section.is_default), "")
        rows = [
            (key, section.name, _("The default section") if section.is_default else "")
            for key, section in self.sections.items()
        ]
        initial = str(chosen) if str(chosen) in self.sections else default
        self.fields["section"] = ChoiceCardsField(label=_("Invoice section"), rows=rows, initial=initial)
        self.helper = PortalFormHelper("section")

    @property
    def section(self) -> InvoiceSection | None:
        return self.sections.get(self.cleaned_data["section"])


def _price_text(priced: Price | Subscription) -> str:
    one = priced.unit_price.normalize()
    text = formats.number_format(
        one, max(-int(one.as_tuple().exponent), exponent(priced.currency)), force_grouping=True
    )
    return f"{priced.currency} {text} {priced.get_term_display()}"


def _what_it_carries(profile: BillingProfile) -> str:
    return f"{_('PO number')} {profile.po_number}" if profile.po_number else ""
