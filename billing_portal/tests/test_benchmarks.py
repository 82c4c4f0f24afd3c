"""The measurements ask as a browser does in production, and the worlds they are made of fit today's tables."""

import importlib
import sys
from pathlib import Path

import pytest
from django.urls import reverse

from accounts.models import AccountRole
from invoices.models import Invoice
from profiles.models import BillingProfile, ProfileRole

pytestmark = pytest.mark.django_db
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def measurement(monkeypatch):
    """Imports one of them as their runner does, and forgets all of them afterwards."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    yield importlib.import_module
    for file in FOLDER.glob("*.py"):
        sys.modules.pop(file.stem, None)


def test_a_measurement_reaches_the_pages_that_production_serves(measurement, settings):
    """Plain HTTP is only sent elsewhere there, and a redirect would be timed in place of a page."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    assert measurement("common").browser().get(reverse("account_login")).status_code == 200


def test_the_world_of_the_pages_is_made(measurement):
    common, pages, access = (measurement(name) for name in ("common", "pages", "access"))
    common.execute(pages._SEED, {"invoices": 20})
    common.execute(access._PEOPLE, {"people": 10})
    common.execute(access._PROFILES, {"profiles": 5})
    common.execute(access._ROLES)
    assert (Invoice.objects.count(), AccountRole.objects.count(), BillingProfile.objects.count()) == (20, 11, 6)


def test_the_world_of_the_run_its_documents_and_its_mails_is_made(measurement):
    common, run, documents = (measurement(name) for name in ("common", "billing_run", "documents"))
    run.seed(20, run.FIRST)
    common.execute(documents._OWNERS, {"owners": 20})
    assert (BillingProfile.objects.count(), ProfileRole.objects.count()) == (20, 20)


def test_the_world_of_the_matching_is_made(measurement):
    matching = measurement("matching")
    matching.seed(20)
    assert matching.open_invoices() == 2 * matching.PROFILES
