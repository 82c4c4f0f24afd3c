"""The sandbox behind the portal's port: its words on one side, ours on the other."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from core.money import Money
from payments.gateways.base import (
    BadSignature,
    ChargeOutcome,
    ChargeRequest,
    ChargeResult,
    DeclineReason,
    Event,
    GatewayUnavailable,
    KeyReused,
    MethodGone,
    MethodKind,
    RefundOutcome,
    RefundResult,
    SavedMethod,
    SetupOutcome,
    SetupResult,
    SetupSession,
    SignedMandate,
)
from payments.gateways.sandbox import api, signatures

DECLINES = {
    "no_funds": DeclineReason.INSUFFICIENT_FUNDS,
    "over_limit": DeclineReason.LIMIT_EXCEEDED,
    "refused": DeclineReason.DECLINED_BY_BANK,
    "blocked": DeclineReason.CARD_BLOCKED,
    "run_out": DeclineReason.CARD_EXPIRED,
    "wrong_details": DeclineReason.INCORRECT_DETAILS,
    "domestic": DeclineReason.INTERNATIONAL_NOT_ENABLED,
    "no_series": DeclineReason.RECURRING_NOT_ENABLED,
    "suspicious": DeclineReason.SUSPECTED_FRAUD,
    "trouble": DeclineReason.GATEWAY_TROUBLE,
    "closed": DeclineReason.ACCOUNT_CLOSED,
    "no_debit": DeclineReason.DEBIT_NOT_AUTHORISED,
    "not_confirmed": DeclineReason.AUTHENTICATION_FAILED,
    "wants_confirmation": DeclineReason.AUTHENTICATION_REQUIRED,
}
CHARGES = {
    "succeeded": ChargeOutcome.SUCCEEDED,
    "failed": ChargeOutcome.FAILED,
    "cancelled": ChargeOutcome.CANCELLED,
    "asking": ChargeOutcome.REQUIRES_ACTION,
    "pending": ChargeOutcome.PROCESSING,
    "returned": ChargeOutcome.RETURNED,
}
SESSIONS = {
    "open": SetupOutcome.OPEN,
    "checking": SetupOutcome.OPEN,
    "completed": SetupOutcome.COMPLETED,
    "refused": SetupOutcome.REFUSED,
    "left": SetupOutcome.ENDED,
}


class SandboxGateway:
    """The adapter of the sandbox."""

    name = "sandbox"

    def create_customer(self, *, key: str, code: str) -> str:
        return code

    def start_setup(
        self, *, key: str, customer: str, return_url: str, kind: MethodKind = MethodKind.CARD, token: str = ""
    ) -> SetupSession:
        try:
            session = api.open_session(key=key, customer=customer, return_url=return_url, kind=kind, token=token)
        except api.KeyTaken as error:
            raise KeyReused(key) from error
        except api.NotFound as error:
            raise MethodGone(token) from error
        return SetupSession(session["id"], session["url"])

    def find_setup(self, *, key: str, session_id: str) -> SetupResult:
        try:
            session = api.read_session(key=key)
        except api.NotFound:
            return SetupResult(SetupOutcome.ENDED)
        method = _method(session["card"]) if session["card"] else None
        return SetupResult(SESSIONS[session["status"]], method, _reason(session["decline_code"]))

    def charge(self, request: ChargeRequest) -> ChargeResult:
        try:
            charge = api.create_charge(
                key=request.key,
                token=request.token,
                customer=request.customer,
                amount=request.amount.minor,
                currency=request.amount.currency,
                description=request.description,
                return_url=request.return_url,
                off_session=request.off_session,
            )
        except api.NoAnswer as error:
            raise GatewayUnavailable from error
        except api.KeyTaken as error:
            raise KeyReused(request.key) from error
        except api.NotFound:
            return ChargeResult(
                ChargeOutcome.FAILED, request.key, amount=request.amount, decline=DeclineReason.INCORRECT_DETAILS
            )
        return _result(charge)

    def open_payment(self, request: ChargeRequest) -> ChargeResult:
        try:
            charge = api.open_payment(
                key=request.key,
                customer=request.customer,
                amount=request.amount.minor,
                currency=request.amount.currency,
                description=request.description,
                return_url=request.return_url,
            )
        except api.KeyTaken as error:
            raise KeyReused(request.key) from error
        return _result(charge)

    def find_charge(self, *, key: str, reference: str, customer: str, since: datetime) -> ChargeResult:
        try:
            return _result(api.read_charge(key=key))
        except api.NoAnswer as error:
            raise GatewayUnavailable from error
        except api.NotFound:
            return ChargeResult(ChargeOutcome.NEVER_RECEIVED, key)

    def cancel_charge(self, *, key: str, reference: str, customer: str, since: datetime) -> ChargeResult:
        try:
            return _result(api.cancel_charge(key=key))
        except api.NotFound:
            return ChargeResult(ChargeOutcome.NEVER_RECEIVED, key)

    def refund(self, *, key: str, reference: str, amount: Money) -> RefundResult:
        try:
            refund = api.create_refund(key=key, charge=reference, amount=amount.minor)
        except api.KeyTaken as error:
            raise KeyReused(key) from error
        except (api.TooMuch, api.NotFound):
            return RefundResult(RefundOutcome.REFUSED)
        return RefundResult(RefundOutcome.SUCCEEDED, refund["id"])

    def captured(self, *, since: datetime, until: datetime) -> Iterable[ChargeResult]:
        return [_result(charge) for charge in api.list_captured(since=since, until=until)]

    def detach(self, *, token: str) -> None:
        api.forget_card(token=token)

    def read_event(self, *, headers: Mapping[str, str], body: bytes, at: datetime) -> Event:
        if not signatures.is_signed(body, headers.get(signatures.HEADER, ""), at):
            raise BadSignature
        try:
            payload = json.loads(body)
            about = payload["object"]
            amount = Money(about["amount"], about["currency"]) if "amount" in about else None
            return Event(payload["id"], payload["type"], about["id"], about["key"], amount, payload)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadSignature from error


def _method(card: dict[str, Any]) -> SavedMethod:
    mandate = card.pop("mandate", None)
    if mandate is None:
        return SavedMethod(**card)
    return SavedMethod(**card, kind=MethodKind.DIRECT_DEBIT, mandate=SignedMandate(**mandate))


def _reason(code: str) -> DeclineReason | None:
    return DECLINES.get(code, DeclineReason.DECLINED_BY_BANK) if code else None


def _result(charge: dict[str, Any]) -> ChargeResult:
    return ChargeResult(
        CHARGES[charge["status"]],
        charge["key"],
        charge["id"],
        Money(charge["amount"], charge["currency"]),
        _reason(charge["decline_code"]),
        charge["action_url"],
    )
