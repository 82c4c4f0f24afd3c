"""How much may be paid at once, by family of method: said on the page before anybody pays, and held by the service.

In whole units of whatever currency is paid (§3.4: the real portals name such limits per currency).
"""

from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import Refused
from core.money import Money
from core.templatetags.ui import money
from payments.models import Family

FAMILIES = (Family.CARD, Family.WALLET, Family.DIRECT_DEBIT)


def most_at_once(family: str, currency: str) -> Money | None:
    """The largest amount of one payment; None where none is set."""
    most = settings.PAYMENT_LIMITS.get(str(family))
    return None if most is None else Money(int(most) * 10 ** Money.zero(currency).exponent, currency)


def demand_within(family: str, amount: Money) -> None:
    """Refuse `over_limit` an amount that may not be paid at once with that family."""
    most = most_at_once(family, amount.currency)
    if most is not None and amount > most:
        raise Refused(
            _("At most %(most)s can be paid at once like this. Pay a part, or transfer the amount from your bank.")
            % {"most": money(most)},
            "over_limit",
        )


def limit_words(currency: str, *, offers_ideal: bool) -> list[str]:
    """The limits as the page says them."""
    lines = []
    for family in FAMILIES:
        most = most_at_once(family, currency)
        if most is not None and (family != Family.WALLET or offers_ideal):
            label = "iDEAL" if family == Family.WALLET else str(family.label)
            lines.append(_("%(family)s: at most %(most)s at once") % {"family": label, "most": money(most)})
    return lines
