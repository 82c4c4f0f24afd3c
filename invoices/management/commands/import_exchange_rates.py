"""`manage.py import_exchange_rates FILE`: take in the rates of the European Central Bank."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from core.errors import Refused
from invoices.services.exchange_import import import_rates


class Command(BaseCommand):
    help = (
        "Import a CSV of euro reference rates as the European Central Bank publishes them (eurofxref.csv or "
        "eurofxref-hist.csv), whole or not at all. The same file again changes nothing. Invoices in another currency "
        "than the seller's need the rate of their day for the VAT. Ends with 1 when the file was refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="leave out rates before that day")
        parser.add_argument("--dry-run", action="store_true", help="say what would come of it, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry = options["dry_run"]
        try:
            with options["file"].open("rb") as file, transaction.atomic():
                report = import_rates(file, since=options["since"])
                transaction.set_rollback(is_dry)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}. Nothing was imported.") from None
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"{report.added} rates {'would be ' if is_dry else ''}imported, {report.known} known already."
        )
