"""How a person is reached: the contact address (three ways lead here, S0-9 to S0-11) and the topics of mail."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from accounts.coming_in import take_link
from accounts.contact_forms import CodeForm, EmailForm, TopicsForm
from accounts.models import LinkKind, ProofKind, User
from accounts.services import contact, limits, links, topics
from accounts.services.offers import digest
from accounts.sign_in import network_of
from core.errors import Refused
from core.forms import posted
from core.policy import signed_in_only

LINK_KEY, TOPICS_KEY, LATER_KEY = "contact_link", "topics_of", "contact_later"
CONTACT = ProofKind.CONTACT_EMAIL


# --- The contact address --------------------------------------------------------------------------


@signed_in_only
def contact_information(request: HttpRequest) -> HttpResponse:
    """Where service and billing mail goes; a new address counts once it is proved (S0-3, S0-10)."""
    person: User = request.user  # type: ignore[assignment]
    form = EmailForm(posted(request), label=_("New contact e-mail"))
    if form.is_valid():
        try:
            proof = contact.ask_for_proof(person, CONTACT, form.value())
        except Refused as refusal:
            form.add_error("email", refusal)
        else:
            if proof is not None:
                return redirect("contact_code")
            messages.success(request, _("Your mail goes to the address you sign in with."))
            return redirect("contact_information")
    context = {"form": form, "waiting": contact.waiting_proof(person, CONTACT)}
    return render(request, "accounts/contact_information.html", context)


@signed_in_only
def contact_code(request: HttpRequest) -> HttpResponse:
    """Type the code that was sent to the new contact address."""
    person: User = request.user  # type: ignore[assignment]
    waiting = contact.waiting_proof(person, CONTACT)
    form = CodeForm(posted(request))
    if form.is_valid():
        try:
            contact.give_code(person, CONTACT, form.cleaned_data["code"])
        except Refused as refusal:
            form.add_error("code", refusal)
        else:
            messages.success(
                request, _("Saved. Mail about your billing goes to %(email)s.") % {"email": person.contact_email}
            )
            return redirect("contact_information")
    if waiting is None and not form.is_bound:
        return redirect("contact_information")
    return render(request, "accounts/contact_code.html", {"form": form, "waiting": waiting})


@signed_in_only
@require_POST
def contact_removal(request: HttpRequest) -> HttpResponse:
    """Let mail go to the sign-in address again."""
    contact.forget_contact_email(request.user)  # type: ignore[arg-type]
    messages.success(request, _("Your mail goes to the address you sign in with."))
    return redirect("contact_information")


@signed_in_only
@require_POST
def contact_confirmation(request: HttpRequest) -> HttpResponse:
    """The contact address is still right: asked every 90 days (S0-11b)."""
    contact.confirm_contact_email(request.user)  # type: ignore[arg-type]
    messages.success(request, _("Thank you. We ask again in 90 days."))
    return _back(request)


@signed_in_only
@require_POST
def contact_later(request: HttpRequest) -> HttpResponse:
    """Not now: asked again after the next sign-in."""
    request.session[LATER_KEY] = True
    return _back(request)


@never_cache
@login_not_required
def contact_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: its token goes from the address into the session, and nothing is used up (T17)."""
    return take_link(request, LINK_KEY, digest(token), "contact_link_answer")


@never_cache
@login_not_required
def contact_link_answer(request: HttpRequest) -> HttpResponse:
    """Prove the contact address by a press of a button, signed in or not."""
    proof = contact.find_proof_by_link(request.session.get(LINK_KEY, ""))
    if proof is not None and request.method == "POST":
        try:
            contact.follow_link(proof)
        except Refused:
            proof = None
        else:
            request.session.pop(LINK_KEY, None)
            return render(request, "accounts/contact_link_done.html", {"email": proof.value})
    status = 200 if proof else 410
    return render(request, "accounts/contact_link_answer.html", {"proof": proof}, status=status)


# --- Topics ---------------------------------------------------------------------------------------


