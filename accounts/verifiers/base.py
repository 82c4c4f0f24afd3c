"""The port: what the portal asks of somebody who knows which VAT IDs are registered."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What the authorities say. `holder` and `consultation` are empty where they do not tell."""

    is_registered: bool
    holder: str = ""
    consultation: str = ""


class VerifierUnavailable(Exception):
    """No answer that can be believed: down, slow, busy, or nonsense. The message is for the log and for staff."""


class Verifier(Protocol):
    def verify(self, number: str, *, requester: str) -> Answer:
        """Whether this number is registered now. Both are VAT IDs with their prefix; `requester` is the seller's,
        or empty.

        Raises VerifierUnavailable. Takes a few seconds at most and is never called in a transaction or a request.
        """
        ...
