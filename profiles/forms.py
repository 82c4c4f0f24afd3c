"""Forms of billing profiles and of roles on them."""

from collections.abc import Mapping
from typing import Any

from crispy_forms.layout import Div
from django import forms
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.forms import AddressPart, TakesEffect
from accounts.models import BillingAccount
from core.forms import ChoiceCardsField, Grid, PortalFormHelper, Section
from core.policy import PROFILE_ROLES, ROLE_DESCRIPTIONS, Role
from profiles.models import BillingProfile, MarketplacePolicy

BILL_TO = "bill_to_"
BILL_TO_TITLE = _("Bill-to: who receives its invoices")
SHIP_TO = "ship_to_"
SHIP_TO_TITLE = _("Service usage: where what is bought is used")


class NewProfileForm(forms.Form):
    """A new profile: its name, what its invoices carry, and whether they are mailed (S2-11)."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("For example a department or a project."))
    po_number = forms.CharField(
        label=_("PO number"), max_length=50, required=False, help_text=_("Printed on every invoice of this profile.")
    )
    sends_invoices = forms.BooleanField(
        label=_("Send invoices by e-mail"),
        required=False,
        help_text=_("To everybody with a role on this profile. You can switch it on or off later."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, account: BillingAccount, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.bill_to = AddressPart(self, country=account.country.code, prefix=BILL_TO)
        for name, value in account.sold_to.snapshot().items():
            self.initial.setdefault(f"{BILL_TO}{name}", value)
        self.helper = PortalFormHelper(
            Section(_("Billing profile"), Grid(("name", 4), ("po_number", 2))),
            *self.bill_to.layout(title=BILL_TO_TITLE),
            Section(_("Invoices by e-mail"), "sends_invoices"),
        )

    def clean(self) -> dict[str, Any]:
        self.bill_to.clean()
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """For `create_profile`."""
        names = ("name", "po_number", "sends_invoices")
        return {**{name: self.cleaned_data[name] for name in names}, "bill_to": self.bill_to.values()}


class ProfileForm(forms.Form):
    """What the invoices of a profile carry from the next one on. Travels with the versions that the person saw."""

    name = forms.CharField(label=_("Name"), max_length=100)
    po_number = forms.CharField(label=_("PO number"), max_length=50, required=False)
    coming_po_number = forms.CharField(label=_("Next PO number"), max_length=50, required=False)
    coming_po_from = forms.DateField(
        label=_("From"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        input_formats=["%Y-%m-%d", "%d-%m-%Y"],
        help_text=_("Invoices from that day on carry the next one."),
    )
    invoice_day = forms.IntegerField(
        label=_("Invoice day"),
        min_value=1,
        max_value=28,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=_("Day of the month, 1 to 28."),
    )
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    SHOWN = ("name", "po_number", "coming_po_number", "coming_po_from", "invoice_day")

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        profile: BillingProfile,
        may_set_day: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, **kwargs)
        for name in (*self.SHOWN, "version"):
            self.initial.setdefault(name, getattr(profile, name))
        self.fields["invoice_day"].disabled = not may_set_day
        self.fields["coming_po_from"].widget.attrs["min"] = timezone.localdate().isoformat()
        self.bill_to = AddressPart(self, country=profile.account.country.code, address=profile.bill_to, prefix=BILL_TO)
        self.helper = PortalFormHelper(
            Section(_("Billing profile"), Grid(("name", 4), ("invoice_day", 2)), "version"),
            Section(
                _("PO number"),
                Grid(("po_number", 2), ("coming_po_number", 2), ("coming_po_from", 2)),
            ),
            *self.bill_to.layout(title=BILL_TO_TITLE),
        )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if (
            cleaned.get("coming_po_number")
            and not cleaned.get("coming_po_from")
            and "coming_po_from" not in self.errors
        ):
            self.add_error("coming_po_from", _("Say from which day the next PO number counts."))
        self.bill_to.clean()
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """For `update_profile`."""
        return {
            **{name: self.cleaned_data[name] for name in (*self.SHOWN, "version")},
            "bill_to": self.bill_to.values(),
            "bill_to_version": self.bill_to.version(),
        }


class PoliciesForm(forms.Form):
    """Which kinds of purchase a profile allows (S2-7)."""

    marketplace_policy = ChoiceCardsField(
        label=_("Products of other companies"),
        rows=[
            (MarketplacePolicy.ALL.value, MarketplacePolicy.ALL.label, _("Whoever may buy with this profile may.")),
            (MarketplacePolicy.FREE.value, MarketplacePolicy.FREE.label, _("Only what costs nothing.")),
            (MarketplacePolicy.NONE.value, MarketplacePolicy.NONE.label, _("Only products of the vendor itself.")),
        ],
    )
    allows_reservations = forms.BooleanField(
        label=_("Reservations allowed"),
        required=False,
        help_text=_("A reservation is bought ahead for a long time, and keeps its price."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, profile: BillingProfile, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for name in ("marketplace_policy", "allows_reservations"):
            self.initial.setdefault(name, getattr(profile, name))
        self.helper = PortalFormHelper("marketplace_policy", "allows_reservations")


class ProfileAddressesForm(forms.Form):
    """Bill-to and service usage address of a profile, maybe from a day to come; both or neither (S0-8, §3.2).

    The profile of an online-services subscription has a service usage address only.
    """

    used_at_sold_to = forms.BooleanField(
        label=_("What is bought here is used at the sold-to address"),
        required=False,
        widget=forms.CheckboxInput(attrs={"data-same": True}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, profile: BillingProfile, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.profile, country = profile, profile.account.country.code
        sections, self.bill_to = [], None
        if profile.bill_to is not None:
            self.bill_to = AddressPart(self, country=country, address=profile.bill_to, prefix=BILL_TO)
            sections = self.bill_to.layout(title=BILL_TO_TITLE)
        self.ship_to = AddressPart(self, country=country, address=profile.ship_to, prefix=SHIP_TO)
        if profile.ship_to is None:
            self.initial["used_at_sold_to"] = True
            for name, value in profile.account.sold_to.snapshot().items():
                self.initial.setdefault(f"{SHIP_TO}{name}", value)
        own = Div(*self.ship_to.layout(title=gettext_lazy("Company")), css_class="stack stack-6", data_same_hides="")
        self.takes_effect = TakesEffect(self)
        self.helper = PortalFormHelper(
            *sections, Section(SHIP_TO_TITLE, "used_at_sold_to"), own, self.takes_effect.layout()
        )

    def clean(self) -> dict[str, Any]:
        if self.bill_to is not None:
            self.bill_to.clean()
        self.takes_effect.clean()
        if self.cleaned_data.get("used_at_sold_to"):
            self.ship_to.skip()
        else:
            self.ship_to.clean()
        is_switched = bool(self.cleaned_data.get("used_at_sold_to")) != (self.profile.ship_to is None)
        if is_switched and self.takes_effect.later():
            self.add_error(
                "takes_effect_on", _("Whether there is a service usage address at all changes at once only.")
            )
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """For `save_addresses` and `plan_profile_addresses`; `ship_to` is None where the sold-to is used."""
        is_own = not self.cleaned_data["used_at_sold_to"]
        values: dict[str, Any] = {
            "ship_to": self.ship_to.values() if is_own else None,
            "ship_to_version": self.ship_to.version(),
        }
        if self.bill_to is not None:
            values |= {"bill_to": self.bill_to.values(), "bill_to_version": self.bill_to.version()}
        return values

    def values_by_field(self) -> dict[str, Any]:
        """What would be saved, by the name of the field."""
        values = self.values()
        parts = [(BILL_TO, values.get("bill_to") or {}), (SHIP_TO, values["ship_to"] or {})]
        return {f"{prefix}{name}": value for prefix, part in parts for name, value in part.items()}

    def said(self, name: str) -> str:
        """The label of a field together with the address it belongs to."""
        part = {BILL_TO: gettext("Bill-to"), SHIP_TO: gettext("Service usage")}.get(name[:8], "")
        label = str(self.fields[name].label)
        return f"{part} · {label}" if part else label


class EmailPreferenceForm(forms.Form):
    """Whether the invoices of a profile are mailed, and how: one switch for everybody on it (S4-6, S4-2a)."""

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, profile: BillingProfile, people: int, **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        gets = ngettext("%(people)d person gets each invoice.", "%(people)d people get each invoice.", people)
        loses = ngettext("%(people)d person gets none any more.", "%(people)d people get none any more.", people)
        if not profile.sends_invoices:
            loses = ngettext("%(people)d person gets none.", "%(people)d people get none.", people)
        rows = [
            ("in", _("Opt in"), gets % {"people": people}),
            ("out", _("Opt out"), loses % {"people": people}),
        ]
        self.fields["choice"] = ChoiceCardsField(
            label=_("Invoices by e-mail"), rows=rows, initial="in" if profile.sends_invoices else "out"
        )
        self.fields["delivery"] = ChoiceCardsField(
            label=_("What the mail carries"),
            rows=[
                ("pdf", _("The invoice as PDF"), _("As an attachment, with a link to the portal.")),
                ("link", _("Only a link"), _("Whoever opens it signs in first.")),
            ],
            initial="pdf" if profile.attaches_pdf else "link",
        )
        # The panel also opens from the invoices of the account, and is then sent to its profile all the same.
        action = reverse("profile_email_preference", args=[profile.code]) if profile.is_shown else ""
        self.helper = PortalFormHelper("choice", "delivery", action=action)

    def values(self) -> dict[str, bool]:
        """For `set_email_preference`."""
        return {
            "sends_invoices": self.cleaned_data["choice"] == "in",
            "attaches_pdf": self.cleaned_data["delivery"] == "pdf",
        }


class RecipientForm(forms.Form):
    """An extra address for the invoices of a profile (S4-2b)."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        help_text=_("For example of your bookkeeper, or the mailbox of a program that reads invoices."),
    )
    language = forms.ChoiceField(label=_("Language of the mails"), choices=settings.LANGUAGES)

    def __init__(self, data: Mapping[str, Any] | None = None, *, language: str, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.initial.setdefault("language", language)
        self.helper = PortalFormHelper("email", "language")


class RoleForm(forms.Form):
    """A role on a profile by e-mail (S2-22, S4-13)."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"list": "colleagues", "autocomplete": "off"}),
        help_text=_("Somebody who is not in the organisation yet gets an invitation, valid for 7 days."),
    )
    role = ChoiceCardsField(
        label=_("Role"),
        rows=[(role.value, role.label, ROLE_DESCRIPTIONS[role]) for role in PROFILE_ROLES],
        initial=Role.INVOICE_MANAGER.value,
    )
    expires_on = forms.DateField(
        label=_("Ends on"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        input_formats=["%Y-%m-%d", "%d-%m-%Y"],
        help_text=_("The last day on which the role counts."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, profile: BillingProfile, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.profile = profile
        self.fields["expires_on"].widget.attrs["min"] = timezone.localdate().isoformat()
        self.helper = PortalFormHelper("email", "role", "expires_on")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def values(self) -> dict[str, Any]:
        """The address, the role and its last day."""
        cleaned = self.cleaned_data
        return {"email": cleaned["email"], "role": Role(cleaned["role"]), "expires_on": cleaned["expires_on"]}


class RemovalForm(forms.Form):
    """Says yes to what the page describes."""

    helper = PortalFormHelper(guarded=False)
