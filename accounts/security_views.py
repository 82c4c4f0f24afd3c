"""Security info: how a person gets back in, one page for the person alone (S1-1 to S1-11)."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.views import remove_webauthn
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.contact_forms import CodeForm, EmailForm, PhoneForm
from accounts.models import ProofKind, User
from accounts.services import contact, sessions
from core.errors import Refused
from core.forms import posted
from core.policy import is_privileged, role_book, signed_in_only
from core.sms import is_carried
from core.step_up import recently_confirmed

SESSIONS_SHOWN = 50
RECOVERY = (ProofKind.ALTERNATE_EMAIL, ProofKind.PHONE)


@signed_in_only
def security_info(request: HttpRequest) -> HttpResponse:
    """Every method with its masked value and its state; what is missing is said first (S1-3, S1-10)."""
    person: User = request.user  # type: ignore[assignment]
    context = {
        "methods": [_method(person, kind) for kind in RECOVERY],
        "is_privileged": is_privileged(person, role_book(person)),
        "lacks_recovery": not (person.alternate_email and person.phone),
        "sms": is_carried(),
        **_factors(person),
        "needs_factor": is_privileged(person, role_book(person)),
        "number_of_sessions": sessions.sessions_of(person).count(),
    }
    return render(request, "accounts/security_info.html", context)


@signed_in_only
def second_factor_needed(request: HttpRequest) -> HttpResponse:
    """What stands before every page of somebody who needs a second factor and has none."""
    return render(request, "accounts/second_factor_needed.html")


@signed_in_only
def own_sessions(request: HttpRequest) -> HttpResponse:
    """Where the person is signed in; each place, or all the others, can be signed out."""
    person: User = request.user  # type: ignore[assignment]
    if request.method == "POST":
        if request.POST.get("all"):
            sessions.end_sessions(person, but=request.session.session_key)
            messages.success(request, _("You are signed out everywhere else."))
        elif sessions.end_session(person, request.POST.get("signed_in_at", "")):
            messages.success(request, _("That session has ended."))
        return redirect("sessions")
    found = sessions.sessions_of(person)
    context = {"rows": found[:SESSIONS_SHOWN], "here": request.session.session_key}
    return render(request, "accounts/sessions.html", context)


def with_a_credential(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """allauth's page, for a credential that can be read: JSON with a number of thousands of digits is a 400 here,
    and would be a 500 there."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "credential" in request.POST:
            try:
                json.loads(request.POST["credential"] or "null")
            except json.JSONDecodeError:
                pass  # which the form says itself
            except (ValueError, RecursionError) as error:
                raise BadRequest("the credential cannot be read") from error
        return view(request, *args, **kwargs)

    return guarded


def passkey_removal(request: HttpRequest, pk: int) -> Any:
    """allauth's page, closed where the passkey is the last factor of somebody who needs one."""
    passkey = Authenticator.objects.filter(pk=pk, user_id=request.user.pk, type=Authenticator.Type.WEBAUTHN).first()
    if passkey is not None and not get_factor_adapter().can_delete_authenticator(passkey):
        messages.error(request, _("This is your last second factor, and you need one. Add another one first."))
        return redirect("security_info")
    return remove_webauthn(request, pk=pk)


def _factors(person: User) -> dict[str, Any]:
    rows = list(Authenticator.objects.filter(user=person).order_by("created_at"))
    codes = next((row for row in rows if row.type == Authenticator.Type.RECOVERY_CODES), None)
    return {
        "app": next((row for row in rows if row.type == Authenticator.Type.TOTP), None),
        "passkeys": [row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
        "has_factor": any(row.type != Authenticator.Type.RECOVERY_CODES for row in rows),
    }


@signed_in_only
@recently_confirmed
def recovery_new(request: HttpRequest, kind: str) -> HttpResponse:
    """Add an alternate address or a phone, or change it: a code goes to the new one (S1-7, S1-8)."""
    person, proof_kind = _asked(request, kind)
    is_phone = proof_kind == ProofKind.PHONE
    form = PhoneForm(posted(request)) if is_phone else EmailForm(posted(request), label=_("Alternate e-mail"))
    if form.is_valid():
        try:
            contact.ask_for_proof(person, proof_kind, form.value())  # type: ignore[attr-defined]
        except Refused as refusal:
            form.add_error("phone" if is_phone else "email", refusal)
        else:
            return redirect("recovery_code", kind)
    context = {"form": form, "kind": proof_kind, "is_phone": is_phone, "now": getattr(person, kind)}
    return render(request, "accounts/recovery_new.html", context)


@signed_in_only
@recently_confirmed
def recovery_code(request: HttpRequest, kind: str) -> HttpResponse:
    """Type the code that was sent to the new address or number."""
    person, proof_kind = _asked(request, kind)
    waiting = contact.waiting_proof(person, proof_kind)
    form = CodeForm(posted(request))
    if form.is_valid():
        try:
            contact.give_code(person, proof_kind, form.cleaned_data["code"])
        except Refused as refusal:
            form.add_error("code", refusal)
        else:
            messages.success(request, _("Saved. We told your other addresses about it."))
            return redirect("security_info")
    if waiting is None and not form.is_bound:
        return redirect("recovery_new", kind)
    same_domain = waiting is not None and "@" in waiting.value and contact.is_same_domain(person, waiting.value)
    context = {"form": form, "waiting": waiting, "kind": proof_kind, "same_domain": same_domain}
    return render(request, "accounts/recovery_code.html", context)


@signed_in_only
@recently_confirmed
def recovery_removal(request: HttpRequest, kind: str) -> HttpResponse:
    """Say what taking it away means, and do it."""
    person, proof_kind = _asked(request, kind)
    if not getattr(person, kind):
        raise Http404
    refusal = None
    if request.method == "POST":
        try:
            contact.remove_recovery(person, proof_kind)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("Removed. We told your other addresses about it."))
            return redirect("security_info")
    context = {"method": _method(person, proof_kind), "refusal": refusal}
    return render(request, "accounts/recovery_removal.html", context)


def _asked(request: HttpRequest, kind: str) -> tuple[Any, ProofKind]:
    if kind not in RECOVERY:
        raise Http404
    return request.user, ProofKind(kind)


def _method(person: User, kind: ProofKind) -> dict[str, Any]:
    """A row of the list: what it is, enough of its value to know it, since when it is proved."""
    value = getattr(person, kind.value)
    return {
        "kind": kind,
        "label": kind.label,
        "value": contact.masked(value),
        "since": getattr(person, f"{kind.value}_verified_at"),
        "waiting": contact.masked(waiting.value) if (waiting := contact.waiting_proof(person, kind)) else "",
        "same_domain": "@" in value and contact.is_same_domain(person, value),
    }
