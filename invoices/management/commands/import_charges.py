"""`manage.py import_charges FILE`: take in the charges of a FOCUS file."""

import sys
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django_countries import countries

from accounts.models import User
from core.errors import Refused
from invoices.focus import FileRefused
from invoices.services.charge_import import ImportReport, NewCustomers, Total, import_charges

SOME_REFUSED = 3


class Command(BaseCommand):
    help = (
        "Import a CSV of charges (FOCUS 1.0, 1.1 or 1.2, plain or packed with gzip): all of it that fits or, where "
        "something goes wrong, nothing. The same file or the same row again changes nothing. Ends with 0 when every "
        "row was taken, with 3 when rows were refused, with 1 when the file was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="say what would come of it, and write nothing")
        parser.add_argument("--refused", type=Path, metavar="FILE", help="write every refused row to this CSV")
        parser.add_argument("--create-missing", action="store_true", help="make unknown accounts and sub-accounts")
        parser.add_argument("--country", metavar="US", help="the country of the accounts that are made")
        parser.add_argument("--owner", metavar="EMAIL", help="the person who owns the accounts that are made")

    def handle(self, *args: Any, **options: Any) -> None:
        new = _new_customers(options["country"], options["owner"]) if options["create_missing"] else None
        try:
            report = import_charges(options["file"], new=new, is_dry=options["dry_run"], refused_to=options["refused"])
        except FileRefused as refusal:
            raise CommandError(f"{options['file']}: {refusal}. Nothing was imported.") from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}. Nothing was imported.") from None
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.conclude(report)

    def conclude(self, report: ImportReport) -> None:
        """The control totals, what was refused and why, and the exit code."""
        would = "would be " if report.is_dry else ""
        self.stdout.write(
            f"{report.rows} rows read: {report.added} {would}imported, {report.known} known already, "
            f"{report.refused_rows} refused."
        )
        if report.accounts_made or report.subscriptions_made:
            self.stdout.write(
                f"{report.accounts_made} accounts and {report.subscriptions_made} subscriptions {would}made."
            )
        for currency, total in sorted(report.in_file.items()):
            refused, stored = report.refused_by_accounts.get(currency, Total()), report.stored.get(currency, Total())
            self.stdout.write(
                f"{currency}: read {total.rows} rows, {_plain(total.cost)}; of these refused for their account "
                f"{refused.rows} rows, {_plain(refused.cost)}; stored {stored.rows} rows, {_plain(stored.cost)}"
            )
        for reason, count in report.refused.most_common():
            self.stderr.write(f"{count} rows refused: {reason}")
        for row in report.examples:
            self.stderr.write(
                f"  row {row.row_number}: {row.refusal}" + (f" ({row.account_id})" if row.account_id else "")
            )
        if report.refused_rows > len(report.examples):
            self.stderr.write("  … --refused FILE writes them all")
        if report.refused_rows:
            sys.exit(SOME_REFUSED)


def _new_customers(country: str | None, owner: str | None) -> NewCustomers:
    code = (country or "").upper()
    if code not in countries:
        raise CommandError("--create-missing needs --country, the two letters of the country of the new accounts.")
    people = User.objects.filter(is_active=True)
    if owner:
        person = people.filter(email__iexact=owner).first()
        if person is None:
            raise CommandError(f"--owner: nobody signs in as {owner}. Make the person first, by create_customer.")
    elif settings.DEMO:
        person = people.filter(is_staff=True).order_by("pk").first()
    else:
        person = None
    if person is None:
        raise CommandError("--create-missing needs --owner, the sign-in address of the person who owns the accounts.")
    return NewCustomers(code, person, invents_address=settings.DEMO)


def _plain(cost: Decimal) -> str:
    """To the last digit, without the zeros that a numeric column adds."""
    return f"{cost.normalize():f}"
