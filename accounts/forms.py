"""Forms of people, accounts, addresses and roles."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from crispy_forms.layout import Div, LayoutObject
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries

from accounts.address_rules import LINES, rules_for
from accounts.models import Address, Agreement, BillingAccount, Organisation, Seller, User
from accounts.services.invitations import person_in_organisation
from accounts.services.organisations import WRITABLE as ORGANISATION_WRITABLE
from accounts.services.planned import check_day
from accounts.validators import (
    REGISTRATION_DEMANDED,
    clean_bic,
    clean_iban,
    clean_registration_number,
    clean_vat_id,
    registration_label,
    vat_id_hint,
)
from core.codes import new_code
from core.errors import Refused
from core.forms import ChoiceCardsField, Grid, PortalFormHelper, Section
from core.policy import ACCOUNT_ROLES, ROLE_DESCRIPTIONS, Role
from core.uploads import CheckedFileField

_AUTOCOMPLETE = {
    "company_name": "organization",
    "contact_name": "name",
    "line1": "address-line1",
    "line2": "address-line2",
    "line3": "address-line3",
    "district": "address-level3",
    "city": "address-level2",
    "region": "address-level1",
    "postal_code": "postal-code",
    "email": "email",
    "phone": "tel",
}
_LABELS = {
    "company_name": gettext_lazy("Company name"),
    "contact_name": gettext_lazy("Attention of"),
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
}


class AddressPart:
    """The fields of one address inside a form: those of its country, in its order, under its names.

        class ProfileForm(forms.Form):
            def __init__(self, *args, account, **kwargs):
                super().__init__(*args, **kwargs)
                self.bill_to = AddressPart(self, country=account.country.code, prefix="bill_to_")
                self.helper = PortalFormHelper("name", *self.bill_to.layout())

            def clean(self):
                self.bill_to.clean()
                return super().clean()

    and then `form.bill_to.values()`. The country is shown and locked: it is the account's. `address` is
    the row whose values are shown first; its version travels along, and `version()` gives back the one
    that the person saw (None for a new address). `locked` are fields that only a request can change,
    each with the reason. `is_postal_only` leaves out company and contact, which the form then has itself.
    """

    def __init__(
        self,
        form: forms.Form,
        *,
        country: str,
        address: Address | None = None,
        prefix: str = "",
        locked: Mapping[str, Any] | None = None,
        is_postal_only: bool = False,
    ) -> None:
        self.form, self.prefix, self.address, self.locked = form, prefix, address, locked or {}
        self.is_postal_only = is_postal_only
        self.rules = rules_for(country)
        # A third line is rare, and stays where it is used.
        self.lines = LINES if address is not None and address.line3 else LINES[:2]
        self.names = self._add_fields()

    def layout(self, *, title: Any = "", more: Sequence[str | tuple[str, int]] = ()) -> list[LayoutObject]:
        """The sections of a crispy layout: company (and `more` fields of the form), address in the order of
        the country, contact."""
        rows: list[str | tuple[str, int]] = [self._id("country")]
        for row in self.rules.rows:
            if row == ("line2",):
                rows += [self._id(name) for name in self.lines[1:]]
            else:
                rows += _widths([self._id(name) for name in row])
        if self.is_postal_only:
            return [Section(_("Address"), Grid(*rows))]
        hidden = [self._id("version")] if self.address is not None else []
        company = Grid((self._id("company_name"), 3), (self._id("contact_name"), 3), *more)
        return [
            Section(title or _("Company"), company, *hidden),
            Section(_("Address"), Grid(*rows)),
            Section(_("Contact"), Grid((self._id("email"), 3), (self._id("phone"), 3))),
        ]

    def clean(self) -> None:
        """Check what the country demands, and put each error at its field. Called in the form's `clean`."""
        values = {name: self.form.cleaned_data.get(self._id(name), "") for name in self.names}
        for name, message in self.rules.errors(values).items():
            if self._id(name) not in self.form.errors:
                self.form.add_error(self._id(name), ValidationError(message, code="address"))

    def skip(self) -> None:
        """Forget the errors of what was typed here: another address is used instead, over the version that was seen."""
        for name in self.names:
            self.form.errors.pop(self._id(name), None)

    def values(self) -> dict[str, str]:
        """What was typed, for `services.save_address`: every field of the form, and nothing else."""
        return {name: self.form.cleaned_data[self._id(name)] for name in self.names}

    def version(self) -> int | None:
        """The version of the address that the person had before them."""
        return self.form.cleaned_data.get(self._id("version")) if self.address is not None else None

    def _id(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def _add_fields(self) -> list[str]:
        names = [] if self.is_postal_only else ["company_name", "contact_name"]
        for row in self.rules.rows:
            names += self.lines[1:] if row == ("line2",) else row
        names += [] if self.is_postal_only else ["email", "phone"]
        fields = self.form.fields
        for name in names:
            fields[self._id(name)] = self._field(name)
        fields[self._id("country")] = forms.ChoiceField(
            label=_("Country"),
            choices=[(self.rules.country, countries.name(self.rules.country))],
            initial=self.rules.country,
            disabled=True,
            help_text=_(
                "Fixed, since it decides tax and currency. Moving to another country takes a new billing account."
            ),
        )
        if self.address is not None and not self.is_postal_only:
            fields[self._id("version")] = forms.IntegerField(
                widget=forms.HiddenInput, initial=self.address.version, min_value=1
            )
        if self.address is not None:
            for name in names:
                self.form.initial.setdefault(self._id(name), getattr(self.address, name))
        return names

    def _field(self, name: str) -> forms.Field:
        length = Address._meta.get_field(name).max_length
        options = {
            "label": _LABELS[name] if name in _LABELS else self.rules.label(name),
            "required": name in {"company_name", "email"},
        }
        if name == "region" and self.rules.regions:
            choices = [("", _("Choose…")), *self.rules.regions]
            field: forms.Field = forms.ChoiceField(choices=choices, **options)
        elif name == "email":
            field = forms.EmailField(max_length=length, **options)
        elif name == "phone":
            field = PhoneField(country=self.rules.country, max_length=length, **options)
        else:
            field = forms.CharField(max_length=length, **options)
        # What the country demands is checked in `clean`, in its own words; the mark at the label is this one.
        if name in self.rules.required:
            field.required = True
            field.error_messages["required"] = self.rules.errors({}).get(name, field.error_messages["required"])
        field.widget.attrs["autocomplete"] = _AUTOCOMPLETE[name]
        if name in self.locked:
            field.disabled, field.help_text = True, self.locked[name]
        return field


class PhoneField(forms.CharField):
    """A phone number as people of that country write it. It must be one that can be dialled; the spelling stays."""

    def __init__(self, *, country: str, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"type": "tel"}), **kwargs)
        self.country = country

    def clean(self, value: Any) -> str:
        written: str = super().clean(value)
        if written:
            try:
                number = phonenumbers.parse(written, self.country)
            except phonenumbers.NumberParseException:
                number = None
            if number is None or not phonenumbers.is_possible_number(number):
                example = phonenumbers.example_number(self.country)
                raise ValidationError(
                    _("This is no phone number; write it like %(example)s."),
                    code="phone",
                    params={
                        "example": phonenumbers.format_number(
                            example or phonenumbers.example_number("NL"),
                            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
                        )
                    },
                )
        return written


