"""Django's SMTP backend, able to say two things more: whether a mail was handed over whole, and that a
server which answers a byte a minute does not answer (F15, F16, F18)."""

import io
import smtplib
import socket
import time
from collections.abc import Callable
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp
from django.core.mail.message import sanitize_address

END_OF_MAIL = b"\r\n.\r\n"


class EmailBackend(smtp.EmailBackend):
    """`handed_over`: the final dot of the last mail was sent, whatever the server said after it."""

    connection: Any
    # Called once the server has a whole mail, before its answer is awaited.
    meanwhile: Callable[[], None] | None = None
    _partial_connection: Any

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return CarefulSMTPOverTLS if self.use_ssl else CarefulSMTP

    @property
    def handed_over(self) -> bool:
        return self.connection is not None and self.connection.handed_over

    @property
    def last_reply(self) -> tuple[int, str]:
        """The server's last code and words: after a mail, the queue id it gave it."""
        code, words = self.connection.last_reply
        return code, words.decode(errors="replace")

    @property
    def is_open(self) -> bool:
        return self.connection is not None and self.connection.sock is not None

    def drop(self) -> None:
        """Close without a farewell: a server in trouble would let us wait for its answer."""
        for connection in (self.connection, self._partial_connection):
            if connection is not None:
                connection.close()
        self.connection = self._partial_connection = None

    def _send(self, email_message: EmailMessage) -> bool:
        self.connection.handed_over = False
        self.connection.meanwhile = self.meanwhile
        wire = getattr(email_message, "wire", None)
        if wire is None:
            return bool(super()._send(email_message))  # type: ignore[misc]
        sender = sanitize_address(email_message.from_email, "utf-8")
        recipients = [sanitize_address(address, "utf-8") for address in email_message.recipients()]
        self.connection.sendmail(sender, recipients, wire)
        return True


class _Careful:
    handed_over = False
    meanwhile: Callable[[], None] | None = None
    last_reply = (0, b"")
    sock: Any
    file: Any
    timeout: Any

    def send(self, s: Any) -> None:
        super().send(s)  # type: ignore[misc]
        if isinstance(s, bytes) and s.endswith(END_OF_MAIL):
            self.handed_over = True
            if self.meanwhile is not None:
                self.meanwhile()

    def data(self, msg: Any) -> Any:
        """As the library does, without searching a mail line by line for dots when no line begins with one."""
        if not isinstance(msg, bytes) or msg.startswith(b".") or b"\n." in msg:
            return super().data(msg)  # type: ignore[misc]
        self.putcmd("data")  # type: ignore[attr-defined]
        code, words = self.getreply()
        if code != 354:
            raise smtplib.SMTPDataError(code, words)
        self.send(msg.removesuffix(b"\r\n") + END_OF_MAIL)
        return self.getreply()

    def getreply(self) -> Any:
        if self.file is None:
            self.file = _Replies(self.sock, self.timeout)
        self.file.expect()
        self.last_reply = super().getreply()  # type: ignore[misc]
        self.sock.settimeout(self.timeout)
        return self.last_reply


class CarefulSMTP(_Careful, smtplib.SMTP):
    pass


class CarefulSMTPOverTLS(_Careful, smtplib.SMTP_SSL):
    pass


class _Replies(io.BufferedReader):
    """Lines of the server; a whole reply must come within the timeout, not only its next byte."""

    def __init__(self, sock: socket.socket, timeout: float | None) -> None:
        self._bytes = _BytesUntil(sock, timeout)
        super().__init__(self._bytes)

    def expect(self) -> None:
        self._bytes.begin()


class _BytesUntil(io.RawIOBase):
    def __init__(self, sock: socket.socket, timeout: float | None) -> None:
        super().__init__()
        self.sock, self.timeout = sock, timeout
        self.deadline = 0.0

    def begin(self) -> None:
        self.deadline = time.monotonic() + (self.timeout or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.timeout is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(left)
        return self.sock.recv_into(buffer)
