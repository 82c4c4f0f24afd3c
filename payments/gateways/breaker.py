"""A gateway that does not answer is left alone for a while, by every process at once (F08).

After five failures in a row it rests: half a minute, and each time twice as long as before, ten minutes at most; by
chance a quarter shorter or longer, so that installations do not come back together. Meanwhile nothing is asked of it:
nobody waits for its time-out, and pages say what to do instead. After the rest one call is let through. Its answer
ends the trouble, its failure begins the next rest.

A decline is an answer. What was under way when the rest began is asked about when it is over.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from secrets import SystemRandom
from typing import Any

from django.db import transaction
from django.utils import timezone

from payments.gateways.base import Gateway, GatewayUnavailable, KeyReused, MethodGone
from payments.models import GatewayHealth

logger = logging.getLogger(__name__)

FAILURES_AT_MOST = 5
# Failures further apart have nothing to do with one another.
FAILURES_WITHIN = timedelta(minutes=10)
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=10)
# How long the one call that is let through keeps the others back, should it never come home.
PROBE_LASTS = timedelta(minutes=1)
# A verb that needs no network.
_OFFLINE = "read_event"


class GatewayResting(GatewayUnavailable):
    """It was not asked at all: it is left alone until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


class Guarded:
    """An adapter behind its breaker: the same verbs, each refused at once while the gateway rests."""

    def __init__(self, gateway: Gateway) -> None:
        self.name, self._gateway = gateway.name, gateway

    def __getattr__(self, verb: str) -> Any:
        asked: Callable[..., Any] = getattr(self._gateway, verb)
        if verb == _OFFLINE:
            return asked

        @wraps(asked)
        def ask(*arguments: Any, **values: Any) -> Any:
            with talking_to(self.name):
                return asked(*arguments, **values)

        return ask


@contextmanager
def talking_to(gateway: str) -> Iterator[None]:
    """Around one call. Raises GatewayResting where it may not be made; not inside a transaction."""
    health = GatewayHealth.objects.filter(gateway=gateway, failures__gt=0).first()
    is_probe = health is not None and health.rests_until is not None
    if health is not None and health.rests_until is not None:
        _take_turn(health, health.rests_until)
    try:
        yield
    except GatewayUnavailable:
        _note_failure(gateway, is_probe)
        raise
    except (KeyReused, MethodGone):
        _note_answer(health)
        raise
    _note_answer(health)


def rest_of(gateway: str, *, at: datetime | None = None) -> datetime | None:
    """Until when the gateway is left alone; None where it may be asked."""
    resting = GatewayHealth.objects.resting(at or timezone.now()).filter(gateway=gateway)
    return resting.values_list("rests_until", flat=True).first()


def wake(gateways: Any, *, at: datetime) -> int:
    """Let the next call through to these gateways at once; returns how many were resting."""
    return int(gateways.resting(at).update(rests_until=at))


def _take_turn(health: GatewayHealth, until: datetime) -> None:
    """Be the one who asks after the rest; whoever else would, waits for the answer."""
    now = timezone.now()
    if until > now:
        raise GatewayResting(until)
    turn = GatewayHealth.objects.filter(pk=health.pk, rests_until=until)
    if not turn.update(rests_until=now + PROBE_LASTS):
        raise GatewayResting(now + PROBE_LASTS)


def _note_answer(health: GatewayHealth | None) -> None:
    """Gateways that work, which is nearly all the time, cost no write."""
    if health is None:
        return
    GatewayHealth.objects.filter(pk=health.pk).update(failures=0, rests=0, rests_until=None)
    if health.rests:
        logger.warning("Gateway %s answers again", health.gateway)


def _note_failure(gateway: str, is_probe: bool) -> None:
    now = timezone.now()
    with transaction.atomic():
        GatewayHealth.objects.get_or_create(gateway=gateway)
        health = GatewayHealth.objects.select_for_update().get(gateway=gateway)
        is_resting = health.rests_until is not None
        lone = health.last_failure_at is None or now - health.last_failure_at > FAILURES_WITHIN
        health.failures = 1 if lone and not is_resting else health.failures + 1
        health.last_failure_at = now
        # Calls that were under way when the rest began do not lengthen it.
        begins = is_probe or (not is_resting and health.failures >= FAILURES_AT_MOST)
        if begins:
            health.rests += 1
            health.rests_until = now + _rest(health.rests)
        health.save()
    if begins:
        logger.error("Gateway %s does not answer and is left alone until %s", gateway, health.rests_until)


def _rest(number: int) -> timedelta:
    """How long the rest of that number in a row lasts."""
    return min(SHORTEST * 2 ** min(number - 1, 10), LONGEST) * SystemRandom().uniform(0.75, 1.25)
