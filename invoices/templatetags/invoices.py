"""What hangs on an invoice: its documents, and the mails that carried them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django import template
from django.db.models import Exists, OuterRef, Q
from django.template.context import Context
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Seller, VatCheck
from core.mail import COMPLAINED
from core.models import MessageStatus
from core.money import Money
from core.policy import Action, Role, may
from core.templatetags.ui import day_short, money
from invoices import coming
from invoices.deliveries import LOST, deliveries_of
from invoices.models import Correction, CreditLot, CreditTransaction, Delivery, Invoice, InvoiceLine
from invoices.services.preview import preview_invoices
from invoices.tax import UNION, situation, treatment
from invoices.vat_rates import entered_rates
from profiles.models import BillingProfile
from profiles.recipients import EXTRA

register = template.Library()

TONES = {"ok": "ok", "danger": "bad"}


@register.inclusion_tag("invoices/_checked.html", takes_context=True)
def checked_invoice(context: Context, profile: BillingProfile) -> dict[str, Any]:
    """Says where an invoice should be there and the vendor looks at it first; else nothing. One statement."""
    rows = BillingProfile.objects.filter(pk=profile.pk)
    return {
        "account": context["account"],
        "checked": coming.checked_by_vendor(rows, timezone.localdate()),
    }


@register.simple_tag
def has_credits(profile: BillingProfile) -> bool:
    """Whether the profile ever had a credit: without one its tabs stay away (S2-25). Asked once for a page."""
    if "_has_credits" not in profile.__dict__:
        profile.__dict__["_has_credits"] = CreditTransaction.objects.filter(profile=profile).exists()
    return bool(profile.__dict__["_has_credits"])


@register.simple_tag
def credit_left(profile: BillingProfile) -> Money:
    """What may be used of the credits of the profile, now or later."""
    lots = CreditLot.objects.filter(profile=profile).unexpired(timezone.localdate())
    return Money(lots.left_minor(), profile.currency)


@register.simple_tag(takes_context=True)
def credits_left(context: Context, profiles: Sequence[BillingProfile]) -> dict[int, Money]:
    """What may be used of the credits of each of these profiles, now or later, for those that ever had one and whose
    credits the person may see (§3.8). One statement.
    """
    lots = CreditLot.objects.allowing(context["user"], Action.CREDIT_VIEW).filter(profile__in=profiles)
    currencies = {profile.pk: profile.currency for profile in profiles}
    left = lots.left_of_each(timezone.localdate())
    return {pk: Money(minor, currencies[pk]) for pk, minor in left.items()}


@register.filter
def of_profile(amounts: Mapping[int, Money], profile: BillingProfile) -> Money | None:
    """Its amount, where it has one."""
    return amounts.get(profile.pk)


@register.filter
def balance_after(move: Any) -> Money:
    """What all credits of the profile came to after that move."""
    return Money(int(move.balance_after_minor), move.currency)


@register.inclusion_tag("invoices/_next_invoice.html", takes_context=True)
def next_invoice_box(context: Context, profile: BillingProfile) -> dict[str, Any]:
    """What the invoices that are not made yet come to so far, by the statements that draft them."""
    may_see = may(context["user"], Action.INVOICE_VIEW, profile)
    return {
        "profile": profile,
        "previews": preview_invoices(profile, timezone.localdate()) if may_see else [],
        "may_see": may_see,
    }


@register.inclusion_tag("invoices/_document_panel.html")
def document_panel(invoice: Invoice) -> dict[str, Any]:
    """The files of the invoice, ready or being made; one statement."""
    of_charges = InvoiceLine.objects.filter(invoice=OuterRef("invoice"), unit_price=None)
    documents = list(invoice.documents.annotate(has_usage=Exists(of_charges)).order_by("pk"))
    return {
        "invoice": invoice,
        "documents": documents,
        "has_ubl": any(each.kind == "ubl" for each in documents),
        "has_usage": any(each.has_usage for each in documents),
    }


@register.inclusion_tag("invoices/_correction_panel.html")
def correction_panel(invoice: Invoice) -> dict[str, Any]:
    """The chain that the document stands in, both ways, and what was asked for (L3, P7); two statements, and one more
    where there is a chain."""
    of_this = Q(original=invoice) | Q(credit_note=invoice) | Q(corrected=invoice)
    found = list(Correction.objects.filter(of_this).order_by("pk"))
    chained = {pk for each in found for pk in (each.original_id, each.credit_note_id, each.corrected_id)}
    documents = Invoice.objects.in_bulk(chained - {invoice.pk, None})
    rows: list[tuple[str, Invoice, str]] = []
    for each in found:
        if original := documents.get(each.original_id):
            rows.append((_("Original invoice"), original, original.get_status_display()))
        if note := documents.get(each.credit_note_id):
            rows.append((_("Credit note"), note, money(note.total)))
        if corrected := documents.get(each.corrected_id):
            rows.append((_("Corrected invoice"), corrected, money(corrected.total)))
    return {"rows": rows, "asked": invoice.correction_requests.only("code", "reason", "status").order_by("pk")}


@register.simple_tag
def voided_by(invoice: Invoice) -> Correction | None:
    """What credited the invoice in full, and the invoice that took its place where there is one."""
    made = Correction.objects.filter(original=invoice, is_full=True)
    return made.select_related("credit_note", "corrected").first()


@register.inclusion_tag("invoices/_delivery_panel.html", takes_context=True)
def delivery_panel(context: Context, invoice: Invoice, has_mails: bool) -> dict[str, Any]:
    """To whom the invoice was mailed and what became of each mail, those that need somebody first; without mails, why
    there is none. Two statements, or one."""
    deliveries = deliveries_of(invoice) if has_mails else []
    return {
        "invoice": invoice,
        "deliveries": [_shown(delivery) for delivery in deliveries],
        "may_repair": may(context["user"], Action.PROFILE_EDIT_RECIPIENTS, invoice),
        "dispatch": None if deliveries else getattr(invoice, "dispatch", None),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("invoices/_first_invoices.html", takes_context=True)
def first_invoices(context: Context, of: BillingAccount | BillingProfile, day: date) -> dict[str, Any]:
    """Which coming invoices are the first to carry what changes on that day (S0-8a)."""
    if isinstance(of, BillingProfile):
        return {"rows": [coming.first_invoice(of, day)], "more": 0, "is_one": True}
    rows, more = coming.first_invoices(of, day, user=context["user"])
    return {"rows": rows, "more": more, "is_one": False}


@register.inclusion_tag("invoices/_vat_effect.html")
def vat_effect(account: BillingAccount, check: VatCheck | None = None) -> dict[str, Any]:
    """What VAT the invoices of the account carry as things stand, and what would change that."""
    seller = Seller.objects.first()
    country, home = account.country.code, seller.country.code if seller else ""
    counts = check is not None and check.number == account.vat_id and check.counts(timezone.now())
    decided = None
    if seller and home in UNION:
        vat_id = account.vat_id if counts else ""
        shop = seller.one_stop_shop_from
        where = situation(home, country, vat_id, one_stop_shop_from=shop, entered=entered_rates())
        decided = treatment(where, timezone.localdate())
    return {
        "decided": decided,
        "country": account.country.name,
        "home": seller.country.name if seller else "",
        "is_at_home": country == home,
        "is_in_union": country in UNION,
        "check": check,
    }


def _shown(delivery: Delivery) -> dict[str, Any]:
    message = delivery.message
    events = [_event(delivery, each) for each in delivery.timeline]
    if not events:
        events.append((message.created_at, _("%(day)s, queued") % {"day": day_short(message.created_at)}, ""))
    return {
        "pk": delivery.pk,
        "email": delivery.email,
        "reason": _reason(delivery),
        "is_lost": message.status in LOST and not delivery.is_replaced,  # type: ignore[attr-defined]
        "status": MessageStatus(message.status),
        "events": events,
        "next_try": message.next_attempt_at if message.status == MessageStatus.DEFERRED else None,
        "possibly_twice": message.possibly_twice,
        "has_ended": not message.is_unfinished,
    }


def _reason(delivery: Delivery) -> str:
    if delivery.sent_by is not None:
        return _("Sent by %(name)s") % {"name": delivery.sent_by}
    return _("Extra address") if delivery.reason == EXTRA else str(Role(delivery.reason).label)


def _event(delivery: Delivery, attempt: dict[str, Any]) -> tuple[datetime, str, str]:
    """The moment, the sentence and the tone of one entry of the timeline."""
    at = attempt["at"]
    status = MessageStatus(attempt["outcome"])
    # The server's own words stay as they are; ours are known to the catalogue.
    said = attempt["words"]
    words = _(said) if said else ""
    if attempt["code"]:
        words = f"{words} ({attempt['code']})"
    sentence = _("%(day)s, not sent: %(words)s") if said == COMPLAINED else _sentence(delivery, status)
    sentence = sentence % {"day": day_short(at), "words": words}
    return at, sentence, TONES.get(status.tone, "")


def _sentence(delivery: Delivery, status: str) -> str:
    match status:
        case MessageStatus.ACCEPTED if delivery.message.attachments:
            return _("%(day)s, delivered with the PDF")
        case MessageStatus.ACCEPTED:
            return _("%(day)s, delivered with a link")
        case MessageStatus.DEFERRED:
            return _("%(day)s, put off: %(words)s")
        case MessageStatus.BOUNCED:
            return _("%(day)s, refused: %(words)s")
        case MessageStatus.GIVEN_UP:
            return _("%(day)s, given up: %(words)s")
        case MessageStatus.QUEUED:
            return _("%(day)s, asked for again by %(words)s")
        case MessageStatus.SUPPRESSED:
            return _("%(day)s, not sent: invoices by e-mail are switched off")
    return _("%(day)s, not sent: the person may no longer get this invoice")
