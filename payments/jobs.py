"""Work in the background: asking the gateway what it did not tell, and reading what it did."""

from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.errors import Forbidden, Refused
from core.jobs import clock, job
from payments.mail import tell_expiring
from payments.models import (
    BANK,
    BankEntry,
    CardSetup,
    CollectionCase,
    DebitNotice,
    GatewayEvent,
    GatewayHealth,
    Mandate,
    Paper,
    Payment,
    PaymentMethod,
    PreparedPayment,
    ProfileMethods,
    Refund,
)
from payments.querysets import EXPIRING_DAYS
from payments.services import papers
from payments.services.approvals import carry_out as pay_prepared
from payments.services.approvals import end_prepared
from payments.services.bank import look_at
from payments.services.cards import finish_card_setup
from payments.services.cases import close_settled
from payments.services.collecting import go_on, open_cases
from payments.services.debits import announce_debit, collect_announced, to_announce
from payments.services.events import process_event
from payments.services.mandates import lapse_mandate
from payments.services.methods import forget_method, remove_as_planned
from payments.services.reconcile import reconcile
from payments.services.refunds import carry_out
from payments.services.settle import look_up

# With pauses that grow to an hour, that is a day.
TRIES_OF_A_DAY = 27


def _unless_resting(rows: Any, now: datetime, gateway: str = "gateway") -> Any:
    """The rows whose gateway is not left alone: the others stay due."""
    return rows.exclude(**{f"{gateway}__in": GatewayHealth.objects.resting(now).values("gateway")})


@job(due=lambda now: _unless_resting(Payment.objects.to_look_up(now), now).order_by("next_lookup_at", "pk"))
def look_up_payment(row_id: int) -> None:
    """Ask about an attempt whose outcome did not come: after 5 minutes, an hour, and five times a day (I15)."""
    look_up(Payment.objects.get(pk=row_id))


@job(due=lambda now: _unless_resting(CardSetup.objects.to_look_up(now), now).order_by("next_lookup_at", "pk"))
def look_up_card_setup(row_id: int) -> None:
    """Ask about somebody who went to add a card and did not come back."""
    finish_card_setup(CardSetup.objects.get(pk=row_id))


@job(due=lambda now: _unless_resting(GatewayEvent.objects.unprocessed(), now))
def read_gateway_event(row_id: int) -> None:
    """Look at the gateway for what an event was about."""
    process_event(GatewayEvent.objects.get(pk=row_id))


@job(due=lambda now: Paper.objects.filter(status="pending").order_by("pk"), batch=20, tries=TRIES_OF_A_DAY)
def make_papers(row_ids: list[int]) -> None:
    """Make receipts and statements, and mail the receipts."""
    rows = Paper.objects.filter(pk__in=row_ids).select_related("account", "profile", "payment__profile__account")
    for failure in papers.make_papers(rows.order_by("pk")):
        raise failure


@job(due=lambda now: _unless_resting(PaymentMethod.objects.filter(status="detached"), now).order_by("pk"))
def forget_removed_method(row_id: int) -> None:
    """Have the gateway forget a method that was taken away."""
    forget_method(PaymentMethod.objects.get(pk=row_id))


@job(due=lambda now: Mandate.objects.lapsing(timezone.localdate(now)).order_by("pk"))
def lapse_unused_mandate(row_id: int) -> None:
    """End a mandate on which nothing was collected for 36 months."""
    lapse_mandate(Mandate.objects.get(pk=row_id), on=timezone.localdate())


@clock("daily", at=time(3))
def remove_planned_methods(slot: datetime) -> None:
    """Delete the cards whose owner asked for it by a day that has come, as far as nothing uses them any more (P4)."""
    on = timezone.localdate(slot)
    for method in PaymentMethod.objects.to_remove(on).order_by("pk"):
        remove_as_planned(method, on=on)


@clock("daily", at=time(6))
def tell_of_expiring_cards(slot: datetime) -> None:
    """Mail 30 and 7 days before a card that pays for something expires, once each (§3.9)."""
    on = timezone.localdate(slot)
    for method in PaymentMethod.objects.in_use().expiring(on, days=EXPIRING_DAYS + 1).order_by("pk"):
        tell_expiring(method, on=on)


@clock("daily", at=time(4))
def announce_direct_debits(slot: datetime) -> None:
    """Say what will be collected by direct debit, as many days before as each mandate asks for."""
    for invoice in to_announce(timezone.localdate(slot)):
        methods = ProfileMethods.objects.select_related("default").get(profile=invoice.profile_id)
        if methods.default is not None:
            announce_debit(invoice, methods.default, at=timezone.now())


def _to_collect(now: datetime) -> Any:
    waiting = DebitNotice.objects.to_collect(timezone.localdate(now))
    return _unless_resting(waiting, now, "mandate__method__gateway").order_by("collects_on", "pk")


@job(due=_to_collect)
def collect_direct_debit(row_id: int) -> None:
    """Collect what was announced for today."""
    collect_announced(DebitNotice.objects.get(pk=row_id), at=timezone.now())


@clock("daily", at=time(2))
def reconcile_yesterday(slot: datetime) -> None:
    """Hold the captures of the day before against our payments, at every gateway in use (I15)."""
    own = Payment.objects.exclude(gateway=BANK).order_by()
    for gateway in own.values_list("gateway", flat=True).distinct():
        reconcile(gateway, since=slot - timedelta(days=1, hours=2), until=slot - timedelta(hours=2))


@clock("hourly", at=time(minute=5))
def open_collection_cases(slot: datetime) -> None:
    """Begin to look after each invoice a week before it falls due (§3.9)."""
    open_cases(at=slot)


@job(due=lambda now: CollectionCase.objects.due(now).order_by("next_at", "pk"))
def take_collection_step(row_id: int) -> None:
    """Charge, remind, disable: the step of a case whose day has come."""
    go_on(CollectionCase.objects.get(pk=row_id), at=timezone.now())


@job(due=lambda now: CollectionCase.objects.settled().order_by("pk"))
def close_collection_case(row_id: int) -> None:
    """End a case whose invoice was paid or credited in another way than by a payment."""
    with transaction.atomic():
        close_settled([CollectionCase.objects.select_related("invoice").get(pk=row_id).invoice])


@job(due=lambda now: BankEntry.objects.to_match().order_by("pk"), batch=1000)
def match_bank_entries(row_ids: list[int]) -> None:
    """Book the movements at the bank whose customer said what they pay; leave the rest to a person."""
    look_at(BankEntry.objects.filter(pk__among=row_ids).only("pk"), at=timezone.now())


@job(due=lambda now: _unless_resting(Refund.objects.due(now), now, "payment__gateway").order_by("next_at", "pk"))
def give_refund_back(row_id: int) -> None:
    """Have the gateway give back what was agreed."""
    carry_out(Refund.objects.get(pk=row_id), at=timezone.now())


@job(due=lambda now: PreparedPayment.objects.to_end(now).order_by("pk"))
def end_prepared_payments(row_id: int) -> None:
    """End what no owner decided about in time, or was paid in another way."""
    end_prepared(PreparedPayment.objects.get(pk=row_id), at=timezone.now())


@job(due=lambda now: PreparedPayment.objects.to_pay(now).order_by("pk"))
def pay_approved(row_id: int) -> None:
    """Pay what was approved by somebody whose request was interrupted. What is refused is written down there."""
    with suppress(Refused, Forbidden):
        pay_prepared(PreparedPayment.objects.get(pk=row_id), at=timezone.now())