class AddressForm(forms.Form):
    """One address on a page of its own: `AddressForm(posted(request), country="NL", address=profile.bill_to)`.

    `form.values()` and `form.version()` go to `services.save_address`.
    """

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, country: str, address: Address | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.part = AddressPart(self, country=country, address=address)
        self.helper = PortalFormHelper(*self.part.layout())

    def clean(self) -> dict[str, Any]:
        self.part.clean()
        return self.cleaned_data

    def values(self) -> dict[str, str]:
        return self.part.values()

    def version(self) -> int | None:
        return self.part.version()


class OrganisationForm(forms.Form):
    """The profile of an organisation (S1-2). Its country is shown and locked, as that of every address."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    preferred_language = forms.ChoiceField(
        label=gettext_lazy("Preferred language"),
        choices=settings.LANGUAGES,
        help_text=gettext_lazy("In which invoices are written. Each person chooses the language of their own pages."),
    )
    technical_contact_name = forms.CharField(label=gettext_lazy("Name"), max_length=150, required=False)
    technical_contact_email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=254)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, organisation: Organisation, country: str, **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.part = AddressPart(self, country=country, address=organisation.address, is_postal_only=True)
        for name in ("phone", "technical_contact_phone"):
            self.fields[name] = PhoneField(country=country, label=_("Phone"), max_length=32, required=name == "phone")
            self.fields[name].widget.attrs["autocomplete"] = "off"
        for name in (*ORGANISATION_WRITABLE, "version"):
            self.initial[name] = getattr(organisation, name)
        self.helper = PortalFormHelper(
            Section(_("Organisation"), Grid(("name", 4), ("phone", 2), ("preferred_language", 3)), "version"),
            *self.part.layout(),
            Section(
                _("Technical contact"),
                Grid("technical_contact_name", ("technical_contact_email", 3), ("technical_contact_phone", 3)),
            ),
        )

    def clean(self) -> dict[str, Any]:
        self.part.clean()
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """For `services.update_organisation`."""
        return {
            "values": {name: self.cleaned_data[name] for name in ORGANISATION_WRITABLE},
            "address": self.part.values(),
            "version": self.cleaned_data["version"],
        }


class NameChangeForm(forms.Form):
    """A request for another legal name, with the document that proves it (§3.1)."""

    new_name = forms.CharField(label=gettext_lazy("New legal name"), max_length=200)
    document = CheckedFileField(
        label=gettext_lazy("Document"),
        help_text=gettext_lazy(
            "An extract of the trade register or a letter of the authorities that shows the new name. "
            "PDF, PNG or JPEG, at most 5 MB."
        ),
        max_length=150,
        error_messages={"empty": gettext_lazy("This file is empty. Choose another one.")},
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Since when the name holds, and what else helps to check it."),
    )
    helper = PortalFormHelper("new_name", "document", "note")


class DecisionForm(forms.Form):
    """What staff decides about a request, and why."""

    decision = forms.ChoiceField(
        label=gettext_lazy("Decision"),
        choices=[("approve", gettext_lazy("Approve")), ("refuse", gettext_lazy("Refuse"))],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
        help_text=gettext_lazy("Demanded for a refusal; the owners get it by mail."),
    )


class TakesEffect:
    """The day from which a change counts, inside a form: empty is at once. A later day is looked at on a page of
    its own before it is saved, which `confirmed` says was done."""

    def __init__(self, form: forms.Form) -> None:
        self.form = form
        form.fields["takes_effect_on"] = forms.DateField(
            label=_("Takes effect on"),
            required=False,
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "min": timezone.localdate().isoformat()}),
            input_formats=["%Y-%m-%d", "%d-%m-%Y"],
            help_text=_("Empty: at once. With a day: the next page shows which invoice is the first to carry it."),
            error_messages={"invalid": _("Enter a day, like %(day)s.") % {"day": _example_day()}},
        )
        form.fields["confirmed"] = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def layout(self) -> LayoutObject:
        return Section(_("From when"), Grid(("takes_effect_on", 3)), "confirmed")

    def clean(self) -> None:
        """Refuse a day that is over, or so far away that nobody will remember."""
        day = self.form.cleaned_data.get("takes_effect_on")
        if day is None:
            return
        try:
            check_day(day, today=timezone.localdate())
        except Refused as refusal:
            self.form.add_error("takes_effect_on", refusal)

    def later(self) -> date | None:
        """The day, where it is still to come."""
        day: date | None = self.form.cleaned_data.get("takes_effect_on")
        return day if day and day > timezone.localdate() else None

    def is_confirmed(self) -> bool:
        return bool(self.form.cleaned_data.get("confirmed"))


def _example_day() -> str:
    return date_format(timezone.localdate(), "SHORT_DATE_FORMAT")


class AccountAddressesForm(forms.Form):
    """The addresses of an account in one panel (S0-8): sold-to and, on online services, the bill-to or
    "the same as sold-to"."""

    same_as_sold_to = forms.BooleanField(
        label=gettext_lazy("Invoices go to the sold-to address as well"),
        required=False,
        widget=forms.CheckboxInput(attrs={"data-same": True}),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, account: BillingAccount, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.account, country = account, account.country.code
        self.sold_to = AddressPart(
            self, country=country, address=account.sold_to, prefix="sold_to_", locked=_legal_name(account)
        )
        sections = self.sold_to.layout(title=_("Sold-to: who buys"))
        self.bill_to = None
        if account.bill_to is not None:
            self.bill_to = AddressPart(self, country=country, address=account.bill_to, prefix="bill_to_")
            self.initial.setdefault("same_as_sold_to", _is_same(account))
            own = Div(*self.bill_to.layout(title=_("Company")), css_class="stack stack-6", data_same_hides="")
            sections += [Section(_("Bill-to: who receives the invoices"), "same_as_sold_to"), own]
        else:
            del self.fields["same_as_sold_to"]
        self.takes_effect = TakesEffect(self)
        self.helper = PortalFormHelper(*sections, self.takes_effect.layout())

    def clean(self) -> dict[str, Any]:
        self.sold_to.clean()
        self.takes_effect.clean()
        if self.bill_to is not None:
            if self.cleaned_data.get("same_as_sold_to"):
                self.bill_to.skip()
            else:
                self.bill_to.clean()
        return self.cleaned_data

    def values(self) -> dict[str, Any]:
        """For `services.save_account_addresses` and `services.plan_account_addresses`."""
        values: dict[str, Any] = {"sold_to": self.sold_to.values(), "sold_to_version": self.sold_to.version()}
        if self.bill_to is not None:
            same = self.cleaned_data["same_as_sold_to"]
            values["bill_to"] = self.sold_to.values() if same else self.bill_to.values()
            values["bill_to_version"] = self.bill_to.version()
        return values

    def values_by_field(self) -> dict[str, Any]:
        """What would be saved, by the name of the field: for the page that shows two versions side by side."""
        values = self.values()
        parts = [("sold_to_", values["sold_to"]), ("bill_to_", values.get("bill_to", {}))]
        return {f"{prefix}{name}": value for prefix, part in parts for name, value in part.items()}

    def said(self, name: str) -> str:
        """The label of a field together with the address it belongs to."""
        part = {"sold_to_": _("Sold-to"), "bill_to_": _("Bill-to")}.get(name[:8], "")
        label = str(self.fields[name].label)
        return f"{part} · {label}" if part else label


class TaxIdsForm(forms.Form):
    """VAT ID and registration number of an account (§3.1). What the person saw travels along."""

    vat_id = forms.CharField(label=gettext_lazy("VAT ID"), max_length=20, required=False)
    registration_number = forms.CharField(max_length=40, required=False)
    seen_vat_id = forms.CharField(required=False, widget=forms.HiddenInput)
    seen_registration_number = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None = None, *, account: BillingAccount, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.country = country = account.country.code
        self.fields["vat_id"].help_text = vat_id_hint(country)
        number = self.fields["registration_number"]
        number.label = registration_label(country)
        number.required = country in REGISTRATION_DEMANDED
        number.help_text = (
            _("Demanded in %(country)s.")
            if number.required
            else _("From the trade register. Leave it empty without one.")
        ) % {"country": account.country.name}
        for name in ("vat_id", "registration_number"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
            self.initial.setdefault(name, getattr(account, name))
            self.initial.setdefault(f"seen_{name}", getattr(account, name))
        hidden = ("seen_vat_id", "seen_registration_number")
        self.helper = PortalFormHelper(Grid(("vat_id", 3), ("registration_number", 3)), *hidden)

    def clean_vat_id(self) -> str:
        return clean_vat_id(self.cleaned_data["vat_id"], self.country)

    def clean_registration_number(self) -> str:
        return clean_registration_number(self.cleaned_data["registration_number"], self.country)

    def values(self) -> dict[str, Any]:
        """For `services.save_tax_ids`."""
        cleaned = self.cleaned_data
        return {
            "vat_id": cleaned["vat_id"],
            "registration_number": cleaned["registration_number"],
            "seen": (cleaned["seen_vat_id"], cleaned["seen_registration_number"]),
        }


def _legal_name(account: BillingAccount) -> dict[str, Any]:
    """The legal name is changed on request, with proof (§3.1); until it is known it can be typed."""
    if not account.sold_to.company_name:
        return {}
    return {"company_name": _("The legal name is changed on request, with proof: from the properties of the account.")}


def _is_same(account: BillingAccount) -> bool:
    bill_to = account.bill_to
    return bill_to is not None and account.sold_to.snapshot() == bill_to.snapshot()


class AccountRoleForm(forms.Form):
    """A role on an account for somebody, by e-mail: a member of the organisation gets it, anybody else is invited."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"list": "members", "autocomplete": "off"}),
        help_text=gettext_lazy("Somebody who is not in the organisation yet gets an invitation, valid for 7 days."),
    )
    role = ChoiceCardsField(
        label=gettext_lazy("Role"), rows=[(role.value, role.label, ROLE_DESCRIPTIONS[role]) for role in ACCOUNT_ROLES]
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Ends on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("The last day on which the role counts. Empty: until somebody takes it away."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.helper = PortalFormHelper("email", "role", "expires_on")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


class HandoverForm(forms.Form):
    """Who is to look after an online-services account."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail of the successor"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Gets an offer, valid for 7 days, that this address alone can accept."),
    )
    helper = PortalFormHelper("email")


class StandInForm(forms.Form):
    """Who holds a role in place of its holder, and until which day."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail of the stand-in"),
        max_length=254,
        widget=forms.EmailInput(attrs={"list": "colleagues", "autocomplete": "off"}),
        error_messages={
            "unknown": gettext_lazy(
                "Nobody of %(organisation)s signs in with this address. Invite the person to a role first."
            )
        },
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("The last day on which the stand-in may act. After it, the role ends by itself."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, account: BillingAccount, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.account = account
        self.fields["expires_on"].widget.attrs["min"] = timezone.localdate().isoformat()
        self.helper = PortalFormHelper("email", "expires_on")

    def clean_email(self) -> User:
        """The person; somebody of another organisation is as unknown as nobody (T14)."""
        person = person_in_organisation(self.account, self.cleaned_data["email"])
        if person is None:
            raise forms.ValidationError(
                self.fields["email"].error_messages["unknown"],
                code="unknown",
                params={"organisation": self.account.organisation},
            )
        return person


class CustomerForm(forms.Form):
    """A new customer: organisation, account of either agreement, and the address of its first owner."""

    required_css_class = "required"

    organisation = forms.ModelChoiceField(
        Organisation.objects.order_by("name", "pk"),
        label=gettext_lazy("Organisation"),
        required=False,
        empty_label=gettext_lazy("A new one"),
    )
    organisation_name = forms.CharField(
        label=gettext_lazy("Name of the new organisation"), max_length=200, required=False
    )
    name = forms.CharField(label=gettext_lazy("Account name"), max_length=200)
    agreement = forms.ChoiceField(label=gettext_lazy("Agreement"), choices=Agreement, widget=forms.RadioSelect)
    owner_email = forms.EmailField(
        label=gettext_lazy("E-mail of the owner"),
        max_length=254,
        help_text=gettext_lazy(
            "Gets an invitation, valid for 7 days. Becomes owner, or administrator of an online-services account."
        ),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language of the invitation"), choices=settings.LANGUAGES)
    vat_id = forms.CharField(label=gettext_lazy("VAT ID"), max_length=20, required=False)
    registration_number = forms.CharField(max_length=40, required=False)
    bill_to_differs = forms.BooleanField(
        label=gettext_lazy("Invoices go to another address"),
        required=False,
        help_text=gettext_lazy(
            "For online services. On a customer agreement each billing profile has a bill-to of its own."
        ),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, country: str, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.country = country
        self.fields["registration_number"].label = registration_label(country)
        self.sold_to = AddressPart(self, country=country, prefix="sold_to_")
        self.bill_to = AddressPart(self, country=country, prefix="bill_to_")
        for part in (self.sold_to, self.bill_to):
            del self.fields[f"{part.prefix}country"]

    @staticmethod
    def country_of(query: Mapping[str, Any]) -> str:
        """The country that `?country=` asks for; NL where it is none."""
        wanted = str(query.get("country", "NL")).upper()
        return wanted if wanted in dict(countries) else "NL"

    @property
    def sections(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """(heading, fields) in the order in which staff fill them in."""
        first = ("organisation", "organisation_name", "name", "agreement", "owner_email", "language")
        sold_to = (*(f"sold_to_{name}" for name in self.sold_to.names), "vat_id", "registration_number")
        bill_to = ("bill_to_differs", *(f"bill_to_{name}" for name in self.bill_to.names))
        return [
            (_("Customer"), [self[name] for name in first]),
            (_("Sold-to: who buys"), [self[name] for name in sold_to]),
            (_("Bill-to: who receives the invoices"), [self[name] for name in bill_to]),
        ]

    def clean_vat_id(self) -> str:
        return clean_vat_id(self.cleaned_data["vat_id"], self.country)

    def clean_registration_number(self) -> str:
        return clean_registration_number(self.cleaned_data["registration_number"], self.country)

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if "organisation" in values and not (values["organisation"] or values.get("organisation_name")):
            self.add_error("organisation_name", _("Choose an organisation, or name a new one."))
        self.sold_to.clean()
        if values.get("bill_to_differs"):
            self.bill_to.clean()
            if values.get("agreement") == Agreement.CUSTOMER_AGREEMENT:
                self.add_error(
                    "bill_to_differs", _("On a customer agreement each billing profile has its own bill-to.")
                )
        else:
            self.bill_to.skip()
        return values

    def values(self) -> dict[str, Any]:
        """For `services.create_customer`."""
        names = ("name", "agreement", "owner_email", "language", "vat_id", "registration_number")
        return {
            **{name: self.cleaned_data[name] for name in names},
            "organisation": self.cleaned_data["organisation"] or self.cleaned_data["organisation_name"],
            "country": self.country,
            "sold_to": self.sold_to.values(),
            "bill_to": self.bill_to.values() if self.cleaned_data["bill_to_differs"] else None,
        }


class CountryForm(forms.Form):
    """Which country's address form is shown: sent by GET."""

    # Asked for by each form: the names are those of the reader's language, and sorted by it.
    country = forms.ChoiceField(label=gettext_lazy("Country"), choices=lambda: list(countries))


class SellerForm(forms.ModelForm):
    """The vendor as its invoices name it. Numbers are checked; what is empty is allowed until something is issued."""

    class Meta:
        model = Seller
        fields = (
            *Seller.DEMANDED,
            "line2",
            "bic",
            "phone",
            "logo",
            "accent",
            "time_zone",
            "number_prefix",
            "payment_term_days",
        )
        widgets = {"logo": forms.FileInput(attrs={"accept": "image/png"})}
        help_texts = {
            "logo": gettext_lazy("A PNG of at most 500 KB, for pages, mails and documents issued from now on."),
            "accent": gettext_lazy(
                "Of pages, mails and documents, as #rrggbb. It is shaded where it would not be readable. "
                "Empty: the colour of the portal."
            ),
            "number_prefix": gettext_lazy("One to eight capital letters, digits or dashes."),
            "payment_term_days": gettext_lazy("At most 60 between companies; 30 is usual."),
            "time_zone": gettext_lazy("Decides which day it is when a document is issued, like Europe/Amsterdam."),
        }

    def clean_iban(self) -> str:
        return clean_iban(self.cleaned_data["iban"])

    def clean_bic(self) -> str:
        return clean_bic(self.cleaned_data["bic"])

    def clean_number_prefix(self) -> str:
        prefix = str(self.cleaned_data["number_prefix"]).upper()
        if not re.fullmatch(r"[A-Z0-9-]{1,8}", prefix):
            raise ValidationError(_("Use one to eight capital letters, digits or dashes."), code="prefix")
        return prefix

    def clean_payment_term_days(self) -> int:
        days = int(self.cleaned_data["payment_term_days"])
        if not 1 <= days <= 60:
            raise ValidationError(_("The law allows at most 60 days between companies."), code="term")
        return days

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"])
        if name not in available_timezones():
            raise ValidationError(_("There is no such time zone. Write it like Europe/Amsterdam."), code="time_zone")
        return name

    def clean_logo(self) -> Any:
        """A new file gets a name of ours: the one it came with is nobody's business (T41)."""
        logo = self.cleaned_data["logo"]
        if isinstance(logo, UploadedFile):
            logo.name = f"{new_code()}.png"
        return logo

    def clean(self) -> dict[str, Any]:
        """What depends on the country."""
        values: dict[str, Any] = super().clean() or {}
        country = str(values.get("country") or "")
        if country:
            for name, check in (("vat_id", clean_vat_id), ("registration_number", clean_registration_number)):
                try:
                    values[name] = check(values.get(name) or "", country)
                except ValidationError as error:
                    self.add_error(name, error)
            written = {name: values.get(name, "") for name in ("line1", "line2", "postal_code", "city")}
            for name, message in rules_for(country).errors(written).items():
                if written.get(name):
                    self.add_error(name, message)
        return values


class NewPersonForm(forms.Form):
    """Who takes an invitation for the first time: a name, and a password typed once (it can be shown)."""

    name = forms.CharField(
        label=gettext_lazy("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=256,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("At least 12 characters. A few words make a good one."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.helper = PortalFormHelper("name", "password", guarded=False)


def _widths(names: list[str]) -> list[tuple[str, int] | str]:
    """Fields beside each other on six columns; a code is short."""
    if len(names) == 1:
        return [names[0]]
    if len(names) == 2:
        return [(name, 2 if name.endswith("postal_code") else 4) for name in names]
    return [(name, 2) for name in names]
