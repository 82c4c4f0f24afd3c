"""Adding a card or a mandate, or changing a card: the portal writes down that somebody goes, the gateway takes
the numbers, the portal asks what became of it. No number comes near the portal (PR12)."""

import calendar
import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from accounts.services.limits import Limit, count
from accounts.services.roles import lock_account
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand, may, read_roles
from core.states import move
from invoices.models import Invoice
from payments.gateways.base import (
    DeclineReason,
    Gateway,
    GatewayUnavailable,
    MethodGone,
    MethodKind,
    SavedMethod,
    SetupOutcome,
    SetupResult,
)
from payments.gateways.breaker import GatewayResting
from payments.gateways.registry import current_gateway, gateway_named
from payments.mail import tell_method_added
from payments.models import Brand, CardSetup, Family, PaymentMethod
from payments.services.customers import customer_of
from payments.services.mandates import keep_mandate, last_day
from payments.services.methods import default_right, demand_default, make_default
from payments.states import MethodStatus, SetupStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription

# T31: a stolen list of cards is not tried out here.
CARDS_PER_ACCOUNT = Limit("card added to an account", 10, timedelta(hours=1))
# Somebody who does not come back: the gateway is asked this long after each other.
LOOKUP_AFTER = (timedelta(minutes=15), timedelta(hours=1), timedelta(days=1), timedelta(days=1))
# A trader of the single market takes a card of any of its countries (regulation (EU) 2018/302, article 5).
SINGLE_MARKET = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905
)


def start_card_setup(
    account: BillingAccount,
    *,
    profile: BillingProfile | None = None,
    default_for: Iterable[BillingProfile] = (),
    invoice: Invoice | None = None,
    family: Family = Family.CARD,
    subscription: Subscription | None = None,
    replaces: PaymentMethod | None = None,
    by: User,
) -> tuple[CardSetup, str]:
    """Begin adding a card, or with `family` a direct debit: the set-up, and the address of the gateway's page
    to send the person to.

    The method will belong to the account, and be offered on `profile` alone or, without one, on every
    profile. It becomes the default of those in `default_for` (S3-8). `invoice` is one that the person
    is about to pay, `subscription` and `replaces` are what they came from.

    Refuses `too_many` tries in an hour, `only_euro` for a direct debit of an account in another currency,
    and `gateway_silent` when the gateway does not answer.
    """
    profiles = list(default_for)
    demand(by, Action.METHOD_ADD, profile or account)
    for each in profiles:
        demand_default(by, each)
    if family == Family.DIRECT_DEBIT and account.currency != "EUR":
        raise Refused(_("SEPA direct debit collects euros only. Add a card instead."), "only_euro")
    _count(account)
    setup = _write_setup(
        current_gateway(),
        profiles,
        account=account,
        profile=profile,
        invoice=invoice,
        subscription=subscription,
        replaces=replaces,
        family=family,
        started_by=by,
    )
    return setup, _open_page(setup)


def start_card_update(method: PaymentMethod, *, by: User) -> tuple[CardSetup, str]:
    """Begin bringing a card up to date (expiry, name, address; never its number, S3-12): the set-up, and the
    address of the gateway's page to send the person to.

    Refuses `not_a_card`, `method_gone`, `too_many` and `gateway_silent`.
    """
    demand(by, Action.METHOD_EDIT, method)
    if method.family != Family.CARD:
        raise Refused(_("Only a card can be changed. Sign a new mandate for another account."), "not_a_card")
    if not method.is_kept:
        raise _gone(method)
    _count(method.account)
    setup = _write_setup(
        gateway_named(method.gateway),
        [],
        account=method.account,
        profile=method.profile,
        family=Family.CARD,
        changes=method,
        started_by=by,
    )
    return setup, _open_page(setup)


def finish_card_setup(setup: CardSetup) -> CardSetup:
    """Ask the gateway what became of the visit and write it down: on the way back, and by a job for those
    who never come back (T33). Safe to call twice and at once; an open visit stays open."""
    if setup.status != SetupStatus.STARTED:
        return setup
    gateway = gateway_named(setup.gateway)
    try:
        result = gateway.find_setup(key=setup.idempotency_key, session_id=setup.session_id)
    except GatewayResting:
        return setup
    except GatewayUnavailable:
        result = SetupResult(SetupOutcome.OPEN)
    return _record(setup, result)


def _record(seen: CardSetup, result: SetupResult) -> CardSetup:
    with transaction.atomic(durable=True), acting(seen.started_by, "method.add"):
        rows = CardSetup.objects.select_for_update(of=("self",)).select_related("account", "profile", "changes")
        setup = rows.get(pk=seen.pk)
        if setup.status != SetupStatus.STARTED:
            return setup
        if result.outcome == SetupOutcome.COMPLETED and result.method is not None:
            _take(setup, result.method)
        elif result.outcome == SetupOutcome.REFUSED:
            move(setup, SetupStatus.FAILED, decline_reason=result.decline or "", next_lookup_at=None)
        elif result.outcome == SetupOutcome.ENDED or setup.lookups >= len(LOOKUP_AFTER):
            move(setup, SetupStatus.CANCELLED, next_lookup_at=None)
        else:
            _ask_later(setup)
    return setup


def _take(setup: CardSetup, saved: SavedMethod) -> None:
    person = setup.started_by
    # Nobody closes the account before the method is kept.
    lock_account(setup.account)
    action, of = (Action.METHOD_EDIT, setup.changes) if setup.changes else (Action.METHOD_ADD, setup.profile)
    if person is None or not may(person, action, of or setup.account, read_roles(person)):
        # The right was lost meanwhile (I23): the card is not kept.
        _turn_away(setup, saved)
        move(setup, SetupStatus.CANCELLED, next_lookup_at=None)
    elif (reason := _why_not(setup, saved)) is not None:
        _turn_away(setup, saved)
        move(setup, SetupStatus.FAILED, decline_reason=reason, next_lookup_at=None)
    elif setup.changes is not None:
        _change(setup.changes, setup, saved)
    else:
        _keep(setup, saved, person)


