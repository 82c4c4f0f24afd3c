"""Hostile input: every field of every form, every key that a page reads and every path, each with each value of
`hostile.py` while all else stays valid (Q10, PR14).

No answer is a 5xx, takes more than two seconds of the processor, or tells anything of another tenant; and a key
that no form has changes nothing (T09). The default run takes a sample of many routes, the same in every run;
`--long` takes everything.
"""

import random
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, urlsplit

import pytest
from django.core.signals import got_request_exception
from django.db import connection, models, transaction
from django.http import QueryDict
from django.test import Client
from django.urls import include, path, reverse
from django.utils import timezone

from accounts import sign_in_urls
from accounts.models import AccountRole, BillingAccount, Invitation, MemberInvitation, OrganisationMember, User
from accounts.services import digest
from billing_portal import urls
from billing_portal.checks import routes
from billing_portal.demo.models import DemoMail
from billing_portal.tests.hostile import BODIES, COOKIES, EXTRA, SEGMENTS, VALUES, Pairs, encoded, instead
from billing_portal.tests.test_routes import SAMPLES
from billing_portal.tests.world import World, make_world
from core.mail_classes import MailClass
from core.messages import queue_message
from core.policy import GRANTS, Role
from invoices.models import Delivery, Invoice
from payments.gateways.sandbox import signatures
from payments.gateways.sandbox.models import Charge, Session
from payments.tests.factories import PaymentMethodFactory, SandboxCardFactory
from profiles.models import BillingProfile, ExtraRecipient, InvoiceSection, ProfileRole
from profiles.tests.factories import ProfileRoleFactory
from subscriptions.models import Price
from subscriptions.tests.factories import PriceFactory
from support.models import SupportFile

SAMPLE = 6  # cases of a route in the default run, which takes some of the routes
MOST_STATEMENTS = 250
MOST_SECONDS = 2.0
FORM = "application/x-www-form-urlencoded"
WITH_COOKIES = ("home", "account_login", "invitation_answer")  # they are read the same everywhere
PLAYED = (
    "anonymous",
    Role.ACCOUNT_OWNER,
    Role.PROFILE_OWNER,
    Role.INVOICE_MANAGER,
    Role.ACCOUNT_ADMINISTRATOR,
    Role.USER_ADMINISTRATOR,
    Role.ORGANISATION_ADMINISTRATOR,
)
SECRET = "Buitenlander"  # in every name of the other tenant, and in nothing that is sent
TOKEN = "a-token-of-an-invitation"

# A demo has pages of its own: here every route stands in one URLconf.
urlpatterns = [*urls.urlpatterns, path("", include("billing_portal.demo.urls"))]
handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500

DEMO = [pattern.name for pattern in include("billing_portal.demo.urls")[0].urlpatterns]
ROUTES = [*(pattern for _route, pattern in routes()), *sign_in_urls.urlpatterns]
NAMES = [*(pattern.name for pattern in ROUTES if pattern.name not in DEMO), *DEMO]

# Cases that once were faults: always in the sample. The route, what is changed, and the name of its value.
REGRESSIONS: set[tuple[str, str, str]] = {
    ("home", "cookie sessionid", "NUL"),
    ("invoice_email_preference", "profile", "NUL"),
    ("card_new", "refused", "NUL"),
    ("profile_card_new", "refused", "NUL"),
    ("subscription_card_new", "refused", "NUL"),
    ("card_new", "invoice", "NUL"),
    ("account_addresses", "bill_to_version", "missing"),
    ("account_login", "next", "address in brackets"),
    ("account_logout", "next", "address in brackets"),
    ("account_reset_password", "email", "long e-mail"),
}


@dataclass(frozen=True)
class Form:
    """A form of a page, as a browser would send it."""

    method: str
    action: str
    fields: Pairs


@dataclass(frozen=True)
class Case:
    """One request with one thing wrong with it."""

    what: str
    value: str
    address: str
    actor: str
    method: str = "GET"
    body: bytes = b""
    content_type: str = FORM
    cookies: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.address[:120]} as {self.actor}: {self.what} = {self.value}"


@dataclass
class Stage:
    """The world with a browser for everybody in it, and rows behind every route."""

    world: World
    browsers: dict[str, Client] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    rows: dict[tuple[str, type], Any] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    # What stands in the path of a route, by its parameter.
    children: dict[str, dict[str, Any]] = field(default_factory=dict)
    foreign: dict[str, tuple[bytes, ...]] = field(default_factory=dict)


