"""What a request carries besides itself: the language and colours of its answer, and who sent it."""

import time
from collections.abc import Callable

import pghistory
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from core.sessions import SEEN

NOTED_EVERY = 60  # seconds


class PreferenceMiddleware:
    """Answers in the person's language and colour mode.

    A signed-in person's choice is stored with the person. Before that the language is the cookie set
    by the language switch, or what the browser asks for. Stands below AuthenticationMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if user.is_authenticated:
            language, request.color_mode = user.language, user.color_mode  # type: ignore[attr-defined]
        else:
            language, request.color_mode = translation.get_language_from_request(request), "auto"  # type: ignore[attr-defined]
        with translation.override(language):
            request.LANGUAGE_CODE = language  # type: ignore[attr-defined]
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        if not user.is_authenticated:
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


class SeenMiddleware:
    """Notes in the session when its person was last here, at most once a minute, and tells the request how long
    ago that was: `idle_for`, in seconds (ASVS 7.3.1)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.idle_for = 0.0  # type: ignore[attr-defined]
        if request.user.is_authenticated:
            now = time.time()
            request.idle_for = now - request.session.get(SEEN, now)  # type: ignore[attr-defined]
            if request.idle_for > NOTED_EVERY:  # type: ignore[attr-defined]
                request.session[SEEN] = now
        return self.get_response(request)


class HtmxRedirectMiddleware:
    """A redirect answered to htmx becomes a visit of that page.

    The browser would follow it inside the request and put a whole page into a panel, and the message
    that the next page was to show would be gone. Stands below HtmxMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.headers.get("HX-Request") == "true" and response.status_code in {301, 302, 303, 307, 308}:
            response.headers["HX-Redirect"] = response.headers["Location"]
            del response.headers["Location"]
            response.status_code = 200
        return response


class ActorMiddleware:
    """Tracked changes of a request are recorded with who sent it, from where, and its reference (I26).

    A service that names its own actor and action (`core.history.acting`) adds them to this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return self.get_response(request)
        who: dict[str, object] = {"actor": None, "actor_name": "nobody signed in"}
        if request.user.is_authenticated:
            who = {"actor": request.user.pk, "actor_name": str(request.user)}
        reference, address = getattr(request, "reference", ""), request.META.get("REMOTE_ADDR", "")
        agent = request.META.get("HTTP_USER_AGENT", "").replace("\x00", "")[:200]
        with pghistory.context(**who, action=request.path, request=reference, address=address, agent=agent):
            return self.get_response(request)
