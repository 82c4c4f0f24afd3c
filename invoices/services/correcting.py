"""Credit notes that refer to their invoice, corrected invoices, and voiding (L3, P7).

Everything happens in one transaction: the credit note and, where something was wrong, the invoice that takes the
place of the original are written as drafts, issued like those of the billing run, and the amounts meet. A credit note
first settles what is still owed on its invoice, then the corrected one; what is left of it is the customer's, for
staff to pay back (`Invoice.objects.with_balance_left`).

Promotional credit and money paid in advance that the invoice used go back to their lots, unless a corrected invoice
uses the same again. Locks: invoice, lots, number series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Seller, User, VatCheck
from core.errors import Refused
from core.money import Money, exponent, round_half_up
from core.states import move
from invoices.models import (
    Correction,
    CorrectionRequest,
    CreditedLine,
    CreditLot,
    CreditMove,
    CreditTransaction,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    VatGroup,
)
from invoices.services.credits import record
from invoices.services.issuing import ensure_series, issue_drafts
from invoices.services.settling import offset
from invoices.states import InvoiceStatus
from invoices.tax import UnknownRate, situation, tax_point, treatment
from invoices.vat_rates import entered_rates
from subscriptions.supplies import Supply

CREDITABLE = (InvoiceStatus.DUE, InvoiceStatus.LOCKED, InvoiceStatus.PAID)
# What a correction may change in the copies of an invoice.
ADDRESS_FIELDS = ("company_name", "line1", "line2", "postal_code", "city")


class Rate(NamedTuple):
    category: str
    rate: Decimal
    wording: str = ""


@dataclass(frozen=True)
class _Part:
    """A part of a line, in the direction of the line."""

    line: InvoiceLine
    net: int
    rate: Rate

    @property
    def is_whole(self) -> bool:
        return self.net == self.line.net_minor


@dataclass(frozen=True)
class _Group:
    """VAT of one rate: what is taxed, the credit before it, and the VAT, in minor units."""

    base: int
    credit: int
    vat: int


Groups = dict[Rate, _Group]


@transaction.atomic
def credit_lines(
    invoice: Invoice,
    amounts: Mapping[int, Money],
    *,
    reason: str,
    by: User | None,
    on: date,
    request: CorrectionRequest | None = None,
) -> Correction:
    """Credit a part of single lines: `amounts` maps the id of a line to what is given back of it, without VAT.

    Refuses `not_creditable`, `not_of_invoice` and `more_than_line`, and `date_runs_backwards`.
    """
    original = _locked(invoice)
    left = {part.line.pk: part for part in _what_is_left(original)}
    room = _left_of_rates(original)
    parts = []
    for pk, amount in sorted(amounts.items()):
        if pk not in left or amount.currency != original.currency:
            raise Refused(_("That line is not on this invoice, or was credited before."), "not_of_invoice")
        rate, most = left[pk].rate, min(left[pk].net, room[left[pk].rate])
        if not 0 < amount.minor <= most:
            raise Refused(
                _("At most %(left)s of “%(line)s” can be credited.")
                % {"left": Money(max(most, 0), original.currency), "line": left[pk].line.description},
                "more_than_line",
            )
        room[rate] -= amount.minor
        parts.append(replace(left[pk], net=amount.minor))
    if not parts:
        raise Refused(_("Choose a line and an amount."), "not_of_invoice")
    is_full = {(part.line.pk, part.net) for part in parts} == {(part.line.pk, part.net) for part in left.values()}
    groups = _groups_left(original) if is_full else _groups_of(original, parts)
    return _correct(original, parts, groups, is_full=is_full, reason=reason, by=by, on=on, request=request)


@transaction.atomic
def void_invoice(invoice: Invoice, *, reason: str, by: User | None, on: date) -> Correction:
    """Credit all that is left of an invoice, which is void from then on. Refuses `not_creditable`."""
    original = _locked(invoice)
    parts = _what_is_left(original)
    return _correct(original, parts, _groups_left(original), is_full=True, reason=reason, by=by, on=on)


@transaction.atomic
def correct_invoice(
    invoice: Invoice,
    changes: Mapping[str, str],
    *,
    reason: str,
    by: User | None,
    on: date,
    request: CorrectionRequest | None = None,
) -> Correction:
    """Credit all that is left of an invoice, and issue the same anew with these changes to what it prints.

    `changes` has `po_number`, `vat_id`, or fields of the addresses as `bill_to.line1` and `sold_to.city`. Another VAT
    ID decides the VAT anew: it takes it away only where its register has said yes. Refuses `not_creditable`,
    `nothing_changes`, and `rate_unknown`.
    """
    original = _locked(invoice)
    copies = _changed_copies(original, changes)
    if not copies:
        raise Refused(_("The invoice says that already: nothing would change."), "nothing_changes")
    parts, groups = _what_is_left(original), _groups_left(original)
    # What is left of a rate may be a cent off after credit notes before; a new invoice has the VAT of its own net.
    taxed = {rate: _taxed(group.base, group.credit, rate, original.currency) for rate, group in groups.items()}
    anew: tuple[Sequence[_Part], Groups] = (parts, taxed)
    if "customer_vat_id" in copies:
        anew = _taxed_anew(original, parts, groups, copies["customer_vat_id"], on)
    return _correct(
        original, parts, groups, is_full=True, reason=reason, by=by, on=on, request=request, copies=copies, anew=anew
    )


def left_to_credit(invoice: Invoice) -> list[tuple[InvoiceLine, Money]]:
    """The lines of which something above zero can be credited still, each with how much without VAT: no more than is
    left of its rate, where other lines give back."""
    room = _left_of_rates(invoice)
    most = [(part.line, min(part.net, room[part.rate])) for part in _what_is_left(invoice)]
    return [(line, Money(net, invoice.currency)) for line, net in most if net > 0]


def demand_staff(by: Any) -> None:
    """Only the vendor's staff corrects and decides."""
    if not (by.is_staff and by.is_active):
        raise PermissionDenied("only the vendor's staff decides")


