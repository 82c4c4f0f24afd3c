"""Step-up: before something sensitive is changed, the person says once more who they are (ASVS 7.5.1, T21).

    @requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
    @recently_confirmed
    def account_role_new(request, account): ...

Having signed in is not enough: a session that was left open, or stolen, is no proof. Who has a second factor
confirms with it; a password alone does not do then (T20).
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

# A page opens for this long after a confirmation, in seconds. What was opened in time may be sent for as long
# again, so that nobody loses what they typed.
OPENS_FOR = 10 * 60
SENT_FOR = 2 * OPENS_FOR
# Set in the session of somebody who came into a demo by a card, who has no proof to give. Set nowhere else.
BY_CARD = "demo_card"


def recently_confirmed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Ask for password or second factor before the view, unless that was done in the last ten minutes.

    Stands below `@requires` or `@signed_in_only`, so that who may not do it at all is told so first. After the
    confirmation the person comes back to the page; nothing that was sent is done without it. Whoever views as somebody
    else confirmed when that began, and nothing is done there.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = OPENS_FOR if request.method in {"GET", "HEAD"} else SENT_FOR
        if getattr(request, "viewing", None) is not None or is_confirmed(request, allowed):
            return view(request, *args, **kwargs)
        return ask_for_confirmation(request)

    guarded.is_stepped_up = True  # type: ignore[attr-defined]
    return guarded


def is_confirmed(request: HttpRequest, seconds: int = OPENS_FOR) -> bool:
    """Whether the person of this session said who they are, after signing in, in the last `seconds`."""
    records = get_authentication_records(request, request.user)  # type: ignore[arg-type]
    wants_factor = any(record["method"] == "mfa" for record in records)
    counting = [
        record["at"]
        for record in records
        if record.get("reauthenticated") and (record["method"] == "mfa" or not wants_factor)
    ]
    return bool(counting) and time.time() - counting[-1] < seconds


def ask_for_confirmation(request: HttpRequest) -> HttpResponse:
    """The page that asks, which leads back here afterwards."""
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    return redirect(f"{methods[0]['url']}?{urlencode({'next': request.get_full_path()})}")


def confirm(request: HttpRequest, user: Any, method: str) -> None:
    """Note in the session that the person confirmed just now by that method."""
    record_authentication(request, user, method, reauthenticated=True)
