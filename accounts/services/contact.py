"""The one store of how a person is reached: contact address, alternate address, mobile phone (S0-3, S1-7, P27).

A value counts once it is proved by the code that was sent there; until then the old one stays in force. Codes are
six digits for ten minutes and five tries, and belong to one person and one value. What waits and how often
somebody tried stand in the database, so that parallel guesses share one count (T15, Q12).
"""

import logging
import secrets
from datetime import timedelta
from typing import Any

import phonenumbers
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from accounts.models import Proof, ProofKind, User
from accounts.services import limits
from accounts.services.notices import mail_person
from accounts.services.offers import digest, new_token
from core.errors import Refused
from core.history import acting
from core.messages import MailClass, queue_message, queue_text_message
from core.policy import is_privileged
from core.sms import is_carried

logger = logging.getLogger(__name__)

CODE_MINUTES = 10
TRIES = 5
CONFIRM_AFTER = timedelta(days=90)
# The field of a person that holds the proved value; `<field>_verified_at` says since when.
FIELDS = {kind: kind.value for kind in ProofKind}


def ask_for_proof(person: User, kind: ProofKind, value: str) -> Proof | None:
    """Send a code to the address or number, and keep it waiting. Returns None where nothing has to be proved: the
    sign-in address as contact address counts at once.

    Refuses `same_as_now`, `own_sign_in_address` (an alternate one, S1-9), `not_a_number`, `no_mobile`,
    `country_not_served`, `no_text_messages`, `too_many`.
    """
    value = clean_value(person, kind, value)
    if kind == ProofKind.CONTACT_EMAIL and value.lower() == person.email.lower():
        _put_in_force(person, kind, value)
        return None
    _count(person, kind, value)
    code, token, now = new_code(), new_token(), timezone.now()
    with transaction.atomic():
        # The one that waited is replaced, its code with it: one code at a time works.
        User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)
        Proof.objects.filter(user=person, kind=kind, used_at=None).delete()
        proof = Proof(
            user=person, kind=kind, value=value, created_at=now, expires_at=now + timedelta(minutes=CODE_MINUTES)
        )
        proof.code_digest = _digest(proof, code)
        proof.token_digest = digest(token) if kind == ProofKind.CONTACT_EMAIL else None
        proof.save()
        _send(proof, code, token)
    return proof


def give_code(person: User, kind: ProofKind, code: str) -> None:
    """Prove the waiting value by its code: from now on it is in force, and the person is told at the old and the
    new address. Refuses `no_proof`, `expired`, `too_many_tries`, `wrong_code`."""
    with transaction.atomic():
        waiting = Proof.objects.select_for_update().filter(user=person, kind=kind, used_at=None).first()
        refusal = _try(waiting, code)
        if waiting is not None and refusal is None:
            _use(waiting)
    if refusal:
        logger.warning("A code was refused: person %s, %s, %s", person.pk, kind, refusal.code)
        raise refusal


def find_proof_by_link(token_digest: str) -> Proof | None:
    """The contact address that waits behind that link; None where the link is used up, replaced or too old."""
    waiting = Proof.objects.select_related("user").filter(token_digest=token_digest, used_at=None)
    return waiting.filter(expires_at__gt=timezone.now(), user__is_active=True).first() if token_digest else None


def follow_link(proof: Proof) -> None:
    """Prove the contact address by the link that was sent there. Refuses `no_proof` where it is no longer waiting."""
    with transaction.atomic():
        waiting = Proof.objects.select_for_update().filter(pk=proof.pk, used_at=None).first()
        if waiting is None or waiting.expires_at <= timezone.now():
            raise _nothing_waits()
        _use(waiting)


def waiting_proof(person: User, kind: ProofKind) -> Proof | None:
    """The value that waits for its code now."""
    return Proof.objects.filter(user=person, kind=kind, used_at=None, expires_at__gt=timezone.now()).first()


def forget_contact_email(person: User) -> None:
    """Let mail go to the sign-in address again."""
    _put_in_force(person, ProofKind.CONTACT_EMAIL, "")


def confirm_contact_email(person: User) -> None:
    """The person says that the contact address is still right (S0-11b)."""
    with acting(person, "contact.confirmed"):
        User.objects.filter(pk=person.pk).update(contact_email_confirmed_at=timezone.now())


