"""`manage.py import_accounts FILE`: a vendor moves in with its customers."""

import csv
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.services.account_import import FIELDS, FileRefused, RefusedRow, import_accounts

SOME_REFUSED = 3
SHOWN = 20


class Command(BaseCommand):
    help = (
        "Import organisations, billing accounts with addresses and tax numbers, people and roles from a CSV or JSON "
        "file (docs/operations.md describes it). Each row is taken whole or refused with its line, and the others go "
        "on. The same file again changes nothing. Somebody unknown who gets a role on an account is invited by mail. "
        "Ends with 0 when every row was taken, with 3 when rows were refused, with 1 when the file was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="say what would come of it, and keep nothing")
        parser.add_argument("--refused", type=Path, metavar="FILE", help="write every refused row to this CSV")

    def handle(self, **options: Any) -> None:
        with ExitStack() as stack:
            refuse = self._refuser(options["refused"], stack)
            try:
                report = import_accounts(options["file"], is_dry=options["dry_run"], refuse=refuse)
            except FileRefused as refusal:
                raise CommandError(str(refusal)) from refusal
        word = "would be made" if options["dry_run"] else "made"
        for kind in FIELDS:
            if report.made[kind] or report.there[kind]:
                self.stdout.write(f"{kind}: {report.made[kind]} {word}, {report.there[kind]} there already")
        if report.invited:
            self.stdout.write(f"Of the roles, {report.invited} as an invitation by mail.")
        self.stdout.write(f"{report.rows} rows, {report.refused} refused.")
        if report.refused:
            sys.exit(SOME_REFUSED)

    def _refuser(self, path: Path | None, stack: ExitStack) -> Any:
        shown = 0
        writer: Any = None
        if path is not None:
            try:
                writer = csv.writer(stack.enter_context(path.open("w", newline="", encoding="utf-8")))
            except OSError as error:
                raise CommandError(f"--refused: {error.strerror}: {path}") from error
            writer.writerow(("line", "field", "reason"))

        def refuse(row: RefusedRow) -> None:
            nonlocal shown
            if writer:
                writer.writerow((row.line, row.field, row.reason))
            shown += 1
            if shown <= SHOWN:
                self.stderr.write(f"Line {row.line}{f', {row.field}' if row.field else ''}: {row.reason}")
            elif shown == SHOWN + 1:
                self.stderr.write("More rows were refused; --refused writes all of them to a file.")

        return refuse
