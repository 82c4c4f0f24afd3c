"""`manage.py preflight`: what the next billing run would issue, and what somebody should look at first."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import Refused
from core.money import Money
from core.periods import Month
from invoices.models import Finding, Preflight
from invoices.preflight_rows import EVERY, PreflightRows, csv_lines
from invoices.services.looking import look_beforehand, start_preflight, stop_preflight
from invoices.services.run import seller_today
from invoices.states import RunStatus

LISTED = 50
SOMETHING_FOUND = 3


class Command(BaseCommand):
    help = (
        "Look at every billing profile before a run: what would be issued, and what is the matter. Bills nothing; "
        "the result also stands on the staff's pages. Ends with 0 when nothing was found, with 3 when something was, "
        "with 1 when nothing could be issued."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--period", metavar="2026-10", help="the month to look at; the last closed one by default")
        parser.add_argument(
            "--csv", metavar="FILE", help="write every profile to this file, with what it would come to"
        )
        parser.add_argument("--finding", choices=Finding.values, help="list those with this finding only")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            month = Month.parse(options["period"]) if options["period"] else Month.of(seller_today()).previous
            preflight = start_preflight(month, by=None, is_by_command=True)
        except ValueError as error:
            raise CommandError(f"--period: {error}") from None
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.told_at = monotonic()
        try:
            look_beforehand(preflight, progress=self._progress)
        finally:
            if preflight.status == RunStatus.RUNNING:
                stop_preflight(preflight)
        self._conclude(preflight, options["finding"])
        if options["csv"]:
            self._write(Path(options["csv"]), preflight)
        if preflight.problems:
            sys.exit(1)
        if preflight.rows.exclude(findings=[]).exists():
            sys.exit(SOMETHING_FOUND)

    def _conclude(self, preflight: Preflight, finding: str | None) -> None:
        write = self.stdout.write
        for currency, total in preflight.totals.items():
            net, vat = Money(total["net_minor"], currency), Money(total["vat_minor"], currency)
            write(
                f"{currency}: {total['invoices']} invoices and {total['credit_notes']} credit notes would be issued; "
                f"net {net.amount} + VAT {vat.amount} = {(net + vat).amount}"
            )
        if not preflight.totals:
            write("No document would be issued.")
        rows = PreflightRows(preflight, {"finding": finding} if finding else {})
        for choice in rows.choices():
            if choice["value"] in Finding.values:
                write(f"{choice['count']:>8}  {choice['label']}")
        found = rows.found()
        for row in found[:LISTED]:
            total = f"{row.total}" if row.total is not None else "–"
            words = "; ".join(str(each.label) for each in row.found)
            profile = row.profile
            write(f"{row.month:%Y-%m} {profile.account.name} / {profile.name} ({profile.code}): {total}: {words}")
        if (number := found.count()) > LISTED:
            write(f"… and {number - LISTED} more (--csv FILE has them all)")
        for problem in preflight.problems:
            self.stderr.write(self.style.ERROR(f"NOTHING CAN BE ISSUED: {problem}"))

    def _write(self, path: Path, preflight: Preflight) -> None:
        try:
            with path.open("wb") as file:
                file.writelines(csv_lines(PreflightRows(preflight, {"finding": EVERY, "sort": "profile"}).found()))
        except OSError as error:
            raise CommandError(f"--csv: {error}") from None
        self.stderr.write(f"Written to {path}.")

    def _progress(self, done: int, total: int) -> None:
        if monotonic() - self.told_at >= 2:
            self.told_at = monotonic()
            self.stderr.write(f"{done} of {total} profiles …")
