"""Stripe behind the portal's port, by its hosted pages: no card or account number comes near the portal.

Nothing of Stripe's words, objects or exceptions leaves this file. What is relied on, by its documents:
a key repeats its first answer for at least a day, also a 500; lists, unlike searches, show what was made
at once; a metadata entry of a payment intent is repeated on its charge and in its events.
"""

import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import stripe
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from urllib3.exceptions import HTTPError

from core.money import Money, exponent
from payments.gateways.base import (
    BadSignature,
    ChargeOutcome,
    ChargeRequest,
    ChargeResult,
    DeclineReason,
    Event,
    GatewayUnavailable,
    KeyReused,
    MethodGone,
    MethodKind,
    RefundOutcome,
    RefundResult,
    SavedMethod,
    SetupOutcome,
    SetupResult,
    SetupSession,
    SignedMandate,
)

logger = logging.getLogger(__name__)

# What this adapter was written against; the account's own default version does not matter.
API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS = 5
RETRIES = 2
TOLERANCE = timedelta(minutes=5)
# A question to the person that is not answered by then is withdrawn, so that the invoice can be paid again.
QUESTION_LASTS = timedelta(hours=1)

TYPES = {MethodKind.CARD: "card", MethodKind.DIRECT_DEBIT: "sepa_debit"}
ONCE = "ideal"

# Amounts are whole units, or thousandths that end in 0 (docs.stripe.com/currencies). Iceland and Uganda have no
# decimals by ISO 4217, but Stripe counts in hundredths.
WHOLE = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())  # noqa: SIM905
THOUSANDTHS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})

# docs.stripe.com/declines/codes, and /payments/sepa-debit for the codes of direct debits. What is not here, and
# what says nothing (do_not_honor, generic_decline), is a refusal without a reason.
DECLINES = {
    **dict.fromkeys(["insufficient_funds"], DeclineReason.INSUFFICIENT_FUNDS),
    **dict.fromkeys(["withdrawal_count_limit_exceeded", "card_velocity_exceeded"], DeclineReason.LIMIT_EXCEEDED),
    **dict.fromkeys(
        ["lost_card", "stolen_card", "pickup_card", "restricted_card", "pin_try_exceeded", "bank_account_restricted"],
        DeclineReason.CARD_BLOCKED,
    ),
    **dict.fromkeys(["expired_card", "invalid_expiry_month", "invalid_expiry_year"], DeclineReason.CARD_EXPIRED),
    **dict.fromkeys(
        [
            "incorrect_number",
            "incorrect_cvc",
            "incorrect_zip",
            "incorrect_address",
            "incorrect_pin",
            "invalid_number",
            "invalid_cvc",
            "invalid_account",
            "invalid_amount",
            "invalid_pin",
            "incorrect_account_holder_name",
            "invalid_account_number",
        ],
        DeclineReason.INCORRECT_DETAILS,
    ),
    **dict.fromkeys(
        ["revocation_of_authorization", "revocation_of_all_authorizations", "stop_payment_order"],
        DeclineReason.RECURRING_NOT_ENABLED,
    ),
    **dict.fromkeys(["card_not_supported", "currency_not_supported"], DeclineReason.NOT_ACCEPTED),
    **dict.fromkeys(["fraudulent", "merchant_blacklist", "security_violation"], DeclineReason.SUSPECTED_FRAUD),
    **dict.fromkeys(
        ["payment_intent_authentication_failure", "setup_intent_authentication_failure"],
        DeclineReason.AUTHENTICATION_FAILED,
    ),
    **dict.fromkeys(["authentication_required", "offline_pin_required"], DeclineReason.AUTHENTICATION_REQUIRED),
    **dict.fromkeys(
        ["processing_error", "issuer_not_available", "try_again_later", "reenter_transaction"],
        DeclineReason.GATEWAY_TROUBLE,
    ),
    **dict.fromkeys(
        ["account_closed", "bank_account_unusable", "branch_does_not_exist", "recipient_deceased"],
        DeclineReason.ACCOUNT_CLOSED,
    ),
    **dict.fromkeys(["debit_not_authorized", "mandate_invalid"], DeclineReason.DEBIT_NOT_AUTHORISED),
}

# The kinds of events that are about something of ours; others need not be sent, and are not kept.
KINDS = re.compile(r"(payment_intent|checkout\.session|charge\.dispute|charge)\.[a-z_]+")
_HEADER = re.compile(r"[\x21-\x7e]{1,2000}")
_TIME = re.compile(r"(?:^|,)t=([0-9]{1,12})(?:,|$)")


