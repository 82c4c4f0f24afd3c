"""The staff's search: customers, people, profiles, invoices and payments, by their names and numbers."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from billing_portal.search import Group, Hit
from core.templatetags.ui import money
from invoices.models import Invoice
from payments.models import Payment
from profiles.models import BillingProfile

SHOWN = 10


def search_as_staff(user: Any, words: str) -> list[Group]:
    """What fits the words, of the kinds that the person may look at: nothing for nothing. One statement per kind."""
    if not words:
        return []
    named = Q(name__istartswith=words) | Q(name__icontains=f" {words}") | Q(code=words)
    number = words.upper()
    kinds: list[tuple[str, str, QuerySet[Any], Callable[[Any], Hit]]] = [
        (
            "accounts.view_billingaccount",
            _("Billing accounts"),
            BillingAccount.objects.filter(named | Q(external_id=words) | Q(vat_id=number)),
            lambda row: Hit(row.name, f"{row.get_agreement_display()} · {row.vat_id or row.code}", _page(row), ""),
        ),
        (
            "accounts.view_user",
            _("People"),
            User.objects.filter(named_person(words)),
            lambda row: Hit(str(row), row.email, _page(row), ""),
        ),
        (
            "profiles.view_billingprofile",
            _("Billing profiles"),
            BillingProfile.objects.filter(named).select_related("account"),
            lambda row: Hit(row.name, row.account.name, _page(row), ""),
        ),
        (
            "invoices.view_invoice",
            _("Invoices"),
            Invoice.objects.issued().filter(Q(number__startswith=number) | Q(code=words)),
            lambda row: Hit(
                row.number, f"{row.account_name} · {row.get_status_display()} · {money(row.total)}", _page(row), ""
            ),
        ),
        (
            "payments.view_payment",
            _("Payments"),
            Payment.objects.filter(
                Q(receipt_number__startswith=number)
                | Q(code=words)
                | Q(gateway_reference=words)
                | Q(idempotency_key=words)
                | Q(allocations__invoice__number=number)
            )
            .distinct()
            .select_related("account"),
            lambda row: Hit(
                row.receipt_number or row.code,
                f"{row.account.name} · {row.get_status_display()} · {money(row.amount)}",
                _page(row),
                "",
            ),
        ),
    ]
    found: Iterable[Group] = (
        Group(label, [hit(row) for row in rows.order_by("-pk")[:SHOWN]])
        for permission, label, rows, hit in kinds
        if user.has_perm(permission)
    )
    return [group for group in found if group.hits]


def named_person(words: str) -> Q:
    return Q(name__istartswith=words) | Q(name__icontains=f" {words}") | Q(email__istartswith=words)


def _page(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
