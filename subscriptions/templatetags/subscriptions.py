"""What pages of other apps show of subscriptions.

{% sleeping_access user %}      the subscriptions whose invoices the person could see if access to invoice were on (P11)
"""

from collections import defaultdict
from typing import Any

from django import template
from django.utils import timezone

from core.policy import Action, holders_of_each
from profiles.models import ProfileRole

register = template.Library()


@register.inclusion_tag("subscriptions/_sleeping_access.html")
def sleeping_access(user: Any) -> dict[str, Any]:
    """Two statements at most: the roles of the person that sleep, and who can wake them."""
    rows = ProfileRole.objects.asleep(timezone.localdate()).filter(user=user.pk)
    asleep = list(rows.select_related("profile__account").order_by("profile__name", "pk")[:20])
    wakers: dict[int, list[str]] = defaultdict(list)
    if asleep:
        found = holders_of_each(Action.INVOICE_SHARE_ACCESS, [row.profile for row in asleep])
        wakers |= {pk: [str(held.user) for held in held_rows] for pk, held_rows in found.items()}
    return {"rows": [(row.profile, wakers[row.profile_id]) for row in asleep]}
