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


class MethodGone(Exception):
    """The gateway does not keep that card or bank account any more."""


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
    ACCOUNT_CLOSED = "account_closed"
    DEBIT_NOT_AUTHORISED = "debit_not_authorised"
    ANOTHER_CARD = "another_card"
    SUSPECTED_FRAUD = "suspected_fraud"
    AUTHENTICATION_FAILED = "authentication_failed"
    AUTHENTICATION_REQUIRED = "authentication_required"
    GATEWAY_TROUBLE = "gateway_trouble"
    NEVER_RECEIVED = "never_received"


class MethodKind(StrEnum):
    """What a gateway's page can keep to be charged again; named as the families of payment methods."""

    CARD = "card"
    DIRECT_DEBIT = "direct_debit"


class SetupOutcome(StrEnum):
    """What became of a visit to the gateway's page for a new method, or for one that is changed."""

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
    RETURNED = "returned"  # it had succeeded, and the bank took the money back
    NEVER_RECEIVED = "never_received"


class RefundOutcome(StrEnum):
    """What became of giving money back."""

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    REFUSED = "refused"


@dataclass(frozen=True)
class SetupSession:
    """A page of the gateway that waits for a person. `url` is where to send them."""

    session_id: str
    url: str


@dataclass(frozen=True)
class SignedMandate:
    """A SEPA mandate as the gateway took it: its reference (35 characters at most), the account masked."""

    reference: str
    iban_masked: str
    signed_at: datetime


@dataclass(frozen=True)
class SavedMethod:
    """A card or bank account as the gateway keeps it: what may be shown, and the token that stands for it (PR12).

    A bank account has its mandate and no expiry. `address` is on one line.
    """

    token: str
    brand: str
    last4: str
    expiry_year: int = 0
    expiry_month: int = 0
    holder: str = ""
    fingerprint: str = ""
    issuing_country: str = ""
    address: str = ""
    is_prepaid: bool = False
    kind: MethodKind = MethodKind.CARD
    mandate: SignedMandate | None = None


@dataclass(frozen=True)
class SetupResult:
    """The answer about a set-up: with the method when completed, with a reason when refused."""

    outcome: SetupOutcome
    method: SavedMethod | None = None
    decline: DeclineReason | None = None


@dataclass(frozen=True)
class ChargeRequest:
    """An amount to collect. `return_url` is where the person comes back to from the bank's check;
    off-session charges have nobody to send there. `customer` is the gateway's name for the account, and
    `token` is empty where the person chooses on the gateway's page."""

    key: str
    token: str
    customer: str
    amount: Money
    description: str
    return_url: str
    kind: MethodKind = MethodKind.CARD
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
class RefundResult:
    """The answer about giving money back."""

    outcome: RefundOutcome
    reference: str = ""


@dataclass(frozen=True)
class Event:
    """Something that the gateway reports by itself. A hint to look, never a fact (PR4).

    `key` is ours, where the gateway repeats it; `object_id` is the gateway's reference. What does not
    concern us is not kept.
    """

    event_id: str
    kind: str
    object_id: str = ""
    key: str = ""
    amount: Money | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    concerns_us: bool = True


class Gateway(Protocol):
    """What an adapter does. Each call may raise GatewayUnavailable."""

    name: str

    def create_customer(self, *, key: str, code: str) -> str:
        """The gateway's name for the account of that code, under which its methods are kept."""
        ...

    def start_setup(
        self, *, key: str, customer: str, return_url: str, kind: MethodKind = MethodKind.CARD, token: str = ""
    ) -> SetupSession:
        """Open a page where the person enters a card, or signs a mandate for a bank account.

        With `token` it is the page on which expiry, holder and address of that card are brought up to
        date; MethodGone where it is forgotten there. The same key gives the same session.
        """
        ...

    def find_setup(self, *, key: str, session_id: str) -> SetupResult:
        """What became of that session. After a change the token may be another, the fingerprint is not."""
        ...

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """Collect the amount, once per key. A decline is a result; KeyReused where the key is taken."""
        ...

    def open_payment(self, request: ChargeRequest) -> ChargeResult:
        """Open a page of the gateway on which the person pays this once, by iDEAL or what else it offers.

        Nothing is kept to be charged again. It is a charge like any other from then on, and waits for the
        person at `action_url`.
        """
        ...

    def find_charge(self, *, key: str, reference: str, customer: str, since: datetime) -> ChargeResult:
        """What became of the charge of that key. `reference` may be empty; it was not asked for before `since`."""
        ...

    def cancel_charge(self, *, key: str, reference: str, customer: str, since: datetime) -> ChargeResult:
        """End a charge that waits for the person, and say what it is now: it may have succeeded meanwhile."""
        ...

    def refund(self, *, key: str, reference: str, amount: Money) -> RefundResult:
        """Give that much of a charge back, once per key. More than is left of it is refused."""
        ...

    def captured(self, *, since: datetime, until: datetime) -> Iterable[ChargeResult]:
        """Every charge that succeeded at the gateway in that time, for reconciliation (I15)."""
        ...

    def detach(self, *, token: str) -> None:
        """Forget the card or bank account. Twice is once."""
        ...

    def read_event(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Event:
        """The event in a webhook, or BadSignature. Needs no network."""
        ...
