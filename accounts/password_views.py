"""The steps of a lost password that allauth has not: two codes, or the link together with a second factor (T15)."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from accounts.coming_in import take_link
from accounts.contact_forms import CodeForm
from accounts.services import limits, passwords
from accounts.services.offers import digest
from accounts.sign_in import network_of
from core.errors import Refused
from core.forms import PortalFormHelper, posted

FACTOR_KEY = "password_factor"


class TwoCodesForm(forms.Form):
    """The code from the alternate mailbox and the one from the phone."""

    mail_code = forms.CharField(label=_("Code from your alternate e-mail"), max_length=20)
    text_code = forms.CharField(label=_("Code from the text message"), max_length=20)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        for field in self.fields.values():
            field.widget.attrs |= {"autocomplete": "one-time-code", "inputmode": "numeric"}
        self.helper = PortalFormHelper("mail_code", "text_code", guarded=False)


@never_cache
@login_not_required
def password_codes(request: HttpRequest, code: str) -> HttpResponse:
    """Both codes of a request. The page is the same for a request of nobody."""
    form = TwoCodesForm(posted(request))
    if form.is_valid():
        try:
            limits.count(limits.RESET_PER_ADDRESS, f"codes {network_of(request)}")
            person = passwords.give_reset_codes(code, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            return redirect(passwords.path_to_choose(person))
    return render(request, "account/password_codes.html", {"form": form})


@never_cache
@login_not_required
def password_factor_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: its token goes from the address into the session (T17)."""
    return take_link(request, FACTOR_KEY, digest(token), "password_factor")


@never_cache
@login_not_required
def password_factor(request: HttpRequest) -> HttpResponse:
    """A code of the app or a recovery code, after the link of the mail."""
    reset = passwords.find_factor_reset(request.session.get(FACTOR_KEY, ""))
    if reset is None:
        return render(request, "account/password_reset_from_key.html", {"token_fail": True}, status=410)
    form = CodeForm(posted(request))
    if form.is_valid():
        try:
            person = passwords.give_factor(reset, form.cleaned_data["code"])
        except Refused as refusal:
            form.add_error("code", refusal)
        else:
            request.session.pop(FACTOR_KEY, None)
            return redirect(passwords.path_to_choose(person))
    return render(request, "account/password_factor.html", {"form": form})