# --- The tests --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.long(sample=20)
@pytest.mark.parametrize("name", NAMES)
def test_Q10_no_input_breaks_a_route_or_opens_another_tenant(name, long, settings, tmp_path, monkeypatch):
    settings.ROOT_URLCONF, settings.MEDIA_ROOT = __name__, tmp_path
    stage = set_the_stage()
    cases = list(cases_of(stage, name, monkeypatch))
    if not long:
        kept = [case for case in cases if (name, case.what, case.value) in REGRESSIONS]
        cases = [*kept, *random.Random(name).sample(cases, min(SAMPLE, len(cases)))]
    faults = [f"{case}: {fault}" for case in cases if (fault := fault_of(stage, case))]
    assert faults == []


@pytest.mark.django_db
@pytest.mark.long(sample=8)
@pytest.mark.parametrize("name", [pattern.name for pattern in ROUTES if getattr(pattern.callback, "requirement", None)])
def test_T09_keys_that_no_form_has_change_nothing(name, long, settings, tmp_path, monkeypatch):
    settings.ROOT_URLCONF, settings.MEDIA_ROOT = __name__, tmp_path
    stage = set_the_stage()
    wrong = []
    for actor, address, target in targets_of(stage, name):
        for form in forms_of(stage, actor, address):
            extras = extras_of(target, {key for key, _value in form.fields})
            if not long:
                extras = random.Random(name).sample(extras, min(2, len(extras)))
            wanted = state_after(stage, actor, form, form.fields, target)
            for key, value in extras:
                if state_after(stage, actor, form, (*form.fields, (key, value)), target) != wanted:
                    wrong.append((actor, form.action, key))
    assert wrong == []


@pytest.mark.django_db
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("signed", [False, True])
def test_Q10_a_webhook_that_is_no_event_is_refused(body, signed):
    content_type, content = BODIES[body]
    browser = Client(raise_request_exception=False)
    headers = {"Sandbox-Signature": signatures.sign(content, timezone.now()) if signed else "t=1,v1=" + "é" * 64}
    response = browser.generic("POST", "/webhooks/sandbox/", content, content_type=content_type, headers=headers)
    assert response.status_code in {400, 413}


# --- Judging an answer ------------------------------------------------------------------------------


def fault_of(stage: Stage, case: Case) -> str:
    """What is wrong with the answer, or nothing. Whatever it changed is undone."""
    raised: list[str] = []
    statements: list[str] = []

    def note(sender: Any, request: Any = None, **more: Any) -> None:
        raised.append(_last_error())

    def count(execute: Any, sql: str, *more: Any) -> Any:
        statements.append(sql)
        return execute(sql, *more)

    got_request_exception.connect(note)
    try:
        with undone(), connection.execute_wrapper(count):
            began = time.process_time()
            response = send(stage.browsers[case.actor], case)
            seconds = time.process_time() - began
            text = response.getvalue() if response.streaming else response.content
    finally:
        got_request_exception.disconnect(note)
    if response.status_code >= 500:
        return f"{response.status_code} {'; '.join(raised)}"
    if raised:
        return f"raised {raised}"
    if seconds > MOST_SECONDS:
        return f"took {seconds:.1f} s"
    if len(statements) > MOST_STATEMENTS:
        return f"asked the database {len(statements)} times"
    if b"Traceback (most recent call last)" in text:
        return "shows a traceback"
    if SECRET.encode() in text:
        return "tells of another tenant"
    return ""


def send(browser: Client, case: Case) -> Any:
    """The answer to one request, of a browser that forgets afterwards what it was told."""
    kept = SimpleCookie({name: morsel.value for name, morsel in browser.cookies.items()})
    address, _mark, query = case.address.partition("?")
    headers = {}
    if case.cookies:
        cookies = "; ".join(f"{name}={value}" for name, value in case.cookies)
        headers["HTTP_COOKIE"] = cookies.encode().decode("latin-1")  # as WSGI hands bytes on
        browser.cookies = SimpleCookie()
    try:
        return browser.generic(
            case.method, address, case.body, content_type=case.content_type, QUERY_STRING=query, **headers
        )
    finally:
        browser.cookies = kept


