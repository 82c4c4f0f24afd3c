"""Which status may follow which, of what the portal as a whole keeps."""

from django.utils.translation import gettext_lazy as _

from core.states import Status, Transitions


class ReviewStatus(Status):
    OPEN = "open", _("Under way")
    FINISHED = "finished", _("Finished")

    __tones__ = {"open": "info", "finished": "ok"}


REVIEW: Transitions = {("open", "finished"): "review.finished"}
