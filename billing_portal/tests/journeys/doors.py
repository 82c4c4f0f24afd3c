"""Every page for who has not signed in, in every state that changes how it looks."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from accounts.models import Invitation, LinkKind, LinkRequest, MemberInvitation, PasswordReset, Proof, ResetWay, User
from accounts.services import digest
from accounts.services.passwords import path_to_choose
from accounts.services.topics import SALT, UNSUBSCRIBE_SALT, topics_link
from accounts.tests.factories import (
    BillingAccountFactory,
    OrganisationFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from accounts.tests.passkeys import add_passkey
from core.periods import Month
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.models import PayLink
from payments.services.pay_links import path_of, result_path_of
from payments.tests.factories import PaymentFactory
from profiles.models import ExtraRecipient
from profiles.services.recipients import link_of
from profiles.tests.factories import BillingProfileFactory

# As in the other sweep: a name that does not fit on a phone, with nowhere to break it.
LONG = "Hottentottententententoonstellingsmakersopleidingsprogramma Noord-Oost-Nederland B.V."


@dataclass(frozen=True)
class Door:
    """A page. `is_sent` presses its button with nothing filled in; `is_halfway` comes there by a right password."""

    name: str
    address: str
    is_sent: bool = False
    is_halfway: bool = False


def make_doors() -> tuple[list[Door], User]:
    """The doors, and the person who has a second factor."""
    person = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    TOTP.activate(person, generate_totp_secret())
    RecoveryCodes.activate(person)
    add_passkey(person)
    return [*_signing_in(), *_new_passwords(person), *_links(person), *_paying(), *_invitations(person)], person


def _door(name: str, *args: Any, query: str = "", **options: Any) -> Door:
    return Door(name, reverse(name, args=args) + query, **options)


def _signing_in() -> Iterator[Door]:
    yield _door("account_login")
    yield _door("account_login", query="?next=/preferences/", is_sent=True)
    yield _door("account_inactive")
    yield _door("mfa_authenticate", is_halfway=True)
    yield _door("mfa_authenticate", is_halfway=True, is_sent=True)
    yield Door("not_found", "/no/such/page/")


def _new_passwords(person: User) -> Iterator[Door]:
    def asked(way: ResetWay, token: str = "") -> LinkRequest:
        request = LinkRequest.objects.create(kind=LinkKind.PASSWORD, email=person.email, language="en")
        until = timezone.now() + timedelta(minutes=30)
        token_digest = digest(token) if token else ""
        PasswordReset.objects.create(request=request, user=person, way=way, expires_at=until, token_digest=token_digest)
        return request

    yield _door("account_reset_password")
    yield _door("account_reset_password", is_sent=True)
    yield _door("account_reset_password_done")
    codes = asked(ResetWay.CODES).code
    yield _door("password_codes", codes)
    yield _door("password_codes", codes, is_sent=True)
    token = uuid.uuid4().hex
    asked(ResetWay.FACTOR, token)
    yield _door("password_factor_link", token)
    yield _door("password_factor_link", token, is_sent=True)
    yield _door("password_factor_link", "over")
    choose = path_to_choose(person)
    yield Door("account_reset_password_from_key", choose)
    yield Door("account_reset_password_from_key", choose, is_sent=True)
    yield _door("account_reset_password_from_key", "1", "over-" + "0" * 32)
    yield _door("account_reset_password_from_key_done")


def _links(person: User) -> Iterator[Door]:
    token = uuid.uuid4().hex
    until = timezone.now() + timedelta(hours=1)
    Proof.objects.create(
        user=person,
        kind="contact_email",
        value=f"{'long' * 14}@alfa.example",
        code_digest="0" * 64,
        token_digest=digest(token),
        expires_at=until,
    )
    yield _door("contact_link", token)
    yield _door("contact_link", "over")
    yield _door("topics_ask")
    yield _door("topics_ask", is_sent=True)
    yield Door("topics_link", topics_link(person))
    old = signing.TimestampSigner(salt=SALT).sign_object({"person": person.pk, "for": person.email})
    yield _door("topics_link", old + "x")
    one_click = signing.dumps({"to": person.email, "topic": "recommendations"}, salt=UNSUBSCRIBE_SALT)
    yield _door("unsubscribe", one_click)
    yield _door("unsubscribe", one_click, is_sent=True)
    yield _door("unsubscribe", "over")
    profile = BillingProfileFactory(name=LONG)
    for confirmed_at in (None, timezone.now()):
        extra = ExtraRecipient.objects.create(
            profile=profile, email=f"{'books' * 8}{bool(confirmed_at)}@bureau.example", confirmed_at=confirmed_at
        )
        yield Door("recipient", link_of(extra))
    yield _door("recipient", "over")
    yield _door("document_check")
    yield _door("document_check", is_sent=True)
    yield _door("document_check_result", "nobodyscode")


def _paying() -> Iterator[Door]:
    profile = BillingProfileFactory(name=LONG)
    now = timezone.now()
    invoices = [InvoiceFactory(profile=profile, month=Month.of(now.date()).plus(-number)) for number in range(1, 5)]
    open_one, paid, tried, ended = [
        PayLink.objects.create(invoice=invoice, created_at=now, expires_at=now + timedelta(days=number))
        for invoice, number in zip(invoices, (9, 9, 9, 0), strict=True)
    ]
    for link, status in ((paid, "succeeded"), (tried, "failed")):
        PaymentFactory(invoices=[link.invoice], status=status, request_key=f"link-{link.pk}-0123456789")
        yield Door("pay_link_result", result_path_of(link))
    for link in (open_one, paid, ended):
        yield Door("pay_link", path_of(link))
    yield _door("pay_link", "over")


def _invitations(person: User) -> Iterator[Door]:
    account = BillingAccountFactory(name=LONG, owner=UserFactory(name="Inge Smit"))
    organisation = OrganisationFactory(name=LONG)
    inviter = account.roles.get(role=Role.ACCOUNT_OWNER).user
    OrganisationMemberFactory(organisation=organisation, user=inviter)
    OrganisationRoleFactory(organisation=organisation, user=inviter, role=Role.USER_ADMINISTRATOR)
    until = timezone.now() + timedelta(days=7)
    for email in ("new@alfa.example", person.email):
        token = uuid.uuid4().hex
        Invitation.objects.create(
            account=account,
            email=email,
            role=Role.ACCOUNT_READER,
            token_digest=digest(token),
            expires_at=until,
            language="en",
            invited_by=inviter,
        )
        yield _door("invitation", token)
        if email != person.email:
            yield _door("invitation", token, is_sent=True)
        token = uuid.uuid4().hex
        MemberInvitation.objects.create(
            organisation=organisation,
            email=email,
            name="New Person",
            language="en",
            token_digest=digest(token),
            invited_by=inviter,
            expires_at=until,
        )
        yield _door("joining", token)
        if email != person.email:
            yield _door("joining", token, is_sent=True)
    yield _door("invitation", "over")
    yield _door("joining", "over")
