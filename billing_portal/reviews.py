"""Reviews of access: an owner confirms or removes every role in an account, and what was decided is kept.

A review is a copy of all roles. What the owners choose is saved page by page and changes nothing; finishing takes
the roles away that they chose to remove. Roles that somebody gave or changed meanwhile are looked at once more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, ExpressionWrapper, F, Func, OuterRef, Q, Subquery, Value
from django.db.models.functions import Cast, Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AccountRole, BillingAccount, OrganisationRole
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import lock_account, remove_account_role
from billing_portal.access import Grant, grants_of
from billing_portal.models import AccessReview, Choice, Outcome, ReviewedOn, ReviewedRole, ReviewPlan
from billing_portal.states import ReviewStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, demand
from core.states import move
from profiles.models import ProfileRole
from profiles.services.roles import remove_profile_role

_HELD_ON: dict[type[models.Model], ReviewedOn] = {
    OrganisationRole: ReviewedOn.ORGANISATION,
    AccountRole: ReviewedOn.ACCOUNT,
    ProfileRole: ReviewedOn.PROFILE,
}
_AS_GIVEN = ("scope_name", "role", "given_by", "given_at", "expires_on")
REMINDED_EVERY = timedelta(days=14)


# --- A review ---------------------------------------------------------------------------------------


@transaction.atomic
def start_review(account: BillingAccount, *, by: Any) -> AccessReview:
    """Begin a review with a copy of every role that counts in the account today. Refuses `open_already`."""
    lock_account(account)
    demand(by, Action.ACCOUNT_REVIEW_ACCESS, account)
    if AccessReview.objects.filter(account=account, status=ReviewStatus.OPEN).exists():
        raise Refused(_("A review is under way already. Go on with that one."), "open_already")
    with acting(by, "review.started"):
        review = AccessReview.objects.create(account=account, started_by=by)
    ReviewedRole.objects.bulk_create(_copies(review, grants_of(account, on=timezone.localdate())), batch_size=1000)
    return review


@transaction.atomic
def save_choices(review: AccessReview, choices: Mapping[int, str], *, by: Any) -> list[ReviewedRole]:
    """Note what is to become of these rows of the review, by primary key. Nothing is taken away yet.

    A role that was changed meanwhile is brought up to date instead, and is among those returned: it has to be looked
    at again. Refuses `finished`.
    """
    demand(by, Action.ACCOUNT_REVIEW_ACCESS, review.account)
    _lock(review)
    rows = list(review.roles.filter(pk__in=choices, outcome=Outcome.NONE).select_related("user"))
    changed = _bring_up(rows, _held_now(review.account))
    known = {row.pk for row in changed}
    now, wanted = timezone.now(), []
    for row in rows:
        choice = Choice(choices[row.pk])
        if row.pk in known or choice == row.choice or (choice == Choice.REMOVE and not row.can_go):
            continue
        row.choice, row.chosen_by, row.chosen_at = choice, by if choice else None, now if choice else None
        wanted.append(row)
    ReviewedRole.objects.bulk_update(wanted, ["choice", "chosen_by", "chosen_at"])
    return changed


@transaction.atomic
def bring_up_to_date(review: AccessReview, *, by: Any) -> list[ReviewedRole]:
    """Take over what was given, changed or taken away since; returns what is to be looked at (again)."""
    demand(by, Action.ACCOUNT_REVIEW_ACCESS, review.account)
    _lock(review)
    held = _held_now(review.account)
    rows = list(review.roles.select_related("user"))
    changed = _bring_up([row for row in rows if not row.outcome], held)
    known = {(row.held_on, row.held_id) for row in rows}
    new = _copies(review, (grant for key, grant in held.items() if key not in known), is_news=True)
    return changed + ReviewedRole.objects.bulk_create(new)


@transaction.atomic
def finish_review(review: AccessReview, *, by: Any) -> list[tuple[ReviewedRole, Refused]]:
    """Take away what was chosen to be removed, and close the review with who decided what.

    Returns what could not be taken away, each with the reason: those are undecided again, and the review stays open.
    Refuses `finished`, `undecided`, and `changed_meanwhile` where a role is not as it was looked at.
    """
    lock_account(review.account)
    demand(by, Action.ACCOUNT_REVIEW_ACCESS, review.account)
    _lock(review)
    rows = list(review.roles.filter(outcome=Outcome.NONE).select_related("user").order_by("pk"))
    held = _held_now(review.account)
    known = set(review.roles.values_list("held_on", "held_id"))
    if held.keys() - known or any(_differs(row, held.get((row.held_on, row.held_id))) for row in rows):
        raise Refused(_("Somebody changed roles a moment ago. Look at what is marked as new."), "changed_meanwhile")
    if undecided := sum(not row.choice for row in rows):
        said = ngettext("%(number)d role is undecided yet.", "%(number)d roles are undecided yet.", undecided)
        raise Refused(said % {"number": undecided}, "undecided")
    refusals = []
    # Roles of one's own go last: with them goes the right to take others away.
    for row in sorted((row for row in rows if row.choice == Choice.REMOVE), key=lambda row: row.user_id == by.pk):
        try:
            with transaction.atomic():
                _remove(row, by=by)
        except Refused as refusal:
            refusals.append((row, refusal))
    failed = [row.pk for row, _refusal in refusals]
    ours = review.roles.filter(outcome=Outcome.NONE)
    ours.filter(choice=Choice.REMOVE).exclude(pk__in=failed).update(outcome=Outcome.REMOVED)
    ours.filter(pk__in=failed).update(choice=Choice.NONE, chosen_by=None, chosen_at=None)
    if not refusals:
        ours.filter(choice=Choice.KEEP).update(outcome=Outcome.CONFIRMED)
        with acting(by, "review.finished"):
            move(review, ReviewStatus.FINISHED, finished_by=by, finished_at=timezone.now())
    return refusals


def _remove(row: ReviewedRole, *, by: Any) -> None:
    if row.held_on == ReviewedOn.ACCOUNT:
        remove_account_role(AccountRole.objects.select_related("account").get(pk=row.held_id), by=by)
    else:
        remove_profile_role(ProfileRole.objects.select_related("profile__account").get(pk=row.held_id), by=by)


def _lock(review: AccessReview) -> None:
    """One change of the review at a time; nothing is changed once it is finished."""
    stored = AccessReview.objects.select_for_update(no_key=True).get(pk=review.pk)
    if stored.status != ReviewStatus.OPEN:
        raise Refused(_("This review is finished. Begin another one to change something."), "finished")


def _held_now(account: BillingAccount) -> dict[tuple[int, int], Grant]:
    """Every role that counts in the account today, by where and as which row it is held."""
    return {(_HELD_ON[type(grant.row)], grant.row.pk): grant for grant in grants_of(account, on=timezone.localdate())}


def _bring_up(rows: Sequence[ReviewedRole], held: Mapping[tuple[int, int], Grant]) -> list[ReviewedRole]:
    """Write into the rows how their roles are now; returns those that are another than was looked at."""
    gone = [row.pk for row in rows if (row.held_on, row.held_id) not in held]
    ReviewedRole.objects.filter(pk__in=gone).update(outcome=Outcome.GONE, choice=Choice.NONE)
    changed = []
    for row in rows:
        grant = held.get((row.held_on, row.held_id))
        if grant is None or not _differs(row, grant):
            continue
        for name, value in _as_given(grant).items():
            setattr(row, name, value)
        row.is_news, row.choice, row.chosen_by, row.chosen_at = True, Choice.NONE, None, None
        changed.append(row)
    ReviewedRole.objects.bulk_update(changed, [*_AS_GIVEN, "is_news", "choice", "chosen_by", "chosen_at"])
    return changed


def _differs(row: ReviewedRole, grant: Grant | None) -> bool:
    """Whether the role is not the one that was looked at: another role, another last day, or none any more."""
    return grant is None or (row.role, row.expires_on) != (grant.role, grant.row.expires_on)


def _copies(review: AccessReview, grants: Iterable[Grant], *, is_news: bool = False) -> list[ReviewedRole]:
    return [
        ReviewedRole(
            review=review,
            held_on=_HELD_ON[type(grant.row)],
            held_id=grant.row.pk,
            user=grant.user,
            last_sign_in=grant.user.last_login,
            is_news=is_news,
            **_as_given(grant),
        )
        for grant in grants
    ]


def _as_given(grant: Grant) -> dict[str, Any]:
    row = grant.row
    by = str(row.assigned_by) if row.assigned_by else ""
    values = (grant.scope, grant.role, by, row.assigned_at, row.expires_on)
    return dict(zip(_AS_GIVEN, values, strict=True))


@dataclass(frozen=True)
class Progress:
    """How far a review is."""

    kept: int
    removed: int
    undecided: int
    gone: int

    @property
    def total(self) -> int:
        return self.kept + self.removed + self.undecided + self.gone


def progress_of(review: AccessReview) -> Progress:
    counted = review.roles.aggregate(
        kept=Count("pk", filter=Q(choice=Choice.KEEP)),
        removed=Count("pk", filter=Q(choice=Choice.REMOVE)),
        undecided=Count("pk", filter=Q(choice=Choice.NONE, outcome=Outcome.NONE)),
        gone=Count("pk", filter=Q(outcome=Outcome.GONE)),
    )
    return Progress(**counted)


# --- When it is due ---------------------------------------------------------------------------------


def with_review_due(accounts: models.QuerySet) -> models.QuerySet:
    """The accounts with `review_due_at`, when the next review is due (null where never), and `review_open`, the code
    of the one under way."""
    plan = ReviewPlan.objects.filter(account=OuterRef("pk")).values("every_months")
    finished = AccessReview.objects.filter(account=OuterRef("pk"), status=ReviewStatus.FINISHED)
    started = AccessReview.objects.filter(account=OuterRef("pk"), status=ReviewStatus.OPEN)
    months = Coalesce(Subquery(plan), Value(settings.ACCESS_REVIEW_MONTHS), output_field=models.IntegerField())
    span = Func(
        Cast(months, models.IntegerField()),
        template="make_interval(months => nullif(%(expressions)s, 0))",
        output_field=models.DurationField(),
    )
    last = Coalesce(Subquery(finished.order_by("-finished_at").values("finished_at")[:1]), F("created_at"))
    return accounts.annotate(
        review_due_at=ExpressionWrapper(last + span, output_field=models.DateTimeField()),
        review_open=Subquery(started.values("code")),
    )


@transaction.atomic
def set_review_interval(account: BillingAccount, *, every_months: int, by: Any) -> bool:
    """Review the account so often from now on; 0 is never. Returns whether anything changed."""
    demand(by, Action.ACCOUNT_REVIEW_ACCESS, account)
    stored = ReviewPlan.objects.filter(account=account).values_list("every_months", flat=True).first()
    if stored == every_months:
        return False
    with acting(by, "review.interval"):
        ReviewPlan.objects.update_or_create(account=account, defaults={"every_months": every_months})
    return True


def remind_of_reviews(at: datetime) -> int:
    """Mail the owners of every account whose review is due: on the day, and every two weeks until it is finished.
    Returns how many accounts are due. Once more on the same day sends nothing."""
    open_to_them = BillingAccount.objects.filter(agreement="customer_agreement").exclude(status="closed")
    due = with_review_due(open_to_them).filter(review_due_at__lte=at).order_by("pk")
    count = 0
    for account in due.iterator(chunk_size=500):
        count += 1
        day: date = timezone.localdate(account.review_due_at)
        turn = (timezone.localdate(at) - day) // REMINDED_EVERY
        mail_people(
            owners_of(account, on=timezone.localdate(at)),
            template="review_due",
            mail_class=MailClass.SERVICE,
            context={
                "name": account.name,
                "day": day,
                "is_again": turn > 0,
                "path": reverse("account_reviews", args=[account.code]),
            },
            reference=f"billingaccount:{account.pk}",
            key=f"review:{account.pk}:{day}:{turn}",
        )
    return count
