"""How the sandbox signs a notice: `t=<seconds>,v1=<hex>` over `<t>.<raw body>` by HMAC-SHA256."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta

from django.conf import settings

HEADER = "Sandbox-Signature"
TOLERANCE = timedelta(minutes=5)
_FORM = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def sign(body: bytes, at: datetime) -> str:
    """The value of the header."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(body, seconds)}"


def is_signed(body: bytes, header: str, at: datetime) -> bool:
    """Whether the header is ours, for this very body, and not more than five minutes off."""
    match = _FORM.fullmatch(header)
    if not match:
        return False
    seconds = int(match[1])
    fresh = abs(at.timestamp() - seconds) <= TOLERANCE.total_seconds()
    return hmac.compare_digest(match[2], _digest(body, seconds)) and fresh


def _digest(body: bytes, seconds: int) -> str:
    secret = settings.SANDBOX_WEBHOOK_SECRET.encode()
    return hmac.new(secret, str(seconds).encode() + b"." + body, hashlib.sha256).hexdigest()
