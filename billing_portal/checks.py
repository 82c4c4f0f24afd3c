"""Checks that fail the build: a route that nobody guards, a demo in production (architecture §5)."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

# Addresses that other packages answer, each with the reason why it may stand without a guard of ours.
THIRD_PARTY = {
    "sign-in/": "allauth marks the pages that need no sign-in; LoginRequiredMiddleware guards its others",
    "staff/": "Django's admin asks for a staff sign-in on every page of its own",
}
DEMO_CARRIER = "billing_portal.demo.mail.DemoCarrier"


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


@register(Tags.security, deploy=True)
def no_pretending_in_production(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """A register that knows every VAT ID lets customers go without VAT, and a text message that is only printed shows
    its code to whoever reads the log."""
    errors: list[CheckMessage] = []
    if settings.VAT_VERIFIER == "fake":
        hint = "Set VAT_VERIFIER=vies, or off."
        errors.append(Error("VAT_VERIFIER is fake: it confirms VAT IDs that nobody has.", hint=hint, id="portal.E004"))
    if settings.SMS_URL.startswith("console:") or settings.SMS_CARRIER == DEMO_CARRIER:
        hint = "Set SMS_URL to the address of a carrier, or to nothing."
        errors.append(Error("Text messages reach nobody: they are printed or kept.", hint=hint, id="portal.E005"))
    if settings.SMS_URL and urlsplit(settings.SMS_URL).scheme not in {"https", "console"}:
        hint = "Codes are secrets: use https."
        errors.append(Error("SMS_URL is not https.", hint=hint, id="portal.E006"))
    return errors


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
