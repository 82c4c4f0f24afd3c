"""The sandbox as others see it: calls with plain values in and out, each in a transaction of its own.

It is a system beside the portal: it answers, or it does not. Called inside somebody's transaction it
raises at once (`durable`), as a real gateway would leave that transaction open for seconds (I34).
"""

import hashlib
import json
import logging
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from payments.gateways.sandbox.cards import Fault, Specimen, specimen_of
from payments.gateways.sandbox.models import (
    Card,
    Charge,
    Refund,
    Session,
    Webhook,
    event_reference,
    mandate_reference,
)
from payments.gateways.sandbox.webhooks import deliver

logger = logging.getLogger(__name__)

SESSION_LASTS = timedelta(hours=24)
QUESTION_LASTS = timedelta(minutes=30)
SETTLES_AFTER = timedelta(minutes=1)


class NoAnswer(Exception):
    """The line was cut. What the sandbox did, it did."""


class KeyTaken(Exception):
    """The key came with other values before."""


class NotFound(Exception):
    """There is no such thing."""


class TooMuch(Exception):
    """More is to be given back than is left."""


class CardRefused(Exception):
    """What was entered is no card that the sandbox takes. Nothing of it was kept."""


# --- Cards --------------------------------------------------------------------------------------


def open_session(*, key: str, customer: str, return_url: str, kind: str = "card", token: str = "") -> dict[str, Any]:
    """A page that waits for a card or a bank account (`direct_debit`), or for a change of the card of `token`.

    The same key and values give the same page.
    """
    now = timezone.now()
    digest = _digest(customer, return_url, kind, token)
    with _transaction():
        card = Card.objects.filter(token=token, customer=customer, forgotten_at=None).first() if token else None
        if token and card is None:
            raise NotFound(token)
        session, _created = Session.objects.get_or_create(
            key=key,
            defaults={
                "request_hash": digest,
                "customer": customer,
                "return_url": return_url,
                "kind": "change" if token else kind,
                "card": card,
                "created_at": now,
                "expires_at": now + SESSION_LASTS,
            },
        )
    if session.request_hash != digest:
        raise KeyTaken(key)
    return _session(session, now)


def read_session(*, key: str) -> dict[str, Any]:
    """What became of the page of that key."""
    with _transaction():
        session = Session.objects.select_related("card").filter(key=key).first()
    if session is None:
        raise NotFound(key)
    return _session(session, timezone.now())


def enter_card(reference: str, *, number: str, expiry_year: int, expiry_month: int, holder: str) -> str:
    """Somebody entered a card on the page; returns the session's new status.

    Raises CardRefused for every number that is not on the list, before anything is kept of it.
    """
    specimen = specimen_of(number)
    if specimen is None or specimen.is_account:
        raise CardRefused
    now = timezone.now()
    if specimen.ends_this_month:
        expiry_year, expiry_month = now.year, now.month
    with _transaction():
        session = _waiting_session(reference, now)
        if specimen.refused or (expiry_year, expiry_month) < (now.year, now.month):
            session.status, session.decline_code = "refused", specimen.refused or "run_out"
        else:
            session.card = _keep(
                session, specimen, now, expiry_year=expiry_year, expiry_month=expiry_month, holder=holder
            )
            session.status = "checking" if specimen.asks_at_setup else "completed"
        session.save()
        _announce_session(session, now)
    return session.status


def enter_account(reference: str, *, number: str, holder: str) -> str:
    """Somebody signed a mandate for a bank account; returns the session's new status. Refuses as `enter_card`."""
    specimen = specimen_of(number)
    if specimen is None or not specimen.is_account:
        raise CardRefused
    now = timezone.now()
    with _transaction():
        session = _waiting_session(reference, now)
        if specimen.refused:
            session.status, session.decline_code = "refused", specimen.refused
        else:
            session.card = _keep(session, specimen, now, holder=holder, mandate=mandate_reference())
            session.status = "completed"
        session.save()
        _announce_session(session, now)
    return session.status


