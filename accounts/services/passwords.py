"""Lost passwords (§3.9): the page writes one row and says the same to everybody; a job finds out who it is, and which
proofs it takes (T14, T15, M6, PR11).

Without a privileged role the link in the mail to the sign-in address is enough. With one it takes a code to the
alternate e-mail *and* one to the phone, both in force for `RECOVERY_DAYS`. Where they are missing or new, the mail
to the sign-in address names the ways that are left: the second factor together with that mail, or another
administrator. No way goes around the second factor: it is asked for at the next sign-in as always.
"""

import logging
from datetime import timedelta
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from accounts.models import LinkKind, LinkRequest, OrganisationRole, PasswordReset, ResetWay, User
from accounts.services import limits
from accounts.services.contact import new_code, tell_security_changed, text_counters
from accounts.services.offers import digest, new_token
from core.errors import Refused
from core.messages import MailClass, queue_message, queue_text_message
from core.policy import Role, is_privileged
from core.sms import is_carried

logger = logging.getLogger(__name__)

TRIES = 5
# From the moment of asking; a code itself lives ten minutes from when it was sent.
CODES_FOR = timedelta(minutes=15)
# Recovery data counts after so long: whoever changes it with a stolen session wins nothing by it at once (T16).
RECOVERY_AGE = timedelta(days=settings.RECOVERY_DAYS)


def answer_password_request(request: LinkRequest, person: User | None) -> None:
    """Queue what answers it, in the caller's transaction (a job)."""
    if person is None:
        _queue(request, to=request.email, template="password_unknown", language=request.language)
        return
    way = way_of(person)
    reset = PasswordReset(request=request, user=person, way=way, expires_at=_end())
    if way == ResetWay.CODES:
        _send_codes(request, reset)
    elif way == ResetWay.FACTOR:
        _send_link_with_factor(request, reset)
    elif way == ResetWay.LINK:
        send_link(person, request)
    else:
        _name_ways(request, person)
    reset.save()


def way_of(person: User) -> ResetWay:
    """By which proofs this person may replace the password now."""
    if not is_privileged(person):
        return ResetWay.LINK
    if has_old_recovery(person) and _may_text(person.phone):
        return ResetWay.CODES
    return ResetWay.FACTOR if _has_codes(person) else ResetWay.HELP


def has_old_recovery(person: User) -> bool:
    """Whether alternate address and phone are both in force, and have been for some days."""
    since = (person.alternate_email_verified_at, person.phone_verified_at)
    if not (person.alternate_email and person.phone) or None in since:
        return False
    return all(timezone.now() - moment >= RECOVERY_AGE for moment in since if moment)


def give_reset_codes(request_code: str, mail_code: str, text_code: str) -> User:
    """Both codes of one request: the person may choose a new password now. Tries are counted on the request, so one
    of nobody, or of somebody who needs other proofs, answers like a wrong code does: `wrong_code`,
    `too_many_tries`, `expired`."""
    with transaction.atomic():
        rows = LinkRequest.objects.select_for_update(of=("self",)).select_related("reset__user")
        request = rows.filter(code=request_code, kind=LinkKind.PASSWORD).first()
        refusal = _wrong() if request is None else _count_try(request)
        reset: PasswordReset | None = getattr(request, "reset", None)
        fits = request is not None and _fits(request, reset, mail_code, text_code)
        if refusal is None and fits and reset is not None:
            reset.used_at = timezone.now()
            reset.save(update_fields=["used_at"])
            return reset.user
    refusal = refusal or _wrong()
    logger.warning("Codes for a new password were refused: %s", refusal.code)
    raise refusal


def find_factor_reset(token_digest: str) -> PasswordReset | None:
    """The reset behind the link of a mail, that takes a second factor as well; None where it is over."""
    rows = PasswordReset.objects.select_related("user").filter(token_digest=token_digest, used_at=None)
    return rows.filter(expires_at__gt=timezone.now(), user__is_active=True).first() if token_digest else None


def give_factor(reset: PasswordReset, code: str) -> User:
    """A code of the authenticator app, or a recovery code, together with the link. Refuses as `give_reset_codes`."""
    with transaction.atomic():
        stored = PasswordReset.objects.select_for_update(of=("self",)).select_related("user").get(pk=reset.pk)
        refusal = _try(stored)
        if refusal is None:
            limits.count(limits.FACTOR_PER_PERSON, stored.user_id)
            if _is_factor_code(stored.user, code):
                stored.used_at = timezone.now()
                stored.save(update_fields=["used_at"])
            else:
                refusal = _wrong()
    if refusal:
        logger.warning("A factor for a new password was refused: person %s, %s", stored.user_id, refusal.code)
        raise refusal
    return stored.user


def vouch_for(person: User, *, by: User) -> None:
    """An administrator who knows the person, or staff who checked who it is, has a link sent to the sign-in address:
    the way out for who has neither recovery data nor a factor (P18). Everybody concerned is told."""
    administers = OrganisationRole.objects.active(timezone.localdate()).filter(
        user=by, role=Role.USER_ADMINISTRATOR, organisation__members__user=person
    )
    is_staff = by.is_active and by.is_staff and by.has_perm("accounts.change_user")
    if by.pk == person.pk or not (is_staff or administers.exists()):
        raise PermissionDenied("only a user administrator of the person's organisation, or staff")
    if not person.is_active:
        raise Refused(_("%(person)s is deactivated.") % {"person": person}, "inactive_person")
    limits.count(limits.RESET_PER_PERSON, f"vouched {person.pk}")
    with transaction.atomic():
        send_link(person)
        tell_security_changed(person, "password_vouched", new=str(by))


