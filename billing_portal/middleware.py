"""View as: every request of a session that looks through somebody else's eyes (P12)."""

from collections.abc import Callable

import psycopg2.errors
from django.contrib import messages
from django.db import connection, transaction
from django.db.utils import InternalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import resolve
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from billing_portal.models import Viewing
from billing_portal.viewing import VIEWING, put_on
from core.policy import read_roles, walled

# Answered to the viewer as ever.
OWN = frozenset({"viewing_end", "account_logout"})
# Pages about no account that say nothing of the person.
WITHOUT_SCOPE = frozenset({"home", "search", "help", "payment_problems"})
# The ways back from a gateway ask it what happened, and write that down.
FROM_GATEWAY = frozenset({"card_setup_return", "payment_return"})


class ViewingMiddleware:
    """Puts the viewed person in the place of the viewer while the answer is made, in a transaction that cannot write.

    Answered are pages of the scope: no post, no file, no page about the person, no way to a gateway. Stands below
    PreferenceMiddleware, since the viewer's language and colours stay.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.viewing = None  # type: ignore[attr-defined]
        if VIEWING not in request.session:
            return self.get_response(request)
        name = _name_of(request)
        if name in OWN:
            return self.get_response(request)
        viewer = request.user
        if not viewer.is_authenticated:
            return self.get_response(request)
        book = read_roles(viewer)
        if (answer := walled(request, book)) is not None:
            return answer
        rows = Viewing.objects.running(timezone.now()).select_related("user", "viewer", "account", "profile__account")
        viewing = rows.filter(pk=request.session[VIEWING], viewer=viewer).first()
        person = put_on(viewing, book) if viewing else None
        if viewing is None or person is None:
            return self._over(request)
        request.viewing, request.user = viewing, person  # type: ignore[attr-defined]
        try:
            return self._seen(request, name)
        finally:
            request.user = viewer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page that wants to write says so by an error of the database; the answer to it is made outside."""
        if getattr(request, "viewing", None) is None or not isinstance(exception, InternalError):
            return None
        return _Written() if isinstance(exception.__cause__, psycopg2.errors.ReadOnlySqlTransaction) else None

    def _seen(self, request: HttpRequest, name: str) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return _refused(request, _("Nothing can be changed while you view as somebody else. Nothing was."))
        if not _is_viewable(request, name):
            return _refused(request, _("This page belongs to the person or to somebody else, not to what you look at."))
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            response = self.get_response(request)
            transaction.set_rollback(True)
        if isinstance(response, _Written):
            return _refused(request, _("Opening this page would change something."))
        if response.streaming or not response.headers.get("Content-Type", "").startswith("text/html"):
            # `close()` would say that the request is over.
            for close in response._resource_closers:  # type: ignore[attr-defined]
                close()
            return _refused(request, _("Files are not given out here. Download it under your own name."))
        if response.has_header("Location") and not url_has_allowed_host_and_scheme(
            response.headers["Location"], {request.get_host()}
        ):
            return _refused(request, _("This leads out of the portal."))
        return response

    def _over(self, request: HttpRequest) -> HttpResponse:
        """The time is up, or somebody lost a role: the next page is the viewer's own, and nothing sent is done."""
        del request.session[VIEWING]
        messages.info(request, _("You see the portal with your own eyes again."))
        if request.method in {"GET", "HEAD"}:
            return self.get_response(request)
        return redirect("home")


class _Written(HttpResponse):
    """In place of a page that tried to write."""


def _name_of(request: HttpRequest) -> str:
    try:
        return resolve(request.path_info).url_name or ""
    except Http404:
        return ""


def _is_viewable(request: HttpRequest, name: str) -> bool:
    if not name:
        return True  # no page at all, which says so itself
    requirement = getattr(resolve(request.path_info).func, "requirement", None)
    has_object = requirement is not None and requirement.model is not None
    return (has_object or name in WITHOUT_SCOPE) and name not in FROM_GATEWAY


def _refused(request: HttpRequest, reason: str) -> HttpResponse:
    return render(request, "portal/viewing_refused.html", {"reason": reason}, status=403)
