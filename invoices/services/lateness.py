"""An invoice is to be issued by the 15th of the month after the supply (L2, Dutch Turnover Tax Act, article 34g): from
the 12th on the log says every day who was not billed yet, and why."""

import logging
from dataclasses import dataclass
from datetime import date

from core.periods import Month
from invoices.models import BillingHold, ParkedProfile
from invoices.services.due import profiles_behind
from profiles.models import BillingProfile

logger = logging.getLogger(__name__)

WARNED_FROM = 12
LAST_DAY = 15


@dataclass(frozen=True)
class Lateness:
    """How many profiles have supplies of a month or earlier that are on no invoice: those that wait for their invoice
    day or a run, those that a run left out, those that staff hold."""

    month: Month
    waiting: int
    parked: int
    held: int

    @property
    def total(self) -> int:
        return self.waiting + self.parked + self.held


def lateness_on(on: date) -> Lateness:
    """What is not invoiced yet of the months before that day's."""
    month = Month.of(on).previous
    parked = ParkedProfile.objects.unreleased().filter(month__lte=month.first)
    held = BillingHold.objects.unreleased().filter(placed_at__date__lte=on)
    held_ids = set(held.values_list("profile", flat=True))
    return Lateness(
        month,
        profiles_behind(BillingProfile.objects.all(), month).exclude(pk__in=held_ids).count(),
        len(set(parked.values_list("profile", flat=True)) - held_ids),
        len(held_ids),
    )


def warn_of_lateness(on: date) -> Lateness | None:
    """Say so in the log from the 12th on: as a warning, and after the 15th as an error. None before, and where all are
    billed."""
    if on.day < WARNED_FROM:
        return None
    late = lateness_on(on)
    if not late.total:
        return None
    logger.log(
        logging.ERROR if on.day > LAST_DAY else logging.WARNING,
        "Not invoiced yet for %s, which the law wants by the %sth: %s waiting, %s parked, %s held",
        late.month, LAST_DAY, late.waiting, late.parked, late.held,
    )  # fmt: skip
    return late
