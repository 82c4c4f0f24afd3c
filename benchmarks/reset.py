"""Whether the time of asking for a new password tells who is known here (M6, T14): pairs of a known and an unknown
address in turn, in this process, through every middleware. The medians may differ by ten milliseconds."""

import argparse
import logging
import statistics
from time import perf_counter

from common import Wrong, browser, own_database

from accounts.models import Attempt, LinkRequest, User
from core.models import Message

PAGE = "/sign-in/password/reset/"
ALLOWED = 0.010  # seconds


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="twenty pairs; fails on results, never on time")
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args(arguments)
    pairs = 20 if options.short else options.pairs
    logging.disable(logging.INFO)  # a line per answer, to a terminal, is not what is measured
    with own_database():
        User.objects.create_user("known@reset.example", "a password of twelve", name="Known")
        for _warming in range(5):
            ask("known@reset.example")
        known, unknown = [], []
        for number in range(pairs):
            order = [(known, "known@reset.example"), (unknown, f"unknown{number}@reset.example")]
            for seconds, email in order if number % 2 == 0 else reversed(order):
                seconds.append(ask(email))
        if LinkRequest.objects.count() != 2 * pairs + 5 or Message.objects.filter(recipient__endswith="@reset.example"):
            raise Wrong("a request was not written down, or a mail was written in it")
    apart = abs(statistics.median(known) - statistics.median(unknown))
    print(
        f"asking for a new password: known {statistics.median(known) * 1000:.2f} ms, "
        f"unknown {statistics.median(unknown) * 1000:.2f} ms, {apart * 1000:.2f} ms apart ({pairs} pairs)"
    )
    if apart >= ALLOWED and not options.short:
        raise Wrong(f"the medians are {apart * 1000:.1f} ms apart; {ALLOWED * 1000:.0f} ms are allowed")


def ask(email: str) -> float:
    """Seconds that the answer takes."""
    Attempt.objects.all().delete()
    client = browser()
    start = perf_counter()
    response = client.post(PAGE, {"email": email})
    seconds = perf_counter() - start
    if response.status_code != 302:
        raise Wrong(f"answered with {response.status_code}")
    return seconds
