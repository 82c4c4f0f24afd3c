"""What a person of the vendor decides about an attempt that no look-up brings to an end (F06b, I14, T26).

The gateway is asked once more first, and believed: only where it says nothing is anything decided here.
Each decision is kept with its reason.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.history import acting
from payments.gateways.base import ChargeOutcome, ChargeResult, GatewayUnavailable, RefundOutcome
from payments.gateways.registry import gateway_named
from payments.models import Decision, ParkedReason, Payment, PaymentDecision
from payments.services.settle import record_outcome, settle_by_hand, what_to_find, win_back
from payments.states import PaymentStatus

SHORTEST_REASON = 10


def decisions_for(payment: Payment) -> list[Decision]:
    """What may be decided about the attempt; nothing where no person is needed."""
    if payment.parked_reason == ParkedReason.AMOUNT_DIFFERS:
        return [Decision.GIVE_BACK, Decision.NOT_PAID]
    if payment.parked_reason == ParkedReason.CAPTURED_AFTER_ALL and payment.status == PaymentStatus.CHARGED_BACK:
        return [Decision.PAID, Decision.GIVE_BACK, Decision.NOTHING_TO_DO]
    if payment.parked_reason == ParkedReason.CAPTURED_AFTER_ALL:
        return [Decision.GIVE_BACK, Decision.NOTHING_TO_DO]
    if payment.parked_reason:
        return [Decision.NOTHING_TO_DO]
    if payment.is_open and payment.next_lookup_at is None:
        return [Decision.PAID, Decision.NOT_PAID]
    return []


def decide_payment(
    payment: Payment, decision: Decision, *, reason: str, by: User, at: datetime | None = None
) -> Payment:
    """Ask the gateway once more, then do what was decided and keep the reason. Staff only; views see to that.

    Refuses `reason_missing`, `not_to_decide`, `gateway_answered` when the gateway knows after all,
    `gateway_silent`, `not_given_back` where money was to go back and did not, and `not_owed` where a payment that was
    won back is needed by its invoices no more. What the gateway answered
    is recorded in any case.
    """
    at, reason = at or timezone.now(), reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise Refused(_("Say why, so that somebody else understands it next year."), "reason_missing")
    if decision not in decisions_for(payment):
        raise Refused(_("There is nothing of that kind to decide about this payment any more."), "not_to_decide")
    result = _ask(payment)
    if result is not None:
        payment = record_outcome(payment, result, at=at)
        if decision not in decisions_for(payment) or (decision == Decision.PAID and payment.is_open):
            raise Refused(
                _("The gateway answered when it was asked once more: %(status)s. Nothing was decided by hand.")
                % {"status": payment.get_status_display()},
                "gateway_answered",
            )
    refund = _give_back(payment, result) if decision == Decision.GIVE_BACK else ""
    with transaction.atomic(durable=True), acting(by, "payment.decide"):
        stored = Payment.objects.select_for_update().get(pk=payment.pk)
        if decision not in decisions_for(stored):
            raise Refused(_("There is nothing of that kind to decide about this payment any more."), "not_to_decide")
        PaymentDecision.objects.create(
            payment=stored,
            decision=decision,
            reason=reason,
            status_before=stored.status,
            parked_before=stored.parked_reason,
            refund_reference=refund,
            decided_by=by,
            decided_at=at,
        )
        if decision == Decision.PAID and not stored.is_open:
            if result is None or result.outcome != ChargeOutcome.SUCCEEDED or result.amount != stored.amount:
                raise Refused(_("The gateway does not say that it has the money again."), "gateway_silent")
            return win_back(stored, at=at)
        return settle_by_hand(stored, came=decision == Decision.PAID, at=at)


def _ask(payment: Payment) -> ChargeResult | None:
    try:
        return gateway_named(payment.gateway).find_charge(**what_to_find(payment))
    except GatewayUnavailable:
        return None


def _give_back(payment: Payment, result: ChargeResult | None) -> str:
    """All that the gateway took, under a key of its own: twice is once."""
    if result is None or result.amount is None or not result.reference:
        raise Refused(_("The gateway does not answer, so no money can go back now."), "gateway_silent")
    key = f"back-{payment.idempotency_key}"
    try:
        refund = gateway_named(payment.gateway).refund(key=key, reference=result.reference, amount=result.amount)
    except GatewayUnavailable as error:
        raise Refused(_("The gateway does not answer, so no money can go back now."), "gateway_silent") from error
    if refund.outcome == RefundOutcome.REFUSED:
        raise Refused(_("The gateway did not give the money back. Look at the payment there."), "not_given_back")
    return refund.reference
