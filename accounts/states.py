"""Which status may follow which, of what this app keeps (domain §3.1)."""

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
    # By the vendor's staff alone (docs/decisions/0013).
    ("closed", "active"): "account.reopened",
}


class InvitationStatus(Status):
    PENDING = "pending", _("Invited")
    ACCEPTED = "accepted", _("Accepted")
    REVOKED = "revoked", _("Revoked")
    # Only an offer to hand something over is moved there, so that both can be told; the others can be sent again.
    EXPIRED = "expired", _("Expired")

    __tones__ = {"pending": "warn", "accepted": "ok", "revoked": "neutral", "expired": "neutral"}


INVITATION: Transitions = {
    ("pending", "accepted"): "invitation.accepted",
    ("pending", "revoked"): "invitation.revoked",
    ("pending", "expired"): "invitation.expired",
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


class VatStatus(Status):
    """What is known of a VAT ID whose form and check digits fit."""

    FORMAT_VALID = "format_valid", _("Format valid")
    VERIFYING = "verifying", _("Being verified")
    VERIFIED = "verified", _("Verified")
    REFUSED = "refused", _("Refused")
    UNREACHABLE = "unreachable", _("Verifier unreachable")

    __tones__ = {
        "format_valid": "info",
        "verifying": "info",
        "verified": "ok",
        "refused": "danger",
        "unreachable": "warn",
    }


VAT_CHECK: Transitions = {
    ("format_valid", "verifying"): "vat_id.asked",
    ("verified", "verifying"): "vat_id.asked",
    ("refused", "verifying"): "vat_id.asked",
    ("unreachable", "verifying"): "vat_id.asked",
    ("verifying", "verified"): "vat_id.verified",
    ("verifying", "refused"): "vat_id.refused",
    ("verifying", "unreachable"): "vat_id.unreachable",
    # Another number begins anew.
    ("verifying", "format_valid"): "vat_id.changed",
    ("verified", "format_valid"): "vat_id.changed",
    ("refused", "format_valid"): "vat_id.changed",
    ("unreachable", "format_valid"): "vat_id.changed",
}


class PlanStatus(Status):
    """A change that counts from a day."""

    PLANNED = "planned", _("Planned")
    APPLIED = "applied", _("In force")
    WITHDRAWN = "withdrawn", _("Withdrawn")

    __tones__ = {"planned": "info", "applied": "ok", "withdrawn": "neutral"}


PLANNED_CHANGE: Transitions = {
    ("planned", "applied"): "change.applied",
    ("planned", "withdrawn"): "change.withdrawn",
}


class NameChangeStatus(Status):
    """A request for another legal name."""

    REQUESTED = "requested", _("Waits for review")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")

    __tones__ = {"requested": "warn", "approved": "ok", "refused": "danger", "withdrawn": "neutral"}


NAME_CHANGE: Transitions = {
    ("requested", "approved"): "name_change.approved",
    ("requested", "refused"): "name_change.refused",
    ("requested", "withdrawn"): "name_change.withdrawn",
}
