"""Which adapter stands behind which name. Stored rows name theirs, so two can be in use side by side."""

from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from payments.gateways.base import Gateway
from payments.gateways.breaker import Guarded

ADAPTERS = {
    "sandbox": "payments.gateways.sandbox.adapter.SandboxGateway",
    "stripe": "payments.gateways.stripe.StripeGateway",
}


def current_gateway() -> Gateway:
    """The one that takes new cards: settings.PAYMENT_GATEWAY."""
    return gateway_named(settings.PAYMENT_GATEWAY)


def takes_events(name: str) -> bool:
    """Whether events under that name are listened to: of a known gateway whose signature can be checked; of the
    sandbox only where it is allowed."""
    listened_to = {"sandbox": settings.SANDBOX_GATEWAY_ALLOWED, "stripe": bool(settings.STRIPE_WEBHOOK_SECRETS)}
    return listened_to.get(name, False)


@cache
def gateway_named(name: str) -> Gateway:
    """The adapter of that name, behind its breaker. Raises KeyError for a name that is none."""
    return cast(Gateway, Guarded(import_string(ADAPTERS[name])()))
