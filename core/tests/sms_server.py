"""A carrier of text messages on this machine, which errs as a test asks it to.

    sms_server.faults = ["500", "cut after", ...]      # used up, one per request

500 · 429 · 408 · 403 · redirect · slow (no answer within the time that the caller waits) · cut (no answer, nothing
taken) · cut after (taken, and no answer) · broken (taken, half a JSON text) · drip (taken, a byte at a time)
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SmsServer:
    """Start it, use `url`, stop it. `taken` are the messages it would carry, `requests` counts what came."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self.logins: list[str] = []
        self.requests = 0
        self.faults: list[str] = []
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="sms", daemon=True)

    @property
    def url(self) -> str:
        return f"http://portal:s%40cret@127.0.0.1:{self._server.server_address[1]}/messages"

    @property
    def carried(self) -> list[str]:
        """What reaches the phones: a carrier that sees a reference twice sends it once."""
        return list(dict.fromkeys(message["reference"] for message in self.taken))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(carrier: SmsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            carrier.requests += 1
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = carrier.faults.pop(0) if carrier.faults else ""
            if fault in {"", "cut after", "broken", "drip"}:
                carrier.taken.append(message)
                carrier.logins.append(self.headers["Authorization"])
            if fault == "slow":
                carrier.released.wait(5)
            if fault in {"slow", "cut", "cut after"}:
                self.close_connection = True
                self.connection.close()
                return
            self._answer(fault)

        def _answer(self, fault: str) -> None:
            status = int(fault) if fault.isdigit() else 302 if fault == "redirect" else 202
            body = b'{"id": "m-' if fault == "broken" else json.dumps({"id": "m-1", "said": fault}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + (100 if fault in {"broken", "drip"} else 0)))
            if fault == "redirect":
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            try:
                for position in range(len(body) if fault == "drip" else 0):
                    self.wfile.write(body[position : position + 1])
                    self.wfile.flush()
                    time.sleep(0.1)
                if fault != "drip":
                    self.wfile.write(body)
            except OSError:
                return  # the caller has heard enough

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    return Handler
