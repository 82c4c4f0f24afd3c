"""Checks that fail the build: a route that nobody guards, a demo in production (architecture §5)."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

# Addresses that other packages answer, each with the reason why it may stand without a guard of ours.
THIRD_PARTY = {
    "sign-in/": "allauth marks the pages that need no sign-in; LoginRequiredMiddleware guards its others",
    "staff/": "Django's admin asks for a staff sign-in on every page of its own",
}


@register(Tags.urls)
def every_route_is_guarded(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Every view has an action, is for signed-in people only, or says that it needs no sign-in; every route
    has a name. Deny by default: a view that was forgotten is an error, not a page."""
    errors: list[CheckMessage] = []
    for route, pattern in routes():
        if not pattern.name:
            errors.append(Error(f"the route {route!r} has no name", id="portal.E001"))
        if not is_guarded(pattern.callback):
            errors.append(Error(f"the route {route!r} says neither who may nor that everybody may", id="portal.E002"))
    return errors


@register(Tags.security, deploy=True)
def no_demo_in_production(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """A demo shows every mail to everybody and lets anybody in as anybody."""
    if settings.DEMO:
        return [Error("DEMO is on. Leave it out of the environment of a real portal.", id="portal.E003")]
    return []


def routes() -> Iterator[tuple[str, URLPattern]]:
    """Every route of ours with its whole address; those of THIRD_PARTY are left out."""
    yield from _walk("", get_resolver().url_patterns)


def is_guarded(view: Any) -> bool:
    """Whether the view carries a requirement, or the mark that no sign-in is needed."""
    return hasattr(view, "requirement") or getattr(view, "login_required", True) is False


def _walk(prefix: str, patterns: Iterable[URLPattern | URLResolver]) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route in THIRD_PARTY:
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(route, pattern.url_patterns)
        else:
            yield route, pattern
