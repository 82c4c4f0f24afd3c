"""`manage.py read_bounces`: take in what mail servers sent back to the mailbox of bounces."""

import mailbox
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.bounces import bounce_in, note_bounce


class Command(BaseCommand):
    help = (
        "Read the reports of delivery status in a Maildir, mark the mails they are about as come back, and remove "
        "those reports. Every other mail stays. Safe to repeat. Exit status: 0 it was read; 1 there is no such Maildir."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="the Maildir to which mail for the sender's address goes")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *, folder: Path, dry_run: bool, **options: Any) -> None:
        if not all((folder / part).is_dir() for part in ("cur", "new", "tmp")):
            raise CommandError(f"{folder} is no Maildir: it has no folders cur, new and tmp.")
        box = mailbox.Maildir(folder, create=False)
        noted = known = others = 0
        for key in box.keys():  # noqa: SIM118 a mailbox is no dictionary: its mails are looked up one by one
            bounce = bounce_in(box[key])
            if bounce is None:
                others += 1
                continue
            if dry_run:
                self.stdout.write(f"{bounce.message_id}: {bounce.words}")
                continue
            if note_bounce(bounce):
                noted += 1
            else:
                known += 1
            box.discard(key)
        self.stdout.write(f"{noted} marked as come back, {known} known or not ours, {others} other mails left.")
