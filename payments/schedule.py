"""What is done about an open invoice, and when: the schedule of the design (§3.9), as data.

Days count from the due date. A schedule belongs to an agreement and to who moves the money: we charge a saved
method, or the customer transfers. The acts:

| act        | what happens |
|------------|--------------|
| announce   | mail: it falls due, or will be charged, on that day |
| charge     | the default method, then the backup; the mail of a decline carries the reason |
| remind     | mail: a friendly reminder |
| remind2    | mail: the second reminder |
| demand     | mail: the formal demand (aanmaning); to a consumer with fourteen days (14-dagenbrief) |
| last       | mail: the last demand, with the day of disabling |
| disable    | the subscriptions of the profile are disabled, and a mail says so |
| retention  | mail: what is disabled will be deleted, and on which day |
| delete     | they are deleted, and a mail says so |
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from accounts.models import Agreement
from payments.models import Pace

# How long after its first day a saved link that pays still works.
LINK_DAYS = 30
# How far ahead somebody may promise to pay, counted from the day of the promise.
PROMISE_DAYS = 14
# Local hour at which a step is taken: nobody is reminded at night.
HOUR = 9
# From this day on the banner is red and the task of the people who pay is urgent (§3.9).
RED_FROM = 14


class Act(StrEnum):
    ANNOUNCE = "announce"
    CHARGE = "charge"
    REMIND = "remind"
    REMIND_AGAIN = "remind2"
    DEMAND = "demand"
    LAST_DEMAND = "last"
    DISABLE = "disable"
    RETENTION = "retention"
    DELETE = "delete"


class Way(StrEnum):
    """Who moves the money."""

    CHARGE = "charge"
    TRANSFER = "transfer"


@dataclass(frozen=True, order=True)
class Step:
    day: int
    act: Act


Schedule = tuple[Step, ...]


def _schedule(**days: tuple[int, ...]) -> Schedule:
    acts = {"remind_again": Act.REMIND_AGAIN, "last": Act.LAST_DEMAND}
    steps = [Step(day, acts.get(name) or Act(name)) for name, each in days.items() for day in each]
    return tuple(sorted(steps))


_CHARGE = _schedule(
    announce=(-7,),
    charge=(0, 3, 7, 14, 21),
    last=(27,),
    disable=(30,),
    retention=(60, 90, 113),
    delete=(120,),
)
_TRANSFER = _schedule(
    announce=(-7,),
    remind=(1,),
    remind_again=(7,),
    demand=(14,),
    last=(27,),
    disable=(30,),
    retention=(60, 90, 113),
    delete=(120,),
)

# Published bounds: disabled 2 to 30 days after the due date, deleted at most 180 days after it (§3.5).
SCHEDULES: dict[tuple[Agreement, Way], Schedule] = {
    (Agreement.CUSTOMER_AGREEMENT, Way.CHARGE): _CHARGE,
    (Agreement.CUSTOMER_AGREEMENT, Way.TRANSFER): _TRANSFER,
    (Agreement.ONLINE_SERVICES, Way.CHARGE): _CHARGE,
    (Agreement.ONLINE_SERVICES, Way.TRANSFER): _TRANSFER,
}

# No retry helps: days count from the decline, or from the day on which the bank took the money back.
FASTER: dict[Pace, Schedule] = {
    Pace.ACCELERATED: _schedule(last=(0,), disable=(2,), retention=(32, 62, 85), delete=(92,)),
    Pace.CHARGED_BACK: _schedule(last=(0,), disable=(1,), retention=(31, 61, 84), delete=(91,)),
}


def schedule_of(agreement: str, way: Way, pace: str) -> Schedule:
    """The steps of a case in the order of their days."""
    return FASTER.get(Pace(pace)) or SCHEDULES[Agreement(agreement), way]


def next_step(schedule: Schedule, after: int | None) -> Step | None:
    """The first step after that day; the first of all where none was done."""
    return next((step for step in schedule if after is None or step.day > after), None)


def day_of(schedule: Schedule, act: Act, after: int | None = None) -> int | None:
    """The first day of that act, or the first one after that day; None where there is none."""
    return next((step.day for step in schedule if step.act == act and (after is None or step.day > after)), None)


def is_in_order(schedule: Schedule) -> bool:
    """Whether no two steps fall on one day."""
    return all(one.day < other.day for one, other in pairwise(schedule))