class undone:
    """Whatever happens within is undone, also after an error of the database. A savepoint and no `atomic`: the
    sandbox refuses to be called in somebody's transaction."""

    def __enter__(self) -> None:
        self.savepoint = transaction.savepoint()

    def __exit__(self, *error: object) -> None:
        transaction.set_rollback(False)
        transaction.savepoint_rollback(self.savepoint)


def _last_error() -> str:
    """The error under way, with the innermost place of ours that it came through."""
    _kind, error, _trace = sys.exc_info()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__}({str(error)[:120]}) at {where}"


# --- Which cases there are --------------------------------------------------------------------------


def cases_of(stage: Stage, name: str, monkeypatch: Any) -> Iterator[Case]:
    """Every case of a route, in an order that is the same in every run."""
    for actor, address, _target in targets_of(stage, name):
        keys, sent = keys_read(stage, actor, address, monkeypatch)
        for key in keys:
            for value, wrong in (VALUES | stage.foreign).items():
                yield Case(key, value, changed(address, key, wrong), actor)
        posts = forms_of(stage, actor, address) or [Form("post", address, ())]
        for form in posts:
            fields = [*dict.fromkeys([*(field for field, _value in form.fields), *sent])]
            for field_name in fields:
                for value, wrong in (VALUES | stage.foreign).items():
                    yield post(actor, form, instead(form.fields, field_name, wrong), field_name, value)
            for key, extra in EXTRA.items():
                yield post(actor, form, (*form.fields, (key, extra)), f"extra {key}", "")
        for value, (content_type, content) in BODIES.items():
            yield Case("body", value, address, actor, "POST", content, content_type)
        for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "QUERY"):
            yield Case("method", method, address, actor, method)
        for cookie in (
            ("sessionid", "csrftoken", "messages", "django_language", "device") if name in WITH_COOKIES else ()
        ):
            for value, text in COOKIES.items():
                yield Case(f"cookie {cookie}", value, address, actor, cookies=((cookie, text),))
    yield from path_cases(stage, name)


def path_cases(stage: Stage, name: str) -> Iterator[Case]:
    for actor, address, _target in targets_of(stage, name):
        route, query = urlsplit(address).path, urlsplit(address).query
        segments = route.split("/")
        for position, segment in enumerate(segments):
            if segment not in stage.children[name].values():
                continue
            for value, wrong in SEGMENTS.items():
                parts = [*segments[:position], quote_from_bytes(wrong, safe=""), *segments[position + 1 :]]
                for method in ("GET", "POST"):
                    yield Case(f"part {position} of the path", value, f"{'/'.join(parts)}?{query}", actor, method)


def post(actor: str, form: Form, pairs: Pairs, what: str, value: str) -> Case:
    return Case(what, value, form.action, actor, "POST", encoded(pairs).encode())


def changed(address: str, key: str, values: Iterable[bytes]) -> str:
    """The address with another value of one key of its query."""
    route, _mark, query = address.partition("?")
    pairs = tuple((name, value.encode()) for name, value in parse_qsl(query))
    return f"{route}?{encoded(instead(pairs, key, values))}"


def targets_of(stage: Stage, name: str) -> Iterator[tuple[str, str, Any]]:
    """Who opens which addresses of a route, and the row that it is about: the most able role of each agreement."""
    pattern = next(pattern for pattern in (*ROUTES, *urlpatterns[-1].url_patterns) if pattern.name == name)
    requirement = getattr(pattern.callback, "requirement", None)
    model = requirement.model if requirement else None
    stage.children.setdefault(name, {})
    if model is None:
        for actor in ("anonymous", Role.ACCOUNT_OWNER):
            for parameters in _parameters(stage, pattern, None):
                stage.children[name] |= {key: str(value) for key, value in parameters.items()}
                yield actor, reverse(name, kwargs=parameters), None
        return
    for position, actor in (
        ("own", most_able(requirement.action)),
        ("online_services", Role.ACCOUNT_ADMINISTRATOR),
    ):
        place = stage.world.places[position]
        if model is BillingProfile and position == "online_services":
            continue
        if Role.ACCOUNT_ADMINISTRATOR not in GRANTS[requirement.action] and position == "online_services":
            continue
        target = stage.rows[position, model]
        for parameters in _parameters(stage, pattern, place):
            parameters["code"] = target.code
            stage.children[name] |= {key: str(value) for key, value in parameters.items()}
            address = reverse(name, kwargs=parameters)
            yield actor, address, target
            if name == "purchase_order":
                query = f"?quantity=1&profile={place.profile.code}" if position == "own" else "?quantity=1"
                yield actor, address + query, target


