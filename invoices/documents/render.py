"""From the facts of a document to its PDF: PDF/A-3a and PDF/UA-1 in one file, the same bytes every time.

Typesetting is native code that may not be forked after its first use, does not mind Python's
timeouts and could grow without bound (T37, F38). So each process that makes documents keeps one
worker process beside it, which can be killed: it is started at the first document, and again when
it died, hung, or has made enough of them.
"""

import atexit
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

from .codes import qr, transfer_qr
from .einvoice import cii_of, is_expressible
from .mark import marked
from .payload import InvoicePayload, Supplier
from .printed import clean_text, printed

WORKER = Path(__file__).with_name("worker.py")
TIME_LIMIT_SECONDS = 10.0
# Enough for 8,000 lines; one of a thousand takes 0.2 GB.
MEMORY_LIMIT_BYTES = 2 * 1024**3
# Typst keeps what it has computed for later documents; starting afresh bounds that, at 0.1 ms a document.
DOCUMENTS_PER_WORKER = 1000
KEPT_BYTES = 300 * 1024**2
# No secret of ours reaches the worker, and one thread each lets several workers share the cores.
WORKER_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "RAYON_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A PDF, the characters in it that no font could show and that stand as a box, and whether the
    seller's logo could be drawn (True as well where there is none)."""

    pdf: bytes
    replaced_characters: str = ""
    logo_drawn: bool = True


class RenderFailed(Exception):
    """No PDF came out: the process died or took too long. Worth another try later."""


class RenderRefused(RenderFailed):
    """The compiler refuses this document, and would again: somebody has to mend the template or the data."""


def render_invoice(payload: InvoicePayload) -> Rendered:
    """The document as PDF, dated its issue date. Raises RenderFailed after ten seconds at most.

    Text is data only and never read as Typst code (M8). Safe to call from several threads.
    """
    return finished(render(request_of(payload)), payload)


def request_of(payload: InvoicePayload) -> bytes:
    """What the renderer's process is asked for: the words and figures, the logo, and the date of the file."""
    return request_for(
        "invoice",
        printed(payload),
        payload.seller,
        dated=payload.issue_date,
        pictures=_pictures(payload),
        einvoice=cii_of(payload).decode() if is_expressible(payload) else "",
    )


def request_for(
    template: str,
    data: dict[str, Any],
    seller: Supplier,
    *,
    dated: date,
    pictures: Mapping[str, str] | None = None,
    einvoice: str = "",
) -> bytes:
    """The request for a document of the set: `data` is what its template prints, cleaned and worded."""
    return json.dumps(
        {
            "template": template,
            "data": json.dumps(data, ensure_ascii=False),
            "logo": seller.logo,
            "accent": seller.accent,
            "pictures": json.dumps(dict(pictures or {})),
            "einvoice": einvoice,
            "timestamp": int(datetime.combine(dated, clock(), UTC).timestamp()),
        }
    ).encode()


def _pictures(payload: InvoicePayload) -> dict[str, str]:
    """The QR codes as SVG, empty where there is none."""
    transfer, check = payload.transfer, payload.check
    owed = payload.kind == "invoice" and payload.due
    return {
        "transfer": transfer_qr(
            holder=clean_text(transfer.holder),
            iban=transfer.iban,
            bic=transfer.bic,
            amount=payload.due,
            reference=transfer.reference,
        )
        if transfer and owed
        else "",
        "check": qr(check.url) if check else "",
    }


def render(request: bytes) -> Rendered:
    """The PDF of a request, as `render_invoice` gives it."""
    return _worker.render(request)


def finished(rendered: Rendered, payload: InvoicePayload) -> Rendered:
    """What the renderer made, marked as Factur-X where it carries a structured invoice."""
    return replace(rendered, pdf=marked(rendered.pdf)) if is_expressible(payload) else rendered


class Worker:
    """The handle of one worker process, for all threads of the process that made it."""

    def __init__(
        self,
        *,
        seconds: float = TIME_LIMIT_SECONDS,
        memory_bytes: int = MEMORY_LIMIT_BYTES,
        documents: int = DOCUMENTS_PER_WORKER,
    ) -> None:
        self.seconds = seconds
        self.memory_bytes = memory_bytes
        self.documents = documents
        self.process: subprocess.Popen | None = None
        self._channel: socket.socket | None = None
        self._lock = threading.Lock()
        self._made = 0

    def render(self, request: bytes) -> Rendered:
        """The PDF of a request. Raises RenderFailed; the next call starts a new process."""
        with self._lock:
            try:
                answer, pdf = _exchange(self._open(), request, self.seconds)
            except (OSError, EOFError) as error:
                self.close()
                raise RenderFailed(str(error) or type(error).__name__) from error
            self._made += 1
            if self._made >= self.documents or answer["peak"] > KEPT_BYTES:
                self.close()
        if "error" in answer:
            raise RenderRefused(answer["error"])
        return Rendered(pdf, replaced_characters=answer["replaced"], logo_drawn=answer["logo_drawn"])

    def close(self) -> None:
        """End the process now. The next document starts another."""
        process, channel = self.process, self._channel
        self.process = self._channel = None
        self._made = 0
        if channel is not None:
            channel.close()
        if process is not None:
            process.kill()
            process.wait()

    def forget(self) -> None:
        """Let go of the process without ending it: after a fork it answers the parent alone."""
        if self._channel is not None:
            self._channel.close()
            # It is no child of this process, so there is nothing to wait for.
            self.process.returncode = 0  # type: ignore[union-attr]
        self.process = self._channel = None
        self._made = 0
        self._lock = threading.Lock()

    def _open(self) -> socket.socket:
        if self._channel is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self.process = subprocess.Popen(  # type: ignore[call-overload] # noqa: S603 - our own file and a number
                    [sys.executable, "-I", str(WORKER), str(self.seconds), str(self.memory_bytes)],
                    stdin=theirs,
                    stdout=subprocess.DEVNULL,
                    env=WORKER_ENVIRONMENT,
                )
            self._channel = ours
        return self._channel


def _exchange(channel: socket.socket, request: bytes, seconds: float) -> tuple[dict, bytes]:
    """Send one request and read its answer, within the time limit and a second for the way."""
    deadline = time.monotonic() + seconds + 1
    channel.settimeout(seconds + 1)
    channel.sendall(struct.pack(">I", len(request)) + request)
    (size,) = struct.unpack(">I", _receive(channel, 4, deadline))
    answer = json.loads(_receive(channel, size, deadline))
    return answer, _receive(channel, answer["bytes"], deadline)


def _receive(channel: socket.socket, count: int, deadline: float) -> bytes:
    """Exactly that many bytes. Raises TimeoutError after the deadline, EOFError when the worker has gone."""
    received = bytearray()
    while len(received) < count:
        channel.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = channel.recv(min(count - len(received), 1 << 20))
        if not piece:
            raise EOFError("the process that makes the documents ended")
        received += piece
    return bytes(received)


_worker = Worker()
os.register_at_fork(after_in_child=_worker.forget)
atexit.register(_worker.close)
