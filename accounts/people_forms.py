"""Forms about the people of an organisation."""

from collections.abc import Mapping
from typing import Any

import phonenumbers
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries

from accounts.address_rules import rules_for
from accounts.models import Organisation, User, UserProfile
from core.forms import Grid, PortalFormHelper, Section

JOB = ("job_title", "department", "employee_id", "manager", "office")
ADDRESS = ("line1", "postal_code", "city", "region", "country")


class PersonForm(forms.Form):
    """A person in sections; each may be filled in part. `organisation` is given where its user administrator edits:
    then the job stands here too."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=150)
    job_title = forms.CharField(label=gettext_lazy("Job title"), max_length=100, required=False)
    department = forms.CharField(label=gettext_lazy("Department"), max_length=100, required=False)
    employee_id = forms.CharField(label=gettext_lazy("Employee ID"), max_length=40, required=False)
    manager = forms.EmailField(
        label=gettext_lazy("Manager"),
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"list": "members", "autocomplete": "off"}),
        help_text=gettext_lazy("The e-mail address of somebody of the organisation."),
    )
    office = forms.CharField(label=gettext_lazy("Office"), max_length=100, required=False)
    business_phone = forms.CharField(
        label=gettext_lazy("Business phone"),
        max_length=32,
        required=False,
        help_text=gettext_lazy("With its country, like +31 10 1234567."),
    )
    line1 = forms.CharField(label=gettext_lazy("Street and number"), max_length=200, required=False)
    postal_code = forms.CharField(label=gettext_lazy("Postal code"), max_length=20, required=False)
    city = forms.CharField(label=gettext_lazy("City"), max_length=100, required=False)
    region = forms.CharField(label=gettext_lazy("Region"), max_length=100, required=False)
    country = forms.ChoiceField(label=gettext_lazy("Country"), choices=[("", "—"), *countries], required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, profile: UserProfile, organisation: Organisation | None = None
    ) -> None:
        person = profile.user
        initial = {name: getattr(profile, name) for name in ("version", *JOB, "business_phone", *ADDRESS)}
        initial |= {
            "name": person.name,
            "language": person.language,
            "country": profile.country.code if profile.country else "",
            "manager": profile.manager.email if profile.manager else "",
        }
        super().__init__(data, initial=initial)
        self.person, self.organisation = person, organisation
        if organisation is None:
            for name in JOB:
                del self.fields[name]
        job = [] if organisation is None else [Section(_("Job"), Grid(*((name, 3) for name in JOB)))]
        self.helper = PortalFormHelper(
            "version",
            Section(_("Identity"), Grid(("name", 6))),
            *job,
            Section(
                _("Contact"),
                Grid("business_phone", "line1", ("postal_code", 2), ("city", 4), ("region", 3), ("country", 3)),
            ),
            Section(_("Settings"), "language"),
        )

    def clean_manager(self) -> User | None:
        email = self.cleaned_data["manager"]
        if not email:
            return None
        found = User.objects.filter(memberships__organisation=self.organisation, email__iexact=email).first()
        if found is None:
            raise ValidationError(_("Nobody of the organisation has this address."), code="unknown")
        if found == self.person:
            raise ValidationError(_("Nobody manages themselves."), code="yourself")
        return found

    def clean_business_phone(self) -> str:
        typed = self.cleaned_data["business_phone"]
        if not typed:
            return ""
        try:
            number = phonenumbers.parse(typed, None)
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_valid_number(number):
            raise ValidationError(_("Write the number with its country, like +31 6 12345678."), code="phone")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        country = values.get("country")
        if country:
            written = {name: values.get(name, "") for name in ADDRESS if name != "country"}
            for name, message in rules_for(country).errors(written).items():
                if written.get(name):
                    self.add_error(name, message)
        return values

    def values(self) -> dict[str, Any]:
        """For `services.people.save_person`, without the version."""
        return {name: value for name, value in self.cleaned_data.items() if name != "version"}


class PictureForm(forms.Form):
    """A picture of a person."""

    picture = forms.FileField(
        label=gettext_lazy("Picture"),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg"}),
        help_text=gettext_lazy("PNG or JPEG, at most 5 MB and 25 million pixels. It becomes a small square."),
    )

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.helper = PortalFormHelper("picture", form_id="picture-form", guarded=False)


class MemberForm(forms.Form):
    """Somebody who is to become a person of the organisation."""

    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=254)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=150)
    job_title = forms.CharField(label=gettext_lazy("Job title"), max_length=100, required=False)
    department = forms.CharField(label=gettext_lazy("Department"), max_length=100, required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language of the invitation"), choices=settings.LANGUAGES)

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.helper = PortalFormHelper("email", "name", Grid(("job_title", 3), ("department", 3)), "language")
