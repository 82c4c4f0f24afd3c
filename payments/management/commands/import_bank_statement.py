"""`manage.py import_bank_statement FILE…`: take in statements of the bank, and book what is certain."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments.bank.entries import FileRefused
from payments.models import BankEntry
from payments.services.bank import look_at, read_statements, take_in_file

PORTION = 200


class Command(BaseCommand):
    help = (
        "Import bank statements (camt.053, or a CSV of ING, Rabobank or our own layout), and book the movements whose "
        "customer named an invoice. The same file again changes nothing. Ends with 0 when every file was taken, and "
        "with 1 when one was refused; the files before it are then in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="say what is in the files, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        for path in options["files"]:
            try:
                self._take_in(path, is_dry=options["dry_run"])
            except FileRefused as refusal:
                raise CommandError(f"{path}: {refusal}. Nothing of it was imported.") from None
            except OSError as error:
                raise CommandError(f"{error.filename}: {error.strerror}. Nothing of it was imported.") from None

    def _take_in(self, path: Path, *, is_dry: bool) -> None:
        content = path.read_bytes()
        if is_dry:
            number = sum(len(statement.entries) for statement in read_statements(content))
            self.stdout.write(f"{path}: {number} movements; nothing was written.")
            return
        taken = take_in_file(content, name=path.name, by=None)
        if not taken.is_new:
            self.stdout.write(f"{path}: known already, taken in on {taken.file.taken_at:%Y-%m-%d}. Nothing changed.")
            return
        waiting = BankEntry.objects.filter(file=taken.file).to_match()
        booked = 0
        while entries := list(waiting.order_by("pk").only("pk")[:PORTION]):
            booked += look_at(entries, at=timezone.now())
        file = taken.file
        left = BankEntry.objects.filter(file=file).for_a_person().count()
        self.stdout.write(
            f"{path}: {file.entries_read} movements read, {file.entries_new} new, {booked} booked, {left} for a person."
        )