def _why_not(setup: CardSetup, saved: SavedMethod) -> DeclineReason | None:
    """Why this card is not taken, though the gateway would (S3-7, S3-12)."""
    if setup.changes is not None and saved.fingerprint != setup.changes.fingerprint:
        return DeclineReason.ANOTHER_CARD
    home, issued = setup.account.country.code, saved.issuing_country
    is_foreign = bool(issued) and issued != home and not {home, issued} <= SINGLE_MARKET
    if saved.kind == MethodKind.CARD and (saved.is_prepaid or is_foreign):
        return DeclineReason.NOT_ACCEPTED
    return None


def _keep(setup: CardSetup, saved: SavedMethod, person: User) -> None:
    method = _written(setup, saved)
    if saved.mandate is not None:
        keep_mandate(method, saved.mandate, by=person)
    book = read_roles(person)
    profiles = list(setup.default_for.select_related("account"))
    chosen = [profile for profile in profiles if may(person, default_right(profile), profile, book)]
    make_default(method, chosen)
    move(setup, SetupStatus.COMPLETED, method=method, next_lookup_at=None)
    tell_method_added(method, chosen, by=person)


def _change(method: PaymentMethod, setup: CardSetup, saved: SavedMethod) -> None:
    method = PaymentMethod.objects.select_for_update().get(pk=method.pk)
    if not method.is_kept:
        _turn_away(setup, saved)
        move(setup, SetupStatus.CANCELLED, next_lookup_at=None)
        return
    former, method.token = method.token, saved.token
    method.holder, method.billing_address = saved.holder[:150], saved.address[:300]
    method.valid_until = _valid_until(saved)
    method.save()
    if former != saved.token:
        _written(setup, saved, token=former, status=MethodStatus.DETACHED)
    move(setup, SetupStatus.COMPLETED, method=method, next_lookup_at=None)


def _turn_away(setup: CardSetup, saved: SavedMethod) -> None:
    """A job has the gateway forget what is not kept; a card that was to be changed stays."""
    if setup.changes is None or setup.changes.token != saved.token:
        _written(setup, saved, status=MethodStatus.DETACHED)


def _written(setup: CardSetup, saved: SavedMethod, **values: Any) -> PaymentMethod:
    fields = {
        "account": setup.account,
        "profile": setup.profile,
        "family": setup.family,
        "gateway": setup.gateway,
        "token": saved.token,
        "fingerprint": saved.fingerprint,
        "brand": saved.brand if saved.brand in Brand.values else Brand.CARD,
        "last4": saved.last4,
        "holder": saved.holder[:150],
        "billing_address": saved.address[:300],
        "issuing_country": saved.issuing_country,
        "valid_until": _valid_until(saved),
        "added_by": setup.started_by,
    }
    return PaymentMethod.objects.create(**{**fields, **values})


def _valid_until(saved: SavedMethod) -> date | None:
    """A card may be used until the last day of its month, a mandate until it lapses."""
    if saved.mandate is not None:
        return last_day(timezone.localdate(saved.mandate.signed_at))
    if not saved.expiry_month:
        return None
    return date(saved.expiry_year, saved.expiry_month, calendar.monthrange(saved.expiry_year, saved.expiry_month)[1])


def _count(account: BillingAccount) -> None:
    try:
        count(CARDS_PER_ACCOUNT, account.pk)
    except Refused as refusal:
        raise Refused(
            _(
                "%(number)d payment methods were tried on this billing account within an hour, and that is the most. "
                "Wait an hour and try again; the ones you have keep paying."
            )
            % {"number": CARDS_PER_ACCOUNT.times},
            "too_many",
        ) from refusal


def _write_setup(gateway: Gateway, default_for: list[BillingProfile], **values: Any) -> CardSetup:
    now = timezone.now()
    with transaction.atomic(durable=True):
        setup = CardSetup.objects.create(
            gateway=gateway.name,
            idempotency_key=uuid.uuid4().hex,
            started_at=now,
            next_lookup_at=now + LOOKUP_AFTER[0],
            **values,
        )
        setup.default_for.set(default_for)
    return setup


def _open_page(setup: CardSetup) -> str:
    gateway = gateway_named(setup.gateway)
    try:
        session = gateway.start_setup(
            key=setup.idempotency_key,
            customer=customer_of(setup.account, gateway),
            return_url=settings.BASE_URL + reverse("card_setup_return", args=[setup.code]),
            kind=MethodKind(setup.family),
            token=setup.changes.token if setup.changes else "",
        )
    except GatewayUnavailable as error:
        raise Refused(
            _("The payment provider does not answer. Nothing has changed; try again in a few minutes."),
            "gateway_silent",
        ) from error
    except MethodGone as error:
        raise _gone(setup.changes) from error
    CardSetup.objects.filter(pk=setup.pk).update(session_id=session.session_id)
    setup.session_id = session.session_id
    return session.url


def _gone(method: PaymentMethod | None) -> Refused:
    return Refused(
        _("%(method)s was removed a moment ago. Choose another payment method.") % {"method": method}, "method_gone"
    )


def _ask_later(setup: CardSetup) -> None:
    now: datetime = timezone.now()
    pause = LOOKUP_AFTER[min(setup.lookups + 1, len(LOOKUP_AFTER) - 1)]
    CardSetup.objects.filter(pk=setup.pk).update(lookups=setup.lookups + 1, next_lookup_at=now + pause)
