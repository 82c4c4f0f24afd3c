"""The services about a profile ask for the right themselves: who may not changes nothing (Q1, T08)."""

import pytest

from core.errors import Forbidden
from core.models import Message
from core.policy import GRANTS, Action, Role
from profiles.models import BillingProfile, ExtraRecipient
from profiles.recipients import InvoiceRecipient
from profiles.services import recipients
from profiles.services.profiles import create_subscription_profile, set_policies, update_profile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    profile = BillingProfileFactory(sends_invoices=True)
    ExtraRecipient.objects.create(profile=profile, email="books@bureau.example")
    return profile


SERVICES = {
    "add": lambda profile, by: recipients.add_recipient(profile, email="else@bureau.example", language="en", by=by),
    "ask again": lambda _profile, by: recipients.ask_again(ExtraRecipient.objects.get(), by=by),
    "remove": lambda _profile, by: recipients.remove_recipient(ExtraRecipient.objects.get(), by=by),
    "test mail": lambda profile, by: recipients.send_test_mail(
        profile, recipient=InvoiceRecipient("books@bureau.example"), by=by
    ),
    "hidden profile": lambda profile, by: create_subscription_profile(profile.account, name="Mailbox", by=by),
    # Of a version that is past: who may not is told that, and not what became of the profile.
    "edit": lambda profile, by: update_profile(
        profile, name="Ours", po_number="", version=99, bill_to={}, bill_to_version=99, by=by
    ),
    "policies": lambda profile, by: set_policies(profile, marketplace_policy="none", allows_reservations=False, by=by),
}


def stored() -> list:
    return [*BillingProfile.objects.values(), *ExtraRecipient.objects.values()]


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_a_reader_of_the_profile_changes_nothing_of_it(service, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    before = stored()

    with pytest.raises(Forbidden):
        SERVICES[service](profile, reader)

    assert stored() == before
    assert not Message.objects.exists()


def test_Q1_the_invoice_day_takes_the_right_to_it(profile, monkeypatch):
    owner = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    monkeypatch.setitem(GRANTS, Action.PROFILE_EDIT_INVOICE_DAY, frozenset())
    sent = {"name": profile.name, "po_number": "", "version": profile.version, "bill_to": {}, "bill_to_version": 1}

    with pytest.raises(Forbidden):
        update_profile(profile, **sent, invoice_day=profile.invoice_day + 1, by=owner)

    assert BillingProfile.objects.get().invoice_day == profile.invoice_day
