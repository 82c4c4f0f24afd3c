"""How long what is kept: classes of data, each with its time and what is erased after it (L5, I29).

    @keeps("statements", for_=_("7 years"), due=lambda on: Paper.objects.filter(...))
    def erase_papers(rows): ...

Registered in the `retention.py` of the app that knows the rows. What the law keeps is guarded by a trigger besides:
an erasure that comes too early is refused by the database, whoever asks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from core.jobs import clock, stopping
from core.models import MailComplaint, MailEvent, Message, Session
from core.querysets import UNFINISHED

CHUNK = 200

Due = Callable[[date], QuerySet]
Erase = Callable[[Sequence[Any]], None]


@dataclass(frozen=True)
class RetentionClass:
    """A class of data: how long it is kept, in words; the rows whose time is over on a day; how they are erased."""

    name: str
    kept_for: str | Promise
    due: Due
    erase: Erase


_classes: dict[str, RetentionClass] = {}


def keeps(name: str, *, for_: str | Promise, due: Due) -> Callable[[Erase], Erase]:
    """Register what erases rows of a class, a handful at a time in one transaction."""

    def register(erase: Erase) -> Erase:
        _classes[name] = RetentionClass(name, for_, due, erase)
        return erase

    return register


def retention_classes() -> list[RetentionClass]:
    """Every class of every app, in the order in which they are erased."""
    autodiscover_modules("retention")
    return list(_classes.values())


def erase_expired(each: RetentionClass, on: date) -> Iterator[int]:
    """Erase the rows of a class whose time is over on that day, handful by handful; gives how many each time. Safe to
    repeat, and to be killed anywhere."""
    while not stopping():
        with transaction.atomic():
            rows = list(each.due(on).order_by("pk").select_for_update(of=("self",), skip_locked=True)[:CHUNK])
            if not rows:
                return
            each.erase(rows)
        yield len(rows)


def erase_all_expired(on: date) -> int:
    """Erase everything whose time is over on that day; returns how many rows."""
    return sum(number for each in retention_classes() for number in erase_expired(each, on))


def start_of(day: date) -> datetime:
    """The first moment of the day, UTC."""
    return datetime.combine(day, time(), UTC)


def delete_rows(rows: Sequence[Any]) -> None:
    """Delete rows of one model."""
    model = type(rows[0])
    model._default_manager.filter(pk__in=[row.pk for row in rows]).delete()


@clock("daily", at=time(1))
def forget_expired(slot: datetime) -> None:
    """Erase what nobody may or needs to keep any longer."""
    erase_all_expired(slot.date())


def _before(on: date, **ago: int) -> datetime:
    return start_of(on - timedelta(**ago))


keeps(
    "text messages",
    for_=_("90 days"),
    due=lambda on: Message.objects.filter(channel="sms", created_at__lt=_before(on, days=90)).exclude(
        status__in=UNFINISHED
    ),
)(delete_rows)
keeps(
    "sessions",
    for_=_("one day after they ended"),
    due=lambda on: Session.objects.filter(expire_date__lt=_before(on, days=1)),
)(delete_rows)
keeps(
    "reports of mail services",
    for_=_("90 days"),
    due=lambda on: MailEvent.objects.filter(received_at__lt=_before(on, days=90)).exclude(status="received"),
)(delete_rows)
keeps(
    "complaints that were lifted",
    for_=_("a year"),
    due=lambda on: MailComplaint.objects.filter(lifted_at__lt=_before(on, days=365)),
)(delete_rows)
