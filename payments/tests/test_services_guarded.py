"""The services about paying ask for the right themselves: who may not changes nothing (Q1, T08)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Forbidden
from core.policy import Role
from core.uploads import CheckedFile
from invoices.tests.factories import InvoiceFactory
from payments.models import CollectionCase, Payment, PaymentMethod, TransferDocument, TransferRequest
from payments.services.balance import settle_balance
from payments.services.collecting import promise_to_pay
from payments.services.methods import plan_removal, withdraw_removal
from payments.services.overpaid import use_balance
from payments.services.pay import cancel_payment
from payments.services.transfers import answer_question, withdraw_request
from payments.tests.factories import PaymentFactory, PaymentMethodFactory, TransferRequestFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

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


def _promise(profile, by):
    # Not past due: who may not is told that, and not where the invoice stands.
    promise_to_pay(profile.invoices.first(), until=timezone.localdate(), by=by, at=timezone.now())


def _keep(profile, by):
    withdraw_removal(profile.payment_methods.get(), by=by)


def _plan_removal(profile, by):
    today = timezone.localdate()
    plan_removal(profile.payment_methods.get(), start=today + timedelta(days=5), by=by, on=today)


def _settle(profile, by):
    method = profile.payment_methods.get()
    settle_balance(profile.account, [], method=method, by=by, request_key="k" * 20)


def _use_balance(profile, by):
    use_balance(profile.invoices.first(), by=by)


PAYING = {
    "use the balance": _use_balance,
    "promise": _promise,
    "keep a method": _keep,
    "plan a removal": _plan_removal,
    "settle": _settle,
    "give up an attempt": lambda _profile, by: cancel_payment(Payment.objects.get(), by=by),
}


def stored() -> list:
    return [*CollectionCase.objects.values(), *Payment.objects.values(), *PaymentMethod.objects.values()]


@pytest.mark.parametrize("service", PAYING)
def test_Q1_a_reader_of_the_profile_neither_pays_nor_promises(service):
    profile = BillingProfileFactory()
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    PaymentFactory(invoices=[InvoiceFactory(profile=profile)], status="requires_action")
    method = PaymentMethodFactory(account=profile.account, profile=profile)
    PaymentMethod.objects.filter(pk=method.pk).update(
        remove_from=timezone.localdate() + timedelta(days=9), removal_asked_by=method.added_by
    )
    before = stored()

    with pytest.raises(Forbidden):
        PAYING[service](profile, reader)

    assert stored() == before
