"""Money: whole minor units and a currency. The only module that rounds an amount.

Exponents come from ISO 4217, not from the formatting library, whose figures differ for a few
currencies. Half a unit rounds away from zero ("half up" for amounts owed), as EN 16931 demands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import cache, total_ordering

from iso4217 import Currency

# Wide enough for a charge of numeric(38,18) times a quantity of the same width.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP)


@cache
def exponent(currency: str) -> int:
    """How many decimals the currency has by ISO 4217: EUR 2, JPY 0, KWD 3.

    Raises ValueError for a code that is no currency, or one without a minor unit (gold, test codes).
    """
    try:
        digits = Currency(currency).exponent
    except ValueError:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency code") from None
    if digits is None:
        raise ValueError(f"{currency} has no minor unit and cannot be billed")
    return int(digits)


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `minor` units (cents for EUR) of `currency`. Adding two currencies raises."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are whole numbers, not {self.minor!r}")
        exponent(self.currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return cls(0, currency)

    @classmethod
    def rounded(cls, amount: Decimal, currency: str) -> "Money":
        """The amount in major units, rounded half up to the currency's minor unit.

        Raises ValueError for NaN and infinity.
        """
        if not amount.is_finite():
            raise ValueError(f"{amount} is not an amount")
        return cls(round_half_up(amount.scaleb(exponent(currency), context=_EXACT)), currency)

    @classmethod
    def nearest(cls, minor: Fraction, currency: str) -> "Money":
        """That many minor units, an exact fraction, rounded half up: what days of a term come to."""
        whole = int(abs(minor) + Fraction(1, 2))
        return cls(whole if minor >= 0 else -whole, currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """The amount written with a point as decimal mark; refuses what the currency cannot hold."""
        try:
            amount = Decimal(text.strip())
        except InvalidOperation:
            raise ValueError(f"{text!r} is not an amount") from None
        money = cls.rounded(amount, currency)
        if money.amount != amount:
            raise ValueError(f"{currency} has {exponent(currency)} decimals")
        return money

    @classmethod
    def total(cls, amounts: Iterable["Money"], currency: str) -> "Money":
        """The sum, zero for nothing. Raises ValueError when one of them is of another currency."""
        result = cls.zero(currency)
        for amount in amounts:
            result += amount
        return result

    @property
    def amount(self) -> Decimal:
        """In major units, exact, with the currency's decimals: Decimal("12.50")."""
        return Decimal(self.minor).scaleb(-exponent(self.currency), context=_EXACT)

    @property
    def exponent(self) -> int:
        return exponent(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, count: int) -> "Money":
        if type(count) is not int:
            raise TypeError("money times a fraction is rounded: use Money.share")
        return Money(self.minor * count, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.minor < other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def share(self, fraction: Decimal) -> "Money":
        """That fraction of the amount, rounded half up: VAT of a group is `base.share(rate / 100)`."""
        return Money(round_half_up(_EXACT.multiply(Decimal(self.minor), fraction)), self.currency)

    def allocate(self, weights: Sequence[int]) -> list["Money"]:
        """Split in proportion to the weights without losing a unit, by largest remainder.

        Weights are whole numbers of zero or more, at least one above zero; otherwise ValueError.
        """
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise ValueError("weights are zero or more, and not all zero")
        shares = [divmod(self.minor * weight, whole) for weight in weights]
        left = self.minor - sum(quotient for quotient, _ in shares)
        order = sorted(range(len(shares)), key=lambda index: (-shares[index][1], index))
        extra = set(order[:left])
        return [Money(share[0] + (index in extra), self.currency) for index, share in enumerate(shares)]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same(self, other: "Money") -> None:
        if not isinstance(other, Money):
            raise TypeError(f"not money: {other!r}")
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")


def round_half_up(value: Decimal) -> int:
    """The nearest whole number; a half goes away from zero."""
    return int(value.to_integral_value(rounding=ROUND_HALF_UP, context=_EXACT))


def quotient(value: Decimal, by: Decimal, decimals: int) -> Decimal:
    """One figure by another, rounded half up to so many decimals: a rate of exchange made of two."""
    return _EXACT.divide(value, by).quantize(Decimal(1).scaleb(-decimals), context=_EXACT)
