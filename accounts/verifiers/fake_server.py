"""A VIES of our own over HTTP: the same answers as the fake verifier, and the same troubles as the real one.

    with FakeVies() as vies:
        settings.VIES_URL = vies.url
        vies.behaviour.append("html")

Behaviours are used up, one per request: down (503), busy (a member state that does not answer), slow (says nothing
until it is released), drip (a byte at a time), html, list, text_yes, other_number, endless, redirect.
"""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from accounts.verifiers.base import VerifierUnavailable
from accounts.verifiers.fake import FakeVerifier

DRIP_SECONDS = 0.05


class FakeVies:
    """The server; `asked` holds what it was asked, `url` goes into VIES_URL."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[dict[str, Any]] = []
        self.behaviour: deque[str] = deque()
        self.release = threading.Event()
        owner = self

        class Handler(_Handler):
            vies = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], name="fake VIES", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/rest-api"

    def serve(self) -> None:
        """Answer until somebody interrupts."""
        self._server.serve_forever()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    vies: FakeVies

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what was asked is kept."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        asked = json.loads(self.rfile.read(min(length, 10_000)) or b"{}")
        self.vies.asked.append(asked)
        behaviour = self.vies.behaviour.popleft() if self.vies.behaviour else ""
        try:
            self._answer(asked, behaviour)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, asked: dict[str, Any], behaviour: str) -> None:
        told = _told(asked)
        match behaviour:
            case "down":
                self._send(503, b"Service Unavailable", "text/plain")
            case "busy":
                self._send(200, {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]})
            case "slow":
                self.vies.release.wait(60)
                self.close_connection = True
            case "drip":
                self._head(200, "application/json", 1000)
                while not self.vies.release.wait(DRIP_SECONDS):
                    self.wfile.write(b" ")
            case "endless":
                self._head(200, "application/json", 10**9)
                for _block in range(100):
                    self.wfile.write(b" " * 10_000)
            case "html":
                self._send(200, b"<html><body>Scheduled maintenance</body></html>", "text/html")
            case "list":
                self._send(200, [True])
            case "text_yes":
                self._send(200, told | {"valid": "yes"})
            case "other_number":
                self._send(200, told | {"vatNumber": "999999999"})
            case "redirect":
                self.send_response(302)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case _:
                self._send(200, told)

    def _send(self, status: int, body: Any, kind: str = "application/json") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._head(status, kind, len(content))
        self.wfile.write(content)

    def _head(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _told(asked: dict[str, Any]) -> dict[str, Any]:
    """What VIES would write: every number is registered, but for those of the fake verifier."""
    country, number = str(asked.get("countryCode", "")), str(asked.get("vatNumber", ""))
    try:
        answer = FakeVerifier().verify(country + number, requester=str(asked.get("requesterNumber", "")))
    except VerifierUnavailable:
        return {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]}
    return {
        "countryCode": country,
        "vatNumber": number,
        "valid": answer.is_registered,
        "requestIdentifier": answer.consultation,
        "name": "---",
        "address": "---",
    }
