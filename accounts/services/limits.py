"""How often somebody may try (Q12, T13): counted in the database, so that many processes and parallel tries
share one count, and a restart forgets nothing.

A try is counted before it is made. Two that come at once are counted one after the other: each counter
has a lock of its own, held for the length of the count.
"""

import struct
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Attempt
from core.errors import Refused


@dataclass(frozen=True)
class Limit:
    """At most `times` within any stretch of `within`, for each subject (an address, a person, an account)."""

    name: str
    times: int
    within: timedelta


SIGN_IN_PER_PERSON = Limit("sign-in of a person", 5, timedelta(minutes=1))
SIGN_IN_PER_ADDRESS = Limit("sign-in from an address", 50, timedelta(minutes=1))
RESET_PER_PERSON = Limit("reset of a person", 3, timedelta(hours=1))
RESET_PER_ADDRESS = Limit("reset from an address", 50, timedelta(hours=1))
INVITATIONS_PER_ACCOUNT = Limit("invitation to an account", 20, timedelta(hours=1))

CODES_PER_PERSON = Limit("codes of a person", 6, timedelta(hours=1))
CODES_PER_MAILBOX = Limit("codes to a mailbox", 5, timedelta(hours=1))
TEXTS_PER_NUMBER = Limit("text messages to a number", 3, timedelta(hours=1))
TEXTS_PER_NUMBER_A_DAY = Limit("text messages to a number in a day", 10, timedelta(days=1))
TEXTS_IN_ALL = Limit("text messages in all", settings.SMS_PER_DAY, timedelta(days=1))
FACTOR_PER_PERSON = Limit("second factor of a person", 5, timedelta(minutes=1))
# Longer than the time for which an authenticator app shows a code, the tolerance on both sides included.
FACTOR_CODE_ONCE = Limit("code of a second factor", 1, timedelta(minutes=2))
MEMBERS_PER_ORGANISATION = Limit("invitation to an organisation", 20, timedelta(hours=1))
TOPICS_PER_PERSON = Limit("link to the preferences of a person", 3, timedelta(hours=1))
TOPICS_PER_ADDRESS = Limit("link to preferences from an address", 50, timedelta(hours=1))
# Mail services send the clicks of many people from a few addresses.
UNSUBSCRIBES_PER_MAILBOX = Limit("one-click of a mailbox", 10, timedelta(hours=1))
UNSUBSCRIBES_PER_ADDRESS = Limit("one-click from an address", 600, timedelta(hours=1))

LONGEST = timedelta(days=1)


def count(limit: Limit, subject: Any) -> list[int]:
    """Count one try. Refuses `too_many` when the limit is reached; a refused try is not counted."""
    return count_all([(limit, subject)])


def count_all(counters: list[tuple[Limit, Any]]) -> list[int]:
    """Count one try on several counters at once: on all of them, or on none and refuse `too_many`.

    Returns what `forget` takes.
    """
    # Always in the same order, so that two tries never wait for each other's lock.
    keyed = sorted(((_key(limit, subject), limit) for limit, subject in counters), key=lambda pair: pair[0])
    with transaction.atomic():
        for key, _limit in keyed:
            _lock(key)
        now = timezone.now()
        for key, limit in keyed:
            if Attempt.objects.since(now - limit.within).filter(key=key).count() >= limit.times:
                raise _too_many(limit)
        made = Attempt.objects.bulk_create([Attempt(key=key, at=now) for key, _limit in keyed])
    return [attempt.pk for attempt in made]


def forget(attempts: list[int]) -> None:
    """Take tries back that turned out to be honest: who knows the password is not guessing."""
    Attempt.objects.filter(pk__in=attempts).delete()


def _key(limit: Limit, subject: Any) -> str:
    """Neither an e-mail address nor a network address is kept: only a digest that needs our key to make."""
    return salted_hmac("accounts.attempts", f"{limit.name}:{subject}", algorithm="sha256").hexdigest()


def _lock(key: str) -> None:
    number = struct.unpack(">q", bytes.fromhex(key[:16]))[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _too_many(limit: Limit) -> Refused:
    minutes = int(limit.within.total_seconds() // 60)
    if minutes >= 24 * 60:
        wait = _("a day")
    elif minutes >= 60:
        wait = _("an hour")
    else:
        wait = ngettext("%(minutes)d minute", "%(minutes)d minutes", minutes) % {"minutes": minutes}
    return Refused(_("Too many tries. Wait %(wait)s and try again.") % {"wait": wait}, "too_many")
