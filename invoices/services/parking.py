"""Profiles that are not billed until something is mended (PR6, I31)."""

from collections.abc import Iterable, Sequence

from django.utils import timezone

from core.periods import Month
from invoices.models import ParkedProfile
from invoices.services.drafts import Problem


def park_profiles(month: Month, problems: Sequence[Problem]) -> None:
    """Park these profiles, in the caller's transaction; one that is parked already gets the reason of today.

    At most three statements, however many there are.
    """
    found = {problem.profile_id: problem for problem in problems}
    changed = []
    for row in ParkedProfile.objects.unreleased().filter(profile__in=found):
        problem = found.pop(row.profile_id)
        if (row.reason, row.detail) != (problem.reason, problem.detail):
            row.month, row.reason, row.detail = month.first, problem.reason, problem.detail
            changed.append(row)
    ParkedProfile.objects.bulk_update(changed, ["month", "reason", "detail"])
    new = [
        ParkedProfile(profile_id=pk, month=month.first, reason=problem.reason, detail=problem.detail)
        for pk, problem in found.items()
    ]
    ParkedProfile.objects.bulk_create(new, ignore_conflicts=True)


def release_profiles(profile_ids: Iterable[int]) -> int:
    """Let the next run bill these profiles again, and return how many were parked."""
    parked = ParkedProfile.objects.unreleased().filter(profile__in=profile_ids)
    return parked.update(released_at=timezone.now())
