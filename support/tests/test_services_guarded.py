"""The services of support ask for the right themselves: who may not changes nothing (Q1, T08)."""

import pytest

from accounts.tests.factories import UserFactory
from core.errors import Forbidden
from core.models import Message
from core.policy import Role
from core.uploads import CheckedFile
from invoices.models import Dispute
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import ProfileRoleFactory
from support import services
from support.models import Category, SupportMessage, SupportRequest
from support.tests.factories import SupportRequestFactory

pytestmark = pytest.mark.django_db
PAPER = CheckedFile("a.pdf", "application/pdf", b"%PDF-1.7\n%%EOF")


@pytest.fixture
def asked(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return SupportRequestFactory()


def _open(asked: SupportRequest, by):
    services.open_request(
        asked.account, profile=asked.profile, category=Category.OTHER, subject="Ours", text="Why?", files=[PAPER], by=by
    )


SERVICES = {
    "open": _open,
    "write": lambda asked, by: services.write_message(asked, text="And?", files=[PAPER], by=by),
    "close": lambda asked, by: services.close_request(asked, by=by),
}


def stored() -> list:
    return [*SupportRequest.objects.values(), *SupportMessage.objects.values(), *Dispute.objects.values()]


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_a_stranger_says_nothing_to_the_vendor(service, asked, settings):
    before = stored()

    with pytest.raises(Forbidden):
        SERVICES[service](asked, UserFactory())

    assert stored() == before
    assert not Message.objects.exists()
    assert not settings.MEDIA_ROOT.exists()


def test_Q1_a_reader_of_the_profile_disputes_no_invoice(asked, settings):
    invoice = InvoiceFactory(profile=asked.profile)
    reader = ProfileRoleFactory(profile=asked.profile, role=Role.PROFILE_READER).user
    before = stored()

    with pytest.raises(Forbidden):
        services.dispute_invoice(invoice, text="Too much", files=[PAPER], by=reader)

    assert stored() == before
    assert not settings.MEDIA_ROOT.exists()
