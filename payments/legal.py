"""What Dutch law says about collecting late (§3.9): figures for a note in the mail. Nothing here is charged.

Sources: Burgerlijk Wetboek 6:96 (fourteen days for a consumer, at least € 40 between companies) and the
scale of the Besluit vergoeding voor buitengerechtelijke incassokosten. To be checked before release.
"""

from decimal import Decimal

from core.money import Money
from invoices.models import Invoice

# Up to so much of the principal (in euros), so many percent of that part.
SCALE = ((2_500, Decimal(15)), (2_500, Decimal(10)), (5_000, Decimal(5)), (190_000, Decimal(1)))
ABOVE = Decimal("0.5")
LEAST, MOST = Money(4_000, "EUR"), Money(677_500, "EUR")
CONSUMER_DAYS = 14


def collection_costs(principal: Money) -> Money | None:
    """The most that may be asked for collecting this principal, without VAT; None where it is not in euros."""
    if principal.currency != "EUR":
        return None
    left, costs = principal.amount, Decimal(0)
    for width, percent in SCALE:
        part = min(left, Decimal(width))
        costs, left = costs + part * percent / 100, left - part
    costs += left * ABOVE / 100
    return min(max(Money.rounded(costs, "EUR"), LEAST), MOST)


def is_dutch(invoice: Invoice) -> bool:
    """Whether Dutch wording belongs into its demand: the customer is in the Netherlands."""
    return invoice.sold_to.get("country") == "NL"


def is_consumer(invoice: Invoice) -> bool:
    """Whether the customer is to be treated as a consumer: it gave neither a registration number nor a VAT ID."""
    return not (invoice.customer_vat_id or invoice.account.registration_number)
