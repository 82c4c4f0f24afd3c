"""`manage.py messages`: what became of the mail, and whether the way to the mail server works."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.errors import Refused
from core.messages import MailClass, queue_message
from core.models import Message


class Command(BaseCommand):
    help = (
        "List the newest mails of the outbox with what became of them, or queue a test mail. "
        "Exit status: 0; 1 wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--about", metavar="REFERENCE", help='only mail about this, for instance "invoice:G0001"')
        parser.add_argument("--to", metavar="ADDRESS", help="only mail to this address")
        parser.add_argument("--status", choices=Message.Status.values, help="only mail with this status")
        parser.add_argument("--last", type=int, default=20, metavar="N", help="how many at most (default 20)")
        parser.add_argument("--test", metavar="ADDRESS", help="queue a test mail to this address instead")
        parser.add_argument("--language", default=settings.LANGUAGE_CODE, choices=dict(settings.LANGUAGES))
        parser.add_argument("--note", default="", help="a line of text in the test mail")

    def handle(self, *, test: str | None, **options: Any) -> None:
        if test:
            self._queue_test(test, options["language"], options["note"])
        else:
            self._list(options)

    def _queue_test(self, address: str, language: str, note: str) -> None:
        try:
            message = queue_message(
                to=address,
                template="test_mail",
                mail_class=MailClass.SERVICE,
                language=language,
                context={"asked_at": timezone.now(), "note": note},
                reference="test",
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(
            f"Queued {message.message_id}. The worker sends it; `manage.py messages --about test` says how it went."
        )

    def _list(self, options: dict[str, Any]) -> None:
        wanted = {
            name: value
            for name, value in (
                ("reference", options["about"]),
                ("recipient", options["to"]),
                ("status", options["status"]),
            )
            if value
        }
        for message in Message.objects.filter(**wanted).order_by("-pk")[: options["last"]]:
            self.stdout.write(
                f"{message.created_at:%Y-%m-%d %H:%M:%S}  {message.status:<10}  {message.recipient}  "
                f"{message.template}  {message.reference}  {message.last_error}".rstrip()
            )
