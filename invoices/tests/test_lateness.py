"""The 15th of the month after: what is not invoiced by then is said in time (L2)."""

import logging
from datetime import date

import pytest
import time_machine
from django.utils import timezone

from accounts.tests.factories import SellerFactory, UserFactory
from core.periods import Month
from invoices.models import ParkReason
from invoices.services.drafts import Problem
from invoices.services.holding import hold_profile
from invoices.services.lateness import lateness_on, warn_of_lateness
from invoices.services.parking import park_profiles
from invoices.services.run import run_billing
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profiles():
    with time_machine.travel("2026-09-10T08:00:00Z", tick=True):
        SellerFactory()
        return [BillingProfileFactory(invoice_day=20) for _each in range(3)]


@time_machine.travel("2026-10-12T08:00:00Z", tick=True)
def test_L2_from_the_12th_on_the_log_says_what_is_not_invoiced_yet(profiles, caplog):
    waiting, parked, held = profiles
    park_profiles(Month(2026, 9), [Problem(parked.pk, ParkReason.SUMS_DIFFER, "")])
    hold_profile(held, note="under negotiation", by=UserFactory(staff=True))

    late = warn_of_lateness(date(2026, 10, 12))
    assert (late.waiting, late.parked, late.held) == (1, 1, 1)
    warn_of_lateness(date(2026, 10, 16))

    assert [record.levelno for record in caplog.records if "by the 15th" in record.message] == [
        logging.WARNING,
        logging.ERROR,
    ]
    assert waiting.pk not in (parked.pk, held.pk)


@time_machine.travel("2026-10-12T08:00:00Z", tick=True)
def test_L2_nothing_is_said_before_or_when_all_are_billed(profiles, caplog):
    assert warn_of_lateness(date(2026, 10, 11)) is None
    run_billing(Month(2026, 9), on=timezone.localdate())
    assert lateness_on(date(2026, 10, 12)).total == 0
    assert warn_of_lateness(date(2026, 10, 12)) is None
    assert "by the 15th" not in caplog.text
