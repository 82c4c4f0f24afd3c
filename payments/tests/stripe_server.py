"""A server on this machine that answers as Stripe documents it, and errs as a test asks it to.

Written from docs.stripe.com: errors, idempotent requests, payment intents, Checkout, SEPA, webhooks.
Cards are known by the names of the sandbox's specimens; no number is ever sent here.

    server.faults = ["500 before", "cut after", ...]      # used up, one per attempt to charge

before: nothing was done · after: the money was taken · 500 · 429 · cut (no answer) · broken (half a JSON
text) · drip (a byte at a time) · slow (no answer within the time that the caller waits)
"""

import hashlib
import hmac
import json
import re
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payments.gateways.sandbox.cards import SPECIMENS

KEY, SECRET = "sk_test_portal", "whsec_portal"

# What Stripe says where the sandbox says it in its own way.
CODES = {
    "no_funds": ("card_declined", "insufficient_funds"),
    "over_limit": ("card_declined", "withdrawal_count_limit_exceeded"),
    "refused": ("card_declined", "generic_decline"),
    "blocked": ("card_declined", "pickup_card"),
    "run_out": ("expired_card", ""),
    "wrong_details": ("incorrect_cvc", ""),
    "no_series": ("card_declined", "revocation_of_authorization"),
    "suspicious": ("card_declined", "fraudulent"),
    "trouble": ("processing_error", ""),
    "closed": ("account_closed", ""),
    "no_debit": ("debit_not_authorized", ""),
    "not_confirmed": ("payment_intent_authentication_failure", ""),
}
Row = dict[str, Any]


class Fail(Exception):
    """An answer that is an error; `kept` with the idempotency key, since the work had begun."""

    def __init__(self, status: int, kind: str, code: str = "", *, kept: bool = False, **more: Any) -> None:
        super().__init__(code)
        self.status, self.kept = status, kept
        self.body = {"error": {"type": kind, "code": code, "message": "as a test asked", **more}}


