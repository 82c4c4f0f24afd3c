"""What every invitation by mail has in common, to a role or to an organisation: its token, who it is for, and the new
person who comes in by it (T22).

The token is in the mail only, and works once, for seven days; the row keeps its digest.
"""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import Invitation, MemberInvitation, User
from accounts.states import InvitationStatus
from core.errors import Refused
from core.history import acting

INVITATION_DAYS = settings.INVITATION_DAYS
Offer = Invitation | MemberInvitation


def new_token() -> str:
    """256 bits from the system's generator (ASVS 11.5.1)."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token, so that the database opens no door."""
    return hashlib.sha256(token.encode()).hexdigest()


def person_with(email: str) -> User | None:
    """The person who signs in with that address, deactivated ones included."""
    return User.objects.filter(email__iexact=email.strip()).first()


def still_pending(offer: Offer) -> None:
    """Refuse `no_such_edge` for an offer that was answered or taken back. The caller has locked it."""
    if offer.status != InvitationStatus.PENDING:
        raise Refused(
            _("This invitation is %(status)s; it cannot be changed any more.")
            % {"status": offer.get_status_display().lower()},
            code="no_such_edge",
        )


def renew(offer: Offer, by: User | None) -> str:
    """Give it a new token, which is returned, for another seven days; the link before stops working.

    In the caller's transaction, which has locked the offer, asked for the right and counted the mail. Refuses
    `no_such_edge`.
    """
    still_pending(offer)
    token, now = new_token(), timezone.now()
    offer.token_digest, offer.invited_by, offer.invited_at = digest(token), by, now  # type: ignore[assignment]
    offer.expires_at = now + timedelta(days=INVITATION_DAYS)
    offer.save(update_fields=["token_digest", "invited_by", "invited_at", "expires_at"])
    return token


def demand_addressee(offer: Offer, by: User) -> None:
    """Refuse `other_person` for anybody but the one it was sent to."""
    if by.email.lower() != offer.email.lower():
        raise Refused(
            _("This invitation was sent to %(email)s, and you are signed in as %(other)s. Sign out first.")
            % {"email": offer.email, "other": by.email},
            code="other_person",
        )


def new_person(offer: Offer, *, name: str, password: str) -> User:
    """Make the person with the invited address, in the caller's transaction.

    Refuses `person_exists` where somebody with that address can sign in already; a password that the validators do
    not take raises ValidationError.
    """
    if person_with(offer.email) is not None:
        raise Refused(
            _("Somebody with this e-mail address can sign in already. Sign in to accept the invitation."),
            code="person_exists",
        )
    person = User(email=offer.email.lower(), name=name, language=get_language() or offer.language)
    validate_password(password, person)
    person.set_password(password)
    with acting(None, "person.joined"):
        person.save()
    return person
