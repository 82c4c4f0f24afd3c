"""Which status of an account and an invitation may follow which (domain §3.1)."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class AccountStatus(Status):
    UNDER_REVIEW = "under_review", _("Under review")
    ACTIVE = "active", _("Active")
    PAST_DUE = "past_due", _("Past due")
    DISABLED = "disabled", _("Disabled")
    CLOSED = "closed", _("Closed")

    __tones__ = {
        "under_review": "info",
        "active": "ok",
        "past_due": "danger",
        "disabled": "danger",
        "closed": "neutral",
    }


ACCOUNT: Transitions = {
    ("under_review", "active"): "account.approved",
    ("active", "past_due"): "account.past_due",
    ("past_due", "active"): "account.settled",
    ("past_due", "disabled"): "account.disabled",
    ("disabled", "active"): "account.reactivated",
    ("active", "closed"): "account.closed",
    ("disabled", "closed"): "account.closed",
}


class InvitationStatus(Status):
    PENDING = "pending", _("Invited")
    ACCEPTED = "accepted", _("Accepted")
    REVOKED = "revoked", _("Revoked")

    __tones__ = {"pending": "warn", "accepted": "ok", "revoked": "neutral"}


INVITATION: Transitions = {
    ("pending", "accepted"): "invitation.accepted",
    ("pending", "revoked"): "invitation.revoked",
}


class NoticeStatus(Status):
    DRAFT = "draft", _("Draft")
    SENDING = "sending", _("Being handed out")
    SENT = "sent", _("Sent")

    __tones__ = {"draft": "neutral", "sending": "info", "sent": "ok"}


NOTICE: Transitions = {
    ("draft", "sending"): "notice.released",
    ("sending", "sent"): "notice.sent",
}
