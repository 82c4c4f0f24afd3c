"""Adding a card: the portal writes down that somebody goes, the gateway takes the card, the portal asks
what became of it. No card number comes near the portal (PR12)."""

import calendar
import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from accounts.services.limits import Limit, count
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand, may, read_roles
from core.states import move
from invoices.models import Invoice
from payments.gateways.base import GatewayUnavailable, SavedCard, SetupOutcome, SetupResult
from payments.gateways.registry import current_gateway, gateway_named
from payments.mail import tell_method_added
from payments.models import Brand, CardSetup, PaymentMethod
from payments.services.methods import default_right, demand_default, make_default
from payments.states import MethodStatus, SetupStatus
from profiles.models import BillingProfile

# T31: a stolen list of cards is not tried out here.
CARDS_PER_ACCOUNT = Limit("card added to an account", 5, timedelta(hours=1))
# Somebody who does not come back: the gateway is asked this long after each other.
LOOKUP_AFTER = (timedelta(minutes=15), timedelta(hours=1), timedelta(days=1), timedelta(days=1))


def start_card_setup(
    account: BillingAccount,
    *,
    profile: BillingProfile | None = None,
    default_for: Iterable[BillingProfile] = (),
    invoice: Invoice | None = None,
    by: User,
) -> tuple[CardSetup, str]:
    """Begin adding a card: the set-up, and the address of the gateway's page to send the person to.

    The card will belong to the account, and be offered on `profile` alone or, without one, on every
    profile. It becomes the default of those in `default_for` (S3-8). `invoice` is one that the person
    is about to pay.

    Refuses `too_many` tries in an hour, and `gateway_silent` when the gateway does not answer.
    """
    profiles = list(default_for)
    demand(by, Action.METHOD_ADD, profile or account)
    for each in profiles:
        demand_default(by, each)
    count(CARDS_PER_ACCOUNT, account.pk)
    gateway, now = current_gateway(), timezone.now()
    with transaction.atomic(durable=True):
        setup = CardSetup.objects.create(
            account=account,
            profile=profile,
            invoice=invoice,
            gateway=gateway.name,
            idempotency_key=uuid.uuid4().hex,
            started_by=by,
            started_at=now,
            next_lookup_at=now + LOOKUP_AFTER[0],
        )
        setup.default_for.set(profiles)
    try:
        session = gateway.start_setup(
            key=setup.idempotency_key,
            customer=account.code,
            return_url=settings.BASE_URL + reverse("card_setup_return", args=[setup.code]),
        )
    except GatewayUnavailable as error:
        raise Refused(
            _("The payment provider does not answer. Nothing has changed; try again in a few minutes."),
            "gateway_silent",
        ) from error
    CardSetup.objects.filter(pk=setup.pk).update(session_id=session.session_id)
    setup.session_id = session.session_id
    return setup, session.url


def finish_card_setup(setup: CardSetup) -> CardSetup:
    """Ask the gateway what became of the visit and write it down: on the way back, and by a job for those
    who never come back (T33). Safe to call twice and at once; an open visit stays open."""
    if setup.status != SetupStatus.STARTED:
        return setup
    gateway = gateway_named(setup.gateway)
    try:
        result = gateway.find_setup(key=setup.idempotency_key, session_id=setup.session_id)
    except GatewayUnavailable:
        result = SetupResult(SetupOutcome.OPEN)
    return _record(setup, result)


def _record(seen: CardSetup, result: SetupResult) -> CardSetup:
    with transaction.atomic(durable=True), acting(seen.started_by, "method.add"):
        setup = CardSetup.objects.select_for_update(of=("self",)).select_related("account", "profile").get(pk=seen.pk)
        if setup.status != SetupStatus.STARTED:
            return setup
        if result.outcome == SetupOutcome.COMPLETED and result.card is not None:
            _keep(setup, result.card)
        elif result.outcome == SetupOutcome.REFUSED:
            move(setup, SetupStatus.FAILED, decline_reason=result.decline or "", next_lookup_at=None)
        elif result.outcome == SetupOutcome.ENDED or setup.lookups >= len(LOOKUP_AFTER):
            move(setup, SetupStatus.CANCELLED, next_lookup_at=None)
        else:
            _ask_later(setup)
    return setup


def _keep(setup: CardSetup, card: SavedCard) -> None:
    method = PaymentMethod.objects.create(
        account=setup.account,
        profile=setup.profile,
        gateway=setup.gateway,
        token=card.token,
        fingerprint=card.fingerprint,
        brand=card.brand if card.brand in Brand.values else Brand.CARD,
        last4=card.last4,
        holder=card.holder[:150],
        issuing_country=card.issuing_country,
        valid_until=_last_day(card.expiry_year, card.expiry_month),
        added_by=setup.started_by,
    )
    person, profiles = setup.started_by, list(setup.default_for.select_related("account"))
    if person is None or not may(person, Action.METHOD_ADD, setup.profile or setup.account, read_roles(person)):
        # The right was lost meanwhile (I23): the card is not kept, and a job has the gateway forget it.
        move(method, MethodStatus.DETACHED)
        move(setup, SetupStatus.CANCELLED, next_lookup_at=None)
        return
    book = read_roles(person)
    chosen = [profile for profile in profiles if may(person, default_right(profile), profile, book)]
    make_default(method, chosen)
    move(setup, SetupStatus.COMPLETED, method=method, next_lookup_at=None)
    tell_method_added(method, chosen, by=person)


def _ask_later(setup: CardSetup) -> None:
    now: datetime = timezone.now()
    pause = LOOKUP_AFTER[min(setup.lookups + 1, len(LOOKUP_AFTER) - 1)]
    CardSetup.objects.filter(pk=setup.pk).update(lookups=setup.lookups + 1, next_lookup_at=now + pause)


def _last_day(year: int, month: int) -> date:
    """A card may be used until the last day of its month."""
    return date(year, month, calendar.monthrange(year, month)[1])