def send_link(person: User, request: LinkRequest | None = None) -> None:
    """Queue the mail with the link that lets the person choose a password, once, for 30 minutes."""
    queue_message(
        to=person.email,
        template="password_reset",
        mail_class=MailClass.PASSWORD_RESET,
        language=person.language,
        context={"minutes": settings.PASSWORD_RESET_TIMEOUT // 60},
        secret_context={"path": path_to_choose(person)},
        reference="password-reset",
        expires_at=_end(),
    )


def path_to_choose(person: User) -> str:
    """The path on which this person chooses a new password: good once, for 30 minutes."""
    key = default_token_generator.make_token(person)
    return reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(person), "key": key})


def _send_codes(request: LinkRequest, reset: PasswordReset) -> None:
    person, by_mail, by_text = reset.user, new_code(), new_code()
    reset.mail_digest, reset.text_digest = _digest(request, "mail", by_mail), _digest(request, "text", by_text)
    reset.expires_at = timezone.now() + timedelta(minutes=10)
    path = reverse("password_codes", args=[request.code])
    common: dict[str, Any] = {
        "mail_class": MailClass.PASSWORD_RESET,
        "language": person.language,
        "reference": "password-reset",
        "expires_at": reset.expires_at,
    }
    queue_message(
        to=person.alternate_email,
        template="password_code",
        context={"minutes": 10, "path": path},
        secret_context={"code": by_mail},
        **common,
    )
    queue_text_message(
        to=person.phone, template="password_code", context={"minutes": 10}, secret_context={"code": by_text}, **common
    )


def _send_link_with_factor(request: LinkRequest, reset: PasswordReset) -> None:
    token = new_token()
    reset.token_digest = digest(token)
    path = reverse("password_factor_link", args=[token])
    _queue(request, to=reset.user.email, template="password_factor", language=reset.user.language, path=path)


def _name_ways(request: LinkRequest, person: User) -> None:
    """Nothing is opened; the mail says who can help."""
    day = timezone.localdate()
    administrators = OrganisationRole.objects.active(day).filter(
        role=Role.USER_ADMINISTRATOR, organisation__members__user=person
    )
    names = [held.user.name for held in administrators.exclude(user=person).select_related("user").order_by("pk")[:5]]
    queue_message(
        to=person.email,
        template="password_ways",
        mail_class=MailClass.PASSWORD_RESET,
        language=person.language,
        context={"people": names},
        reference="password-reset",
    )


def _queue(request: LinkRequest, *, to: str, template: str, language: str, path: str = "") -> None:
    queue_message(
        to=to,
        template=template,
        mail_class=MailClass.PASSWORD_RESET,
        language=language,
        context={"minutes": settings.PASSWORD_RESET_TIMEOUT // 60},
        secret_context={"path": path} if path else {},
        reference="password-reset",
        expires_at=_end(),
    )


def _try(reset: PasswordReset) -> Refused | None:
    """Count the try. The row is locked."""
    if reset.used_at or reset.expires_at <= timezone.now():
        return Refused(_("These codes have expired, or were used. Ask for new ones."), "expired")
    if reset.tries >= TRIES:
        return Refused(_("Too many tries with these codes. Ask for new ones."), "too_many_tries")
    reset.tries += 1
    reset.save(update_fields=["tries"])
    return None


def _count_try(request: LinkRequest) -> Refused | None:
    """Count the try, for a request of whomever. The row is locked."""
    if timezone.now() - request.asked_at > CODES_FOR:
        return Refused(_("These codes have expired. Ask for new ones."), "expired")
    if request.tries >= TRIES:
        return Refused(_("Too many tries with these codes. Ask for new ones."), "too_many_tries")
    request.tries += 1
    request.save(update_fields=["tries"])
    return None


def _fits(request: LinkRequest, reset: PasswordReset | None, mail_code: str, text_code: str) -> bool:
    """Whether both are the codes of this request. The same work is done where there are none."""
    wanted = (reset.mail_digest, reset.text_digest) if reset else ("", "")
    by_mail = constant_time_compare(wanted[0], _digest(request, "mail", "".join(mail_code.split())))
    by_text = constant_time_compare(wanted[1], _digest(request, "text", "".join(text_code.split())))
    is_open = reset is not None and reset.used_at is None and reset.user.is_active
    return by_mail and by_text and is_open and reset.expires_at > timezone.now()  # type: ignore[union-attr]


def _wrong() -> Refused:
    return Refused(
        _("These are not the codes we sent. It takes both: one by e-mail, one by text message."), "wrong_code"
    )


def _is_factor_code(person: User, code: str) -> bool:
    given = "".join(code.split())
    try:
        limits.count(limits.FACTOR_CODE_ONCE, f"{person.pk} {given}")
    except Refused:
        return False
    rows = Authenticator.objects.filter(user=person).exclude(type=Authenticator.Type.WEBAUTHN)
    return any(row.wrap().validate_code(given) for row in rows)


def _has_codes(person: User) -> bool:
    return Authenticator.objects.filter(user=person).exclude(type=Authenticator.Type.WEBAUTHN).exists()


def _may_text(number: str) -> bool:
    """Whether a text message may go there now; counts it."""
    if not is_carried():
        return False
    try:
        limits.count_all(text_counters(number))
    except Refused:
        return False
    return True


def _digest(request: LinkRequest, by: str, code: str) -> str:
    return salted_hmac("accounts.reset", f"{request.code}:{by}:{code}", algorithm="sha256").hexdigest()


def _end() -> Any:
    return timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
