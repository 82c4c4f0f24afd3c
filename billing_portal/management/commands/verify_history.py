"""Prove that no entry of the history was changed, removed or slipped in since it was sealed (I27)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing_portal.jobs import seal_history
from core.seals import verify_seals


class Command(BaseCommand):
    help = (
        f"{__doc__} Reads only, unless --seal is given. Exit code 1 where something is broken; the first broken "
        "entry is named first. Keep the digest it prints elsewhere: as long as no new entries are sealed, a "
        "history that gives another digest was rewritten from the outside."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seal", action="store_true", help="first seal what has no seal yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["seal"]:
            seal_history(timezone.now())
        verdict = verify_seals()
        self.stdout.write(
            f"{verdict.seals} seals in {verdict.chains} chains; {verdict.erased} of them over lawfully erased entries; "
            f"{verdict.unsealed} entries not sealed yet."
        )
        self.stdout.write(f"Digest of all chains: {verdict.head}")
        for broken in verdict.breaks:
            self.stderr.write(str(broken))
        if verdict.breaks:
            raise CommandError(f"The history is broken, first at {verdict.breaks[0]}")
        self.stdout.write(self.style.SUCCESS("Every sealed entry is as it was sealed."))
