"""What has to be set before a gateway can charge anybody; a start without it stops."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from payments.gateways.registry import ADAPTERS


@register()
def gateway_is_set_up(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """PAYMENT_GATEWAY is one that the portal knows, and has its keys."""
    if settings.PAYMENT_GATEWAY not in ADAPTERS:
        known = ", ".join(sorted(ADAPTERS))
        return [Error(f"PAYMENT_GATEWAY is none of {known}.", hint="Name one of them.", id="payments.E002")]
    if settings.PAYMENT_GATEWAY != "stripe":
        return []
    missing = [name for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS") if not getattr(settings, name)]
    found: list[CheckMessage] = [
        Error(f"PAYMENT_GATEWAY is stripe, and {name} is empty.", hint=_HINTS[name], id="payments.E003")
        for name in missing
    ]
    base = urlsplit(settings.STRIPE_API_BASE)
    if base.scheme != "https" and base.hostname not in {"localhost", "127.0.0.1", "::1"}:
        found.append(
            Error("STRIPE_API_BASE is not https.", hint="Leave it out; it is for tests only.", id="payments.E004")
        )
    return found


_HINTS = {
    "STRIPE_SECRET_KEY": "Copy the secret or restricted key from the dashboard of Stripe.",
    "STRIPE_WEBHOOK_SECRETS": "Copy the signing secret of the endpoint /webhooks/stripe/ from the dashboard of Stripe.",
}