def _correct(
    original: Invoice,
    parts: Sequence[_Part],
    groups: Groups,
    *,
    is_full: bool,
    reason: str,
    by: User | None,
    on: date,
    request: CorrectionRequest | None = None,
    copies: Mapping[str, Any] | None = None,
    anew: tuple[Sequence[_Part], Groups] | None = None,
) -> Correction:
    prepaid = _prepaid_of(original, groups, is_full)
    note = _draft(original, InvoiceKind.CREDIT_NOTE, parts, groups, prepaid, {})
    corrected = None
    if anew is not None:
        due = sum(_total(group) for group in anew[1].values())
        corrected = _draft(original, InvoiceKind.INVOICE, *anew, min(prepaid, due), copies or {})
    correction = Correction.objects.create(
        original=original,
        credit_note=note,
        corrected=corrected,
        is_full=is_full,
        request=request,
        reason=reason,
        made_by=by,
    )
    CreditedLine.objects.bulk_create(
        CreditedLine(correction=correction, line=part.line, net_minor=part.net) for part in parts
    )
    _give_back_credits(original, note, corrected, on)
    ensure_series(Seller.objects.get())
    issue_drafts([each.pk for each in (note, corrected) if each], on=on)
    for each in (note, corrected):
        if each:
            each.refresh_from_db()
    offset(note, original, on=on, by=by)
    if is_full:
        original.refresh_from_db()
        move(original, InvoiceStatus.VOID)
    if corrected:
        note.refresh_from_db()
        offset(note, corrected, on=on, by=by)
    invoice_rows = {row.pk: row for row in Invoice.objects.filter(pk__in=[note.pk, original.pk])}
    correction.credit_note, correction.original = invoice_rows[note.pk], invoice_rows[original.pk]
    return correction


def _locked(invoice: Invoice) -> Invoice:
    stored = Invoice.objects.select_for_update(of=("self",)).select_related("account", "profile").get(pk=invoice.pk)
    if stored.kind != InvoiceKind.INVOICE or stored.status not in CREDITABLE:
        raise Refused(
            _("%(number)s cannot be credited: it is no issued invoice, or is void already.") % {"number": stored},
            "not_creditable",
        )
    return stored


def _what_is_left(invoice: Invoice) -> list[_Part]:
    """Every line with what was not credited before."""
    words = {(group.category, group.rate): group.wording for group in invoice.vat_groups.all()}
    rows = invoice.lines.order_by("position").annotate(gone=Sum("credited__net_minor", default=0))
    parts = [
        _Part(
            line,
            line.net_minor - line.gone,
            Rate(line.vat_category, line.vat_rate, words.get((line.vat_category, line.vat_rate), "")),
        )
        for line in rows
    ]
    return [part for part in parts if part.net or not part.line.net_minor]


def _groups_left(invoice: Invoice) -> Groups:
    """The VAT of the invoice less that of the credit notes before."""
    found: Groups = {}
    before = VatGroup.objects.filter(invoice__correction__original=invoice)
    gone = {
        (category, rate): sums
        for category, rate, *sums in before.values_list("category", "rate").annotate(
            Sum("base_minor"), Sum("credit_minor"), Sum("vat_minor")
        )
    }
    for group in invoice.vat_groups.order_by("category", "rate"):
        base, credit, vat = gone.get((group.category, group.rate), (0, 0, 0))
        rest = _Group(group.base_minor - base, group.credit_minor - credit, group.vat_minor - vat)
        found[Rate(group.category, group.rate, group.wording)] = rest
    return found