class StripeServer:
    """Start it, use `url`, stop it. `reset` forgets everything between two tests."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.lock = threading.RLock()
        self.release = threading.Event()
        self.reset()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.http.server_port}"

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.release.set()
        self.http.shutdown()
        self.http.server_close()

    def reset(self) -> None:
        self.numbers = count(1)
        self.rows: dict[str, Row] = {"customer": {"id": "customer", "object": "customer"}}
        self.answers: dict[str, tuple[str, int, Row]] = {}
        self.events: list[Row] = []
        self.faults: list[str] = []
        self.charges_asked = 0
        # Called between doing the work and answering.
        self.on_done: Callable[[], None] = lambda: None

    # --- What people and banks do ---

    def enter(self, session_id: str, name: str) -> None:
        """Somebody fills in the page of a set-up; who is refused gives up, and the page lapses."""
        specimen, session = SPECIMENS[name], self.rows[session_id]
        intent = self.rows[session["setup_intent"]]
        if specimen.refused:
            code, decline = CODES[specimen.refused]
            intent["last_setup_error"] = {"code": code, "decline_code": decline or None}
            session["status"] = "expired"
            return
        fingerprint = hashlib.sha256(specimen.number.encode()).hexdigest()[:16]
        shown = {"last4": specimen.last4, "fingerprint": fingerprint, "country": specimen.country or "NL"}
        if specimen.is_account:
            kind, details = "sepa_debit", {**shown, "bank_code": "TEST"}
        else:
            funding = "prepaid" if specimen.is_prepaid else "credit"
            expiry = {"exp_year": 2099, "exp_month": 12}
            kind, details = "card", {**shown, **expiry, "brand": specimen.brand, "funding": funding}
        method = self._add(
            "pm",
            "payment_method",
            type=kind,
            customer=session["customer"],
            billing_details={"name": "T. Test", "address": None},
            specimen=name,
            **{kind: details},
        )
        if specimen.is_account:
            acceptance = {"type": "online", "accepted_at": int(time.time())}
            reference = {"sepa_debit": {"reference": f"STRIPE{next(self.numbers):010}", "url": "https://x.example/"}}
            mandate = self._add(
                "mandate", "mandate", customer_acceptance=acceptance, payment_method_details=reference, status="active"
            )
            intent["mandate"] = mandate["id"]
        intent |= {"payment_method": method["id"], "status": "succeeded"}
        session["status"] = "complete"
        self._tell("checkout.session.completed", session)

    def change(self, session_id: str, *, year: int, holder: str, address: Row) -> None:
        """Somebody enters the card again on the page of a set-up, with its new expiry."""
        self.enter(session_id, "visa")
        method = self.rows[self.rows[self.rows[session_id]["setup_intent"]]["payment_method"]]
        method["card"]["exp_year"] = year
        method["billing_details"] = {"name": holder, "address": address}

    def lapse(self, session_id: str) -> None:
        """Nobody comes back to a page for a day."""
        self.rows[session_id]["status"] = "expired"

    def answer(self, reference: str, *, confirmed: bool) -> None:
        """The person answers the bank: of a payment, or on the page of a single one, which lapses after a no."""
        row = self.rows[reference]
        if row["object"] == "checkout.session":
            intent = self._intent(
                row["amount_total"], row["currency"], row["customer"], row["intent_data"].get("metadata", {})
            )
            row |= {"payment_intent": intent["id"], "status": "complete" if confirmed else "expired"}
            row = intent
        if confirmed:
            self._capture(row)
        else:
            self._refuse(row, "not_confirmed")

    def end_pending(self, key: str) -> None:
        """Days later: what is processed ends, and what is returned comes back."""
        intent = self.intent_of(key)
        specimen = SPECIMENS[self.rows[intent["payment_method"]]["specimen"]]
        if intent["status"] == "processing" and specimen.declined:
            self._refuse(intent, specimen.declined)
        elif intent["status"] == "processing":
            self._capture(intent)
        elif specimen.returned_later:
            self.rows[intent["latest_charge"]]["disputed"] = True
            dispute = self._add(
                "du",
                "dispute",
                payment_intent=intent["id"],
                charge=intent["latest_charge"],
                status="lost",
                reason="insufficient_funds",
                amount=intent["amount"],
                currency=intent["currency"],
                metadata={},
            )
            self._tell("charge.dispute.created", dispute)

    # --- What a test asks ---

    def intent_of(self, key: str) -> Row:
        return next(row for row in self._all("payment_intent") if row["metadata"].get("key") == key)

    def captures(self, key: str = "") -> int:
        """How often money was taken, for that key or at all."""
        intents = {row["id"] for row in self._all("payment_intent") if not key or row["metadata"].get("key") == key}
        return sum(row["payment_intent"] in intents for row in self._all("charge"))

    def signed(self, event: Row, at: datetime, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
        """A webhook as it is sent: its header and its body."""
        body, seconds = json.dumps(event).encode(), int(at.timestamp())
        digest = hmac.new(secret.encode(), str(seconds).encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={seconds},v1={digest},v0={'0' * 64}"}, body

    def event_about(self, key: str) -> Row:
        return next(
            event
            for event in reversed(self.events)
            if event["data"]["object"].get("metadata", {}).get("key") == key and event["type"].startswith("payment")
        )

    # --- What Stripe does ---

    def handle(self, method: str, path: str, params: Row, headers: Any) -> tuple[int, Row]:
        """The answer to one request, with the rules of idempotent requests."""
        if headers.get("Authorization") != f"Bearer {KEY}":
            return 401, Fail(401, "invalid_request_error").body
        if not re.fullmatch(r"20\d\d-\d\d-\d\d\.[a-z]+", headers.get("Stripe-Version", "")):
            return 400, Fail(400, "invalid_request_error", "version").body
        key, digest = headers.get("Idempotency-Key", ""), json.dumps([path, params], sort_keys=True)
        with self.lock:
            if method == "POST" and key in self.answers:
                asked, status, body = self.answers[key]
                same = asked == digest
                return (status, body) if same else (400, Fail(400, "idempotency_error").body)
            try:
                status, body = 200, self._route(method, path.removeprefix("/v1/").split("/"), params)
                kept = True
            except Fail as failure:
                status, body, kept = failure.status, failure.body, failure.kept
            if method == "POST" and key and kept:
                self.answers[key] = digest, status, json.loads(json.dumps(body))
            return status, body

    def keep_500(self, path: str, params: Row, headers: Any) -> None:
        """The first answer to a key counts, also where it is a 500."""
        digest = json.dumps([path, params], sort_keys=True)
        self.answers[headers.get("Idempotency-Key", "")] = digest, 500, Fail(500, "api_error").body

    def _route(self, method: str, path: list[str], params: Row) -> Row:
        expand = set(params.pop("expand", []))
        match method, path:
            case "POST", ["customers"]:
                return self._add("cus", "customer", **params)
            case "POST", ["checkout", "sessions"]:
                return self._open_session(params)
            case "GET", ["checkout", "sessions"]:
                return self._list("checkout.session", params)
            case "GET", ["checkout", "sessions", number]:
                return self._shown(self._get(number), expand)
            case "POST", ["checkout", "sessions", number, "expire"]:
                session = self._get(number)
                if session["status"] != "open":
                    raise Fail(400, "invalid_request_error", "session_not_open")
                session["status"] = "expired"
                return session
            case "GET", ["payment_methods", number]:
                return self._get(number)
            case "POST", ["payment_methods", number, "detach"]:
                found = self._get(number)
                if not found["customer"]:
                    raise Fail(400, "invalid_request_error", "payment_method_not_attached")
                found["customer"] = None
                return found
            case "POST", ["payment_intents"]:
                return self._charge(params)
            case "GET", ["payment_intents"]:
                return self._list("payment_intent", params, {each.removeprefix("data.") for each in expand})
            case "GET", ["payment_intents", number]:
                return self._shown(self._get(number), expand)
            case "POST", ["payment_intents", number, "cancel"]:
                intent = self._get(number)
                if intent["status"] not in {"requires_action", "requires_payment_method", "processing"}:
                    raise Fail(400, "invalid_request_error", "payment_intent_unexpected_state")
                intent |= {"status": "canceled", "cancellation_reason": params["cancellation_reason"]}
                self._tell("payment_intent.canceled", intent)
                return self._shown(intent, expand)
            case "POST", ["refunds"]:
                return self._refund(params)
            case "GET", ["disputes"]:
                return self._list("dispute", params)
            case "GET", ["events"]:
                made = [event for event in self.events if event["type"] == params["type"]]
                first, end = (int(params["created"][name]) for name in ("gte", "lt"))
                return {"object": "list", "data": [e for e in made if first <= e["created"] < end], "has_more": False}
        raise Fail(404, "invalid_request_error", "resource_missing")

    def _open_session(self, params: Row) -> Row:
        self._get(params["customer"], "customer")
        if not params["success_url"].startswith("http"):
            raise Fail(400, "invalid_request_error", "url_invalid", param="success_url")
        session = self._add("cs_test", "checkout.session", status="open", url="", **params)
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        if params["mode"] == "setup":
            intent = self._add(
                "seti",
                "setup_intent",
                status="requires_payment_method",
                payment_method=None,
                mandate=None,
                last_setup_error=None,
                metadata=params["setup_intent_data"]["metadata"],
            )
            return session | self._set(session, setup_intent=intent["id"], amount_total=None, currency=None)
        price = params["line_items"][0]["price_data"]
        return session | self._set(
            session,
            payment_intent=None,
            amount_total=int(price["unit_amount"]),
            currency=price["currency"],
            intent_data=params["payment_intent_data"],
        )

    def _charge(self, params: Row) -> Row:
        method = self.rows.get(params["payment_method"])
        if method is None or method["customer"] != params["customer"]:
            raise Fail(400, "invalid_request_error", "resource_missing", param="payment_method")
        if method["type"] not in params["payment_method_types"]:
            raise Fail(400, "invalid_request_error", "payment_method_invalid", param="payment_method")
        specimen = SPECIMENS[method["specimen"]]
        intent = self._intent(int(params["amount"]), params["currency"], params["customer"], params["metadata"])
        intent["payment_method"] = method["id"]
        if specimen.settles_later:
            intent["status"] = "processing"
            self._tell("payment_intent.processing", intent)
        elif specimen.declined:
            self._refuse(intent, specimen.declined)
            raise Fail(402, "card_error", kept=True, **intent["last_payment_error"], payment_intent=intent)
        elif specimen.asks_at_charge and params.get("off_session") == "true":
            intent["last_payment_error"] = {"code": "authentication_required", "decline_code": None}
            intent["status"] = "requires_payment_method"
            raise Fail(402, "card_error", kept=True, **intent["last_payment_error"], payment_intent=intent)
        elif specimen.asks_at_charge:
            url = f"https://hooks.stripe.com/redirect/{intent['id']}?return={params['return_url']}"
            intent |= {
                "status": "requires_action",
                "next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": url}},
            }
            self._tell("payment_intent.requires_action", intent)
        else:
            self._capture(intent)
        return intent

    def _refund(self, params: Row) -> Row:
        intent = self._get(params["payment_intent"], "payment_intent")
        given = sum(int(row["amount"]) for row in self._all("refund") if row["payment_intent"] == intent["id"])
        if int(params["amount"]) > intent["amount"] - given:
            raise Fail(400, "invalid_request_error", "charge_already_refunded", param="amount")
        return self._add("re", "refund", status="succeeded", **params)

    def _intent(self, amount: int, currency: str, customer: str, metadata: Row) -> Row:
        return self._add(
            "pi",
            "payment_intent",
            amount=amount,
            currency=currency,
            customer=customer,
            metadata=metadata,
            status="requires_payment_method",
            payment_method=None,
            latest_charge=None,
            last_payment_error=None,
            next_action=None,
            cancellation_reason=None,
        )

    def _capture(self, intent: Row) -> None:
        charge = self._add("ch", "charge", payment_intent=intent["id"], disputed=False, amount=intent["amount"])
        intent |= {"status": "succeeded", "latest_charge": charge["id"], "next_action": None}
        self._tell("payment_intent.succeeded", intent)

    def _refuse(self, intent: Row, why: str) -> None:
        code, decline = CODES.get(why, ("card_declined", ""))
        if intent["payment_method"] and self.rows[intent["payment_method"]]["type"] == "sepa_debit":
            code = decline or code
        trouble = {"code": code, "decline_code": decline or None}
        intent |= {"status": "requires_payment_method", "last_payment_error": trouble, "next_action": None}
        self._tell("payment_intent.payment_failed", intent)

    # --- Rows ---

    def _add(self, prefix: str, kind: str, **fields: Any) -> Row:
        number = f"{prefix}_{next(self.numbers):08}"
        self.rows[number] = {"id": number, "object": kind, "created": int(time.time()), "livemode": False, **fields}
        return self.rows[number]

    @staticmethod
    def _set(row: Row, **fields: Any) -> Row:
        row |= fields
        return fields

    def _get(self, number: str, param: str = "id") -> Row:
        if number not in self.rows:
            raise Fail(404, "invalid_request_error", "resource_missing", param=param)
        return self.rows[number]

    def _all(self, kind: str) -> list[Row]:
        return [row for row in self.rows.values() if row["object"] == kind]

    def _list(self, kind: str, params: Row, expand: set[str] = frozenset()) -> Row:  # type: ignore[assignment]
        since = int(params.get("created", {}).get("gte", 0))
        wanted = {name: params[name] for name in ("customer", "payment_intent") if name in params}
        found = [
            self._shown(row, expand)
            for row in reversed(self._all(kind))
            if row["created"] >= since and all(row[name] == value for name, value in wanted.items())
        ]
        return {"object": "list", "data": found, "has_more": False, "url": "/v1/x"}

    def _shown(self, row: Row, expand: set[str]) -> Row:
        """With what is to be expanded in place of its id, to any depth."""
        shown = dict(row)
        for name in {path.split(".")[0] for path in expand}:
            if isinstance(shown.get(name), str):
                deeper = {path.partition(".")[2] for path in expand if path.startswith(f"{name}.")}
                shown[name] = self._shown(self.rows[shown[name]], deeper)
        return shown

    def _tell(self, kind: str, about: Row) -> None:
        self.events.append(
            {
                "id": f"evt_{next(self.numbers):08}",
                "object": "event",
                "type": kind,
                "created": int(time.time()),
                "livemode": False,
                "data": {"object": json.loads(json.dumps(about))},
            }
        )


def _handler(server: StripeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            self._answer(*server.handle("GET", address.path, _nested(address.query), self.headers))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            params = _nested(body)
            if self.path != "/v1/payment_intents":
                self._answer(*server.handle("POST", self.path, params, self.headers))
                return
            server.charges_asked += 1
            fault = server.faults.pop(0) if server.faults else self._fault_of(params)
            self._charge(fault, params)

        def _fault_of(self, params: Row) -> str:
            method = server.rows.get(params.get("payment_method", ""), {})
            faults = {"cut_before": "cut before", "cut_after": "cut after"}
            return faults.get(method.get("specimen", ""), "")

        def _charge(self, fault: str, params: Row) -> None:
            what, _, when = fault.partition(" ")
            if what == "429":
                self._answer(429, Fail(429, "invalid_request_error", "rate_limit").body)
                return
            if when != "before":
                answer = server.handle("POST", self.path, params, self.headers)
                server.on_done()
            if what == "500":
                server.keep_500(self.path, params, self.headers)
                self._answer(500, Fail(500, "api_error").body)
            elif what == "cut":
                self.close_connection = True
            elif what == "slow":
                server.release.wait(30)
                self.close_connection = True
            elif what == "broken":
                self._send(200, b'{"id": "pi_')
            elif what == "drip":
                self._drip(json.dumps(answer[1]).encode())
            else:
                self._answer(*answer)

        def _drip(self, body: bytes) -> None:
            self._head(200, len(body))
            for number in range(len(body)):
                if server.release.wait(0.05):
                    break
                try:
                    self.wfile.write(body[number : number + 1])
                except OSError:
                    break
            self.close_connection = True

        def _answer(self, status: int, body: Row) -> None:
            self._send(status, json.dumps(body).encode())

        def _send(self, status: int, body: bytes) -> None:
            self._head(status, len(body))
            self.wfile.write(body)

        def _head(self, status: int, length: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length))
            self.send_header("Request-Id", f"req_{next(server.numbers)}")
            if status == 500:
                self.send_header("Stripe-Should-Retry", "false")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Nothing: a test says what it wants to know."""

    return Handler


def _nested(form: str) -> Row:
    """`a[b][0]=c` as {"a": {"b": ["c"]}}."""
    found: Row = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        parts = re.findall(r"[^\[\]]+", name)
        place = found
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = value
    return _lists(found)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(each) for name, each in value.items()}
    return list(inner.values()) if inner and all(name.isdigit() for name in inner) else inner
