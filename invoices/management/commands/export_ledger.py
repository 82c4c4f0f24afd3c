"""`manage.py export_ledger`: the postings of a time as a CSV or as the Dutch audit file (XAF 3.2)."""

import tempfile
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.errors import Refused
from invoices.ledger_files.audit_file import check_audit_file, write_audit_file
from invoices.ledger_files.rows import Stretch, Sums, ledger_csv, sums_of


class Command(BaseCommand):
    help = (
        "Write the postings of a time, both days included, to FILE: as CSV, or with --audit-file as XML Auditfile "
        "Financieel 3.2 (XAF), of one currency and at most twelve months. Says the sums of debit and credit. The file "
        "is there whole, or not at all; one that is there already is replaced. Ends with 0 when it was written, with "
        "1 when not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--from", dest="starts_on", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--until", dest="ends_on", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--currency", default="", metavar="EUR", help="only this one; an audit file needs it")
        parser.add_argument("--audit-file", action="store_true", help="write XAF 3.2 instead of CSV")
        parser.add_argument("--dry-run", action="store_true", help="say the sums, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        stretch = Stretch(options["starts_on"], options["ends_on"], options["currency"].upper())
        try:
            if options["audit_file"]:
                check_audit_file(stretch)
            elif stretch.starts_on > stretch.ends_on:
                raise CommandError("--from is after --until.")
        except (Refused, ValueError) as refusal:
            raise CommandError(str(refusal)) from None
        if options["dry_run"]:
            self._conclude(sums_of(stretch), "Nothing was written.")
            return
        try:
            sums = _write(options["file"], stretch, is_audit_file=options["audit_file"])
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}. Nothing was written.") from None
        self._conclude(sums, f"Written to {options['file']}.")

    def _conclude(self, sums: list[Sums], said: str) -> None:
        for each in sums:
            self.stdout.write(f"{each.currency}: {each.lines} lines, debit {each.debit}, credit {each.credit}")
        if not sums:
            self.stdout.write("No postings in this time.")
        self.stdout.write(said)


def _write(path: Path, stretch: Stretch, *, is_audit_file: bool) -> list[Sums]:
    """Beside its place first, then into it at once."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as beside:
        made = Path(beside) / path.name
        with made.open("wb") as file:
            sums = _fill(file, stretch, is_audit_file=is_audit_file)
        made.replace(path)
    return sums


def _fill(file: BinaryIO, stretch: Stretch, *, is_audit_file: bool) -> list[Sums]:
    if is_audit_file:
        return [write_audit_file(stretch, file, on=timezone.localdate())]
    for portion in ledger_csv(stretch):
        file.write(portion)
    return sums_of(stretch)
