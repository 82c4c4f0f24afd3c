"""Which status of invoices, documents, dispatches, deliveries and runs may follow which (domain §3.6)."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class InvoiceStatus(Status):
    DRAFT = "draft", _("Draft")
    DUE = "due", _("Due")
    LOCKED = "locked", _("Locked")
    PAID = "paid", _("Paid")
    VOID = "void", _("Void")

    __tones__ = {"draft": "neutral", "due": "warn", "locked": "info", "paid": "ok", "void": "neutral"}


# Past due is a question about dates, and processing one about an open attempt: neither is stored.
INVOICE: Transitions = {
    ("draft", "due"): "invoice.issued",
    # Nothing is owed on a credit note that is used up, or on an invoice of zero.
    ("draft", "paid"): "invoice.issued_settled",
    ("due", "paid"): "invoice.paid",
    ("paid", "due"): "invoice.reopened",
    ("due", "locked"): "invoice.locked",
    ("locked", "due"): "invoice.unlocked",
    ("due", "void"): "invoice.voided",
    ("locked", "void"): "invoice.voided",
    ("paid", "void"): "invoice.credited_in_full",
    # The bank took back a payment of an invoice that was credited meanwhile: that money is owed again.
    ("void", "due"): "invoice.reopened",
}


class CorrectionStatus(Status):
    OPEN = "open", _("Waiting for the vendor")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")

    __tones__ = {"open": "info", "approved": "ok", "declined": "neutral", "withdrawn": "neutral"}


CORRECTION: Transitions = {
    ("open", "approved"): "correction.approved",
    ("open", "declined"): "correction.declined",
    ("open", "withdrawn"): "correction.withdrawn",
}


class DisputeStatus(Status):
    OPEN = "open", _("Being looked at")
    UPHELD = "upheld", _("You were right")
    REJECTED = "rejected", _("The invoice stands")
    WITHDRAWN = "withdrawn", _("Withdrawn")

    __tones__ = {"open": "warn", "upheld": "ok", "rejected": "neutral", "withdrawn": "neutral"}


DISPUTE: Transitions = {
    ("open", "upheld"): "dispute.upheld",
    ("open", "rejected"): "dispute.rejected",
    ("open", "withdrawn"): "dispute.withdrawn",
}


class DocumentStatus(Status):
    PENDING = "pending", _("Being made")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Could not be made")

    __tones__ = {"pending": "info", "ready": "ok", "failed": "danger"}


DOCUMENT: Transitions = {
    ("pending", "ready"): "document.ready",
    ("pending", "failed"): "document.failed",
    ("failed", "pending"): "document.retried",
}


class DispatchStatus(Status):
    PENDING = "pending", _("Waiting")
    EXPANDED = "expanded", _("Addressed")
    SKIPPED = "skipped", _("Not sent by e-mail")

    __tones__ = {"pending": "info", "expanded": "ok", "skipped": "neutral"}


DISPATCH: Transitions = {
    ("pending", "expanded"): "dispatch.expanded",
    ("pending", "skipped"): "dispatch.skipped",
}


class RunStatus(Status):
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    STOPPED = "stopped", _("Stopped")

    __tones__ = {"running": "info", "done": "ok", "stopped": "warn"}


RUN: Transitions = {
    ("running", "done"): "run.done",
    ("running", "stopped"): "run.stopped",
    ("stopped", "running"): "run.resumed",
}


class RangeStatus(Status):
    WAITING = "waiting", _("Waiting")
    DONE = "done", _("Done")

    __tones__ = {"waiting": "info", "done": "ok"}


RANGE: Transitions = {("waiting", "done"): "range.done"}


class UploadStatus(Status):
    WAITING = "waiting", _("Waiting")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused")

    __tones__ = {"waiting": "info", "done": "ok", "refused": "danger"}


UPLOAD: Transitions = {
    ("waiting", "done"): "charges.imported",
    ("waiting", "refused"): "charges.refused",
}
