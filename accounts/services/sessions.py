"""Where a person is signed in, and ending that (ASVS 7.4, 7.5.2)."""

import re
from typing import Any

from allauth.account.adapter import get_adapter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

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
