"""Which status may follow which, of what the portal as a whole keeps."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class ReviewStatus(Status):
    OPEN = "open", _("Under way")
    FINISHED = "finished", _("Finished")

    __tones__ = {"open": "info", "finished": "ok"}


REVIEW: Transitions = {("open", "finished"): "review.finished"}


class TakeOutStatus(Status):
    PENDING = "pending", _("Being prepared")
    READY = "ready", _("Ready")
    OVER = "over", _("Over")

    __tones__ = {"pending": "info", "ready": "ok", "over": "neutral"}


TAKE_OUT: Transitions = {
    ("pending", "ready"): "takeout.ready",
    # Who asked lost the right meanwhile.
    ("pending", "over"): "takeout.dropped",
    ("ready", "over"): "takeout.over",
}
