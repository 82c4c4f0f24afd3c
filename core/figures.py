"""Figures that are not amounts: quantities, unit prices and rates, in the language in use.

Documents and pages both print them through here; whole amounts are `core.templatetags.ui.money`.
"""

from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, lru_cache

from babel import Locale
from babel.numbers import NumberPattern, format_decimal, get_currency_symbol, parse_pattern
from django.utils.translation import get_language

from core.money import exponent

# Delivered figures have up to 18 decimals; what a reader can use ends here, the rest is in the data files.
SHOWN_DECIMALS = 10
_SMALLEST = Decimal(1).scaleb(-SHOWN_DECIMALS)
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


def quantity(value: Decimal, unit: str = "") -> str:
    """3,412 hours; without the zeros that a numeric column adds."""
    number = _decimal(value, least=0)
    return f"{number} {unit}" if unit else number


def unit_price(value: Decimal, currency: str) -> str:
    """A price of one, with all its decimals and at least those of the currency: €0.61, €0.0000125."""
    language = _language()
    symbol = _symbol(currency, language)
    gap = "\N{NO-BREAK SPACE}" if language == "nl" or len(symbol) > 2 else ""
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{symbol}{gap}{_decimal(abs(value), least=exponent(currency))}"


def percentage(value: Decimal) -> str:
    """A rate in percent: 21%, 9.5%."""
    return f"{_decimal(value, least=0)}%"


def _decimal(value: Decimal, *, least: int) -> str:
    return _printed(value, least, _language())


@lru_cache(maxsize=4000)
def _printed(value: Decimal, least: int, language: str) -> str:
    shown = value.quantize(_SMALLEST, context=_EXACT)
    return format_decimal(shown, format=_pattern(least), locale=_locale(language))


# Thousands of figures are printed by a handful of patterns: each is parsed once.
@cache
def _pattern(least: int) -> NumberPattern:
    return parse_pattern("#,##0." + "0" * least + "#" * (SHOWN_DECIMALS - least))


@cache
def _symbol(currency: str, language: str) -> str:
    return get_currency_symbol(currency, language)


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


def _language() -> str:
    return "nl" if (get_language() or "").startswith("nl") else "en"
