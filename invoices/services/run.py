"""The billing run (domain §3.9): one invoice per profile for each closed month, in order, once.

A profile that missed months is billed for those first, each with its own period, all issued today. A
chunk of profiles is one transaction, so a run may be repeated, killed, or started several times side
by side: whoever holds the lock of a profile bills it, and a unique row per profile and month decides
(I7, F28). A profile whose sums do not fit is parked and told of; the others go on (PR6).

`run_billing` does all of it in this process; `invoices.services.schedule` leaves it to workers, who
call `bill_range` for a part of the profiles each.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Max, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Seller, User
from core.database import analyze, bulk_transaction
from core.errors import Refused
from core.jobs import stopping
from core.periods import Month
from core.states import move
from core.templatetags.ui import day as day_words
from invoices.exchange import home_currency
from invoices.models import (
    BillingHold,
    BillingPeriod,
    BillingRun,
    Charge,
    Dispatch,
    Document,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    NumberSeries,
    ParkedProfile,
    ParkReason,
    Posting,
    RunOrigin,
    RunRange,
    VatGroup,
)
from invoices.querysets import SILENT
from invoices.services.crediting import Spent
from invoices.services.drafts import Draft, Problem, compute_drafts, forget_drafts, read_drafts
from invoices.services.due import Profiles, day_has_come, due_profiles, look_ahead, profiles_behind, read_candidates
from invoices.services.issuing import SumsDiffer, ensure_series, issue_drafts, write_drafts
from invoices.services.parking import park_profiles, release_profiles
from invoices.states import RangeStatus, RunStatus
from invoices.tax import UNION
from profiles.models import BillingProfile

# Profiles in one transaction: large enough for 0.02 statements an invoice, small enough that the
# people of a profile wait for its lock, and other runs for the number series, no longer than a moment.
CHUNK = 2000
# A chunk that lost against another transaction is tried again so many times.
TRIES = 4
LOST = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock not available
# Where the tables were empty, the planner is told of their growth after so many chunks in all.
ANALYZED_AFTER = (1, 10, 100)
# How many parked profiles a report names; it counts them all.
NAMED = 1000
# The highest id that a profile can have.
ANY_PROFILE = 2**63 - 1


@dataclass
class Totals:
    """What a run issued in one currency, in minor units; a credit note counts below zero.

    `rounding` is what the imported charges came to beyond their lines.
    """

    invoices: int = 0
    credit_notes: int = 0
    net_minor: int = 0
    vat_minor: int = 0
    charges: int = 0
    rounding: Decimal = Decimal(0)

    def add(self, draft: Draft) -> None:
        sign = 1 if draft.kind == "invoice" else -1
        self.invoices += draft.kind == "invoice"
        self.credit_notes += draft.kind == "credit_note"
        self.net_minor += sign * draft.net_minor
        self.vat_minor += sign * draft.vat_minor
        self.charges += draft.charges
        self.rounding += draft.rounding


@dataclass(frozen=True)
class Parked:
    """A profile that could not be billed for that month."""

    profile: BillingProfile
    month: Month
    reason: ParkReason
    detail: str


@dataclass
class RunReport:
    """What a run did, or would do. Memory does not grow with the profiles: the documents go to `each`."""

    month: Month
    on: date
    is_dry: bool
    # What keeps the whole run from issuing anything; only a dry run goes on then.
    problems: list[str] = field(default_factory=list)
    months: list[Month] = field(default_factory=list)
    periods: int = 0
    totals: dict[str, Totals] = field(default_factory=dict)
    # Parked before, for reasons that only a person of the vendor can judge: not looked at.
    waiting: int = 0
    # Kept from being billed by staff.
    held: int = 0
    parked_count: int = 0
    parked: list[Parked] = field(default_factory=list)

    @property
    def issued(self) -> int:
        """Invoices and credit notes together."""
        return sum(totals.invoices + totals.credit_notes for totals in self.totals.values())


Each = Callable[[Month, Draft], None]
Progress = Callable[[Month, int, int], None]
Inspect = Callable[[Month, Sequence[int], Sequence[Draft], Sequence[Problem]], None]


def run_billing(
    month: Month,
    *,
    on: date,
    among: Profiles | None = None,
    by: User | None = None,
    is_dry: bool = False,
    each: Each | None = None,
    progress: Progress | None = None,
    inspect: Inspect | None = None,
    chunk: int = CHUNK,
) -> RunReport:
    """Bill every profile up to and including the month, issued on the day `on`; safe to repeat and to run side by side.

    `among` narrows the profiles, `each` gets every document as it is issued (in a dry run: would be),
    `progress` how many profiles are done with a month, of all that are behind. A dry run writes nothing; `inspect` gets
    each chunk of it, in the transaction of its drafts.

    Refuses, and then nothing is issued: `month_open` on a day when the month is not over,
    `seller_incomplete`, and `date_runs_backwards` for a day before the last issue date (I8).
    """
    report = RunReport(month, on, is_dry)
    seller, is_first, refusals = _look_over(month, on)
    if refusals and not is_dry:
        raise refusals[0]
    report.problems = [str(refusal) for refusal in refusals]
    profiles = BillingProfile.objects.all() if among is None else among
    parked = ParkedProfile.objects.unreleased().exclude(reason__in=ParkedProfile.MENDED_BY_DATA)
    report.waiting = parked.filter(profile__in=profiles).count()
    report.held = BillingHold.objects.unreleased().filter(profile__in=profiles).count()
    run = _Run(seller, profiles, report, each, progress, chunk, list(ANALYZED_AFTER) if is_first else [])
    if is_dry:
        run.preview(inspect)
    else:
        ensure_series(seller)
        with _written_down(run, by):
            run.bill()
    return report


def bill_range(part: RunRange) -> None:
    """Bill the profiles of that part of a run, as `run_billing` does, and mark it as done. Dated today where the
    seller is, also when the run was begun the day before. Ends early, and leaves the part waiting, when the run or
    this worker is told to stop.
    """
    month, on = Month.of(part.run.month), max(part.run.issue_date, seller_today())
    seller, is_first, refusals = _look_over(month, on)
    for refusal in refusals:
        raise refusal
    ensure_series(seller)
    among = profiles_of(part.run).filter(pk__range=(part.first_profile, part.last_profile))
    growth = list(ANALYZED_AFTER) if is_first else []
    run = _Run(seller, among, RunReport(month, on, is_dry=False), None, None, CHUNK, growth, part)
    run.bill()
    if not run.is_stopped():
        move(part, RangeStatus.DONE, heard_at=timezone.now())


def profiles_of(run: BillingRun) -> Profiles:
    """Whom that run bills, wherever they stand."""
    rows = BillingProfile.objects.all()
    return rows.filter(day_has_come(Month.of(run.month), run.day_come_by)) if run.day_come_by else rows


def seller_today() -> date:
    """The day that documents issued now carry (§3.9)."""
    seller = Seller.objects.first()
    return timezone.localdate(timezone=ZoneInfo(seller.time_zone if seller else settings.TIME_ZONE))


def refusals_now(month: Month) -> list[Refused]:
    """What keeps every invoice of that month from being issued today."""
    return _look_over(month, seller_today())[2]


def _look_over(month: Month, on: date) -> tuple[Seller, bool, list[Refused]]:
    """The seller, whether nothing was ever issued, and what keeps the whole run from issuing anything."""
    seller = Seller.objects.first() or Seller()
    # Receipts have a series too, and are written on other days.
    series = NumberSeries.objects.filter(kind__in=InvoiceKind.values)
    last_issue_date = series.aggregate(day=Max("last_issue_date"))["day"]
    return seller, last_issue_date is None, list(_refusals(month, on, seller, last_issue_date))


def _refusals(month: Month, on: date, seller: Seller, last_issue_date: date | None) -> Iterator[Refused]:
    if not month.is_closed(on):
        yield Refused(
            _("%(month)s is not over on %(day)s. Only a closed month is billed.") % {"month": month, "day": on},
            "month_open",
        )
    if missing := seller.missing():
        labels = {field.name: str(field.verbose_name) for field in Seller._meta.fields}
        names = ", ".join(labels[name] for name in missing)
        yield Refused(
            _("The seller is incomplete: %(names)s. Fill that in on the admin pages; nothing is issued before.")
            % {"names": names},
            "seller_incomplete",
        )
    elif str(seller.country) not in UNION:
        yield Refused(_("The VAT rules of the seller's country are not known; nothing is issued."), "seller_incomplete")
    if last_issue_date and on < last_issue_date:
        yield Refused(
            _("The last document was issued on %(last)s. Choose that date or a later one.")
            % {"last": day_words(last_issue_date)},
            "date_runs_backwards",
        )


@contextmanager
def _written_down(run: "_Run", by: User | None) -> Iterator[None]:
    """The rows that tell how far the run is. They are no truth: that is in the invoices."""
    own = BillingRun.objects.filter(status=RunStatus.RUNNING, origin=RunOrigin.COMMAND).with_progress()
    for silent in own.filter(Q(heard_at=None) | Q(heard_at__lt=timezone.now() - SILENT)):
        move(silent, RunStatus.STOPPED, finished_at=timezone.now())
    row = BillingRun.objects.create(month=run.report.month.first, issue_date=run.report.on, started_by=by)
    run.part = RunRange.objects.create(run=row, first_profile=0, last_profile=ANY_PROFILE)
    ended = RunStatus.STOPPED
    try:
        yield
        move(run.part, RangeStatus.DONE)
        ended = RunStatus.DONE
    finally:
        BillingRun.objects.filter(pk=row.pk).update(profiles_total=run.total, profiles_held=run.report.held)
        move(row, ended, finished_at=timezone.now())


@dataclass
class _Run:
    """One go: what it works with, and what it tells."""

    seller: Seller
    among: Profiles
    report: RunReport
    each: Each | None
    progress: Progress | None
    chunk: int
    # After how many chunks the planner is told that the tables have grown.
    analyzed_after: list[int]
    part: RunRange = field(default_factory=RunRange)
    total: int = 0
    done: int = 0
    chunks: int = 0

    def bill(self) -> None:
        month, self.total = self._look_ahead()
        while month is not None and not self.is_stopped():
            self.done = 0
            # First what nobody else has in hand; then wait for those who had something, and look again.
            for waits in (False, True):
                after = 0
                while not self.is_stopped() and (ids := self._next_chunk(month, after, waits)):
                    after = ids[-1]
            month, _behind = self._look_ahead(after=month)

    def is_stopped(self) -> bool:
        """Whether this worker is to end, or somebody has stopped the run that this is a part of."""
        if stopping():
            return True
        if self.part.run.origin == RunOrigin.COMMAND:
            return False
        return not BillingRun.objects.filter(pk=self.part.run_id, status=RunStatus.RUNNING).exists()

    def preview(self, inspect: Inspect | None) -> None:
        if str(self.seller.country) not in UNION:
            return
        parked: set[int] = set()
        spent = Spent()
        month, self.total = self._look_ahead()
        while month is not None and month <= self.report.month:
            after, self.done = 0, 0
            rows = profiles_behind(self.among, month).exclude(pk__in=parked)
            while ids := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[: self.chunk]):
                after = ids[-1]
                with bulk_transaction():
                    candidates, problems = read_candidates(
                        rows.filter(pk__in=ids), self.seller, month, on=self.report.on
                    )
                    problems += compute_drafts(
                        month, candidates, on=self.report.on, home=home_currency(self.seller), spent=spent.on(ids)
                    )
                    forget_drafts(problem.profile_id for problem in problems)
                    drafts = read_drafts()
                    if month < self.report.month:
                        spent.add()
                    if inspect:
                        inspect(month, ids, drafts, problems)
                parked |= {problem.profile_id for problem in problems}
                self._tell(month, len(ids) - len(problems), drafts, problems, {})
            month = month.next

    def _look_ahead(self, after: Month | None = None) -> tuple[Month | None, int]:
        with bulk_transaction():
            return look_ahead(self.among, self.report.month, after)

    def _next_chunk(self, month: Month, after: int, waits: bool) -> list[int]:
        """Bill the next profiles of that month; returns their ids, none at the end."""
        rows = due_profiles(self.among, month).filter(pk__gt=after)
        if waits:
            # Those that this run or another has just looked at and parked are not looked at again.
            rows = rows.filter(parked=None)
        return self._attempt(month, rows.select_for_update(skip_locked=not waits, no_key=True)[: self.chunk])

    def _attempt(self, month: Month, claim: Profiles) -> list[int]:
        """Lock, bill and commit. What the database refuses is found by halves and parked; what lost
        against another transaction is tried again."""
        ids: list[int] = []
        for _try in range(TRIES):
            try:
                with bulk_transaction():
                    ids = list(claim.values_list("pk", flat=True))
                    outcome = self._bill_chunk(month, ids) if ids else None
            except SumsDiffer as error:
                self._park(month, [Problem(pk, ParkReason.SUMS_DIFFER, "") for pk in error.profile_ids])
            except (IntegrityError, DataError) as error:
                if len(ids) == 1:
                    self._park(month, [Problem(ids[0], ParkReason.DATABASE_REFUSED, str(error))])
                else:
                    self._by_halves(month, ids)
                return ids
            except OperationalError as error:
                if getattr(error.__cause__, "pgcode", None) not in LOST:
                    raise
            else:
                if outcome:
                    self._tell(month, *outcome)
                    self._analyze()
                return ids
        raise OperationalError(_("The billing run was held up by another transaction. Start it again."))

    def _by_halves(self, month: Month, ids: list[int]) -> None:
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            self._attempt(month, due_profiles(self.among, month).filter(pk__in=half).select_for_update(no_key=True))

    def _bill_chunk(
        self, month: Month, ids: list[int]
    ) -> tuple[int, list[Draft], Sequence[Problem], Mapping[int, str]]:
        """Bill these locked profiles, in the caller's transaction: how many got a period, with which documents, what
        kept the others, and the numbers by the ids of the documents."""
        # Asked again now that they are locked: another run may have billed some while this one waited.
        due = due_profiles(self.among, month).filter(pk__in=ids)
        candidates, problems = read_candidates(due, self.seller, month, on=self.report.on)
        problems += compute_drafts(month, candidates, on=self.report.on, home=home_currency(self.seller))
        if problems:
            forget_drafts(problem.profile_id for problem in problems)
            park_profiles(month, problems)
        refused = {problem.profile_id for problem in problems}
        billed = [candidate for candidate in candidates if candidate.profile_id not in refused]
        if mended := [candidate.profile_id for candidate in billed if candidate.is_parked]:
            release_profiles(mended)
        invoice_ids = write_drafts(month, self.seller, on=self.report.on)
        drafts = read_drafts()
        self._write_progress(month, len(billed), len(problems))
        numbers: dict[int, str] = {}
        if invoice_ids:
            # From here on the others wait for the numbers: no more than must be.
            numbers = issue_drafts(invoice_ids, on=self.report.on)
            self._write_totals(drafts, numbers)
        return len(billed), drafts, problems, numbers

    def _analyze(self) -> None:
        self.chunks += 1
        if self.analyzed_after and self.chunks >= self.analyzed_after[0]:
            self.analyzed_after.pop(0)
            analyze(*_GROWING)

    def _write_progress(self, month: Month, billed: int, parked: int) -> None:
        is_last = month == self.report.month
        RunRange.objects.filter(pk=self.part.pk).update(
            profiles_done=F("profiles_done") + (billed if is_last else 0),
            profiles_parked=F("profiles_parked") + parked,
            heard_at=timezone.now(),
        )

    def _write_totals(self, drafts: Sequence[Draft], numbers: Mapping[int, str]) -> None:
        """Add these documents to the control totals, in the transaction that issues them."""
        alike: dict[tuple[str, str], list[Draft]] = {}
        for draft in drafts:
            alike.setdefault((draft.kind, draft.currency), []).append(draft)
        rows = [
            {
                "kind": kind,
                "currency": currency,
                "documents": len(found),
                "net": sum(draft.net_minor for draft in found),
                "vat": sum(draft.vat_minor for draft in found),
                "first": min(numbers[draft.invoice_id] for draft in found),
                "last": max(numbers[draft.invoice_id] for draft in found),
            }
            for (kind, currency), found in alike.items()
        ]
        with connection.cursor() as cursor:
            cursor.execute(_TOTALS, {"range": self.part.pk, "rows": json.dumps(rows)})

    def _park(self, month: Month, problems: list[Problem]) -> None:
        with transaction.atomic():
            park_profiles(month, problems)
            self._write_progress(month, 0, len(problems))
        self._tell(month, 0, [], problems, {})

    def _tell(
        self,
        month: Month,
        periods: int,
        drafts: Sequence[Draft],
        problems: Sequence[Problem],
        numbers: Mapping[int, str],
    ) -> None:
        """Count what is committed by now, and pass it on."""
        report = self.report
        report.periods += periods
        if periods and month not in report.months:
            report.months.append(month)
        report.parked_count += len(problems)
        for draft in drafts:
            report.totals.setdefault(draft.currency, Totals()).add(draft)
            if self.each:
                self.each(month, replace(draft, number=numbers.get(draft.invoice_id)))
        named = problems[: max(NAMED - len(report.parked), 0)]
        rows = BillingProfile.objects.select_related("account").in_bulk([problem.profile_id for problem in named])
        report.parked += [
            Parked(rows[problem.profile_id], month, ParkReason(problem.reason), problem.detail) for problem in named
        ]
        self.done += periods + len(problems)
        if self.progress:
            self.progress(month, self.done, self.total)


_GROWING = (BillingPeriod, Invoice, InvoiceLine, VatGroup, Charge, Posting, Document, Dispatch)

_TOTALS = """
INSERT INTO invoices_runtotal
    (range_id, kind, currency, documents, net_minor, vat_minor, first_number, last_number)
SELECT %(range)s, kind, currency, documents, net, vat, first, last
FROM jsonb_to_recordset(%(rows)s::jsonb) AS row
    (kind text, currency text, documents int, net bigint, vat bigint, first text, last text)
ON CONFLICT (range_id, kind, currency) DO UPDATE
SET documents = invoices_runtotal.documents + excluded.documents,
    net_minor = invoices_runtotal.net_minor + excluded.net_minor,
    vat_minor = invoices_runtotal.vat_minor + excluded.vat_minor,
    first_number = least(invoices_runtotal.first_number, excluded.first_number),
    last_number = greatest(invoices_runtotal.last_number, excluded.last_number)
"""
