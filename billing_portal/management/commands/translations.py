"""Bring the Dutch catalogues up to date with the code, compile them, or say what they lack."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing_portal import catalogues


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "app", nargs="*", help="only the catalogues of these apps (billing_portal is the top-level one)"
        )
        parser.add_argument("--compile", action="store_true", help="only build the .mo files")
        parser.add_argument("--check", action="store_true", help="only say what is missing, and fail when it is")

    def handle(self, *args: Any, **options: Any) -> None:
        files = catalogues.catalogue_files()
        if unknown := set(options["app"]) - files.keys():
            raise CommandError(f"No such app: {', '.join(sorted(unknown))}. There are: {', '.join(files)}.")
        if options["check"]:
            self.say_problems()
            return
        if not options["compile"]:
            known = [catalogues.read(file) for file in catalogues.existing_files()]
            for app in options["app"] or files:
                catalogues.update(app, known)
        catalogues.compile_all()

    def say_problems(self) -> None:
        found = list(catalogues.problems())
        for problem in found:
            self.stdout.write(problem)
        if found:
            raise CommandError(f"{len(found)} things are missing from the Dutch catalogues.")