def wants_confirming(person: User) -> bool:
    """Whether the contact address was last confirmed more than 90 days ago."""
    if not (person.contact_email and person.contact_email_verified_at):
        return False
    last = person.contact_email_confirmed_at or person.contact_email_verified_at
    return timezone.now() - last > CONFIRM_AFTER


def remove_recovery(person: User, kind: ProofKind) -> None:
    """Take the alternate address or the phone away. Refuses `last_method`: somebody privileged keeps at least one,
    because nobody else could give the password back (S1-8, P18)."""
    if kind == ProofKind.CONTACT_EMAIL:
        raise ValueError("the contact address is no recovery data")
    with transaction.atomic():
        stored = User.objects.select_for_update(no_key=True).get(pk=person.pk)
        other = stored.phone if kind == ProofKind.ALTERNATE_EMAIL else stored.alternate_email
        if not other and is_privileged(stored):
            raise Refused(
                _("This is your last way to get back in when the password is lost. Add another one first."),
                code="last_method",
            )
        _put_in_force(stored, kind, "")
    person.refresh_from_db()


def clean_value(person: User, kind: ProofKind, value: str) -> str:
    """The value as it is kept: an address as typed, a number as E.164. Refuses as `ask_for_proof` does."""
    value = clean_phone(value) if kind == ProofKind.PHONE else value.strip()
    if value.lower() == getattr(person, FIELDS[kind]).lower():
        raise Refused(_("This is what stands here already."), "same_as_now")
    if kind == ProofKind.ALTERNATE_EMAIL and mailbox_of(value) == mailbox_of(person.email):
        raise Refused(
            _("This is the mailbox you sign in with. An alternate address helps only if it is another mailbox."),
            code="own_sign_in_address",
        )
    return value


