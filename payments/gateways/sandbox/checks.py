"""The sandbox moves no money, so production has to allow it by name."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def sandbox_only_where_allowed(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """PAYMENT_GATEWAY=sandbox without SANDBOX_GATEWAY_ALLOWED=1 stops the start."""
    if settings.PAYMENT_GATEWAY != "sandbox" or settings.SANDBOX_GATEWAY_ALLOWED:
        return []
    return [
        Error(
            "PAYMENT_GATEWAY is the sandbox, which takes test cards only and moves no money.",
            hint="Choose another gateway, or set SANDBOX_GATEWAY_ALLOWED=1 where that is meant.",
            id="payments.E001",
        )
    ]
