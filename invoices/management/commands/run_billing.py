"""`manage.py run_billing --period 2026-10`: bill a closed month."""

import sys
from argparse import ArgumentParser
from datetime import date
from decimal import Decimal
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import BillingAccount
from core.errors import Refused
from core.money import Money
from core.periods import Month
from invoices.services.drafts import Draft
from invoices.services.due import Profiles
from invoices.services.run import CHUNK, RunReport, run_billing, seller_today
from profiles.models import BillingProfile

# How many documents are written out one by one, unless --verbosity 2 asks for all.
LISTED = 50
SOME_PARKED = 3


class Command(BaseCommand):
    help = (
        "Issue one invoice per billing profile for a closed month, months that were missed first. Safe to repeat, "
        "to run several times side by side, and to kill. Ends with 0 when everything was billed, with 3 when "
        "profiles were parked or are held, with 1 when nothing could be issued."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--period", required=True, metavar="2026-10", help="the month to bill, when it is over")
        parser.add_argument("--on", metavar="2026-11-05", help="the issue date; today where the seller is, by default")
        parser.add_argument("--dry-run", action="store_true", help="say what would be issued, and write nothing")
        parser.add_argument("--profile", metavar="CODE", help="this billing profile only")
        parser.add_argument("--account", metavar="CODE", help="the billing profiles of this account only")
        parser.add_argument("--chunk", type=int, default=CHUNK, help="billing profiles in one transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        month, on = _month(options["period"]), _issue_date(options["on"])
        listing = _Listing(self, is_dry=options["dry_run"], every=options["verbosity"] > 1)
        try:
            report = run_billing(
                month,
                on=on,
                among=_among(options["profile"], options["account"]),
                is_dry=options["dry_run"],
                each=listing.show,
                progress=_Progress(self).show,
                chunk=options["chunk"],
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        listing.finish()
        self.conclude(report)

    def conclude(self, report: RunReport) -> None:
        """The control totals, what was parked, and the exit code."""
        write = self.stdout.write
        verb = "would be issued" if report.is_dry else "issued"
        months = ", ".join(map(str, report.months)) or "none"
        write(f"\nPeriod {report.month}, dated {report.on}; months billed: {months}.")
        for currency, totals in sorted(report.totals.items()):
            net, vat = Money(totals.net_minor, currency), Money(totals.vat_minor, currency)
            write(
                f"{currency}: {totals.invoices} invoices and {totals.credit_notes} credit notes {verb}; "
                f"net {net.amount} + VAT {vat.amount} = {(net + vat).amount}; "
                f"{totals.charges} imported charges, rounding left {_major(totals.rounding, currency)}"
            )
        if not report.totals:
            write(f"No document {verb}.")
        for parked in report.parked:
            profile = parked.profile
            self.stderr.write(
                f"PARKED {parked.month} {profile.account.name} / {profile.name} ({profile.code}): "
                f"{parked.reason.label}{f' ({parked.detail})' if parked.detail else ''}"
            )
        if report.parked_count:
            self.stderr.write(f"{report.parked_count} profiles are parked and were not billed.")
        if report.waiting:
            self.stderr.write(f"{report.waiting} profiles were parked before and wait until somebody releases them.")
        if report.held:
            self.stderr.write(f"{report.held} profiles are held by staff and were not billed.")
        for problem in report.problems:
            self.stderr.write(self.style.ERROR(f"NOTHING CAN BE ISSUED: {problem}"))
        if report.problems:
            sys.exit(1)
        if report.parked_count or report.waiting or report.held:
            sys.exit(SOME_PARKED)


class _Listing:
    """The documents, one line each: what they come to, and what rounding left of their imported charges."""

    def __init__(self, command: BaseCommand, *, is_dry: bool, every: bool) -> None:
        self.command, self.is_dry, self.every = command, is_dry, every
        self.count = 0

    def show(self, month: Month, draft: Draft) -> None:
        self.count += 1
        if self.count > LISTED and not self.every:
            return
        net, vat = Money(draft.net_minor, draft.currency), Money(draft.vat_minor, draft.currency)
        kind = "credit note" if draft.kind == "credit_note" else "invoice"
        left = f"; {draft.charges} charges, rounding left {_major(draft.rounding, draft.currency)}"
        self.command.stdout.write(
            f"{month} {draft.number or f'({kind})':<14} {draft.account_name} / {draft.profile_name}: "
            f"net {net.amount} + VAT {vat.amount} = {net + vat}{left if draft.charges else ''}"
        )

    def finish(self) -> None:
        if self.count > LISTED and not self.every:
            self.command.stdout.write(f"… and {self.count - LISTED} more (--verbosity 2 lists them all)")


class _Progress:
    """How far it is, every few seconds on a terminal."""

    def __init__(self, command: BaseCommand) -> None:
        self.command = command
        self.told_at = monotonic()

    def show(self, month: Month, done: int, total: int) -> None:
        if monotonic() - self.told_at >= 2:
            self.told_at = monotonic()
            self.command.stderr.write(f"{month}: {done} of {total} profiles …")


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise CommandError(f"--period: {error}") from None


def _issue_date(text: str | None) -> date:
    today = seller_today()
    if text is None:
        return today
    try:
        on = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--on: {text!r} is not a date. Write it as 2026-11-05.") from None
    if on > today and not settings.DEMO:
        # Issue dates never run backwards, so a slip here would keep every run until that day from issuing.
        raise CommandError(f"--on: {on} lies in the future; today is {today}.")
    return on


def _among(profile: str | None, account: str | None) -> Profiles:
    rows = BillingProfile.objects.all()
    if account:
        if not BillingAccount.objects.filter(code=account).exists():
            raise CommandError(f"--account: there is no billing account {account}.")
        rows = rows.filter(account__code=account)
    if profile:
        rows = rows.filter(code=profile)
        if not rows.exists():
            raise CommandError(f"--profile: there is no such billing profile {profile}.")
    return rows


def _major(minor: Decimal, currency: str) -> str:
    """An unrounded amount of minor units, in major ones."""
    exact = minor.scaleb(-Money.zero(currency).exponent).normalize()
    return f"{exact:f}"
