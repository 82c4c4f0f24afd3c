"""Paying several invoices by one bank transfer: the list of remittances, making one, and its files (P24)."""

from base64 import b64encode
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_safe

from accounts.models import BillingAccount
from core.codes import code_asked_for
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.policy import Action, may, requires
from invoices.models import Invoice
from payments.models import Family, ProfileMethods, Remittance, RemittancePart
from payments.papers import transfer_of, transfer_picture
from payments.remittance_forms import PaymentFileForm, RemittanceForm
from payments.services.remittances import MOST_INVOICES, make_remittance, payment_file, received_of
from payments.spreading import owed
from payments.views.papers import paper_file
from profiles.models import BillingProfile

SORTS = {"made": ["made_at", "pk"], "amount": ["amount_minor", "pk"]}
MOST_CHOICES = 200


@requires(Action.INVOICE_VIEW, BillingAccount, anywhere=True)
@require_safe
def remittances(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Every remittance that the person may see in the account, the newest first; found by its reference."""
    rows = Remittance.objects.allowing(request.user, Action.INVOICE_VIEW).filter(account=account)
    asked = "".join(request.GET.get("reference", "").replace("\x00", "").split()).upper()[:25]
    if asked:
        rows = rows.filter(reference__startswith=asked)
    context = {
        "account": account,
        "asked": asked,
        "page": read_page(request, rows.select_related("profile", "made_by"), sorting(request, SORTS, "-made")),
    }
    return render(request, "payments/remittances.html", context)


@requires(Action.INVOICE_PAY, BillingAccount, anywhere=True)
def remittance_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Tick the invoices that one transfer is to pay. Who may pay on some profiles alone takes one of them."""
    profiles = _profiles(request, account)
    is_whole = may(request.user, Action.INVOICE_PAY, account)
    wanted = code_asked_for(request, "profile")
    profile = next((each for each in profiles if each.code == wanted), None)
    if profile is None and not is_whole:
        profile = next(iter(profiles), None)
    found = Invoice.objects.open().filter(account=account)
    if profile or not is_whole:
        found = found.filter(profile=profile)
    invoices = list(found.select_related("profile").order_by("due_date", "number", "pk")[: MOST_INVOICES + 1])
    more, invoices = len(invoices) > MOST_INVOICES, invoices[:MOST_INVOICES]
    announced = _announced(invoices)
    form = RemittanceForm(
        _sent(request),
        invoices=invoices,
        currency=account.currency,
        ticked=[invoice.code for invoice in invoices if invoice.pk not in announced],
    )
    if form.is_bound and form.is_valid() and request.method == "POST":
        try:
            return redirect(make_remittance(account, form.chosen(), by=request.user))  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error("invoice", refusal)
    context = {
        "account": account,
        "form": form,
        "invoices": invoices,
        "announced": announced,
        "more": more,
        "most": MOST_INVOICES,
        "profile": profile,
        "profile_choices": _choices(profiles, is_whole=is_whole),
        "charged": _charged(invoices),
        "today": timezone.localdate(),
    }
    return render(request, "payments/remittance_new.html", context)


@requires(Action.INVOICE_VIEW, Remittance)
def remittance(request: HttpRequest, remittance: Remittance) -> HttpResponse:
    """One remittance: what to transfer where, the code to scan, its files, and what has come of it."""
    return _shown(request, remittance, _file_form(remittance, None))


@requires(Action.INVOICE_PAY, Remittance)
@sensitive_post_parameters("iban", "name")
@sensitive_variables("form")
def remittance_payment_file(request: HttpRequest, remittance: Remittance) -> HttpResponse:
    """The payment file for the customer's bank (pain.001.001.09). The IBAN of the form is not kept."""
    form = _file_form(remittance, posted(request))
    if not form.is_valid():
        return _shown(request, remittance, form)
    content = payment_file(remittance, **form.cleaned_data, by=request.user)  # type: ignore[arg-type]
    name = f"pain.001-{remittance.reference}.xml"
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name),
        "Cache-Control": "no-store",
    }
    return HttpResponse(content, content_type="application/xml", headers=headers)


@requires(Action.INVOICE_DOWNLOAD, Remittance)
@require_safe
def remittance_pdf(request: HttpRequest, remittance: Remittance) -> HttpResponse:
    """The advice as PDF, exactly as it was made, its digest checked (F39)."""
    paper = getattr(remittance, "paper", None)
    if paper is None:
        raise Http404
    return paper_file(request, paper, remittance)


def _shown(request: HttpRequest, remittance: Remittance, form: PaymentFileForm) -> HttpResponse:
    picture = transfer_picture(remittance)
    bookings = remittance.bookings.select_related("payment", "entry").order_by("pk")
    received = received_of(remittance)
    parts = list(remittance.parts.select_related("invoice__profile").order_by("invoice__due_date", "invoice__number"))
    context: dict[str, Any] = {
        "account": remittance.account,
        "remittance": remittance,
        "parts": parts,
        "transfer": transfer_of(remittance),
        "qr": f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}" if picture else "",
        "bookings": bookings,
        "received": received,
        "changed": [part for part in parts if part.invoice.amount_asked != part.amount] if not received else [],
        "still": owed([part.invoice for part in parts if part.invoice.status == "due"], remittance.currency),
        "form": form,
    }
    return render(request, "payments/remittance.html", context)


def _sent(request: HttpRequest) -> Any:
    """What was posted, or looked at by ticking."""
    return posted(request) if request.method == "POST" else request.GET if "look" in request.GET else None


def _file_form(remittance: Remittance, data: Any) -> PaymentFileForm:
    address = reverse("remittance_payment_file", args=[remittance.code])
    return PaymentFileForm(data, address=address, name=remittance.account.name, on=timezone.localdate())


def _announced(invoices: list[Invoice]) -> set[int]:
    """Which of these an earlier remittance pays of which nothing has come."""
    parts = RemittancePart.objects.filter(invoice__in=invoices, remittance__bookings=None)
    return set(parts.values_list("invoice_id", flat=True))


def _charged(invoices: list[Invoice]) -> bool:
    """Whether some of them are charged by us on their due date, so that a transfer would pay them twice."""
    methods = ProfileMethods.objects.filter(profile__in={invoice.profile_id for invoice in invoices})
    return (
        methods.filter(charges_automatically=True)
        .exclude(default=None)
        .exclude(default__family=Family.TRANSFER)
        .exists()
    )


def _choices(profiles: list[BillingProfile], *, is_whole: bool) -> list[tuple[str, str]]:
    whole = [("", "")] if is_whole else []
    return [*whole, *((each.code, each.name) for each in profiles)]


def _profiles(request: HttpRequest, account: BillingAccount) -> list[BillingProfile]:
    mine = BillingProfile.objects.allowing(request.user, Action.INVOICE_PAY).filter(account=account).shown()
    return list(mine.order_by("name", "pk")[:MOST_CHOICES])
