"""Who else gets the invoices of a profile by mail: extra addresses, personal mutes, a test mail (P10, S4-2b)."""

from datetime import timedelta
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.limits import Limit, count
from accounts.services.notices import mail_people
from core.errors import Refused
from core.history import acting
from core.mail_events import lift_complaints
from core.messages import MailClass, queue_message
from core.policy import Action, demand
from core.seals import erase_history
from profiles.models import BillingProfile, ExtraRecipient, InvoiceMute
from profiles.people import effective_owners
from profiles.recipients import InvoiceRecipient, recipients_on

EXTRAS_PER_PROFILE = 20
CONFIRMATION_DAYS = 7
ASKED_PER_PROFILE = Limit("confirmation mail of a profile", 20, timedelta(hours=1))
TESTS_PER_PERSON = Limit("test mail of a person", 10, timedelta(hours=1))

_SALT = "profiles.extra-recipient"


@transaction.atomic
def add_recipient(profile: BillingProfile, *, email: str, language: str, by: Any) -> ExtraRecipient:
    """Ask the holder of an address whether the invoices of the profile may go there (S4-2b).

    It gives no right in the portal. The owners get a mail. Refuses `not_an_address`, `already_there`,
    `too_many_addresses` beyond 20 on a profile, `profile_closed`, and `too_many` after 20 questions
    in an hour (T23).
    """
    demand(by, Action.PROFILE_EDIT_RECIPIENTS, profile)
    email = _checked(email)
    stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if stored.status == "closed":
        raise Refused(_("This billing profile is closed, so no invoices are made on it any more."), "profile_closed")
    known = recipients_on(profile, on=timezone.localdate())
    if email.lower() in {recipient.email.lower() for recipient in known}:
        raise Refused(
            _("%(email)s is on the list already. Remove it first to ask again, or send a test mail to it.")
            % {"email": email},
            "already_there",
        )
    if ExtraRecipient.objects.filter(profile=profile).count() >= EXTRAS_PER_PROFILE:
        raise Refused(
            _("A billing profile has at most %(most)d extra addresses. Remove one, or use the address of a group.")
            % {"most": EXTRAS_PER_PROFILE},
            "too_many_addresses",
        )
    count(ASKED_PER_PROFILE, profile.pk)
    with acting(by, "recipient.added"):
        # A person may have come in under this address and left again meanwhile: the row is then still there.
        ExtraRecipient.objects.filter(profile=profile, email__iexact=email).delete()
        extra = ExtraRecipient.objects.create(profile=profile, email=email, language=language, added_by=by)
    _ask(extra, by)
    _tell_owners(profile, "recipient_added", email=email, by=by)
    return extra


@transaction.atomic
def ask_again(extra: ExtraRecipient, *, by: Any) -> None:
    """Send the question once more, with a link for another seven days. Refuses `confirmed_already` and `too_many`."""
    demand(by, Action.PROFILE_EDIT_RECIPIENTS, extra.profile)
    extra = ExtraRecipient.objects.select_for_update(of=("self",)).select_related("profile").get(pk=extra.pk)
    if extra.is_confirmed:
        raise Refused(_("%(email)s was confirmed meanwhile.") % {"email": extra.email}, "confirmed_already")
    count(ASKED_PER_PROFILE, extra.profile_id)
    with acting(by, "recipient.asked_again"):
        extra.asked_at = timezone.now()
        extra.save(update_fields=["asked_at"])
    _ask(extra, by)


@transaction.atomic
def remove_recipient(extra: ExtraRecipient, *, by: Any) -> None:
    """Take an extra address away; it is erased, also from the history of the profile (S4-2b). Owners get a mail."""
    demand(by, Action.PROFILE_EDIT_RECIPIENTS, extra.profile)
    email = _erase(extra, by, "recipient.removed")
    _tell_owners(extra.profile, "recipient_removed", email=email, by=by)


def link_of(extra: ExtraRecipient) -> str:
    """The path that lets the holder of the address, and nobody else, answer."""
    token = signing.dumps({"recipient": extra.pk, "email": extra.email}, salt=_SALT)
    return reverse("recipient", args=[token])


def recipient_with(token: str) -> ExtraRecipient | None:
    """The address that the link was made for; None for a link that was never made or whose address is gone."""
    try:
        told = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    rows = ExtraRecipient.objects.select_related("profile__account")
    return rows.filter(pk=told["recipient"], email=told["email"]).first()


def is_expired(token: str) -> bool:
    """Whether the link is too old to say yes with; it says no for ever."""
    try:
        signing.loads(token, salt=_SALT, max_age=CONFIRMATION_DAYS * 24 * 3600)
    except signing.SignatureExpired:
        return True
    return False


