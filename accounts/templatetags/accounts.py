"""What pages and mails say of roles and accounts."""

from datetime import date

from django import template

from accounts.security import SECURITY_EVENTS
from core.policy import Role

register = template.Library()


@register.filter
def role_name(role: str) -> str:
    """The name of a role in the language of the page or mail: "Billing account owner"."""
    return str(Role(role).label)


@register.filter
def security_event(what: str) -> str:
    """What happened to somebody's way in, as a sentence."""
    return str(SECURITY_EVENTS[what])


@register.simple_tag
def is_over(last_day: date | None, today: date) -> bool:
    """Whether a role with that last day no longer counts."""
    return last_day is not None and last_day < today