def most_able(action: str) -> str:
    order = (Role.ACCOUNT_OWNER, Role.PROFILE_OWNER, Role.INVOICE_MANAGER, Role.ACCOUNT_ADMINISTRATOR)
    order += (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR)
    return next(role for role in order if role in GRANTS[action])


def _parameters(stage: Stage, pattern: Any, place: Any) -> list[dict[str, Any]]:
    """What stands in the path besides the code: one row that is there."""
    names = [name for name in pattern.pattern.converters if name != "code"]
    if pattern.name == "account_reset_password_from_key":
        return [{"uidb36": "1", "key": "set-password"}, {"uidb36": "1z", "key": "abc-def"}]
    if pattern.name in {"password_codes", "document_check_result"}:
        return [{"code": "0123456789abcdefghjk"}]
    if not names:
        return [{}]
    account = place.account if place else stage.world.places["own"].account
    rows: dict[str, Callable[[], Any]] = {
        "role": lambda: _role_row(pattern.name, place),
        "person": lambda: AccountRole.objects.filter(account=account).last().user,
        "invitation": lambda: Invitation.objects.filter(account=account).first(),
        "price": lambda: Price.objects.filter(currency=account.currency).first(),
        "file": lambda: SupportFile.objects.first(),
        "section": lambda: InvoiceSection.objects.filter(profile__account=account).first(),
        "recipient": lambda: ExtraRecipient.objects.filter(profile__account=account).first(),
        "delivery_id": lambda: Delivery.objects.filter(invoice=stage.rows["own", Invoice]).first(),
        "mail": lambda: DemoMail.objects.first(),
    }
    rows["member"] = lambda: OrganisationMember.objects.filter(organisation=account.organisation).last()
    if pattern.name == "member_invitation":
        rows["invitation"] = lambda: _member_invitation(account.organisation)
    texts = {
        "token": TOKEN,
        "kind": "alternate_email",
        "pk": "1",
        "change": "1",
        "gateway": "sandbox",
        "reference": stage.references.get(pattern.name, ""),
    }
    return [{name: texts[name] if name in texts else _pk(rows[name]()) for name in names}]


def _member_invitation(organisation: Any) -> MemberInvitation:
    return MemberInvitation.objects.get_or_create(
        organisation=organisation,
        email="offer@alfa.example",
        defaults={
            "name": "Offered",
            "language": "en",
            "token_digest": digest(f"member {organisation.pk}"),
            "invited_by": User.objects.first(),
            "expires_at": timezone.now() + timedelta(days=7),
        },
    )[0]


def _role_row(name: str, place: Any) -> Any:
    if name == "profile_role_removal":
        return ProfileRole.objects.filter(profile=place.profile).last()
    return AccountRole.objects.filter(account=place.account).last()


def _pk(row: Any) -> int:
    return row.pk if row else 999_999


# --- What a page asks for ---------------------------------------------------------------------------