def _left_of_rates(invoice: Invoice) -> dict[Rate, int]:
    """What the lines of each rate come to together, less what was credited before."""
    return {rate: group.base + group.credit for rate, group in _groups_left(invoice).items()}


def _groups_of(invoice: Invoice, parts: Sequence[_Part]) -> Groups:
    """The VAT of a part of the lines: its share of the credit, and of the VAT at most what is left of the rate."""
    found: Groups = {}
    for rate, left in _groups_left(invoice).items():
        net = sum(part.net for part in parts if part.rate == rate)
        if not net:
            continue
        whole = left.base + left.credit
        if net >= whole:
            found[rate] = left
            continue
        credit = Money(left.credit, invoice.currency).share(Decimal(net) / Decimal(whole)).minor
        credit = max(min(credit, left.credit, net), net - left.base, 0)
        vat = Money(net - credit, invoice.currency).share(rate.rate / 100).minor
        found[rate] = _Group(net - credit, credit, min(vat, left.vat))
    return found


def _taxed_anew(
    original: Invoice, parts: Sequence[_Part], groups: Groups, vat_id: str, on: date
) -> tuple[Sequence[_Part], Groups]:
    """The same lines with the VAT that another VAT ID brings, by the tax point that they had."""
    check = VatCheck.objects.filter(account=original.account_id, number=vat_id).first()
    counts = check is not None and check.counts(timezone.now())
    country = (original.ship_to or original.sold_to)["country"]
    seller = Seller.objects.get()
    where = situation(
        original.seller["country"],
        country,
        vat_id if counts else "",
        one_stop_shop_from=seller.one_stop_shop_from,
        entered=entered_rates(),
    )
    issued = original.issue_date or on
    taxed = []
    for part in parts:
        bought = part.line.subscription or part.line.purchase
        product = bought.product if bought else None
        try:
            decided = treatment(
                where, tax_point(part.line.service_end, issued), product.supply if product else Supply.ELECTRONIC
            )
        except UnknownRate as unknown:
            raise Refused(_("The VAT rate of that day is not known here."), "rate_unknown") from unknown
        taxed.append(replace(part, rate=Rate(decided.category, decided.rate, decided.wording(original.language))))
    nets: dict[Rate, int] = {}
    for part in taxed:
        nets[part.rate] = nets.get(part.rate, 0) + part.net
    given = Money(sum(group.credit for group in groups.values()), original.currency)
    rates = sorted(nets)
    shares = given.allocate([nets[rate] for rate in rates]) if given else [Money.zero(original.currency)] * len(rates)
    return taxed, {
        rate: _taxed(nets[rate] - share.minor, share.minor, rate, original.currency)
        for rate, share in zip(rates, shares, strict=True)
    }


def _taxed(base: int, credit: int, rate: Rate, currency: str) -> _Group:
    """With the VAT of that rate, rounded once."""
    return _Group(base, credit, Money(base, currency).share(rate.rate / 100).minor)


def _prepaid_of(original: Invoice, groups: Groups, is_full: bool) -> int:
    """Which part of a credit note gives back what was paid in advance: all where it is the last one, and otherwise
    only what the money that the invoice asked for does not cover."""
    before = Invoice.objects.filter(correction__original=original).aggregate(
        prepaid=Sum("prepaid_minor", default=0), total=Sum("total_minor", default=0)
    )
    if is_full:
        return int(original.prepaid_minor - before["prepaid"])
    asked = original.total_minor - original.prepaid_minor - (before["total"] - before["prepaid"])
    return max(sum(_total(group) for group in groups.values()) - int(asked), 0)


def _total(group: _Group) -> int:
    return group.base + group.vat


