"""What a demo adds to the pages of the portal: the cards on the sign-in page and the way to the mails."""

from typing import Any

from django import template
from django.template.context import Context

from billing_portal.demo.access import is_demo
from billing_portal.demo.people import PEOPLE
from core.step_up import BY_CARD

register = template.Library()


@register.inclusion_tag("demo/_cards.html", takes_context=True)
def demo_cards(context: Context) -> dict[str, Any]:
    """A card per person; nothing outside a demo."""
    people = PEOPLE if is_demo() else ()
    return {"people": people, "csrf_token": context.get("csrf_token", "")}


@register.inclusion_tag("demo/_confirmation.html", takes_context=True)
def demo_confirmation(context: Context) -> dict[str, Any]:
    """The button that confirms without a proof, for somebody who came in by a card of the demo."""
    request = context["request"]
    shown = is_demo() and request.session.get(BY_CARD, False)
    return {"shown": shown, "csrf_token": context.get("csrf_token"), "next": request.GET.get("next", "")}