class _Forms(HTMLParser):
    """Collects the forms of a page with what a browser would send of them; what is empty gets something plausible."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: dict[str, Form] = {}
        self.fields: dict[str, dict[str, list[str]]] = {}
        self.current = self.select = self.textarea = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        name, kind, value = said.get("name", ""), said.get("type", "text"), said.get("value", "")
        if tag == "form":
            self.current = said.get("id") or f"form {len(self.forms)}"
            method, action = said.get("method", "get").lower(), said.get("action") or self.address
            self.forms[self.current] = Form(method, action, ())
            self.fields[self.current] = {}
        fields = self.fields.get(said.get("form") or self.current)
        if fields is None or "disabled" in said:
            return
        if tag == "option" and self.select:
            if "selected" in said or (value and not any(fields[self.select])):
                fields[self.select] = [value]
        elif not name:
            return
        elif tag == "input" and kind in {"checkbox", "radio"}:
            chosen = fields.setdefault(name, [])
            if "checked" in said or (kind == "radio" and not chosen):
                fields[name] = [value or "on"] if kind == "radio" else [*chosen, value or "on"]
        elif tag == "input" or (tag == "button" and value):
            fields[name] = [value or _plausible(name, kind)]
        elif tag == "select":
            self.select = name
            fields[name] = [""]
        elif tag == "textarea":
            self.textarea = name
            fields[name] = [""]

    def handle_data(self, data: str) -> None:
        if self.textarea:
            self.fields[self.current][self.textarea] = [data.strip() or "Text"]

    def handle_endtag(self, tag: str) -> None:
        if tag in {"form", "select", "textarea"}:
            setattr(self, "current" if tag == "form" else tag, "")

    def found(self) -> list[Form]:
        return [
            Form(
                form.method,
                form.action,
                tuple(
                    (name, value.encode())
                    for name, values in self.fields[key].items()
                    for value in values
                    if name != "csrfmiddlewaretoken"
                ),
            )
            for key, form in self.forms.items()
        ]

    def unset(self) -> set[str]:
        return {name for fields in self.fields.values() for name, values in fields.items() if not values}


def _plausible(name: str, kind: str) -> str:
    if "email" in name or name == "login" or kind == "email":
        return "somebody@alfa.example"
    if kind == "date" or name.endswith("_on"):
        return (timezone.localdate() + timedelta(days=90)).isoformat()
    if "password" in name:
        return "correct horse battery staple"
    return {"number": "1", "hidden": ""}.get(kind, "Text")


def forms_of(stage: Stage, actor: str, address: str, method: str = "post") -> list[Form]:
    """The forms of that page, without those of the frame that every page has."""
    response = send(stage.browsers[actor], Case("", "", address, actor))
    parser = _Forms(address)
    if "html" in response.headers.get("Content-Type", ""):
        parser.feed(response.content.decode())
    return [form for form in parser.found() if form.method == method and _is_of_the_page(form, address)]


def _is_of_the_page(form: Form, address: str) -> bool:
    frame = {reverse("language"), reverse("account_logout"), reverse("search"), reverse("demo_sign_in")}
    return form.action not in frame or address.startswith(form.action)


def keys_read(stage: Stage, actor: str, address: str, monkeypatch: Any) -> tuple[list[str], list[str]]:
    """The keys that the route looks up in the query, and in what is posted, in order of their names."""
    read: set[str] = set()

    def noting(original: Any) -> Any:
        def look_up(self: QueryDict, key: str, *more: Any) -> Any:
            read.add(key)
            return original(self, key, *more)

        return look_up

    with monkeypatch.context() as patch:
        for name in ("__getitem__", "__contains__", "getlist"):
            patch.setattr(QueryDict, name, noting(getattr(QueryDict, name)), raising=False)
        with undone():
            send(stage.browsers[actor], Case("", "", address, actor))
        once = sorted(read)
        with undone():  # some keys are only looked at where others are there
            route, query = address.partition("?")[0], "&".join(f"{key}=1" for key in once)
            send(stage.browsers[actor], Case("", "", f"{route}?{query}", actor))
        keys = sorted(read)
        read.clear()
        with undone():
            send(stage.browsers[actor], Case("", "", address, actor, "POST"))
        sent = sorted(read - {"csrfmiddlewaretoken"})
    return [key for key in keys if key != "csrfmiddlewaretoken"], sent


# --- Extra keys -------------------------------------------------------------------------------------


def extras_of(target: Any, fields: set[str]) -> list[tuple[str, bytes]]:
    """What no form has, and every column of the row that this form does not have."""
    extras = dict(EXTRA)
    for column in target._meta.concrete_fields if target is not None else ():
        extras |= {column.name: b"1", column.attname: b"1"} if column.name not in EXTRA else {}
    return [(key, value) for key, value in extras.items() if key not in fields]


def state_after(stage: Stage, actor: str, form: Form, pairs: Pairs, target: Any) -> list[Any]:
    """Where the answer leads, and what then is in the row, in the person and in the account."""
    with undone():
        case = post(actor, form, pairs, "", "")
        response = send(stage.browsers[actor], case)
        rows = [target, User.objects.get(email=stage.emails[actor]), stage.world.places["own"].account]
        return [response.status_code, *(_columns(row) for row in rows if row is not None)]


def _columns(row: Any) -> dict[str, Any]:
    """What is stored. Of a row that the form made, only that this one leads to it: its key is new each time."""
    stored = type(row).objects.get(pk=row.pk)
    values = {}
    for column in row._meta.concrete_fields:
        value, before = getattr(stored, column.attname), getattr(row, column.attname)
        if not isinstance(column, models.DateTimeField):
            values[column.attname] = "made" if column.is_relation and before is None and value is not None else value
    return values


# --- The stage --------------------------------------------------------------------------------------


def set_the_stage() -> Stage:
    """The world of the route matrix, with a row of each model, a child row of each kind and a browser for each role."""
    world = make_world()
    places, owner = world.places, world.actors[Role.ACCOUNT_OWNER]
    _name_the_other_tenant(world)
    stage = Stage(world)
    for position in ("own", "online_services", "other_tenant"):
        place = places[position]
        for model, make in SAMPLES.items():
            stage.rows[position, model] = make(place)
        PaymentMethodFactory(account=place.account, specimen="mastercard", default_for=[place.profile])
        PriceFactory(currency=place.account.currency)
        PaymentMethodFactory(account=place.account)
        _invite(place.account, owner, f"{TOKEN}" if position == "own" else f"{TOKEN}-{position}")
    _deliver(stage.rows["own", Invoice], owner)
    ProfileRoleFactory(profile=places["own"].profile, role=Role.PROFILE_READER)
    DemoMail.objects.create(recipient="somebody@alfa.example", subject="Welcome", text="Hello", html="<p>Hello</p>")
    stage.references = _pages_of_the_sandbox()
    for actor in PLAYED:
        user = world.actors[actor]
        stage.browsers[actor] = Client(raise_request_exception=False)
        if user:
            stage.browsers[actor].force_login(user)
            stage.emails[actor] = user.email
        stage.browsers[actor].get(reverse("invitation", args=[TOKEN]))
    foreign = [row for (position, _model), row in stage.rows.items() if position == "other_tenant"]
    stage.foreign = {f"foreign {type(row).__name__}": (row.code.encode(),) for row in foreign}
    stage.foreign |= {f"foreign pk of {type(row).__name__}": (str(row.pk).encode(),) for row in foreign}
    return stage


def _name_the_other_tenant(world: World) -> None:
    """So that whatever is shown of it is found in an answer."""
    place = world.places["other_tenant"]
    for row in (place.account, place.profile, place.account.organisation):
        type(row).objects.filter(pk=row.pk).update(name=f"{SECRET} {row.name}")
        row.refresh_from_db()
    for address in (place.account.sold_to, place.profile.bill_to):
        type(address).objects.filter(pk=address.pk).update(company_name=SECRET, line1=SECRET)
    User.objects.filter(memberships__organisation=place.account.organisation).update(name=SECRET)


def _invite(account: BillingAccount, by: User, token: str) -> None:
    now = timezone.now()
    Invitation.objects.create(
        account=account,
        email=f"{token}@alfa.example",
        role=Role.ACCOUNT_READER,
        token_digest=digest(token),
        invited_by=by,
        expires_at=now + timedelta(days=7),
    )


def _deliver(invoice: Invoice, user: User) -> None:
    message = queue_message(
        to=user.email, template="invoice_issued", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    Delivery.objects.create(invoice=invoice, email=user.email, user=user, reason=Role.ACCOUNT_OWNER, message=message)


def _pages_of_the_sandbox() -> dict[str, str]:
    """A page that waits for a card, and pages on which a bank asks: for each route the reference in its path."""
    now = timezone.now()
    shared = {"request_hash": "x", "customer": "customer", "return_url": "/"}
    lasting = {**shared, "expires_at": now + timedelta(hours=1)}
    card = SandboxCardFactory()
    opened = Session.objects.create(key="open", **lasting)
    checking = Session.objects.create(key="checking", status="checking", card=card, **lasting)
    charge = Charge.objects.create(
        key="asking", card=card, amount=100, currency="EUR", status="asking", due_at=lasting["expires_at"], **shared
    )
    return {
        "sandbox_card": opened.reference,
        "sandbox_card_leave": opened.reference,
        "sandbox_card_check": checking.reference,
        "sandbox_check": charge.reference,
    }