def change_card(reference: str, *, expiry_year: int, expiry_month: int, holder: str, address: str) -> None:
    """Somebody brought a card up to date; its number stays what it was."""
    now = timezone.now()
    with _transaction():
        session = _waiting_session(reference, now)
        Card.objects.filter(token=session.card.token if session.card else "").update(
            expiry_year=expiry_year, expiry_month=expiry_month, holder=holder, address=address
        )
        session.status = "completed"
        session.save()
        _announce_session(session, now)


def answer_session_check(reference: str, *, confirmed: bool) -> None:
    """The person answered the bank's question about a new card."""
    now = timezone.now()
    with _transaction():
        session = _waiting_session(reference, now)
        if session.status != "checking":
            raise NotFound(reference)
        if confirmed:
            session.status = "completed"
        else:
            session.status, session.decline_code, session.card = "refused", "not_confirmed", None
        session.save()
        _announce_session(session, now)


def leave_session(reference: str) -> None:
    """The person went away without a card."""
    now = timezone.now()
    with _transaction():
        session = _waiting_session(reference, now)
        session.status, session.card = "left", None
        session.save()


def forget_card(*, token: str) -> None:
    """The card may not be charged again."""
    with _transaction():
        Card.objects.filter(token=token, forgotten_at=None).update(forgotten_at=timezone.now(), holder="", address="")


# --- Charges ------------------------------------------------------------------------------------


def create_charge(
    *,
    key: str,
    token: str,
    customer: str,
    amount: int,
    currency: str,
    description: str,
    return_url: str,
    off_session: bool,
) -> dict[str, Any]:
    """Ask the card for money: once per key, whatever happens to the line."""
    now = timezone.now()
    digest = _digest(token, customer, amount, currency)
    with _transaction():
        card = Card.objects.filter(token=token, customer=customer).first()
        if card is None:
            raise NotFound(token)
        fault = card.behaviour.fault
        if fault == Fault.CUT_BEFORE_CAPTURE:
            raise NoAnswer
        charge, created = Charge.objects.get_or_create(
            key=key,
            defaults={
                "request_hash": digest,
                "card": card,
                "customer": customer,
                "amount": amount + 1 if fault == Fault.OTHER_AMOUNT else amount,
                "currency": currency,
                "description": description,
                "return_url": return_url,
                "created_at": now,
                **_first_status(card, now, off_session=off_session),
            },
        )
        if charge.request_hash != digest:
            raise KeyTaken(key)
        notices = _announce_charge(charge, fault, now) if created else []
    if created and fault == Fault.WEBHOOK_BEFORE_ANSWER:
        for notice in notices:
            deliver(notice)
    if fault in {Fault.CUT_AFTER_CAPTURE, Fault.SILENT}:
        raise NoAnswer
    return _charge(charge)


def open_payment(
    *, key: str, customer: str, amount: int, currency: str, description: str, return_url: str
) -> dict[str, Any]:
    """A page on which somebody pays once, at the bank of their choice. The same key gives the same page."""
    now = timezone.now()
    digest = _digest("", customer, amount, currency)
    with _transaction():
        charge, created = Charge.objects.get_or_create(
            key=key,
            defaults={
                "request_hash": digest,
                "customer": customer,
                "amount": amount,
                "currency": currency,
                "description": description,
                "return_url": return_url,
                "created_at": now,
                "status": "asking",
                "due_at": now + QUESTION_LASTS,
            },
        )
        if charge.request_hash != digest:
            raise KeyTaken(key)
        if created:
            _announce_charge(charge, Fault.NONE, now)
    return _charge(charge)


def read_charge(*, key: str) -> dict[str, Any]:
    """What became of the charge of that key."""
    now = timezone.now()
    with _transaction():
        charge = Charge.objects.select_for_update(of=("self",)).select_related("card").filter(key=key).first()
        if charge is None:
            raise NotFound(key)
        if charge.behaviour.fault == Fault.SILENT:
            raise NoAnswer
        _let_lapse(charge, now)
    return _charge(charge)


