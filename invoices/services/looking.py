"""Looking at a billing run beforehand: a dry run whose drafts are compared and checked, and whose result is kept."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.database import copy_rows
from core.errors import Refused
from core.periods import Month
from core.states import move
from invoices.models import BillingHold, Finding, ParkedProfile, Preflight, PreflightRow
from invoices.preflight import check_profiles, compare_totals, usual_totals
from invoices.services.drafts import Draft, Problem
from invoices.services.run import RunReport, run_billing, seller_today
from invoices.states import RunStatus
from profiles.models import BillingProfile

# So many results are kept: the present one, and those before it to compare with.
KEPT = 3
# A command that has not ended by then has died.
LONGEST = timedelta(hours=2)

Progress = Callable[[int, int], None]


def start_preflight(month: Month, *, by: User | None, is_by_command: bool = False) -> Preflight:
    """Begin a look at what a run of that month would issue today; a worker does it, or the command.

    Refuses `month_open`, for what is not over cannot be told, and `running_already`.
    """
    on = seller_today()
    if not month.is_closed(on):
        raise Refused(_("%(month)s is not over yet. Only a closed month is billed.") % {"month": month}, "month_open")
    for dead in Preflight.objects.filter(
        status=RunStatus.RUNNING, is_by_command=True, started_at__lt=timezone.now() - LONGEST
    ):
        stop_preflight(dead)
    try:
        with transaction.atomic():
            return Preflight.objects.create(month=month.first, on=on, started_by=by, is_by_command=is_by_command)
    except IntegrityError:
        raise Refused(_("Somebody is looking already. Wait for the result."), "running_already") from None


def look_beforehand(preflight: Preflight, *, progress: Progress | None = None) -> RunReport:
    """Look at every profile, and keep what was found. Safe to repeat: one that died begins anew."""
    preflight.rows.all().delete()
    month = Month.of(preflight.month)

    def keep(billed: Month, profile_ids: Sequence[int], drafts: Sequence[Draft], problems: Sequence[Problem]) -> None:
        _keep(preflight, billed, profile_ids, drafts, problems)

    def tell(billed: Month, done: int, total: int) -> None:
        Preflight.objects.filter(pk=preflight.pk).update(profiles_done=done, profiles_total=total)
        if progress:
            progress(done, total)

    report = run_billing(month, on=preflight.on, is_dry=True, inspect=keep, progress=tell)
    _keep_left_out(preflight)
    totals = {
        currency: {
            "invoices": total.invoices,
            "credit_notes": total.credit_notes,
            "net_minor": total.net_minor,
            "vat_minor": total.vat_minor,
        }
        for currency, total in sorted(report.totals.items())
    }
    move(preflight, RunStatus.DONE, finished_at=timezone.now(), totals=totals, problems=report.problems)
    old = Preflight.objects.exclude(status=RunStatus.RUNNING).order_by("-pk").values_list("pk", flat=True)[KEPT:]
    Preflight.objects.filter(pk__in=list(old)).delete()
    return report


def stop_preflight(preflight: Preflight) -> None:
    """Let the next look begin; for one that does not come to an end."""
    move(preflight, RunStatus.STOPPED, finished_at=timezone.now())


_COLUMNS = (
    "preflight_id",
    "profile_id",
    "month",
    "currency",
    "net_minor",
    "vat_minor",
    "usual_minor",
    "findings",
    "detail",
)


def _keep(
    preflight: Preflight,
    month: Month,
    profile_ids: Sequence[int],
    drafts: Sequence[Draft],
    problems: Sequence[Problem],
) -> None:
    """A row for each profile that would get a document or has something the matter."""
    found, usual = check_profiles(profile_ids, preflight.on), usual_totals(profile_ids)
    by_profile = {draft.profile_id: draft for draft in drafts}
    refused = {problem.profile_id: problem for problem in problems}
    currencies = dict(BillingProfile.objects.filter(pk__in=profile_ids).values_list("pk", "currency"))
    rows = []
    for pk in profile_ids:
        draft, problem = by_profile.get(pk), refused.get(pk)
        net, vat = _signed(draft)
        findings = found[pk]
        if problem:
            rows.append(
                _row(preflight, pk, month, currencies[pk], None, None, usual.get(pk), [Finding.PARKED], problem)
            )
            continue
        findings = findings + compare_totals(net + vat, usual.get(pk))
        # Whoever gets nothing needs no PO number, card or mailbox.
        if not draft:
            findings = [each for each in findings if each == Finding.NOTHING]
        if draft or findings:
            rows.append(_row(preflight, pk, month, currencies[pk], net, vat, usual.get(pk), findings, None))
    copy_rows(PreflightRow._meta.db_table, _COLUMNS, rows)


def _row(
    preflight: Preflight,
    profile_id: int,
    month: Month,
    currency: str,
    net: int | None,
    vat: int | None,
    usual: int | None,
    findings: Sequence[Finding],
    problem: Problem | None,
) -> tuple[object, ...]:
    detail = f"{problem.reason}: {problem.detail}" if problem else ""
    array = "{" + ",".join(findings) + "}"
    return preflight.pk, profile_id, month.first, currency, net, vat, usual, array, detail


def _signed(draft: Draft | None) -> tuple[int, int]:
    if draft is None:
        return 0, 0
    sign = 1 if draft.kind == "invoice" else -1
    return sign * draft.net_minor, sign * draft.vat_minor


def _keep_left_out(preflight: Preflight) -> None:
    """Those that no run looks at: held, and parked until somebody releases them."""
    holds = BillingHold.objects.unreleased().select_related("profile")
    parked = ParkedProfile.objects.unreleased().exclude(reason__in=ParkedProfile.MENDED_BY_DATA)
    rows = [
        PreflightRow(
            preflight=preflight,
            profile=hold.profile,
            month=preflight.month,
            currency=hold.profile.currency,
            findings=[Finding.HELD],
            detail=hold.note,
        )
        for hold in holds
    ]
    rows += [
        PreflightRow(
            preflight=preflight,
            profile=each.profile,
            month=each.month,
            currency=each.profile.currency,
            findings=[Finding.WAITING],
            detail=f"{each.get_reason_display()} {each.detail}".strip(),
        )
        for each in parked.select_related("profile")
    ]
    PreflightRow.objects.bulk_create(rows, batch_size=1000)
