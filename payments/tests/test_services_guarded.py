"""The services about paying by transfer ask for the right themselves: who may not changes nothing (Q1, T08)."""

import pytest

from core.errors import Forbidden
from core.policy import Role
from core.uploads import CheckedFile
from payments.models import TransferDocument, TransferRequest
from payments.services.transfers import answer_question, withdraw_request
from payments.tests.factories import TransferRequestFactory
from profiles.tests.factories import ProfileRoleFactory

pytestmark = pytest.mark.django_db
PAPER = CheckedFile("a.pdf", "application/pdf", b"%PDF-1.7\n%%EOF")

# Each with the status from which it would go on.
SERVICES = {
    "answer": ("question", lambda request, by: answer_question(request, answer="Ours.", documents=[PAPER], by=by)),
    "withdraw": ("submitted", lambda request, by: withdraw_request(request, by=by)),
}


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_an_invoice_manager_sees_a_request_for_transfer_and_leaves_it(service, settings):
    status, call = SERVICES[service]
    request = TransferRequestFactory(status=status)
    manager = ProfileRoleFactory(profile=request.profile, role=Role.INVOICE_MANAGER).user
    before = TransferRequest.objects.values().get()

    with pytest.raises(Forbidden):
        call(request, manager)

    assert TransferRequest.objects.values().get() == before
    assert not TransferDocument.objects.exists()
    assert not settings.MEDIA_ROOT.exists()
