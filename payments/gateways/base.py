"""The port to a payment gateway: what the portal asks of one, in the portal's words.

An adapter translates; its vendor's types, codes and exceptions stop at its own file. Every call talks
to another system, so none may be made inside a transaction (I34). Whatever changes something there
carries a key that was committed here first: the same key twice is one effect, and an answer that did
not come is asked for again by that key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from core.money import Money


class GatewayUnavailable(Exception):
    """The gateway gave no answer, or one that cannot be read: what happened there is unknown."""


class KeyReused(Exception):
    """The key was used before for something else (I16). A mistake in the portal, never the customer's."""


class BadSignature(Exception):
    """What claims to come from the gateway does not carry its signature, or is too old (T26)."""


class DeclineReason(StrEnum):
    """Why no money came. `payments.declines` says each in words, with advice."""

    DECLINED_BY_BANK = "declined_by_bank"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    LIMIT_EXCEEDED = "limit_exceeded"
    CARD_BLOCKED = "card_blocked"
    CARD_EXPIRED = "card_expired"
    INCORRECT_DETAILS = "incorrect_details"
    INTERNATIONAL_NOT_ENABLED = "international_not_enabled"
    RECURRING_NOT_ENABLED = "recurring_not_enabled"
    NOT_ACCEPTED = "not_accepted"
    SUSPECTED_FRAUD = "suspected_fraud"
    AUTHENTICATION_FAILED = "authentication_failed"
    AUTHENTICATION_REQUIRED = "authentication_required"
    GATEWAY_TROUBLE = "gateway_trouble"
    NEVER_RECEIVED = "never_received"


class SetupOutcome(StrEnum):
    """What became of a visit to the gateway's page for a new card."""

    OPEN = "open"
    COMPLETED = "completed"
    REFUSED = "refused"
    ENDED = "ended"  # given up by the person, expired, or never begun


class ChargeOutcome(StrEnum):
    """What became of a charge. `never_received` is an answer too: there is no such charge."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    NEVER_RECEIVED = "never_received"


@dataclass(frozen=True)
class SetupSession:
    """A page of the gateway that waits for a card. `url` is where to send the person."""

    session_id: str
    url: str


@dataclass(frozen=True)
class SavedCard:
    """A card as the gateway keeps it: what may be shown, and the token that stands for it (PR12)."""

    token: str
    brand: str
    last4: str
    expiry_year: int
    expiry_month: int
    holder: str = ""
    fingerprint: str = ""
    issuing_country: str = ""


@dataclass(frozen=True)
class SetupResult:
    """The answer about a set-up: with a card when completed, with a reason when refused."""

    outcome: SetupOutcome
    card: SavedCard | None = None
    decline: DeclineReason | None = None


@dataclass(frozen=True)
class ChargeRequest:
    """An amount to collect. `return_url` is where the person comes back to from the bank's check;
    off-session charges have nobody to send there."""

    key: str
    token: str
    customer: str
    amount: Money
    description: str
    return_url: str
    off_session: bool = False


@dataclass(frozen=True)
class ChargeResult:
    """The answer about a charge. `amount` is what the gateway says it is about; None where there is none."""

    outcome: ChargeOutcome
    key: str
    reference: str = ""
    amount: Money | None = None
    decline: DeclineReason | None = None
    action_url: str = ""


@dataclass(frozen=True)
class Event:
    """Something that the gateway reports by itself. A hint to look, never a fact (PR4).

    `key` is ours, where the gateway repeats it; `object_id` is the gateway's reference.
    """

    event_id: str
    kind: str
    object_id: str = ""
    key: str = ""
    amount: Money | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


class Gateway(Protocol):
    """What an adapter does. Each call may raise GatewayUnavailable."""

    name: str

    def start_setup(self, *, key: str, customer: str, return_url: str) -> SetupSession:
        """Open a page where the person enters a card. The same key gives the same session."""
        ...

    def find_setup(self, *, key: str, session_id: str) -> SetupResult:
        """What became of that session."""
        ...

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """Collect the amount, once per key. A decline is a result; KeyReused where the key is taken."""
        ...

    def find_charge(self, *, key: str, reference: str) -> ChargeResult:
        """What became of the charge of that key. `reference` may be empty."""
        ...

    def cancel_charge(self, *, key: str, reference: str) -> ChargeResult:
        """End a charge that waits for the person, and say what it is now: it may have succeeded meanwhile."""
        ...

    def captured(self, *, since: datetime, until: datetime) -> Iterable[ChargeResult]:
        """Every charge that succeeded at the gateway in that time, for reconciliation (I15)."""
        ...

    def detach(self, *, token: str) -> None:
        """Forget the card. Twice is once."""
        ...

    def read_event(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Event:
        """The event in a webhook, or BadSignature. Needs no network."""
        ...