def cancel_charge(*, key: str) -> dict[str, Any]:
    """End a charge that waits for the person; one that is over stays as it is."""
    now = timezone.now()
    with _transaction():
        charge = Charge.objects.select_for_update().filter(key=key).first()
        if charge is None:
            raise NotFound(key)
        _let_lapse(charge, now)
        if charge.status == "asking":
            _end(charge, "cancelled", now)
    return _charge(charge)


def list_captured(*, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Every charge that took money from `since` to before `until`, oldest first."""
    with _transaction():
        charges = Charge.objects.filter(captured_at__gte=since, captured_at__lt=until).order_by("captured_at", "pk")
        return [_charge(charge) for charge in charges]


def waiting_charge(reference: str) -> Charge | None:
    """The charge whose question to the person is still open, for the sandbox's own page."""
    return Charge.objects.filter(reference=reference, status="asking", due_at__gt=timezone.now()).first()


def answer_charge_check(reference: str, *, confirmed: bool) -> None:
    """The person answered the bank's question about a payment."""
    now = timezone.now()
    with _transaction():
        charge = Charge.objects.select_for_update().filter(reference=reference, status="asking").first()
        if charge is None or charge.due_at is None or charge.due_at <= now:
            raise NotFound(reference)
        _end(charge, "succeeded" if confirmed else "failed", now, "" if confirmed else "not_confirmed")


def settle_pending(charge_id: int) -> None:
    """End a charge that took its time, or take back one that the bank returns."""
    now = timezone.now()
    with _transaction():
        charge = Charge.objects.select_for_update(of=("self",)).select_related("card").get(pk=charge_id)
        if charge.due_at is None or charge.due_at > now:
            return
        if charge.status == "pending":
            declined = charge.behaviour.declined
            _end(charge, "failed" if declined else "succeeded", now, declined)
        elif charge.status == "succeeded" and _given(charge) == charge.amount:
            Charge.objects.filter(pk=charge.pk).update(due_at=None)  # the payer has it back already
        elif charge.status == "succeeded":
            charge.status, charge.decline_code, charge.due_at = "returned", "no_funds", None
            charge.save()
            _announce_charge(charge, charge.behaviour.fault, now)


def create_refund(*, key: str, charge: str, amount: int) -> dict[str, Any]:
    """Give money of a charge back, once per key."""
    with _transaction():
        row = Charge.objects.select_for_update().filter(reference=charge).first()
        if row is None:
            raise NotFound(charge)
        refund = Refund.objects.filter(key=key).first()
        if refund is not None and (refund.charge_id, refund.amount) != (row.pk, amount):
            raise KeyTaken(key)
        if refund is None:
            if row.status != "succeeded" or amount > row.amount - _given(row):
                raise TooMuch(charge)
            refund = Refund.objects.create(key=key, charge=row, amount=amount)
    return {"id": refund.reference, "amount": refund.amount}


# --- Helpers ------------------------------------------------------------------------------------


def _transaction() -> transaction.Atomic:
    return transaction.atomic(durable=True)


def _given(charge: Charge) -> int:
    return sum(charge.refunds.values_list("amount", flat=True))


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps([str(value) for value in values]).encode()).hexdigest()


def _waiting_session(reference: str, now: datetime) -> Session:
    session = Session.objects.select_for_update().filter(reference=reference).first()
    if session is None or not session.is_waiting(now):
        raise NotFound(reference)
    return session


def _keep(session: Session, specimen: Specimen, now: datetime, **values: Any) -> Card:
    return Card.objects.create(
        customer=session.customer,
        specimen=specimen.name,
        brand=specimen.brand,
        last4=specimen.last4,
        fingerprint=salted_hmac("sandbox.card", specimen.number, algorithm="sha256").hexdigest(),
        created_at=now,
        **values,
    )


