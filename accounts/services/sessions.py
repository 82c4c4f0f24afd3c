"""Where a person is signed in, and ending that (ASVS 7.4, 7.5.2)."""

import re
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.contact import tell_security_changed
from core.errors import Refused
from core.history import acting
from core.models import Session
from core.sessions import ADDRESS, BROWSER

_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def remember_browser(request: HttpRequest) -> None:
    """Note from where somebody signs in, for their list of sessions."""
    request.session[BROWSER] = browser_of(request.headers.get("User-Agent", ""))
    request.session[ADDRESS] = get_adapter(request).get_client_ip(request)


def browser_of(user_agent: str) -> str:
    """What a person would call it: "Firefox, Linux"; empty for what is none of the common ones."""
    found = [
        next((name for mark, name in names if re.search(mark, user_agent[:500])), "") for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, found))


def sessions_of(person: Any) -> QuerySet[Session]:
    """Where the person is signed in now, the latest first."""
    return Session.objects.filter(user_id=person.pk, expire_date__gt=timezone.now()).order_by("-seen_at", "pk")


def end_sessions(person: Any, *, but: str | None = None) -> int:
    """Sign the person out everywhere, but in the session of that key. Returns in how many places."""
    return Session.objects.filter(user_id=person.pk).exclude(session_key=but or "").delete()[0]


def end_session(person: Any, signed_in_at: str) -> bool:
    """Sign the person out in one place, named by the moment of its sign-in; its key is shown to nobody."""
    moments = {str(row.signed_in_at.timestamp()): row for row in sessions_of(person) if row.signed_in_at}
    row = moments.get(signed_in_at)
    return bool(row and row.delete()[0])


def remove_factors(person: User, *, by: User) -> None:
    """Take every second factor away from somebody who lost them all, by staff who checked who it is (P18). Sessions
    end, every address of the person is told, and who needs a factor adds one at the next sign-in. Refuses
    `no_factor`, and oneself."""
    if by.pk == person.pk or not (by.is_active and by.is_staff and by.has_perm("accounts.change_user")):
        raise PermissionDenied("another one of the vendor's staff does that")
    with transaction.atomic(), acting(by, "person.factors_removed"):
        removed = Authenticator.objects.filter(user=person).delete()[0]
        if not removed:
            raise Refused(_("%(person)s has no second factor.") % {"person": person}, "no_factor")
        end_sessions(person)
        tell_security_changed(person, "factors_removed", new=str(by))
