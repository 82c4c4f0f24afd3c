"""Fixtures of this app's tests."""

import pytest


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.QuickArgon2"]
