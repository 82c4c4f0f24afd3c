"""Rules of single values that people and staff type: tax numbers, bank accounts, a logo."""

import re
import struct
from importlib import import_module
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException
from stdnum import get_cc_module
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError as NumberError

from core.branding import is_colour

LOGO_BYTES = 500 * 1024
LOGO_SIDE = 4000  # pixels; read from the header, so that a small file cannot unfold to gigabytes (M7)
_PNG = b"\x89PNG\r\n\x1a\n"
# VAT numbers of Greece carry another prefix than the country.
_VAT_PREFIX = {"GR": "EL"}


def clean_vat_id(written: str, country: str) -> str:
    """The VAT ID in its official spelling; empty stays empty.

    Refuses a number whose form or check digit is wrong, or that is another country's. Whether it is
    registered is not known from the number.
    """
    if not written.strip():
        return ""
    prefix = _VAT_PREFIX.get(country, country)
    if country.lower() in eu_vat.MEMBER_STATES:
        try:
            number: str = eu_vat.validate(written)
        except NumberError:
            number = ""
        if not number.startswith(prefix):
            raise ValidationError(
                _("This is no VAT ID of this account's country; one starts with %(prefix)s."),
                code="vat_id",
                params={"prefix": prefix},
            )
        return number
    module = get_cc_module(country, "vat")
    if module is None:
        return written.strip()
    try:
        return str(module.validate(written))
    except NumberError:
        raise ValidationError(_("This is no VAT ID of this account's country."), code="vat_id") from None


def vat_id_hint(country: str) -> str:
    """What a VAT ID of that country looks like, in a sentence; empty outside the Union."""
    prefix = _VAT_PREFIX.get(country, country)
    if country.lower() not in eu_vat.MEMBER_STATES:
        return ""
    return _("With the country in front: %(prefix)s… Spaces and dots may stay.") % {"prefix": prefix}


def is_union_vat_id(number: str, country: str) -> bool:
    """Whether it is a VAT ID that a register of the Union can know, by its form and check digits."""
    prefix = _VAT_PREFIX.get(country, country)
    return country.lower() in eu_vat.MEMBER_STATES and number.startswith(prefix) and bool(eu_vat.is_valid(number))


# Countries whose register number has a form or check digits, and the modules that know one of them each.
_REGISTERS = {
    "BE": ("be.vat",),
    "BR": ("br.cnpj",),
    "DE": ("de.handelsregisternummer",),
    "DK": ("dk.cvr",),
    "FI": ("fi.ytunnus",),
    "FR": ("fr.siren", "fr.siret"),
    "JP": ("jp.cn",),
    "NO": ("no.orgnr",),
    "SE": ("se.orgnr",),
}
_REGISTER_FORMS = {"NL": r"[0-9]{8}", "GB": r"([A-Z]{2}|[0-9]{2})[0-9]{6}"}
# Where no business buys without one (M-reg).
REGISTRATION_DEMANDED = frozenset({"BR"})


def registration_label(country: str) -> str:
    """What the number in the trade register is called in that country."""
    names = {
        "NL": _("KvK number"),
        "BE": _("Enterprise number"),
        "BR": "CNPJ",
        "DE": _("Commercial register number"),
        "FR": _("SIREN or SIRET"),
        "GB": _("Company number"),
        "JP": _("Corporate number"),
    }
    return names.get(country) or _("Registration number")


def clean_registration_number(written: str, country: str) -> str:
    """The number in the trade register as it was typed; refuses one that the country's register cannot hold."""
    number = written.strip()
    if not number:
        return ""
    if country in _REGISTER_FORMS:
        fits = re.fullmatch(_REGISTER_FORMS[country], number.upper()) is not None
    elif country in _REGISTERS:
        fits = any(import_module(f"stdnum.{name}").is_valid(number) for name in _REGISTERS[country])
    else:
        fits = True
    if fits:
        return number
    if country == "NL":
        raise ValidationError(_("A KvK number has eight digits."), code="registration_number")
    raise ValidationError(
        _("This is no %(name)s: a digit is wrong or missing."),
        code="registration_number",
        params={"name": registration_label(country)},
    )


def clean_iban(written: str) -> str:
    """The IBAN without spaces; empty stays empty. Refuses a wrong length or check digit."""
    if not written.strip():
        return ""
    try:
        return str(IBAN(written, validate_bban=True))
    except SchwiftyException:
        raise ValidationError(_("This is no IBAN: a digit is wrong or missing."), code="iban") from None


def clean_bic(written: str) -> str:
    if not written.strip():
        return ""
    try:
        return str(BIC(written))
    except SchwiftyException:
        raise ValidationError(_("This is no BIC."), code="bic") from None


def validate_accent(colour: str) -> None:
    """A colour as #rrggbb. Any will do: where it is text or a button it is shaded (`core.branding`)."""
    if not is_colour(colour):
        raise ValidationError(_("Write the colour as # and six hexadecimal digits, like #2454d6."), code="accent")


def validate_logo(file: Any) -> None:
    """A PNG of at most 500 KB and 4,000 pixels a side, by its content and not by its name (T41)."""
    if file.size > LOGO_BYTES:
        raise ValidationError(_("The logo may have at most 500 KB."), code="logo_size")
    file.seek(0)
    head = file.read(24)
    file.seek(0)
    if len(head) < 24 or not head.startswith(_PNG) or head[12:16] != b"IHDR":
        raise ValidationError(
            _("The logo has to be a PNG file: mail programs show no SVG. Export it as PNG, about 800 pixels wide."),
            code="logo_type",
        )
    width, height = struct.unpack(">II", head[16:24])
    if not (0 < width <= LOGO_SIDE and 0 < height <= LOGO_SIDE):
        raise ValidationError(_("The logo may have at most 4,000 pixels a side."), code="logo_pixels")
