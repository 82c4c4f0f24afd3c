"""Make the demo world, or say who is in it."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from accounts.models import User
from billing_portal.demo.access import is_demo
from billing_portal.demo.models import DemoMarker
from billing_portal.demo.people import PASSWORD, PEOPLE
from billing_portal.demo.world import make_world


class Command(BaseCommand):
    help = (
        "Fill an empty database with two customers and a year of their billing. Works only with DEMO=1 and in a "
        "database that nobody has used; a second call changes nothing. Exits with 1 and says why where it refuses."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list-sign-ins", action="store_true", help="print who can sign in, and change nothing")

    def handle(self, *args: Any, list_sign_ins: bool, **options: Any) -> None:
        if list_sign_ins:
            self._list_sign_ins()
            return
        if not settings.DEMO:
            raise CommandError("This is no demo: set DEMO=1, and only for a database that holds nothing real.")
        if is_demo():
            self.stdout.write("The demo world is there already.")
            return
        if DemoMarker.objects.exists():
            self.stdout.write("The demo world was left half made. Making it anew.")
            _empty_database()
        with transaction.atomic():
            if User.objects.exists():
                raise CommandError(
                    "This database is in use, so it does not become a demo. Give DATABASE_URL an empty one."
                )
            DemoMarker.objects.create()
        make_world(self.stdout.write)
        DemoMarker.objects.update(is_whole=True)
        self.stdout.write(self.style.SUCCESS("The demo world is made."))

    def _list_sign_ins(self) -> None:
        if not is_demo():
            raise CommandError("This is no demo, so nobody is listed. `manage.py demo` says how to make one.")
        width = max(len(person.email) for person in PEOPLE)
        for person in PEOPLE:
            self.stdout.write(f"  {person.email:<{width}}  {PASSWORD}  {person.role}, {person.organisation}")


def _empty_database() -> None:
    """Throw everything away. Only for a database with a marker, which was empty when it was marked."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    call_command("migrate", verbosity=0)