def _first_status(card: Card, now: datetime, *, off_session: bool) -> dict[str, Any]:
    specimen: Specimen = card.behaviour
    if card.forgotten_at or card.is_expired(_today(now)):
        return {"status": "failed", "decline_code": "run_out"}
    if specimen.settles_later:
        return {"status": "pending", "due_at": now + SETTLES_AFTER}
    if specimen.declined:
        return {"status": "failed", "decline_code": specimen.declined}
    if specimen.asks_at_charge and off_session:
        return {"status": "failed", "decline_code": "wants_confirmation"}
    if specimen.asks_at_charge:
        return {"status": "asking", "due_at": now + QUESTION_LASTS}
    return {
        "status": "succeeded",
        "captured_at": now,
        "due_at": now + SETTLES_AFTER if specimen.returned_later else None,
    }


def _today(now: datetime) -> date:
    return timezone.localdate(now)


def _let_lapse(charge: Charge, now: datetime) -> None:
    if charge.status == "asking" and charge.due_at is not None and charge.due_at <= now:
        _end(charge, "failed", now, "not_confirmed")


def _end(charge: Charge, status: str, now: datetime, decline_code: str = "") -> None:
    charge.status, charge.decline_code, charge.due_at = status, decline_code, None
    charge.captured_at = now if status == "succeeded" else None
    charge.save()
    _announce_charge(charge, charge.behaviour.fault, now)


def _announce_session(session: Session, now: datetime) -> None:
    if session.status in {"completed", "refused"}:
        about = {"id": session.reference, "key": session.key, "status": session.status}
        _notice(event_reference(), f"session.{session.status}", about, now, now)


def _announce_charge(charge: Charge, fault: Fault, now: datetime) -> list[Webhook]:
    if fault == Fault.NO_WEBHOOK:
        return []
    about = {
        "id": charge.reference,
        "key": charge.key,
        "status": charge.status,
        "amount": charge.amount,
        "currency": charge.currency,
    }
    if fault != Fault.WEBHOOKS_AGAIN_AND_REVERSED:
        return [_notice(event_reference(), f"charge.{charge.status}", about, now, now)]
    last, first = event_reference(), event_reference()
    steps = [
        (last, f"charge.{charge.status}", about),
        (last, f"charge.{charge.status}", about),
        (first, "charge.created", {**about, "status": "pending"}),
        (last, f"charge.{charge.status}", about),
    ]
    return [
        _notice(event, kind, what, now, now + timedelta(milliseconds=number))
        for number, (event, kind, what) in enumerate(steps)
    ]


def _notice(event: str, kind: str, about: dict[str, Any], now: datetime, send_at: datetime) -> Webhook:
    body = {"id": event, "type": kind, "created": int(now.timestamp()), "object": about}
    return Webhook.objects.create(event=event, body=json.dumps(body), send_at=send_at)


def _session(session: Session, now: datetime) -> dict[str, Any]:
    status = session.status
    if status in {"open", "checking"} and not session.is_waiting(now):
        status = "left"
    return {
        "id": session.reference,
        "url": reverse("sandbox_card", args=[session.reference]),
        "status": status,
        "decline_code": session.decline_code,
        "card": _card(session.card) if session.card and status == "completed" else None,
    }


def _card(card: Card) -> dict[str, Any]:
    kept = {
        "token": card.token,
        "brand": card.brand,
        "last4": card.last4,
        "expiry_year": card.expiry_year,
        "expiry_month": card.expiry_month,
        "holder": card.holder,
        "fingerprint": card.fingerprint,
        "issuing_country": card.behaviour.country,
        "address": card.address,
        "is_prepaid": card.behaviour.is_prepaid,
    }
    if card.mandate:
        kept["mandate"] = {
            "reference": card.mandate,
            "iban_masked": card.behaviour.masked,
            "signed_at": card.created_at,
        }
    return kept


def _charge(charge: Charge) -> dict[str, Any]:
    asks = charge.status == "asking"
    return {
        "id": charge.reference,
        "key": charge.key,
        "status": charge.status,
        "amount": charge.amount,
        "currency": charge.currency,
        "decline_code": charge.decline_code,
        "action_url": reverse("sandbox_check", args=[charge.reference]) if asks else "",
    }
