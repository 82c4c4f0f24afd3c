"""The sandbox's own pages: where a card is entered or a mandate signed, and where a bank asks its question.

They ask for no sign-in, as a gateway's pages know nothing of the portal's people; their addresses are
long and random, serve one visit, and end with it.
"""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from core.forms import posted
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import ACCOUNT_GROUPS, GROUPS, SPECIMENS
from payments.gateways.sandbox.forms import AccountForm, CardForm, ChangeForm
from payments.gateways.sandbox.models import Charge, Session


@sensitive_variables("form")
@sensitive_post_parameters("number", "code")
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sandbox_card(request: HttpRequest, reference: str) -> HttpResponse:
    """Enter a card, sign a mandate, or bring a card up to date: what the session waits for. Only the listed
    test numbers are taken; nothing of any other is kept or logged."""
    session = get_object_or_404(Session.objects.select_related("card"), reference=reference)
    if session.status == "checking":
        return redirect("sandbox_card_check", reference)
    if not session.is_waiting(timezone.now()):
        return _back(session)
    return {"card": _enter_card, "direct_debit": _sign_mandate, "change": _change_card}[session.kind](request, session)


def _enter_card(request: HttpRequest, session: Session) -> HttpResponse:
    today = timezone.localdate()
    form = CardForm(posted(request), on=today, initial=_filled_in(request.GET.get("card", ""), today.year))
    if form.is_valid():
        year, month = form.cleaned_data["expiry"]
        status = api.enter_card(
            session.reference,
            number=form.cleaned_data["number"],
            expiry_year=year,
            expiry_month=month,
            holder=form.cleaned_data["holder"],
        )
        return redirect("sandbox_card_check", session.reference) if status == "checking" else _back(session)
    return _page(request, "sandbox/card.html", {"session": session, "form": form, "groups": GROUPS})


def _sign_mandate(request: HttpRequest, session: Session) -> HttpResponse:
    picked = SPECIMENS.get(request.GET.get("card", ""))
    form = AccountForm(posted(request), initial={"number": picked.shown, "holder": "T. Test"} if picked else {})
    if form.is_valid():
        api.enter_account(session.reference, number=form.cleaned_data["number"], holder=form.cleaned_data["holder"])
        return _back(session)
    return _page(request, "sandbox/account.html", {"session": session, "form": form, "groups": ACCOUNT_GROUPS})


def _change_card(request: HttpRequest, session: Session) -> HttpResponse:
    card = session.card
    if card is None:
        raise Http404
    stored = {
        "expiry": f"{card.expiry_month:02}/{card.expiry_year % 100:02}",
        "holder": card.holder,
        "address": card.address,
    }
    form = ChangeForm(posted(request), on=timezone.localdate(), initial=stored)
    if form.is_valid():
        year, month = form.cleaned_data["expiry"]
        api.change_card(
            session.reference,
            expiry_year=year,
            expiry_month=month,
            holder=form.cleaned_data["holder"],
            address=form.cleaned_data["address"],
        )
        return _back(session)
    return _page(request, "sandbox/change.html", {"session": session, "form": form, "card": card})


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sandbox_card_check(request: HttpRequest, reference: str) -> HttpResponse:
    """The bank's question about a new card."""
    session = get_object_or_404(Session.objects.select_related("card"), reference=reference)
    if session.status != "checking" or not session.is_waiting(timezone.now()):
        return _back(session)
    if request.method == "POST":
        api.answer_session_check(reference, confirmed=request.POST.get("answer") == "yes")
        return _back(session)
    return _page(request, "sandbox/check.html", {"card": session.card})


@login_not_required
@require_POST
def sandbox_card_leave(request: HttpRequest, reference: str) -> HttpResponse:
    """Go back without a card."""
    session = get_object_or_404(Session, reference=reference)
    if session.is_waiting(timezone.now()):
        api.leave_session(reference)
    return _back(session)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sandbox_check(request: HttpRequest, reference: str) -> HttpResponse:
    """The bank's question about a payment."""
    charge = api.waiting_charge(reference)
    if charge is None:
        return _back(get_object_or_404(Charge, reference=reference))
    if request.method == "POST":
        api.answer_charge_check(reference, confirmed=request.POST.get("answer") == "yes")
        return _back(charge)
    return _page(request, "sandbox/check.html", {"card": charge.card, "charge": charge})


def _page(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    response = render(request, template, context)
    add_never_cache_headers(response)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _back(row: Session | Charge) -> HttpResponse:
    """To where the portal wants the person back. The sandbox lives on the portal's own host, so the
    path is enough, and holds under whatever name the browser reached it."""
    path = row.return_url.removeprefix(settings.BASE_URL)
    if not path.startswith("/") or path.startswith("//"):
        raise Http404
    return HttpResponseRedirect(path)


def _filled_in(name: str, year: int) -> dict[str, str]:
    """A test card filled in for a person who picked it from the list."""
    if name not in SPECIMENS:
        return {}
    return {"number": SPECIMENS[name].shown, "expiry": f"12/{year % 100 + 3:02}", "code": "123", "holder": "T. Test"}
