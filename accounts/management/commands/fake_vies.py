"""`manage.py fake_vies`: a register of VAT IDs on this machine, for a trial without the real one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.verifiers.fake import REFUSED, SILENT
from accounts.verifiers.fake_server import FakeVies


class Command(BaseCommand):
    help = (
        "Answer like VIES on 127.0.0.1, until interrupted: every VAT ID is registered, except "
        f"{', '.join(sorted(REFUSED))} (refused) and {', '.join(sorted(SILENT))} (no answer). "
        "The portal asks it with VAT_VERIFIER=vies and VIES_URL set to the address that is printed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8099)

    def handle(self, **options: Any) -> None:
        vies = FakeVies(options["port"])
        self.stdout.write(f"VIES_URL={vies.url}")
        try:
            vies.serve()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
