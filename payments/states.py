"""Which status of a payment, an allocation, a method, a mandate, a notice, a card set-up and an event may follow
which (I14)."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class PaymentStatus(Status):
    CREATED = "created", _("Being prepared")
    REQUIRES_ACTION = "requires_action", _("Waiting for your bank's check")
    PROCESSING = "processing", _("Processing")
    UNKNOWN = "unknown", _("Outcome unknown")
    SUCCEEDED = "succeeded", _("Paid")
    FAILED = "failed", _("Declined")
    CANCELLED = "cancelled", _("Cancelled")
    PARTIALLY_REFUNDED = "partially_refunded", _("Partly refunded")
    REFUNDED = "refunded", _("Refunded")
    CHARGED_BACK = "charged_back", _("Charged back")
    UNDONE = "undone", _("Booking undone")

    __tones__ = {
        "created": "info",
        "requires_action": "warn",
        "processing": "info",
        "unknown": "warn",
        "succeeded": "ok",
        "failed": "danger",
        "cancelled": "neutral",
        "partially_refunded": "neutral",
        "refunded": "neutral",
        "charged_back": "danger",
        "undone": "neutral",
    }


# An attempt that is not over yet: it holds its invoices, and no second one may start (I12).
OPEN_PAYMENT = ("created", "requires_action", "processing", "unknown")

PAYMENT: Transitions = {
    ("created", "requires_action"): "payment.requires_action",
    ("created", "processing"): "payment.processing",
    ("created", "succeeded"): "payment.succeeded",
    ("created", "failed"): "payment.failed",
    ("created", "unknown"): "payment.unknown",
    ("created", "cancelled"): "payment.cancelled",
    ("requires_action", "processing"): "payment.processing",
    ("requires_action", "succeeded"): "payment.succeeded",
    ("requires_action", "failed"): "payment.failed",
    ("requires_action", "cancelled"): "payment.cancelled",
    ("requires_action", "unknown"): "payment.unknown",
    ("processing", "succeeded"): "payment.succeeded",
    ("processing", "failed"): "payment.failed",
    ("processing", "cancelled"): "payment.cancelled",
    ("processing", "unknown"): "payment.unknown",
    ("unknown", "requires_action"): "payment.requires_action",
    ("unknown", "processing"): "payment.processing",
    ("unknown", "succeeded"): "payment.succeeded",
    ("unknown", "failed"): "payment.failed",
    ("unknown", "cancelled"): "payment.cancelled",
    ("succeeded", "partially_refunded"): "payment.partially_refunded",
    ("succeeded", "refunded"): "payment.refunded",
    ("partially_refunded", "refunded"): "payment.refunded",
    ("succeeded", "charged_back"): "payment.charged_back",
    ("partially_refunded", "charged_back"): "payment.charged_back",
    ("charged_back", "succeeded"): "payment.chargeback_reversed",
    # A movement at the bank that was booked to the wrong invoice.
    ("succeeded", "undone"): "payment.booking_undone",
}


class AllocationStatus(Status):
    HELD = "held", _("Under way")
    SETTLED = "settled", _("Paid")
    RELEASED = "released", _("Released")

    __tones__ = {"held": "info", "settled": "ok", "released": "neutral"}


ALLOCATION: Transitions = {
    ("held", "settled"): "allocation.settled",
    ("held", "released"): "allocation.released",
}


class MethodStatus(Status):
    ACTIVE = "active", _("Active")
    DECLINED = "declined", _("Last charge declined")
    DETACHED = "detached", _("Detached")
    DELETED = "deleted", _("Deleted")

    __tones__ = {"active": "ok", "declined": "danger", "detached": "neutral", "deleted": "neutral"}


# Expiring and expired are questions about dates.
METHOD: Transitions = {
    ("active", "declined"): "method.declined",
    ("declined", "active"): "method.charged",
    ("active", "detached"): "method.detached",
    ("declined", "detached"): "method.detached",
    ("detached", "deleted"): "method.deleted",
    ("active", "deleted"): "method.deleted",
    ("declined", "deleted"): "method.deleted",
}


class MandateStatus(Status):
    ACTIVE = "active", _("Active")
    LAPSED = "lapsed", _("Lapsed")
    CANCELLED = "cancelled", _("Cancelled")

    __tones__ = {"active": "ok", "lapsed": "neutral", "cancelled": "neutral"}


MANDATE: Transitions = {
    ("active", "lapsed"): "mandate.lapsed",
    ("active", "cancelled"): "mandate.cancelled",
}


class NoticeStatus(Status):
    ANNOUNCED = "announced", _("Announced")
    COLLECTED = "collected", _("Collected")
    DROPPED = "dropped", _("Not collected")

    __tones__ = {"announced": "info", "collected": "ok", "dropped": "neutral"}


NOTICE: Transitions = {
    ("announced", "collected"): "notice.collected",
    ("announced", "dropped"): "notice.dropped",
}


class RefundStatus(Status):
    PROPOSED = "proposed", _("Waits for a second person")
    AGREED = "agreed", _("On its way")
    GIVEN_BACK = "given_back", _("Given back")
    DECLINED = "declined", _("Not agreed")
    FAILED = "failed", _("Refused by the gateway")

    __tones__ = {"proposed": "warn", "agreed": "info", "given_back": "ok", "declined": "neutral", "failed": "danger"}


REFUND: Transitions = {
    ("proposed", "agreed"): "refund.agreed",
    ("proposed", "declined"): "refund.declined",
    ("agreed", "given_back"): "refund.given_back",
    ("agreed", "failed"): "refund.failed",
}


class PreparedStatus(Status):
    WAITING = "waiting", _("Waits for approval")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    EXPIRED = "expired", _("Expired")
    OVERTAKEN = "overtaken", _("Not possible any more")

    __tones__ = {
        "waiting": "warn",
        "approved": "ok",
        "refused": "danger",
        "withdrawn": "neutral",
        "expired": "neutral",
        "overtaken": "neutral",
    }


PREPARED: Transitions = {
    ("waiting", "approved"): "approval.approved",
    ("waiting", "refused"): "approval.refused",
    ("waiting", "withdrawn"): "approval.withdrawn",
    ("waiting", "expired"): "approval.expired",
    ("waiting", "overtaken"): "approval.overtaken",
    # It could not be paid: not now, or never.
    ("approved", "waiting"): "approval.waits_again",
    ("approved", "overtaken"): "approval.overtaken",
}


class WriteOffStatus(Status):
    PROPOSED = "proposed", _("Waits for a second person")
    DONE = "done", _("Written off")
    DECLINED = "declined", _("Not agreed")

    __tones__ = {"proposed": "warn", "done": "ok", "declined": "neutral"}


WRITE_OFF: Transitions = {
    ("proposed", "done"): "write_off.done",
    ("proposed", "declined"): "write_off.declined",
}


class EntryStatus(Status):
    OPEN = "open", _("To look at")
    PARTLY = "partly", _("Partly booked")
    BOOKED = "booked", _("Booked")
    SET_ASIDE = "set_aside", _("Set aside")

    __tones__ = {"open": "warn", "partly": "warn", "booked": "ok", "set_aside": "neutral"}


# A booking that is undone lets its movement be looked at again.
ENTRY: Transitions = {
    ("open", "booked"): "entry.booked",
    ("open", "partly"): "entry.partly_booked",
    ("partly", "booked"): "entry.booked",
    ("partly", "open"): "entry.undone",
    ("booked", "open"): "entry.undone",
    ("booked", "partly"): "entry.undone",
    ("open", "set_aside"): "entry.set_aside",
    ("partly", "set_aside"): "entry.set_aside",
    ("set_aside", "open"): "entry.taken_up",
}


class CaseStatus(Status):
    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")

    __tones__ = {"open": "warn", "closed": "ok"}


CASE: Transitions = {("open", "closed"): "case.closed"}


class TransferStatus(Status):
    SUBMITTED = "submitted", _("Submitted")
    IN_REVIEW = "in_review", _("Being reviewed")
    QUESTION = "question", _("Waiting for your answer")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Not approved")
    WITHDRAWN = "withdrawn", _("Withdrawn")

    __tones__ = {
        "submitted": "info",
        "in_review": "info",
        "question": "warn",
        "approved": "ok",
        "declined": "danger",
        "withdrawn": "neutral",
    }


# A request that is not decided yet: there is at most one for the same thing.
OPEN_TRANSFER = ("submitted", "in_review", "question")

TRANSFER: Transitions = {
    ("submitted", "in_review"): "transfer.in_review",
    ("submitted", "withdrawn"): "transfer.withdrawn",
    ("in_review", "question"): "transfer.question",
    ("in_review", "approved"): "transfer.approved",
    ("in_review", "declined"): "transfer.declined",
    ("in_review", "withdrawn"): "transfer.withdrawn",
    ("question", "submitted"): "transfer.answered",
    ("question", "declined"): "transfer.declined",
    ("question", "withdrawn"): "transfer.withdrawn",
}


class SetupStatus(Status):
    STARTED = "started", _("Started")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Declined")
    CANCELLED = "cancelled", _("Cancelled")

    __tones__ = {"started": "info", "completed": "ok", "failed": "danger", "cancelled": "neutral"}


SETUP: Transitions = {
    ("started", "completed"): "setup.completed",
    ("started", "failed"): "setup.failed",
    ("started", "cancelled"): "setup.cancelled",
}


class EventStatus(Status):
    RECEIVED = "received", _("Received")
    PROCESSED = "processed", _("Processed")
    QUARANTINED = "quarantined", _("Needs a look")

    __tones__ = {"received": "info", "processed": "ok", "quarantined": "warn"}


EVENT: Transitions = {
    ("received", "processed"): "event.processed",
    ("received", "quarantined"): "event.quarantined",
    ("quarantined", "processed"): "event.processed",
}
