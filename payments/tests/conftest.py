"""Fixtures of this app's tests: a server that answers as Stripe does."""

from collections.abc import Iterator

import pytest

from payments.gateways.registry import gateway_named
from payments.tests.stripe_server import KEY, SECRET, StripeServer


@pytest.fixture(scope="session")
def one_stripe_server() -> Iterator[StripeServer]:
    server = StripeServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stripe_server(one_stripe_server: StripeServer, settings) -> Iterator[StripeServer]:
    """The server as it was never used, and settings that lead there."""
    one_stripe_server.reset()
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = KEY, [SECRET]
    settings.STRIPE_API_BASE = one_stripe_server.url
    gateway_named.cache_clear()
    yield one_stripe_server
    gateway_named.cache_clear()


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    """Papers that are made stay out of the project."""
    settings.MEDIA_ROOT = tmp_path / "media"