class _Patient(stripe.RequestsClient):
    """Stripe's client, which waits for each piece of an answer; this one also counts the whole."""

    longest: float

    def request(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None) -> Any:  # type: ignore[override]
        ends = time.monotonic() + self.longest
        raw, status, found = self.request_stream(method, url, headers, post_data)
        content = b""
        try:
            while piece := raw.read1(65_536, decode_content=True):
                content += piece
                if time.monotonic() > ends:
                    raw.close()
                    raise stripe.APIConnectionError("the answer takes too long")
        except (HTTPError, OSError) as error:
            raise stripe.APIConnectionError("the answer broke off", should_retry=True) from error
        return content, status, found


class StripeGateway:
    """The adapter of Stripe. The settings say key, address and how long to wait; `retries` are those of one call."""

    name = "stripe"

    def __init__(self, *, retries: int = RETRIES) -> None:
        self.retries = retries

    @cached_property
    def client(self) -> Any:
        http = _Patient(timeout=(CONNECT_SECONDS, settings.STRIPE_TIMEOUT_SECONDS))
        http.longest = 1.5 * settings.STRIPE_TIMEOUT_SECONDS
        return stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            stripe_version=API_VERSION,
            base_addresses={"api": settings.STRIPE_API_BASE},
            max_network_retries=self.retries,
            http_client=http,
        ).v1

    # --- Methods ---

    def create_customer(self, *, key: str, code: str) -> str:
        with _talking(key):
            made = self.client.customers.create({"description": code, "metadata": {"account": code}}, _once(key))
        return str(made.id)

    def start_setup(
        self, *, key: str, customer: str, return_url: str, kind: MethodKind = MethodKind.CARD, token: str = ""
    ) -> SetupSession:
        if token:
            self._demand_kept(token)
        params = {
            "mode": "setup",
            "customer": customer,
            "payment_method_types": [TYPES[kind]],
            "billing_address_collection": "required" if token else "auto",
            "success_url": return_url,
            "cancel_url": return_url,
            "metadata": {"key": key},
            "setup_intent_data": {"metadata": {"key": key}},
        }
        with _talking(key):
            session = self.client.checkout.sessions.create(params, _once(key)).to_dict()
        return SetupSession(session["id"], session["url"])

    def find_setup(self, *, key: str, session_id: str) -> SetupResult:
        if not session_id:
            return SetupResult(SetupOutcome.ENDED)
        expand = ["setup_intent.payment_method", "setup_intent.mandate"]
        with _talking(key):
            session = self.client.checkout.sessions.retrieve(session_id, {"expand": expand}).to_dict()
        intent = session.get("setup_intent") or {}
        if session["status"] == "complete" and intent.get("status") == "succeeded":
            return SetupResult(SetupOutcome.COMPLETED, _method(intent))
        if session["status"] == "expired":
            trouble = intent.get("last_setup_error")
            return SetupResult(SetupOutcome.REFUSED, None, _reason(trouble)) if trouble else _ENDED
        # Whoever was refused may try another card on the same page, for as long as it is open.
        return SetupResult(SetupOutcome.OPEN)

    def detach(self, *, token: str) -> None:
        try:
            with _talking(token):
                self.client.payment_methods.detach(token)
        except stripe.InvalidRequestError as error:
            logger.info("Stripe had forgotten a payment method already: %s", error.code)

    def _demand_kept(self, token: str) -> None:
        try:
            with _talking(token):
                found = self.client.payment_methods.retrieve(token).to_dict()
        except stripe.InvalidRequestError as error:
            raise MethodGone(token) from error
        if not found.get("customer"):
            raise MethodGone(token)

    # --- Charges ---

    def charge(self, request: ChargeRequest) -> ChargeResult:
        amount = _to_stripe(request.amount)
        if amount is None:
            return _failed(request, DeclineReason.GATEWAY_TROUBLE)
        params: dict[str, Any] = {
            "amount": amount,
            "currency": request.amount.currency.lower(),
            "customer": request.customer,
            "payment_method": request.token,
            "payment_method_types": [TYPES[request.kind]],
            "confirm": True,
            "metadata": {"key": request.key},
        }
        params |= {"description": request.description} if request.description else {}
        params |= {"off_session": True} if request.off_session else {"return_url": request.return_url}
        try:
            with _talking(request.key):
                intent = self.client.payment_intents.create(params, _once(request.key)).to_dict()
        except stripe.CardError as error:
            refusal = _error(error)
            intent = refusal.get("payment_intent") or {}
            return _failed(request, _reason(refusal), intent.get("id", ""))
        except stripe.InvalidRequestError as error:
            logger.warning("Stripe does not take a charge: %s about %s", error.code, error.param)
            about_method = error.param in {"payment_method", "customer"}
            return _failed(request, DeclineReason.INCORRECT_DETAILS if about_method else DeclineReason.GATEWAY_TROUBLE)
        return self._result(intent, request.key)

    def open_payment(self, request: ChargeRequest) -> ChargeResult:
        amount = _to_stripe(request.amount)
        if amount is None:
            return _failed(request, DeclineReason.GATEWAY_TROUBLE)
        price = {
            "currency": request.amount.currency.lower(),
            "unit_amount": amount,
            "product_data": {"name": request.description},
        }
        params = {
            "mode": "payment",
            "customer": request.customer,
            "payment_method_types": [ONCE],
            "line_items": [{"price_data": price, "quantity": 1}],
            "payment_intent_data": {"description": request.description, "metadata": {"key": request.key}},
            "metadata": {"key": request.key},
            "success_url": request.return_url,
            "cancel_url": request.return_url,
        }
        try:
            with _talking(request.key):
                session = self.client.checkout.sessions.create(params, _once(request.key)).to_dict()
        except stripe.InvalidRequestError as error:
            logger.warning("Stripe does not open a payment page: %s about %s", error.code, error.param)
            return _failed(request, DeclineReason.GATEWAY_TROUBLE)
        return self._page_result(session, request.key)

    def find_charge(self, *, key: str, reference: str, customer: str, since: datetime) -> ChargeResult:
        intent, session = self._find(key, reference, customer, since)
        made = (intent or session or {}).get("created", 0)
        is_late = timezone.now() - datetime.fromtimestamp(made, UTC) >= QUESTION_LASTS
        if intent is not None:
            if intent["status"] == "requires_action" and is_late:
                intent = self._cancel(intent, "abandoned")
            return self._result(intent, key)
        if session is not None:
            if session["status"] == "open" and is_late:
                session = self._expire(session)
            return self._page_result(session, key)
        return ChargeResult(ChargeOutcome.NEVER_RECEIVED, key)

    def cancel_charge(self, *, key: str, reference: str, customer: str, since: datetime) -> ChargeResult:
        intent, session = self._find(key, reference, customer, since)
        if intent is not None:
            return self._result(self._cancel(intent, "requested_by_customer"), key)
        if session is not None:
            return self._page_result(self._expire(session), key)
        return ChargeResult(ChargeOutcome.NEVER_RECEIVED, key)

    def refund(self, *, key: str, reference: str, amount: Money) -> RefundResult:
        params = {"payment_intent": reference, "amount": _to_stripe(amount), "metadata": {"key": key}}
        try:
            with _talking(key):
                made = self.client.refunds.create(params, _once(key)).to_dict()
        except stripe.InvalidRequestError as error:
            logger.warning("Stripe does not give money back: %s", error.code)
            return RefundResult(RefundOutcome.REFUSED)
        outcomes = {"succeeded": RefundOutcome.SUCCEEDED, "failed": RefundOutcome.REFUSED}
        return RefundResult(outcomes.get(made["status"], RefundOutcome.PROCESSING), made["id"])

    def captured(self, *, since: datetime, until: datetime) -> Iterable[ChargeResult]:
        # A direct debit succeeds days after it was made; the event is of the moment itself.
        params = {
            "type": "payment_intent.succeeded",
            "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp()) + 1},
            "limit": 100,
        }
        with _talking(""):
            found = [event.to_dict() for event in self.client.events.list(params).auto_paging_iter()]
        intents = [event["data"]["object"] for event in found]
        return [
            ChargeResult(ChargeOutcome.SUCCEEDED, _key(intent), intent["id"], _from_stripe(intent))
            for intent in reversed(intents)
            if _key(intent)
        ]

    def _find(
        self, key: str, reference: str, customer: str, since: datetime
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The payment intent of that key, or the page on which there is none yet."""
        with _talking(key):
            if reference.startswith("cs_"):
                return self._intent_of(self._session(reference))
            if reference:
                return self.client.payment_intents.retrieve(reference, {"expand": ["latest_charge"]}).to_dict(), None
            if not customer:
                return None, None
            params = {"customer": customer, "created": {"gte": int(since.timestamp())}, "limit": 100}
            for intent in self.client.payment_intents.list(
                {**params, "expand": ["data.latest_charge"]}
            ).auto_paging_iter():
                if _key(intent.to_dict()) == key:
                    return intent.to_dict(), None
            for session in self.client.checkout.sessions.list(params).auto_paging_iter():
                if _key(session.to_dict()) == key:
                    return self._intent_of(self._session(session.id))
        return None, None

    def _session(self, reference: str) -> dict[str, Any]:
        expand = {"expand": ["payment_intent.latest_charge"]}
        return self.client.checkout.sessions.retrieve(reference, expand).to_dict()  # type: ignore[no-any-return]

    @staticmethod
    def _intent_of(session: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """A page that is closed speaks through its payment; one that is open lets the person try again."""
        intent = session.get("payment_intent")
        return (intent, None) if intent and session["status"] != "open" else (None, session)

    def _cancel(self, intent: dict[str, Any], reason: str) -> dict[str, Any]:
        expand = {"expand": ["latest_charge"]}
        try:
            with _talking(""):
                return self.client.payment_intents.cancel(  # type: ignore[no-any-return]
                    intent["id"], {"cancellation_reason": reason, **expand}
                ).to_dict()
        except stripe.InvalidRequestError:
            # It went on meanwhile, and is not ours to end any more.
            with _talking(""):
                return self.client.payment_intents.retrieve(intent["id"], expand).to_dict()  # type: ignore[no-any-return]

    def _expire(self, session: dict[str, Any]) -> dict[str, Any]:
        try:
            with _talking(""):
                self.client.checkout.sessions.expire(session["id"])
        except stripe.InvalidRequestError as error:
            logger.info("A payment page had ended already: %s", error.code)
        with _talking(""):
            return self._session(session["id"])

    def _page_result(self, session: dict[str, Any], key: str) -> ChargeResult:
        intent = session.get("payment_intent")
        if session["status"] == "open":
            return ChargeResult(
                ChargeOutcome.REQUIRES_ACTION,
                key,
                session["id"],
                _from_stripe({"amount": session["amount_total"], "currency": session["currency"]}),
                action_url=session["url"],
            )
        if isinstance(intent, dict):
            return self._result(intent, key)
        return ChargeResult(ChargeOutcome.CANCELLED, key, session["id"])

    def _result(self, intent: dict[str, Any], key: str) -> ChargeResult:
        reference, amount = intent["id"], _from_stripe(intent)
        if intent["status"] == "succeeded":
            taken_back = self._taken_back(intent)
            outcome = ChargeOutcome.RETURNED if taken_back else ChargeOutcome.SUCCEEDED
            return ChargeResult(outcome, key, reference, amount, taken_back)
        if intent["status"] == "requires_action":
            url = ((intent.get("next_action") or {}).get("redirect_to_url") or {}).get("url", "")
            return ChargeResult(ChargeOutcome.REQUIRES_ACTION, key, reference, amount, action_url=url)
        if intent["status"] in {"processing", "requires_capture", "requires_confirmation"}:
            return ChargeResult(ChargeOutcome.PROCESSING, key, reference, amount)
        if trouble := intent.get("last_payment_error"):
            return ChargeResult(ChargeOutcome.FAILED, key, reference, amount, _reason(trouble))
        if intent.get("cancellation_reason") == "abandoned":
            return ChargeResult(ChargeOutcome.FAILED, key, reference, amount, DeclineReason.AUTHENTICATION_FAILED)
        if intent["status"] == "canceled":
            return ChargeResult(ChargeOutcome.CANCELLED, key, reference, amount)
        return ChargeResult(ChargeOutcome.FAILED, key, reference, amount, DeclineReason.DECLINED_BY_BANK)

    def _taken_back(self, intent: dict[str, Any]) -> DeclineReason | None:
        """Why the money went back to the payer, where it did: a dispute that stands, or a returned debit."""
        charge = intent.get("latest_charge")
        if not isinstance(charge, dict) or not charge.get("disputed"):
            return None
        with _talking(""):
            disputes = self.client.disputes.list({"payment_intent": intent["id"], "limit": 1}).to_dict()["data"]
        if not disputes or disputes[0]["status"] == "won" or disputes[0]["status"].startswith("warning"):
            return None
        return DECLINES.get(disputes[0].get("reason") or "", DeclineReason.DECLINED_BY_BANK)

    # --- Events ---

    def read_event(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Event:
        header = headers.get("Stripe-Signature", "")
        moment = _TIME.search(header) if _HEADER.fullmatch(header) else None
        fresh = moment and abs(at.timestamp() - int(moment[1])) <= TOLERANCE.total_seconds()
        if not fresh or not any(_is_signed(body, header, secret) for secret in settings.STRIPE_WEBHOOK_SECRETS):
            raise BadSignature
        try:
            told = json.loads(body)
            about = told["data"]["object"]
            return _event(told, about)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadSignature from error


_ENDED = SetupResult(SetupOutcome.ENDED)


@contextmanager
def _talking(key: str) -> Iterator[None]:
    """Around every call: none inside a transaction (I34), and only refusals by card or request pass as they are."""
    with transaction.atomic(durable=True):
        pass
    try:
        yield
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except stripe.IdempotencyError as error:
        raise KeyReused(key) from error
    except stripe.StripeError as error:
        logger.warning("Stripe gave no answer that counts: %s %s", type(error).__name__, error.http_status)
        raise GatewayUnavailable from error


def _once(key: str) -> dict[str, Any]:
    return {"idempotency_key": key}


def _error(error: stripe.StripeError) -> dict[str, Any]:
    body = error.json_body
    return body.get("error") or {} if isinstance(body, dict) else {}


def _reason(trouble: Mapping[str, Any]) -> DeclineReason:
    for code in (trouble.get("decline_code"), trouble.get("code")):
        if code in DECLINES:
            return DECLINES[code]
    return DeclineReason.DECLINED_BY_BANK


def _failed(request: ChargeRequest, reason: DeclineReason, reference: str = "") -> ChargeResult:
    return ChargeResult(ChargeOutcome.FAILED, request.key, reference, request.amount, reason)


def _decimals(currency: str) -> int:
    if currency in WHOLE:
        return 0
    return 3 if currency in THOUSANDTHS else 2


def _to_stripe(amount: Money) -> int | None:
    """The amount as Stripe counts it; None where Stripe has no such amount."""
    shift = _decimals(amount.currency) - exponent(amount.currency)
    minor, rest = (amount.minor * 10**shift, 0) if shift >= 0 else divmod(amount.minor, 10**-shift)
    is_fine = rest == 0 and (amount.currency not in THOUSANDTHS or minor % 10 == 0)
    return minor if is_fine else None


def _from_stripe(intent: Mapping[str, Any]) -> Money:
    currency = str(intent["currency"]).upper()
    shift = exponent(currency) - _decimals(currency)
    return Money(intent["amount"] * 10**shift if shift >= 0 else intent["amount"] // 10**-shift, currency)


def _key(thing: Mapping[str, Any]) -> str:
    return str((thing.get("metadata") or {}).get("key", ""))


def _method(intent: dict[str, Any]) -> SavedMethod:
    method, mandate = intent["payment_method"], intent.get("mandate") or {}
    details, billing = method[method["type"]], method.get("billing_details") or {}
    known = {
        "token": method["id"],
        "last4": details["last4"],
        "holder": billing.get("name") or "",
        "fingerprint": details.get("fingerprint") or "",
        "issuing_country": details.get("country") or "",
        "address": _line(billing.get("address") or {}),
    }
    if method["type"] == "card":
        return SavedMethod(
            brand=details["brand"],
            expiry_year=details["exp_year"],
            expiry_month=details["exp_month"],
            is_prepaid=details.get("funding") == "prepaid",
            **known,
        )
    signed = SignedMandate(
        mandate["payment_method_details"]["sepa_debit"]["reference"],
        f"{details.get('country') or ''}•• •••• {details['last4']}",
        datetime.fromtimestamp(mandate["customer_acceptance"]["accepted_at"], UTC),
    )
    return SavedMethod(brand="sepa_debit", kind=MethodKind.DIRECT_DEBIT, mandate=signed, **known)


def _line(address: Mapping[str, Any]) -> str:
    place = " ".join(filter(None, [address.get("postal_code"), address.get("city")]))
    parts = [address.get("line1"), address.get("line2"), place, address.get("country")]
    return ", ".join(part for part in parts if part)


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None))
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False


def _event(told: Mapping[str, Any], about: Mapping[str, Any]) -> Event:
    """Of what Stripe sends, only what says which payment it is about: the rest is people's data."""
    object_id = about.get("payment_intent") if about["object"] in {"charge", "dispute"} else about["id"]
    amount = about.get("amount_total") if about["object"] == "checkout.session" else about.get("amount")
    is_whole = about["object"] in {"payment_intent", "charge"} or about.get("mode") == "payment"
    money = _from_stripe({"amount": amount, "currency": about["currency"]}) if is_whole else None
    payload = {name: about.get(name) for name in ("id", "object", "status", "amount", "currency", "created")}
    return Event(
        str(told["id"]),
        str(told["type"])[:100],
        str(object_id or ""),
        _key(about)[:64],
        money,
        {"id": told["id"], "type": told["type"], "created": told.get("created"), "object": payload},
        concerns_us=bool(KINDS.fullmatch(str(told["type"]))),
    )
