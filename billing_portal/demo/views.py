"""The two pages of a demo: sign in as somebody, and read every mail. Not in the URLconf of anything else."""

from allauth.account.auth_backends import AuthenticationBackend
from csp.decorators import csp_replace
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.services.sessions import remember_browser
from billing_portal.demo.models import DemoMail
from billing_portal.demo.people import PEOPLE
from core.lists import read_page
from core.policy import signed_in_only
from core.step_up import BY_CARD, confirm

BACKEND = f"{AuthenticationBackend.__module__}.{AuthenticationBackend.__qualname__}"


@login_not_required
@require_POST
def demo_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the cast, without a password."""
    email = request.POST.get("email", "")
    if email not in {person.email for person in PEOPLE}:
        raise Http404
    user = get_object_or_404(User, email=email, is_active=True)
    login(request, user, backend=BACKEND)
    request.session[BY_CARD] = True
    remember_browser(request)
    return redirect("admin:index" if user.is_staff else "home")


@signed_in_only
@require_POST
def demo_confirmation(request: HttpRequest) -> HttpResponse:
    """Confirm who one is by a click, for somebody who came in by a card. A real portal asks for a proof."""
    if not request.session.get(BY_CARD):
        raise Http404
    confirm(request, request.user, "password")
    target = request.POST.get("next", "")
    is_ours = target.startswith("/") and url_has_allowed_host_and_scheme(target, {request.get_host()})
    return HttpResponseRedirect(target) if is_ours else redirect("home")


@login_not_required
def demo_mails(request: HttpRequest) -> HttpResponse:
    """Every mail the portal sent, newest first."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    mails = DemoMail.objects.filter(Q(recipient__icontains=words) | Q(subject__icontains=words))
    return render(request, "demo/mails.html", {"page": read_page(request, mails, ["-sent_at", "-id"]), "words": words})


@login_not_required
def demo_mail(request: HttpRequest, mail: int) -> HttpResponse:
    return render(request, "demo/mail.html", {"mail": get_object_or_404(DemoMail, pk=mail)})


@login_not_required
@csp_replace({"style-src": ["'unsafe-inline'"], "img-src": ["'self'", "data:"], "default-src": ["'none'"]})
def demo_mail_html(request: HttpRequest, mail: int) -> HttpResponse:
    """The mail as a mail program draws it: styles in the text, no scripts, nothing from outside."""
    return HttpResponse(get_object_or_404(DemoMail, pk=mail).html)
