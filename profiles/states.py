"""Which status of a billing profile may follow which (domain §3.3)."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class ProfileStatus(Status):
    UNDER_REVIEW = "under_review", _("Under review")
    ACTIVE = "active", _("Active")
    WARNED = "warned", _("Past due")
    DISABLED = "disabled", _("Disabled")
    CLOSED = "closed", _("Closed")

    __tones__ = {
        "under_review": "info",
        "active": "ok",
        "warned": "danger",
        "disabled": "danger",
        "closed": "neutral",
    }

    __reasons__ = {
        "under_review": _("The account is being checked. That takes about a day."),
        "active": _("Everything is paid or not yet due."),
        "warned": _("An invoice is past its due date. Services stop if it stays unpaid."),
        "disabled": _("Services are stopped because an invoice was not paid. Paying it starts them again."),
        "closed": _("Nothing is bought or billed on it any more; its invoices stay."),
    }

    @property
    def reason(self) -> str:
        """Why a profile has this status, in a sentence."""
        return str(self.__reasons__[self.value])


PROFILE: Transitions = {
    ("under_review", "active"): "profile.approved",
    ("active", "warned"): "profile.past_due",
    ("warned", "active"): "profile.settled",
    ("warned", "disabled"): "profile.disabled",
    ("disabled", "active"): "profile.reactivated",
    ("active", "closed"): "profile.closed",
    ("disabled", "closed"): "profile.closed",
}
