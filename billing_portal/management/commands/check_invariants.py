"""Prove on the live database what must never be false."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing_portal.invariants import INVARIANTS, find_violations


class Command(BaseCommand):
    help = (
        "Look for rows that break what must always hold: sums, numbers without a gap, one invoice per profile and "
        "month, one capture per attempt, an owner on every account. Reads one snapshot and changes nothing. "
        "Exits with 1 when something is found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--files", action="store_true", help="also read every stored document and compare digests")

    def handle(self, *args: Any, files: bool, **options: Any) -> None:
        found = list(find_violations(files=files))
        for violation in found:
            self.stdout.write(f"{violation.invariant}  {violation.statement}\n      {violation.detail}")
        if found:
            raise CommandError(f"{len(found)} violations.")
        self.stdout.write(self.style.SUCCESS(f"{len(INVARIANTS)} invariants hold."))
