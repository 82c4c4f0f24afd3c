"""Rules of single values that people and staff type: tax numbers, bank accounts, a logo."""

import struct
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException
from stdnum import get_cc_module
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError as NumberError

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
    if prefix.lower() in eu_vat.MEMBER_STATES:
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


def clean_registration_number(written: str, country: str) -> str:
    """The number in the trade register; the chamber of commerce of the Netherlands gives eight digits."""
    number = written.strip()
    if country == "NL" and number and not (number.isascii() and number.isdigit() and len(number) == 8):
        raise ValidationError(_("A KvK number has eight digits."), code="registration_number")
    return number


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


def validate_logo(file: Any) -> None:
    """A PNG of at most 500 KB and 4,000 pixels a side, by its content and not by its name (T41)."""
    if file.size > LOGO_BYTES:
        raise ValidationError(_("The logo may have at most 500 KB."), code="logo_size")
    file.seek(0)
    head = file.read(24)
    file.seek(0)
    if len(head) < 24 or not head.startswith(_PNG) or head[12:16] != b"IHDR":
        raise ValidationError(_("The logo has to be a PNG file."), code="logo_type")
    width, height = struct.unpack(">II", head[16:24])
    if not (0 < width <= LOGO_SIDE and 0 < height <= LOGO_SIDE):
        raise ValidationError(_("The logo may have at most 4,000 pixels a side."), code="logo_pixels")
