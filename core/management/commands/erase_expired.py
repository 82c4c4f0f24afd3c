"""`manage.py erase_expired`: erase what nobody may or needs to keep any longer (L5, I29)."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.retention import erase_expired, retention_classes


class Command(BaseCommand):
    help = (
        "Erase what is older than its time, class by class, as the worker does every night. What the law keeps cannot "
        "go before its day. Safe to repeat. Exit status: 0 it is done, or was told; 1 there is no such class."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say how much would go, and erase nothing")
        parser.add_argument("--on", type=date.fromisoformat, help="as of that day (YYYY-MM-DD), at most today")
        parser.add_argument("--only", action="append", default=[], metavar="CLASS", help="this class alone; repeatable")

    def handle(self, *, dry_run: bool, on: date | None, only: list[str], **options: Any) -> None:
        today = timezone.localdate()
        on = on or today
        if on > today and not dry_run:
            raise CommandError("Nothing is erased ahead of its day. With --dry-run a day to come is possible.")
        known = {each.name: each for each in retention_classes()}
        if unknown := set(only) - set(known):
            raise CommandError(f"No such class: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
        word = "would go" if dry_run else "erased"
        for name, each in known.items():
            if only and name not in only:
                continue
            number = each.due(on).count() if dry_run else sum(erase_expired(each, on))
            self.stdout.write(f"{name} (kept {each.kept_for}): {number} {word}")
