"""Which status of a support request may follow which."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class RequestStatus(Status):
    OPEN = "open", _("Waiting for the vendor")
    ANSWERED = "answered", _("Answered")
    CLOSED = "closed", _("Closed")

    __tones__ = {"open": "info", "answered": "ok", "closed": "neutral"}


REQUEST: Transitions = {
    ("open", "answered"): "request.answered",
    ("answered", "open"): "request.asked_again",
    ("open", "closed"): "request.closed",
    ("answered", "closed"): "request.closed",
    # Somebody writes once more.
    ("closed", "open"): "request.reopened",
    ("closed", "answered"): "request.answered",
}