@transaction.atomic
def confirm_recipient(token: str) -> ExtraRecipient:
    """The holder of the address says yes. Refuses `gone` and, after seven days, `expired`; twice is once."""
    extra = recipient_with(token)
    if extra is None:
        raise Refused(_("This link no longer works: the address was taken off the list."), "gone")
    if extra.is_confirmed:
        return extra
    if is_expired(token):
        raise Refused(
            _("This link has expired. Ask %(account)s to send it again.") % {"account": extra.profile.account},
            "expired",
        )
    lift_complaints(extra.email)
    with acting(None, "recipient.confirmed"):
        extra.confirmed_at = timezone.now()
        extra.save(update_fields=["confirmed_at"])
    _tell_owners(extra.profile, "recipient_confirmed", email=extra.email, by=extra.email)
    return extra


@transaction.atomic
def decline_recipient(token: str) -> None:
    """The holder of the address says no, now or later: it is erased, and the owners are told. Twice is once."""
    extra = recipient_with(token)
    if extra is not None:
        email = _erase(extra, None, "recipient.declined")
        _tell_owners(extra.profile, "recipient_removed", email=email, by=email)


@transaction.atomic
def mute_invoices(profile: BillingProfile, *, muted: bool, by: User) -> None:
    """Stop or resume the mails with invoices of this profile to oneself (S4-2a). Refuses `not_a_recipient`."""
    known = {recipient.user.pk for recipient in recipients_on(profile, on=timezone.localdate()) if recipient.user}
    if by.pk not in known:
        raise Refused(
            _("You get no invoices of this profile by mail: you have no role on the profile itself."), "not_a_recipient"
        )
    with acting(by, "invoices.muted" if muted else "invoices.unmuted"):
        if muted:
            InvoiceMute.objects.get_or_create(profile=profile, user=by)
        else:
            InvoiceMute.objects.filter(profile=profile, user=by).delete()


def send_test_mail(profile: BillingProfile, *, recipient: InvoiceRecipient, by: User) -> None:
    """Queue a mail that looks where invoices will go, to one of the profile's recipients (P10).

    Refuses `pending` for an address whose holder has not said yes, `muted`, and `too_many` after ten in an hour.
    """
    demand(by, Action.PROFILE_EDIT_RECIPIENTS, profile)
    if recipient.is_pending:
        raise Refused(_("%(email)s has to be confirmed by its holder first.") % {"email": recipient.email}, "pending")
    if recipient.is_muted:
        raise Refused(_("%(name)s does not want these mails.") % {"name": recipient.name}, "muted")
    count(TESTS_PER_PERSON, by.pk)
    queue_message(
        to=recipient.email,
        template="recipient_test",
        mail_class=MailClass.SERVICE,
        language=recipient.language,
        context={
            "profile": profile.name,
            "account": profile.account.name,
            "by": str(by),
            "stop_path": link_of(recipient.extra) if recipient.extra else "",
        },
        reference=f"profile:{profile.code}",
    )


def _checked(email: str) -> str:
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused(error.message, "not_an_address") from error
    return email


def _ask(extra: ExtraRecipient, by: Any) -> None:
    queue_message(
        to=extra.email,
        template="recipient_question",
        mail_class=MailClass.MANDATORY_SERVICE,
        language=extra.language,
        context={
            "profile": extra.profile.name,
            "account": extra.profile.account.name,
            "by": str(by),
            "days": CONFIRMATION_DAYS,
        },
        secret_context={"path": link_of(extra)},
        reference=f"profile:{extra.profile.code}",
        expires_at=timezone.now() + timedelta(days=CONFIRMATION_DAYS),
    )


def _erase(extra: ExtraRecipient, by: Any, action: str) -> str:
    email = extra.email
    with acting(by, action):
        extra_id = extra.pk
        ExtraRecipient.objects.filter(pk=extra_id).delete()
        erase_history(ExtraRecipient, extra_id, fields=("email",))
    return email


def _tell_owners(profile: BillingProfile, template: str, *, email: str, by: Any) -> None:
    # The hidden profile of a subscription has no page of its own.
    path = profile.account.get_absolute_url()
    if profile.is_shown:
        path = reverse("profile_recipients", args=[profile.code])
    mail_people(
        effective_owners(profile),
        template=template,
        mail_class=MailClass.ACCESS_CHANGED,
        context={
            "email": email,
            "profile": profile.name,
            "by": str(by),
            "path": path,
        },
        reference=f"profile:{profile.code}",
    )