@signed_in_only
def communication_preferences(request: HttpRequest) -> HttpResponse:
    """Which mails the person wants; some cannot be declined, and the page says which (S0-11c)."""
    person: User = request.user  # type: ignore[assignment]
    form = TopicsForm(posted(request), initial=_ticked(person))
    if form.is_valid():
        topics.choose_topics(person, form.wanted())
        topics.want_mail_again(person)
        messages.success(request, _("Your choice is saved. Service notices go on."))
        return redirect("communication_preferences")
    context = {"form": form, "complained": topics.complained(person)}
    return render(request, "accounts/communication_preferences.html", context)


@never_cache
@login_not_required
def topics_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link of a mail: its token goes from the address into the session (T17)."""
    return take_link(request, TOPICS_KEY, token, "topics_by_link")


@never_cache
@login_not_required
def topics_by_link(request: HttpRequest) -> HttpResponse:
    """The same choice for who came by the link of a mail, without a sign-in. It opens nothing else."""
    token = request.session.get(TOPICS_KEY, "")
    person = topics.person_of_link(token)
    if person is None:
        return _old_link(request, token)
    form = TopicsForm(posted(request), initial=_ticked(person))
    if form.is_valid():
        topics.choose_topics(person, form.wanted())
        return render(request, "accounts/topics_saved.html", {"email": contact.masked(person.billing_email)})
    context = {"form": form, "email": contact.masked(person.billing_email)}
    return render(request, "accounts/topics_by_link.html", context)


def _old_link(request: HttpRequest, token: str) -> HttpResponse:
    """A link that has expired sends a new one, to the person it was made for and to nobody else."""
    person = topics.person_of_link(token, is_old_one_fine=True)
    if person is not None and request.method == "POST":
        try:
            _count(request, person.email)
        except Refused as refusal:
            return render(request, "accounts/topics_expired.html", {"refusal": refusal}, status=429)
        links.ask_for_link(LinkKind.TOPICS, person.email)
        return render(request, "accounts/topics_asked.html")
    template = "accounts/topics_expired.html" if person else "accounts/topics_unusable.html"
    return render(request, template, status=410)


@login_not_required
def topics_ask(request: HttpRequest) -> HttpResponse:
    """Ask for the link by mail. What is said does not tell whether somebody has that address (T14)."""
    form = EmailForm(posted(request), label=_("Your e-mail address"))
    if form.is_valid():
        try:
            _count(request, form.value())
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            links.ask_for_link(LinkKind.TOPICS, form.value())
            return render(request, "accounts/topics_asked.html")
    return render(request, "accounts/topics_ask.html", {"form": form})


@csrf_exempt
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """The button of a mail program (RFC 8058): it sends a POST without cookies and follows no redirect. Who opens the
    address sees what it is about, and a button; opening it changes nothing. The token is the proof."""
    said = topics.read_unsubscribe(token)
    if said is None:
        return render(request, "accounts/topics_unusable.html", status=410)
    address, topic = said
    context = {"email": contact.masked(address), "topic": topic, "token": token, "is_done": request.method == "POST"}
    if request.method == "POST":
        try:
            limits.count_all(
                [
                    (limits.UNSUBSCRIBES_PER_MAILBOX, address.lower()),
                    (limits.UNSUBSCRIBES_PER_ADDRESS, network_of(request)),
                ]
            )
        except Refused as refusal:
            return render(request, "accounts/topics_expired.html", {"refusal": refusal}, status=429)
        topics.unsubscribe(address, topic)
    response = render(request, "accounts/unsubscribe.html", context)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _count(request: HttpRequest, email: str) -> None:
    limits.count_all(
        [(limits.TOPICS_PER_PERSON, email.strip().lower()), (limits.TOPICS_PER_ADDRESS, network_of(request))]
    )


def _ticked(person: User) -> dict[str, bool]:
    return {topic.value: True for topic in topics.wanted_topics(person)}


def _back(request: HttpRequest) -> HttpResponse:
    """To where the banner was pressed."""
    target = request.POST.get("next", "")
    is_ours = target.startswith("/") and url_has_allowed_host_and_scheme(target, {request.get_host()})
    return HttpResponseRedirect(target) if is_ours else redirect("home")
