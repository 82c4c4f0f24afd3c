"""Who gets which answer at which address: every route of the URLconf, for every actor, at every position (Q1, Q2).

The oracle is the table of rights and the roles of the cast, written down by hand in `world.py`; it asks
neither `may` nor `allowing`.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.template.backends.django import Template
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import BillingAccount, NameChange, Organisation
from accounts.tests.factories import NameChangeFactory, UserFactory
from accounts.views import INVITATION_KEY
from billing_portal.checks import THIRD_PARTY, is_guarded, routes
from billing_portal.models import AccessReview, TakeOut
from billing_portal.tests.children import parameters_of
from billing_portal.tests.world import POSITIONS, Place, World, make_world
from core import policy
from core.policy import GRANTS, PROFILE_ROLES, Action, Requirement, Role
from invoices.models import CorrectionRequest, Invoice, PurchaseOrder
from invoices.tests.factories import InvoiceFactory, PurchaseOrderFactory
from payments.models import CardSetup, Paper, Payment, PaymentMethod, PreparedPayment, Remittance, TransferRequest
from payments.tests.factories import (
    PaymentFactory,
    PaymentMethodFactory,
    PreparedPaymentFactory,
    TransferRequestFactory,
    make_remittance_of,
)
from profiles.models import BillingProfile
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory
from support.models import SupportRequest
from support.tests.factories import SupportRequestFactory

# One row of each model at a place. A guarded route whose model is missing here fails the test.
SAMPLES: dict[type, Callable[[Place], Any]] = {
    BillingAccount: lambda place: place.account,
    BillingProfile: lambda place: place.profile,
    Subscription: lambda place: SubscriptionFactory(profile=place.profile),
    Organisation: lambda place: place.account.organisation,
    NameChange: lambda place: NameChangeFactory(account=place.account, status="withdrawn"),
    Invoice: lambda place: InvoiceFactory(profile=place.profile),
    PurchaseOrder: lambda place: PurchaseOrderFactory(profile=place.profile),
    CorrectionRequest: lambda place: CorrectionRequest.objects.create(
        account=place.account,
        profile=place.profile,
        invoice=InvoiceFactory(profile=place.profile),
        reason="po_number",
        proposed={"po_number": "PO-9"},
        requested_by=UserFactory(),
    ),
    PaymentMethod: lambda place: PaymentMethodFactory(account=place.account, profile=place.profile),
    SupportRequest: lambda place: SupportRequestFactory(profile=place.profile),
    Payment: lambda place: PaymentFactory(invoices=[InvoiceFactory(profile=place.profile)]),
    PreparedPayment: lambda place: PreparedPaymentFactory(invoice=InvoiceFactory(profile=place.profile)),
    TakeOut: lambda place: TakeOut.objects.create(
        account=place.account, asked_by=UserFactory(), status="ready", expires_at=timezone.now() + timedelta(days=1)
    ),
    Paper: lambda place: Paper.objects.create(
        kind="statement",
        account=place.account,
        profile=place.profile,
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 1, 31),
        currency=place.account.currency,
        language="en",
    ),
    Remittance: lambda place: make_remittance_of(InvoiceFactory(profile=place.profile)),
    TransferRequest: lambda place: TransferRequestFactory(account=place.account, profile=place.profile),
    AccessReview: lambda place: AccessReview.objects.create(
        account=place.account, started_by=UserFactory(), status="finished", finished_at=timezone.now()
    ),
    CardSetup: lambda place: CardSetup.objects.create(
        account=place.account, profile=place.profile, gateway="sandbox", idempotency_key=uuid.uuid4().hex
    ),
}

# Pages that everybody may open, each with the reason. The list is short and read by people.
OPEN = {
    "invitation": "the holder of the link is nobody yet",
    "invitation_answer": "the second step of the same, with the token in the session",
    "recipient": "an extra address is nobody in the portal; the link of the mail is signed",
    "recipient_confirmation": "its holder says yes",
    "recipient_refusal": "its holder says no",
    "contact_link": "proves an address from the mail that was sent there, on whatever device it is read",
    "contact_link_answer": "the second step of the same, with the digest in the session",
    "joining": "the holder of the link is nobody yet",
    "joining_answer": "the second step of the same, with the digest in the session",
    "topics_link": "declining mail takes no sign-in; the link is signed, for one person and one purpose",
    "topics_by_link": "the second step of the same, with the link in the session",
    "topics_ask": "asks for that link by mail",
    "unsubscribe": "one click in a mail program declines mail; the link is signed, for one address and one topic",
    "language": "a choice of language before signing in",
    "document_check": "whoever holds a document may ask whether it is ours",
    "document_check_result": "the answer, with what stands on the document; rate-limited",
    "pay_link": "who gets a reminder can pay without signing in; the link is signed, for one invoice, and ends",
    "pay_link_result": "what became of that payment",
    "gateway_webhook": "gateways sign what they send instead of signing in",
    "mail_webhook": "mail services bring the secret of their webhook instead of signing in",
    "brand_css": "the colours of every page, also before signing in; nothing but colours and the path of the logo",
    "brand_logo": "the vendor's logo, on pages and in mails",
    "healthz": "asked by the load balancer",
    "readyz": "asked by the load balancer",
}

# The files that the samples name.
FILES = ("name-changes/none.pdf", "support/none.pdf")

GUARDED = [(route, pattern) for route, pattern in routes() if hasattr(pattern.callback, "requirement")]
WITH_OBJECT = [(route, pattern) for route, pattern in GUARDED if pattern.callback.requirement.model]


def test_Q2_every_route_is_guarded_or_on_the_short_list():
    unguarded = {pattern.name for _route, pattern in routes() if not hasattr(pattern.callback, "requirement")}
    sandbox = {name for name in unguarded if name.startswith("sandbox_")}
    assert unguarded - sandbox == set(OPEN) & unguarded
    assert len(OPEN) <= 24


def test_Q2_a_route_without_a_guard_is_refused():
    assert not is_guarded(lambda request: None)


def test_Q2_every_guarded_model_has_a_sample():
    assert {pattern.callback.requirement.model for _route, pattern in WITH_OBJECT} <= set(SAMPLES)


# What is asked of each route by default, besides one case of every answer; `--long` asks everything.
SAMPLE = 8
RENDERED = 10  # one case in so many is rendered: what pages say is tested elsewhere, and here it would cost minutes
METHODS = ("get", "post")
MORE_METHODS = ("head", "put", "delete")  # with --long
AT_LEAST = 3000


@dataclass(frozen=True)
class Case:
    """One request: who asks which route how, where its object lies, and the answer that the table gives."""

    actor: str
    position: str
    method: str
    wanted: str


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A file that is there, so that a guard that is gone shows by its being given out."""
    with override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media")):
        for name in FILES:
            default_storage.save(name, ContentFile(b"%PDF-1.7"))
        yield


