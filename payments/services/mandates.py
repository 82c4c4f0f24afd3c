"""Mandates of SEPA direct debit: kept when they are signed, used, lapsed, ended (§3.4, I19)."""

from datetime import date

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from core.history import acting
from core.periods import term_end
from core.states import move
from payments.gateways.base import SignedMandate
from payments.models import Mandate, PaymentMethod
from payments.states import MandateStatus

# A mandate on which nothing was collected for so long may not be used again (SEPA rulebook, core scheme §4.1).
LAPSES_AFTER_MONTHS = 36


def last_day(used: date) -> date:
    """The last day on which a mandate that was signed or last used on that day may be used."""
    return term_end(used, used, LAPSES_AFTER_MONTHS)


def keep_mandate(method: PaymentMethod, signed: SignedMandate, *, by: User | None) -> Mandate:
    """Write down what was signed at the gateway, in the caller's transaction."""
    return Mandate.objects.create(
        method=method,
        reference=signed.reference,
        iban_masked=signed.iban_masked,
        signed_at=signed.signed_at,
        signed_by=by,
        signatory=method.holder,
        notice_days=settings.DEBIT_NOTICE_DAYS,
    )


def count_collection(method: PaymentMethod, on: date) -> None:
    """The mandate was used on that day, and its 36 months begin again; in the caller's transaction."""
    mandate = Mandate.objects.active().filter(method=method).first()
    if mandate is not None and (mandate.last_collected_on is None or mandate.last_collected_on < on):
        mandate.last_collected_on = on
        mandate.save()
        method.valid_until = last_day(on)
        method.save()


def lapse_mandate(mandate: Mandate, *, on: date) -> None:
    """End a mandate that was not used for 36 months. Twice is once."""
    with transaction.atomic(), acting(None, "mandate.lapse"):
        method = PaymentMethod.objects.select_for_update().get(pk=mandate.method_id)
        stored = Mandate.objects.get(pk=mandate.pk)
        if stored.status == MandateStatus.ACTIVE and method.is_expired(on):
            move(stored, MandateStatus.LAPSED, ended_at=timezone.now())


def cancel_mandate(method: PaymentMethod) -> None:
    """End the mandate of a method that is taken away, in the caller's transaction."""
    for mandate in Mandate.objects.active().filter(method=method):
        move(mandate, MandateStatus.CANCELLED, ended_at=timezone.now())
