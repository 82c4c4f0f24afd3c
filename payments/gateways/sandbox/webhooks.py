"""Sending the sandbox's notices to the portal's own webhook address, over HTTP, as any gateway would."""

import http.client
import logging
import urllib.request
from datetime import timedelta
from urllib.error import HTTPError, URLError

from django.conf import settings
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from payments.gateways.sandbox.models import MOST_ATTEMPTS, Webhook
from payments.gateways.sandbox.signatures import HEADER, sign

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, *[360] * (MOST_ATTEMPTS - 4)))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A notice goes to its address and nowhere else."""

    def redirect_request(self, *arguments: object, **options: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def deliver(webhook: Webhook) -> bool:
    """Send it once; True when the portal took it. Otherwise the row says when it is tried again."""
    error = _send(webhook)
    now = timezone.now()
    rows = Webhook.objects.filter(pk=webhook.pk)
    if not error:
        rows.update(delivered_at=now, attempts=F("attempts") + 1, last_error="")
        return True
    pause = RETRY_AFTER[min(webhook.attempts, len(RETRY_AFTER) - 1)]
    rows.update(send_at=now + pause, attempts=F("attempts") + 1, last_error=error[:200])
    return False


def _send(webhook: Webhook) -> str:
    body = webhook.body.encode()
    address = settings.BASE_URL + reverse("gateway_webhook", args=["sandbox"])
    headers = {"Content-Type": "application/json", HEADER: sign(body, timezone.now())}
    # The address is the portal's own, from its settings.
    request = urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS):
            return ""
    except HTTPError as refused:
        return f"HTTP {refused.code}"
    except (URLError, OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
