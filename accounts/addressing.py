"""What the panels of addresses share: the look at a change before it is planned, and what is kept of a form."""

from datetime import date
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.translation import gettext as _


def said_of_addresses(day: date | None) -> str:
    """What a person is told after saving."""
    if day is None:
        return _("Saved. Invoices that are issued from now on carry it; issued ones keep what they have.")
    return _("Planned for %(day)s. Until then you can withdraw it.") % {"day": date_format(day)}


def review_page(request: HttpRequest, form: Any, *, day: date, of: Any, back: str, here: str) -> HttpResponse:
    """What will change on that day, from what to what, and which invoice is the first to carry it; saves nothing.

    `of` is the account or the profile. Sending the page on plans the change; "again" goes back to the form.
    """
    typed = form.values_by_field()
    rows = [
        {"label": form.said(name), "before": form[name].initial or "", "after": value}
        for name, value in typed.items()
        if (form[name].initial or "") != value
    ]
    kept = [
        (name, form[name].value()) for name in form.fields if not form.fields[name].disabled and name != "confirmed"
    ]
    context = {
        "account": getattr(of, "account", of),
        "of": of,
        "is_account": not hasattr(of, "account"),
        "rows": rows,
        "day": day,
        "kept": _sendable(kept),
        "back": back,
        "here": here,
    }
    return render(request, "accounts/address_review.html", context)


def kept_fields(form: forms.Form, now: forms.Form) -> list[tuple[str, Any]]:
    """What lets the form save over what `now` shows: everything as it was typed, the versions as they are stored."""
    return _sendable(
        [
            (name, now[name].value() if form[name].is_hidden and name.endswith("version") else form[name].value())
            for name in form.fields
        ]
    )


def _sendable(fields: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(name, "on" if value is True else value) for name, value in fields if value not in (None, False, "")]
