"""Which rows of the background tables: adjectives with explicit moments."""

from collections.abc import Iterable
from datetime import datetime

from django.db import models
from django.db.models import Count, Q

# The statuses of a message that has no outcome yet.
UNFINISHED = ("queued", "sending", "deferred")


class MessageQuerySet(models.QuerySet):
    """Sets of outgoing mail."""

    def due(self, *, at: datetime) -> "MessageQuerySet":
        """Mail whose next attempt is now or past, oldest first; `sending` is one that a dead worker left."""
        return self.unfinished().filter(next_attempt_at__lte=at).order_by("next_attempt_at", "pk")

    def unfinished(self) -> "MessageQuerySet":
        """Mail that has no outcome yet."""
        return self.filter(status__in=UNFINISHED)

    def late(self, *, since: datetime) -> "MessageQuerySet":
        """Mail written before `since` that has no outcome yet (I25 raises the alarm at 15 minutes)."""
        return self.unfinished().filter(created_at__lt=since)

    def about(self, reference: str) -> "MessageQuerySet":
        """Mail queued with that reference, e.g. "invoice:G0001", oldest first."""
        return self.filter(reference=reference).order_by("pk")

    def counted_by_status(self) -> dict[str, int]:
        """How many there are of each status that occurs."""
        return dict(self.order_by().values_list("status").annotate(Count("pk")))


class MailComplaintQuerySet(models.QuerySet):
    """Sets of complaints about mail."""

    def open(self) -> "MailComplaintQuerySet":
        """Those that still count."""
        return self.filter(lifted_at=None)

    def of(self, addresses: Iterable[str]) -> set[str]:
        """Which of these addresses, in small letters, want nothing that can be declined."""
        wanted = {address.lower() for address in addresses}
        return set(self.open().filter(recipient__in=wanted).values_list("recipient", flat=True))


class JobClaimQuerySet(models.QuerySet):
    """Sets of rows that a job has in hand or has failed on."""

    def running(self, *, at: datetime) -> "JobClaimQuerySet":
        """In hand now: a worker holds the lease."""
        return self.filter(started_at__isnull=False, until__gt=at)

    def on_their_way(self, job: str, *, at: datetime) -> "JobClaimQuerySet":
        """Set aside for a worker that has not started on them."""
        return self.filter(job=job, started_at__isnull=True, last_error="", until__gt=at)

    def idle(self, *, at: datetime) -> "JobClaimQuerySet":
        """Not in a worker's hands: failed and waiting for the next try, or stopped."""
        return self.filter(Q(until__lte=at) | ~Q(last_error="") & Q(started_at__isnull=True))

    def failing(self) -> "JobClaimQuerySet":
        """Failed at least once and not given up."""
        return self.exclude(last_error="").filter(tries_left__gt=0)

    def stopped(self, *, at: datetime) -> "JobClaimQuerySet":
        """Given up after the last try (I32): a person has to look, and deletes the claim to try again."""
        return self.filter(tries_left=0, until__lte=at)


class JobSlotQuerySet(models.QuerySet):
    """Sets of appointments of the clock."""

    def unfinished(self, job: str) -> "JobSlotQuerySet":
        return self.filter(job=job, finished_at__isnull=True).order_by("slot")