def clean_phone(value: str) -> str:
    """A mobile number as E.164; a number without a country is read as one of the vendor's own country."""
    if not is_carried():
        raise Refused(_("This portal sends no text messages. An alternate e-mail can be added."), "no_text_messages")
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Refused(_("Write the number with its country, like +31 6 12345678."), "not_a_number")
    mobile = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if phonenumbers.number_type(number) not in mobile:
        raise Refused(_("This is no mobile number, so it gets no text messages."), "no_mobile")
    if phonenumbers.region_code_for_number(number) not in settings.SMS_COUNTRIES:
        raise Refused(
            _("We send no text messages to that country. Use a number elsewhere, or an authenticator app."),
            code="country_not_served",
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mailbox_of(address: str) -> str:
    """The mailbox behind an address: without capitals, without what follows a plus, and for the one provider that
    ignores them without dots. Two addresses of one mailbox are lost together."""
    local, _at, domain = address.strip().lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in {"gmail.com", "googlemail.com"}:
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


def is_same_domain(person: User, address: str) -> bool:
    """Whether the address lies at the domain of the sign-in address, and so may be lost together with it (S1-9)."""
    return address.rpartition("@")[2].lower() == person.email.rpartition("@")[2].lower()


def masked(value: str) -> str:
    """Enough of an address or number for its owner to know it."""
    if "@" in value:
        local, _at, domain = value.rpartition("@")
        return f"{local[:1]}•••@{domain}"
    return f"{value[:3]} ••• {value[-2:]}" if value else ""


def new_code() -> str:
    """Six digits from the system's generator."""
    return f"{secrets.randbelow(10**6):06d}"


def _count(person: User, kind: ProofKind, value: str) -> None:
    counters: list[tuple[limits.Limit, Any]] = [(limits.CODES_PER_PERSON, person.pk)]
    if kind == ProofKind.PHONE:
        counters += text_counters(value)
    else:
        counters.append((limits.CODES_PER_MAILBOX, value.lower()))
    limits.count_all(counters)


def text_counters(number: str) -> list[tuple[limits.Limit, Any]]:
    """What a text message to that number counts on (T23)."""
    return [
        (limits.TEXTS_PER_NUMBER, number),
        (limits.TEXTS_PER_NUMBER_A_DAY, number),
        (limits.TEXTS_IN_ALL, "everybody"),
    ]


def _try(waiting: Proof | None, code: str) -> Refused | None:
    """Why the code does not do, after counting the try; None where it is right. The row is locked."""
    if waiting is None:
        return _nothing_waits()
    if waiting.expires_at <= timezone.now():
        return Refused(_("This code has expired: codes work for ten minutes. Ask for a new one."), "expired")
    if waiting.tries >= TRIES:
        return Refused(_("Too many tries with this code. Ask for a new one."), "too_many_tries")
    waiting.tries += 1
    waiting.save(update_fields=["tries"])
    given = "".join(code.split())
    if not constant_time_compare(waiting.code_digest, _digest(waiting, given)):
        return Refused(
            _("This is not the code we sent. Look at the latest message, and type all six digits."), "wrong_code"
        )
    return None


def _nothing_waits() -> Refused:
    return Refused(_("No code is waiting any more. Ask for a new one."), "no_proof")


def _use(waiting: Proof) -> None:
    waiting.used_at = timezone.now()
    waiting.save(update_fields=["used_at"])
    _put_in_force(waiting.user, ProofKind(waiting.kind), waiting.value)


@transaction.atomic
def _put_in_force(person: User, kind: ProofKind, value: str) -> None:
    """Write the value, and tell the person, at the old and the new address (S1-11, T16)."""
    stored = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    field, now = FIELDS[kind], timezone.now()
    old = getattr(stored, field)
    changes: dict[str, Any] = {field: value, f"{field}_verified_at": now if value else None}
    if kind == ProofKind.CONTACT_EMAIL:
        changes["contact_email_confirmed_at"] = now if value else None
    with acting(person, f"{field}.changed" if value else f"{field}.removed"):
        User.objects.filter(pk=person.pk).update(**changes)
    person.refresh_from_db()
    tell_security_changed(
        person,
        f"{field}_changed" if value else f"{field}_removed",
        old=masked(old),
        new=masked(value),
        also=[each for each in (old, value) if "@" in each],
        text_to=old if kind == ProofKind.PHONE else "",
    )


def tell_security_changed(
    person: User, what: str, *, old: str = "", new: str = "", also: list[str] | None = None, text_to: str = ""
) -> None:
    """Tell the person that something about signing in or being reached was changed (ASVS 6.3.7): always at the
    sign-in and the contact address, at the alternate one, and at `also`. `what` is a key of `SECURITY_EVENTS`."""
    context = {"what": what, "old": old, "new": new, "at": timezone.now(), "path": reverse("security_info")}
    told = {"template": "security_changed", "mail_class": MailClass.MANDATORY_SERVICE, "reference": f"user:{person.pk}"}
    mail_person(person, context=context, **told)  # type: ignore[arg-type]
    reached = {person.email.lower(), person.billing_email.lower()}
    for address in [person.alternate_email, *(also or [])]:
        if address and address.lower() not in reached:
            reached.add(address.lower())
            queue_message(to=address, language=person.language, context={"person": str(person), **context}, **told)  # type: ignore[arg-type]
    if text_to and is_carried():
        queue_text_message(to=text_to, language=person.language, context={"what": what}, **told)  # type: ignore[arg-type]


def _send(proof: Proof, code: str, token: str) -> None:
    person = proof.user
    common: dict[str, Any] = {
        "mail_class": MailClass.MANDATORY_SERVICE,
        "language": person.language,
        "reference": f"user:{person.pk}",
        "expires_at": proof.expires_at,
    }
    if proof.kind == ProofKind.PHONE:
        queue_text_message(
            to=proof.value,
            template="proof_code",
            context={"minutes": CODE_MINUTES},
            secret_context={"code": code},
            **common,
        )
        return
    path = reverse("contact_link", args=[token]) if proof.token_digest else ""
    queue_message(
        to=proof.value,
        template="proof_code",
        context={"person": str(person), "kind": proof.kind, "minutes": CODE_MINUTES, "sign_in": person.email},
        secret_context={"code": code, "path": path},
        **common,
    )


def _digest(proof: Proof, code: str) -> str:
    """Of the code together with whom and what it is for: a code of one person, kind or value fits no other."""
    bound = f"{proof.user_id}:{proof.kind}:{proof.value}:{code}"
    return salted_hmac("accounts.proof", bound, algorithm="sha256").hexdigest()