@pytest.fixture(scope="module")
def stage(django_db_setup, django_db_blocker, media):
    """The world, and for everybody in it a browser that signed in; undone when the module is through."""
    with django_db_blocker.unblock(), transaction.atomic():
        world = make_world()
        browsers = {actor: Client() for actor in world.actors}
        for actor, user in world.actors.items():
            if user:
                browsers[actor].force_login(user)
        session = browsers["link holder"].session
        session[INVITATION_KEY] = "0" * 64
        session.save()
        browsers["link holder"].cookies[settings.SESSION_COOKIE_NAME] = session.session_key
        yield world, browsers
        transaction.set_rollback(True)


@pytest.fixture
def renders(monkeypatch):
    """Whether pages are drawn: a switch that is off until a test turns it on."""
    switch = {"on": False}
    draw = Template.render
    monkeypatch.setattr(
        Template, "render", lambda self, *context, **more: draw(self, *context, **more) if switch["on"] else ""
    )
    return switch


@pytest.fixture
def trusting_services(monkeypatch):
    """The guard of the route stands alone here: what the services ask for themselves has tests of its own, and would
    hide a guard that is gone (Q5). Everybody has imported the function, so its code is what changes."""
    monkeypatch.setattr(policy.demand, "__code__", (lambda user, action, obj: None).__code__)


@pytest.mark.django_db
@pytest.mark.parametrize("name", [pattern.name for _route, pattern in GUARDED])
def test_Q1_route_answers_each_actor_as_the_table_says(name, stage, renders, trusting_services, long):
    world, browsers = stage
    pattern = _pattern(name)
    addresses = addresses_of(world, pattern)
    assert wrong_answers(pattern, addresses, browsers, cases_of(world, pattern, long), renders) == []


