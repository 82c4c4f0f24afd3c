"""What staff entered of the VAT rates of the member states, for `invoices.tax`."""

from invoices.models import VatRate
from invoices.tax import DatedRate


def entered_rates() -> tuple[DatedRate, ...]:
    """All of it in the order of entry. One statement; there are as few as laws that changed since the last release."""
    rows = VatRate.objects.order_by("pk").values_list("country", "kind", "valid_from", "rate", "source")
    return tuple(DatedRate(str(country), kind, since, rate, source) for country, kind, since, rate, source in rows)
