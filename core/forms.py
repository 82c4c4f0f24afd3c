"""What every form of the portal shares: how it is sent, laid out and drawn."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Div, Field, Fieldset, Layout, LayoutObject
from django import forms
from django.http import HttpRequest, QueryDict
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from core.money import Money

FORM_ID = "page-form"


def posted(request: HttpRequest) -> QueryDict | None:
    """The data for a form: what was sent on POST, else None, so that the form is not bound."""
    return request.POST if request.method == "POST" else None


class PortalFormHelper(FormHelper):
    """The helper of every form: labels above, help below, errors at the field and in a summary on top.

    The form posts to its own address with the CSRF token, keeps what was typed, and asks before it is
    left with changes. Its buttons come from the page: in a panel or a box
    `{% submit "Save" form="page-form" %}` stands in the footer, outside the form. `tag=False` where
    the page writes the `<form>` itself; the token then comes with the fields.
    """

    def __init__(
        self,
        *layout: LayoutObject | str,
        tag: bool = True,
        method: str = "post",
        form_id: str = FORM_ID,
        action: str = "",
        guarded: bool = True,
    ) -> None:
        super().__init__()
        self.form_tag = tag
        self.form_method = method
        self.form_id = form_id
        self.form_action = action
        self.form_class = "stack stack-6"
        self.attrs = {"novalidate": True, **({"data-guard": True} if guarded and method == "post" else {})}
        if layout:
            self.layout = Layout(*layout)


class Section(Fieldset):
    """A group of fields under a heading, with a line above it: `Section(_("Address"), Grid(...))`."""

    def __init__(self, legend: Any, *fields: LayoutObject | str) -> None:
        super().__init__(legend, *fields, css_class="form-sec")


class Grid(Div):
    """Fields beside each other on six columns: `Grid(("postal_code", 2), ("city", 4), "street")`.

    A bare name takes the whole row. On a phone every field does.
    """

    def __init__(self, *fields: str | tuple[str, int] | LayoutObject) -> None:
        super().__init__(*(_cell(field) for field in fields), css_class="form-grid")


def _cell(field: str | tuple[str, int] | LayoutObject) -> LayoutObject:
    if isinstance(field, str):
        return Field(field, wrapper_class="c6")
    if isinstance(field, tuple):
        name, columns = field
        return Field(name, wrapper_class=f"c{columns}")
    return field


class Note(HTML):
    """A sentence between fields: plain text, escaped."""

    def __init__(self, text: Any) -> None:
        super().__init__('<p class="small muted">{{ note }}</p>')
        self.text = text

    def render(self, form: forms.BaseForm, context: Any, template_pack: Any = None, **kwargs: Any) -> str:
        with context.push(note=self.text):
            return super().render(form, context)


class ChoiceCards(forms.RadioSelect):
    """A radio list whose choices say more than their name.

    `descriptions`, `marks` (a short word in a frame, such as VISA) and `refusals` map the value of a
    choice to a text; a choice with a refusal cannot be chosen and shows the reason under its name.
    """

    def __init__(
        self,
        *args: Any,
        descriptions: Mapping[str, Any] | None = None,
        marks: Mapping[str, str] | None = None,
        refusals: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.descriptions, self.marks, self.refusals = descriptions or {}, marks or {}, refusals or {}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        key = str(value)
        option["description"] = self.descriptions.get(key, "")
        option["mark"] = self.marks.get(key, "")
        option["refusal"] = self.refusals.get(key, "")
        if option["refusal"]:
            option["attrs"]["disabled"] = True
        return option


class ChoiceCardsField(forms.ChoiceField):
    """A choice among cards: `rows` are (value, label, description), `refusals` as in ChoiceCards.

    A refused choice that is sent all the same is refused with its reason.
    """

    def __init__(
        self,
        *,
        rows: Iterable[tuple[str, Any, Any]] = (),
        marks: Mapping[str, str] | None = None,
        refusals: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        rows = list(rows)
        self.refusals = dict(refusals or {})
        descriptions = {str(value): text for value, _label, text in rows}
        widget = ChoiceCards(descriptions=descriptions, marks=marks, refusals=self.refusals)
        super().__init__(choices=[(value, label) for value, label, _text in rows], widget=widget, **kwargs)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if str(value) in self.refusals:
            raise forms.ValidationError(self.refusals[str(value)], code="refused")


class MoneyField(forms.Field):
    """An amount in one currency, typed in the language of the page: 1.234,56 or 1,234.56. Cleans to Money.

    Refuses letters, more decimals than the currency has, and less than `minimum` minor units.
    """

    default_error_messages = {
        "invalid": _("Enter an amount, like %(example)s."),
        "decimals": _("Use at most %(decimals)s decimals for %(currency)s."),
        "minimum": _("Enter an amount of at least %(minimum)s."),
    }

    def __init__(self, *, currency: str, minimum: int = 0, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "class": "text-end tnum", "autocomplete": "off"})
        super().__init__(widget=kwargs.pop("widget", widget), **kwargs)
        self.currency, self.minimum = currency, minimum

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Money):
            return value
        return formats.number_format(value.amount, value.exponent, force_grouping=True)

    def to_python(self, value: Any) -> Money | None:
        text = str(value or "").strip().replace("\u00a0", "").replace(" ", "")
        if not text:
            return None
        amount = read_decimal(text)
        if amount is None or abs(amount) >= 10**15:
            example = formats.number_format(Decimal("1234.50"), 2, force_grouping=True)
            raise self._error("invalid", example=example)
        money = Money.rounded(amount, self.currency)
        if money.amount != amount:
            raise self._error("decimals", decimals=money.exponent, currency=self.currency)
        return money

    def validate(self, value: Money | None) -> None:
        super().validate(value)
        if value is not None and value.minor < self.minimum:
            raise self._error("minimum", minimum=formats.number_format(Money(self.minimum, self.currency).amount))

    def _error(self, code: str, **params: Any) -> forms.ValidationError:
        return forms.ValidationError(self.error_messages[code], code=code, params=params)


def read_decimal(text: str) -> Decimal | None:
    """The number as the language of the page writes it; None for anything else.

    Groups are taken only where they stand right: 12.50 is no number in Dutch, rather than 1250.
    """
    group, mark = (re.escape(formats.get_format(name)) for name in ("THOUSAND_SEPARATOR", "DECIMAL_SEPARATOR"))
    if not re.fullmatch(rf"-?([0-9]+|[0-9]{{1,3}}({group}[0-9]{{3}})+)({mark}[0-9]{{1,18}})?", text):
        return None
    return Decimal(re.sub(group, "", text).replace(formats.get_format("DECIMAL_SEPARATOR"), "."))
