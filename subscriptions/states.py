"""Which status of a subscription may follow which (domain §3.5)."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class SubscriptionStatus(Status):
    ACTIVE = "active", _("Active")
    PAST_DUE = "past_due", _("Past due")
    DISABLED = "disabled", _("Disabled")
    CANCELLED = "cancelled", _("Cancelled")
    DELETED = "deleted", _("Deleted")

    __tones__ = {
        "active": "ok",
        "past_due": "danger",
        "disabled": "danger",
        "cancelled": "neutral",
        "deleted": "neutral",
    }


SUBSCRIPTION: Transitions = {
    ("active", "past_due"): "subscription.past_due",
    ("past_due", "active"): "subscription.settled",
    ("past_due", "disabled"): "subscription.disabled",
    ("disabled", "active"): "subscription.reactivated",
    ("disabled", "deleted"): "subscription.deleted",
    ("active", "cancelled"): "subscription.cancelled",
    ("past_due", "cancelled"): "subscription.cancelled",
    ("cancelled", "active"): "subscription.brought_back",
    ("cancelled", "deleted"): "subscription.deleted",
}
