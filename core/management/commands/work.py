"""`manage.py work`: the runner for one machine; needs no broker."""

import signal
from argparse import ArgumentParser
from datetime import timedelta
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from core import jobs
from core.models import JobClaim, JobSlot, Message

# Mail without an outcome after this is reported (I25).
LATE_AFTER = timedelta(minutes=15)
LONGEST_WAIT_FOR_DATABASE = 10.0


class Command(BaseCommand):
    help = (
        "Run background work: send mail, write documents, keep the clock. Start it once or several times; "
        "every row is taken by one worker. SIGTERM and Ctrl-C let it finish the row in hand. "
        "Exit status: 0 ended as asked; 1 wrong arguments, or with --status: somebody has to look."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run what is due now, then end")
        parser.add_argument("--status", action="store_true", help="say what waits, runs and fails; run nothing")
        parser.add_argument("--list", action="store_true", help="name every job; run nothing")
        parser.add_argument(
            "--only", action="append", default=[], metavar="JOB", help="run this job alone; may be repeated"
        )
        parser.add_argument(
            "--poll", type=float, default=0.5, metavar="SECONDS", help="pause when nothing is due (default 0.5)"
        )

    def handle(self, *, once: bool, status: bool, only: list[str], poll: float, **options: Any) -> None:
        if unknown := set(only) - jobs.registry().keys():
            raise CommandError(f"No such job: {', '.join(sorted(unknown))}. Name them with --list.")
        if poll <= 0:
            raise CommandError("--poll takes a number of seconds above 0.")
        if options["list"]:
            self._list()
        elif status:
            self._say_status()
        elif once:
            jobs.tick()
            tried = jobs.run_due(only=only)
            self.stdout.write(f"{tried} rows tried.")
        else:
            self._work(only, poll)

    def _work(self, only: list[str], poll: float) -> None:
        jobs.resume()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.stderr.write("Working. SIGTERM or Ctrl-C ends it after the row in hand.")
        pause = poll
        while not jobs.stopping():
            try:
                close_old_connections()
                jobs.tick()
                tried = jobs.run_due(only=only)
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"The database does not answer, trying again in {pause:.1f} s: {error}")
                connection.close()
                jobs.wait(pause)
                pause = min(pause * 2, LONGEST_WAIT_FOR_DATABASE)
            else:
                pause = poll
                if not tried:
                    jobs.wait(poll)
        self.stderr.write("Ended.")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        jobs.stop()
        # Who asks twice does not want to wait for the row in hand.
        signal.signal(number, signal.SIG_DFL)

    def _list(self) -> None:
        clocks = jobs.clocks()
        for name in sorted(jobs.registry()):
            when = f" ({clocks[name].every})" if name in clocks else ""
            self.stdout.write(f"{name}{when}")

    def _say_status(self) -> None:
        now = timezone.now()
        late = Message.objects.late(since=now - LATE_AFTER).count()
        stopped = list(JobClaim.objects.stopped(at=now).order_by("job", "row_id"))
        self.stdout.write("Waiting")
        for name, job in sorted(jobs.registry().items()):
            if waiting := job.due(now).count():
                self.stdout.write(f"  {name}: {waiting}")
        self.stdout.write("Running")
        for claim in JobClaim.objects.running(at=now).order_by("job", "row_id"):
            self.stdout.write(f"  {claim} since {claim.started_at:%H:%M:%S}")
        self.stdout.write("Failing, tried again")
        for claim in JobClaim.objects.failing().order_by("job", "row_id"):
            self.stdout.write(f"  {claim} at {claim.until:%H:%M:%S}: {claim.last_error}")
        self.stdout.write("Stopped; delete the job in hand in the admin to try again")
        for claim in stopped:
            self.stdout.write(f"  {claim}: {claim.last_error or 'the worker died each time'}")
        self.stdout.write("Clock")
        for name in sorted(jobs.clocks()):
            last = JobSlot.objects.filter(job=name, finished_at__isnull=False).order_by("slot").last()
            self.stdout.write(f"  {name}: {last.slot.isoformat() if last else 'never'}")
        self.stdout.write("Mail")
        for status, count in sorted(Message.objects.counted_by_status().items()):
            self.stdout.write(f"  {status}: {count}")
        self.stdout.write(f"  without an outcome after 15 minutes: {late}")
        if stopped or late:
            raise CommandError("Somebody has to look: work has stopped, or mail is late.")
