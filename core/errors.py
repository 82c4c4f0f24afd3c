"""The one way a rule says no."""

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError


class Refused(ValidationError):
    """A rule said no, and nothing was changed.

    The message names the blocker and the next step, in the user's language; `code` is for tests and
    for callers that act on one refusal only. A form shows it with `form.add_error(None, refusal)`.
    """

    def __init__(self, message: Any, code: str, params: dict[str, Any] | None = None) -> None:
        super().__init__(message, code=code, params=params)

    def __str__(self) -> str:
        return " ".join(self.messages)


class Forbidden(PermissionDenied):
    """The person sees the object but may not do this with it: answered by a 403 page that says who may."""

    def __init__(self, action: Any, obj: Any) -> None:
        super().__init__(f"{action} is not granted")
        self.action = action
        self.object = obj


class AccountClosed(Forbidden):
    """The person's role allows it, but the billing account is closed: answered by a 403 page that names support."""

    def __init__(self, action: Any, obj: Any, account: Any) -> None:
        super().__init__(action, obj)
        self.account = account