@pytest.mark.django_db
def test_Q1_there_are_thousands_of_cases_and_fifteen_actors(stage):
    world, _browsers = stage
    assert len(world.actors) >= 15
    assert sum(len(cases_of(world, pattern, True)) for _route, pattern in GUARDED) >= AT_LEAST


def cases_of(world: World, pattern: Any, everything: bool) -> list[Case]:
    """The cases of a route, or the sample of them that is the same in every run."""
    requirement: Requirement = pattern.callback.requirement
    positions = POSITIONS if requirement.model else ("own",)
    cases = [
        Case(actor, position, method, _wanted(world, requirement, actor, position))
        for actor in world.actors
        for position in positions
        for method in (*METHODS, *(MORE_METHODS if everything else ()))
    ]
    if everything or len(cases) <= SAMPLE:
        return cases
    mixed = random.Random(pattern.name).sample(cases, len(cases))
    one_of_each = {(case.wanted, case.method): case for case in mixed}
    return list(dict.fromkeys([*one_of_each.values(), *mixed[:SAMPLE]]))


def wrong_answers(
    pattern: Any, addresses: dict[str, str], browsers: dict[str, Client], cases: list[Case], renders: dict[str, bool]
) -> list[tuple[Case, int]]:
    """The cases that were answered otherwise than the table says, with the status that came. All of it is undone."""
    wrong = []
    for place, case in enumerate(cases):
        renders["on"] = place % RENDERED == 0
        before = transaction.savepoint()
        response = getattr(browsers[case.actor], case.method)(addresses[case.position])
        if response.streaming:
            list(response)  # read to its end, which closes the file
        transaction.savepoint_rollback(before)
        if not _agrees(response, case.wanted):
            wrong.append((case, response.status_code))
    return wrong


def _pattern(name: str) -> Any:
    return next(pattern for _route, pattern in GUARDED if pattern.name == name)


def test_the_third_party_list_gives_reasons():
    assert all(len(reason) > 20 for reason in THIRD_PARTY.values())


def addresses_of(world: World, pattern: Any) -> dict[str, str]:
    """Where the route answers about an object at each position."""
    model, converters = pattern.callback.requirement.model, pattern.pattern.converters
    if model is None:
        return {"own": reverse(pattern.name, kwargs=parameters_of(pattern.name, converters, None, None))}
    addresses = {}
    for position, place in world.places.items():
        obj = SAMPLES[model](place)
        addresses[position] = reverse(pattern.name, kwargs=parameters_of(pattern.name, converters, place, obj))
    return addresses


def _wanted(world: World, requirement: Requirement, actor: str, position: str) -> str:
    """sign in, hidden (404), forbidden (403) or open."""
    if actor in {"anonymous", "link holder"}:
        return "sign in"
    if requirement.model is None:
        return "open"
    if requirement.model is BillingProfile and position == "online_services":
        return "hidden"  # the profile of a subscription is never shown as one
    if requirement.model is Organisation:
        # Its administrators see it, wherever in it the object lies.
        keepers = {Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR} & {actor}
        if position == "other_tenant" or not keepers:
            return "hidden"
        return "open" if keepers & GRANTS[requirement.action] else "forbidden"
    roles = world.roles.get((actor, position), set())
    below = world.below.get((actor, position), set())
    is_account = requirement.model is BillingAccount
    if is_account:
        roles = roles - set(PROFILE_ROLES)  # nothing flows upward
    sees = roles & GRANTS[requirement.model.POLICY.view]
    if is_account:
        sees = sees or below & GRANTS[Action.ACCOUNT_SEE]
    if not sees:
        return "hidden"
    counting = roles | (below if is_account and requirement.anywhere else set())
    if requirement.action == Action.ACCOUNT_SEE:
        counting = roles | below
    return "open" if counting & GRANTS[requirement.action] else "forbidden"


def _agrees(response: Any, wanted: str) -> bool:
    if response.status_code == 405:
        return True  # said before anything is looked at, and the same to everybody
    if wanted == "sign in":
        return response.status_code == 302 and response.url.startswith("/sign-in/")
    if wanted == "hidden":
        return response.status_code == 404
    if wanted == "forbidden":
        return response.status_code == 403
    # Open: what the page then does is its own test.
    return response.status_code in {200, 202, 302, 400, 409}
