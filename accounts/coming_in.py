"""What the pages behind a link of a mail have in common: the token leaves the address, and whoever answers an
invitation does so signed in or as somebody new (T17, T22)."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.forms import NewPersonForm
from accounts.models import User
from accounts.services.sessions import remember_browser
from core.errors import Refused
from core.forms import posted


def take_link(request: HttpRequest, key: str, value: str, answer: str) -> HttpResponse:
    """Keep what the link says in the session and go on to the page without it, which no other site hears of."""
    request.session[key] = value
    response = redirect(answer)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def answer_signed_in(request: HttpRequest, accept: Callable[[], Any]) -> tuple[bool, Refused | None]:
    """Whether the person came in by pressing the button just now, and otherwise why not, where it was pressed."""
    if request.method != "POST":
        return False, None
    try:
        accept()
    except Refused as refusal:
        return False, refusal
    return True, None


def answer_as_new_person(
    request: HttpRequest, accept: Callable[..., User], *, name: str = ""
) -> tuple[bool, NewPersonForm]:
    """Whether somebody came in by the form just now, who is signed in then; and the form."""
    form = NewPersonForm(posted(request), initial={"name": name})
    if form.is_valid():
        try:
            person = accept(**form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal)
        except ValidationError as error:
            form.add_error("password", error)
        else:
            login(request, person)
            remember_browser(request)
            return True, form
    return False, form


def is_somebody_else(request: HttpRequest, email: str) -> bool:
    """Whether who is signed in is not the one the mail was sent to."""
    return request.user.email.lower() != email.lower()  # type: ignore[union-attr]