def _draft(
    original: Invoice,
    kind: InvoiceKind,
    parts: Sequence[_Part],
    groups: Groups,
    prepaid: int,
    copies: Mapping[str, Any],
) -> Invoice:
    """A draft with the copies of the original, these parts of its lines, and that VAT."""
    base, credit, vat = (sum(getattr(group, name) for group in groups.values()) for name in ("base", "credit", "vat"))
    kept = (
        "account", "profile", "period_start", "period_end", "currency", "seller", "sold_to", "bill_to", "ship_to",
        "account_name", "profile_name", "customer_vat_id", "po_number", "payment_term_days", "language",
    )  # fmt: skip
    values = {name: getattr(original, name) for name in kept} | dict(copies)
    draft = Invoice.objects.create(
        kind=kind,
        net_minor=base + credit,
        credit_minor=credit,
        vat_minor=vat,
        total_minor=base + vat,
        prepaid_minor=prepaid,
        **_exchanged(original, vat),
        **values,
    )
    InvoiceLine.objects.bulk_create(_line_of(draft, part, position) for position, part in enumerate(parts, start=1))
    VatGroup.objects.bulk_create(
        VatGroup(
            invoice=draft,
            category=rate.category,
            rate=rate.rate,
            wording=rate.wording,
            base_minor=group.base,
            credit_minor=group.credit,
            vat_minor=group.vat,
        )
        for rate, group in groups.items()
    )
    return draft


def _line_of(draft: Invoice, part: _Part, position: int) -> InvoiceLine:
    """The line once more, or a part of it as one of that price. It bills no term, change or one-off again."""
    line = part.line
    quantity, price = line.quantity, line.unit_price
    if not part.is_whole:
        quantity, price = Decimal(1 if part.net >= 0 else -1), Money(abs(part.net), draft.currency).amount
    return InvoiceLine(
        invoice=draft,
        position=position,
        subscription_id=line.subscription_id,
        purchase_order_id=line.purchase_order_id,
        invoice_section=line.invoice_section,
        section=line.section,
        description=line.description,
        service_name=line.service_name,
        quantity=quantity,
        unit=line.unit if part.is_whole else "",
        unit_price=price,
        service_start=line.service_start,
        service_end=line.service_end,
        net_minor=part.net,
        vat_category=part.rate.category,
        vat_rate=part.rate.rate,
    )


def _exchanged(original: Invoice, vat: int) -> dict[str, Any]:
    """The VAT in the seller's currency by the rate of the original, where it has one."""
    if not original.vat_currency or not original.exchange_rate or not vat:
        return {}
    amount = Money(vat, original.currency).amount / original.exchange_rate
    return {
        "vat_currency": original.vat_currency,
        "vat_exchanged_minor": round_half_up(amount.scaleb(exponent(original.vat_currency))),
        "exchange_rate": original.exchange_rate,
        "exchange_day": original.exchange_day,
    }


def _give_back_credits(original: Invoice, note: Invoice, corrected: Invoice | None, on: date) -> None:
    """What the credit note gives back of credits and the corrected invoice does not use again returns to the lots,
    to the last to expire first."""
    again = (corrected.credit_minor, corrected.prepaid_minor) if corrected else (0, 0)
    wanted = {False: note.credit_minor - again[0], True: note.prepaid_minor - again[1]}
    if not any(wanted.values()):
        return
    chain = _documents_of_chain(original)
    moved = (
        CreditTransaction.objects.filter(invoice__in=chain)
        .exclude(kind=CreditMove.PAID)
        .values("lot")
        .annotate(used=Sum("amount_minor"))
    )
    used = {row["lot"]: -row["used"] for row in moved}
    lots = CreditLot.objects.select_for_update().filter(pk__in=used).in_order_of_use()
    for lot in reversed(list(lots)):
        part = min(wanted[lot.is_paid], used[lot.pk])
        if part:
            record(lot, CreditMove.RETURNED, part, on=on, invoice=note)
            wanted[lot.is_paid] -= part
    if any(wanted.values()):
        raise Refused(_("The credits of this invoice cannot be given back. Ask for help."), "credits_differ")


def _documents_of_chain(invoice: Invoice) -> list[int]:
    """The invoice, those that it took the place of, and all their credit notes."""
    found, current = [], invoice
    while True:
        found.append(current.pk)
        found += Correction.objects.filter(original=current).values_list("credit_note", flat=True)
        before = Correction.objects.filter(corrected=current).select_related("original").first()
        if before is None:
            return found
        current = before.original


def _changed_copies(original: Invoice, changes: Mapping[str, str]) -> dict[str, Any]:
    """The copies that differ once these changes are made; empty where none does."""
    copies: dict[str, Any] = {}
    for name in ("sold_to", "bill_to"):
        wanted = {field: changes[f"{name}.{field}"].strip() for field in ADDRESS_FIELDS if f"{name}.{field}" in changes}
        stored = getattr(original, name)
        if any(stored.get(field, "") != value for field, value in wanted.items()):
            copies[name] = {**stored, **wanted}
    if changes.get("po_number", original.po_number) != original.po_number:
        copies["po_number"] = changes["po_number"]
    if changes.get("vat_id", original.customer_vat_id) != original.customer_vat_id:
        copies["customer_vat_id"] = changes["vat_id"]
    return copies
