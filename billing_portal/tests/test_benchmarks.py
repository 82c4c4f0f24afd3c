"""The measurements ask as a browser does in production."""

import importlib.util
import sys
from pathlib import Path

import pytest
from django.urls import reverse


@pytest.fixture
def common(monkeypatch):
    file = Path(__file__).resolve().parents[2] / "benchmarks" / "common.py"
    monkeypatch.setattr(sys, "path", [*sys.path])  # the module puts its folder there
    spec = importlib.util.spec_from_file_location("benchmarks_common", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.django_db
def test_a_measurement_reaches_the_pages_that_production_serves(common, settings):
    """Plain HTTP is only sent elsewhere there, and a redirect would be timed in place of a page."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    assert common.browser().get(reverse("account_login")).status_code == 200
