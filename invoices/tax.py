"""Which VAT an invoice carries (domain §3.6). Pure: no clock, no database.

Decided by where the seller and the customer are established and by the customer's VAT id, as the VAT
directive (2006/112/EC) has it for services: at home and to a consumer in the Union the seller's own
rate, to a business elsewhere in the Union none and the customer accounts for it (articles 44 and
196), outside the Union none. An id is checked for its form and its check digits; asking the
authorities whether it is in use is a later step. Categories are those of EN 16931 (UNCL 5305).
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from django.core.exceptions import ValidationError
from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from accounts.validators import clean_vat_id

# Standard rates in percent, as they stand in November 2026. A seller elsewhere has no rule here and issues nothing.
STANDARD_RATES = {
    "AT": "20", "BE": "21", "BG": "20", "CY": "19", "CZ": "21", "DE": "19", "DK": "25", "EE": "24", "ES": "21",
    "FI": "25.5", "FR": "20", "GR": "24", "HR": "25", "HU": "27", "IE": "23", "IT": "22", "LT": "21", "LU": "17",
    "LV": "21", "MT": "18", "NL": "21", "PL": "23", "PT": "23", "RO": "21", "SE": "25", "SI": "22", "SK": "23",
}  # fmt: skip
UNION = frozenset(STANDARD_RATES)


@dataclass(frozen=True, slots=True)
class Treatment:
    """A category of EN 16931, its rate in percent, and the sentence that the law wants where no VAT is charged."""

    category: str
    rate: Decimal
    reason: str = ""

    def wording(self, language: str) -> str:
        """The sentence in that language; empty where VAT is charged."""
        with override(language):
            return gettext(self.reason) if self.reason else ""


REVERSE_CHARGE = Treatment("AE", Decimal(0), _("Reverse charge: VAT due by the customer (article 196, 2006/112/EC)"))
OUT_OF_SCOPE = Treatment("O", Decimal(0), _("Outside the scope of EU VAT (article 44, 2006/112/EC)"))


def treatment(seller_country: str, customer_country: str, vat_id: str) -> Treatment:
    """The VAT of services from one country to a customer in another, by ISO 3166-1 alpha-2 codes.

    Raises ValueError for a seller outside the Union, whose rules are not known here.
    """
    if seller_country not in UNION:
        raise ValueError(f"no VAT rule for a seller in {seller_country or 'no country'}")
    if customer_country not in UNION:
        return OUT_OF_SCOPE
    if customer_country != seller_country and is_vat_id(vat_id, customer_country):
        return REVERSE_CHARGE
    return _standard(seller_country)


def is_vat_id(vat_id: str, country: str) -> bool:
    """Whether this is a VAT id of that country of the Union, by its form and check digits."""
    if country not in UNION or not vat_id:
        return False
    try:
        clean_vat_id(vat_id, country)
    except ValidationError:
        return False
    return True


@cache
def _standard(country: str) -> Treatment:
    return Treatment("S", Decimal(STANDARD_RATES[country]))
