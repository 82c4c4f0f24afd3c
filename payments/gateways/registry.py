"""Which adapter stands behind which name. Stored rows name theirs, so two can be in use side by side."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from payments.gateways.base import Gateway

ADAPTERS = {
    "sandbox": "payments.gateways.sandbox.adapter.SandboxGateway",
}


def current_gateway() -> Gateway:
    """The one that takes new cards: settings.PAYMENT_GATEWAY."""
    return gateway_named(settings.PAYMENT_GATEWAY)


def takes_events(name: str) -> bool:
    """Whether events under that name are listened to: a known gateway, and the sandbox only where it is allowed."""
    return name in ADAPTERS and (name != "sandbox" or settings.SANDBOX_GATEWAY_ALLOWED)


@cache
def gateway_named(name: str) -> Gateway:
    """The adapter of that name. Raises KeyError for a name that is none."""
    adapter: Gateway = import_string(ADAPTERS[name])()
    return adapter
