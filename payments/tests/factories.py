"""Rows for tests of this app and of those above it: cards that the sandbox knows, and attempts to pay."""

import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import factory
from django.db import transaction
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.models import User
from accounts.tests.factories import UserFactory
from core.policy import Role
from invoices.models import Invoice
from invoices.services.settling import settle_invoice
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox.cards import SPECIMENS
from payments.gateways.sandbox.models import Card
from payments.models import (
    Allocation,
    Paper,
    Payment,
    PaymentMethod,
    PreparedPart,
    PreparedPayment,
    ProfileMethods,
    Remittance,
    RemittancePart,
    TransferRequest,
)
from payments.services.papers import ask_for_receipt
from payments.services.settle import next_receipt_number
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory


class SandboxCardFactory(DjangoModelFactory):
    """A card in the sandbox's own books; `specimen` says how it behaves (payments.gateways.sandbox.cards)."""

    class Meta:
        model = Card

    specimen = "visa"
    customer = "customer"
    brand = factory.LazyAttribute(lambda card: SPECIMENS[card.specimen].brand)
    last4 = factory.LazyAttribute(lambda card: SPECIMENS[card.specimen].last4)
    expiry_year = 2099
    expiry_month = 12
    holder = "T. Test"
    fingerprint = factory.Sequence(lambda n: f"{n:064x}")


class PaymentMethodFactory(DjangoModelFactory):
    """A card of the whole account that pays; `specimen="no_funds"` is one that is declined, and so on.

    `profile=profile` offers it on that profile alone. `default_for=[profile, …]` makes it what they pay
    with.
    """

    class Meta:
        model = PaymentMethod
        exclude = ["specimen", "card"]
        skip_postgeneration_save = True

    specimen = "visa"
    profile = None
    account = factory.LazyAttribute(lambda row: row.profile.account if row.profile else BillingProfileFactory().account)
    card = factory.LazyAttribute(lambda row: SandboxCardFactory(specimen=row.specimen, customer=row.account.code))
    gateway = "sandbox"
    token = factory.SelfAttribute("card.token")
    fingerprint = factory.SelfAttribute("card.fingerprint")
    brand = factory.SelfAttribute("card.brand")
    last4 = factory.SelfAttribute("card.last4")
    holder = factory.SelfAttribute("card.holder")
    valid_until = date(2099, 12, 31)

    @factory.post_generation
    def default_for(self, create, extracted, **kwargs):
        for profile in extracted or ():
            ProfileMethods.objects.update_or_create(profile=profile, defaults={"default": self})


class TransferRequestFactory(DjangoModelFactory):
    """Somebody asks to pay the invoices of a profile by bank transfer; `status` is where it stands."""

    class Meta:
        model = TransferRequest

    profile = factory.SubFactory(BillingProfileFactory)
    account = factory.SelfAttribute("profile.account")
    legal_name = "Alfa Logistiek B.V."
    registration_number = "24381907"
    contact_name = "Tom Bakker"
    contact_email = "ap@alfa.example"
    contact_phone = "+31 10 428 50 00"
    monthly_minor = 150_000
    currency = factory.SelfAttribute("account.currency")
    term_wanted_days = 30
    requested_by = factory.SubFactory(UserFactory)


class PaymentFactory(DjangoModelFactory):
    """An attempt to pay one due invoice in full: `status` is `created` (holds its invoice), `succeeded` (settled,
    posted, with a receipt), `failed`, `unknown`, `requires_action` or `processing`."""

    class Meta:
        model = Payment

    @classmethod
    def _create(cls, model_class: type[Payment], *args: Any, **values: Any) -> Payment:
        return _attempt(**values)


class PreparedPaymentFactory(DjangoModelFactory):
    """What an invoice manager prepared to pay one due invoice with a card; it waits for an owner."""

    class Meta:
        model = PreparedPayment

    @classmethod
    def _create(cls, model_class: type[PreparedPayment], *args: Any, **values: Any) -> PreparedPayment:
        invoice = values.pop("invoice", None) or InvoiceFactory()
        profile, now = invoice.profile, timezone.now()
        manager = values.get("prepared_by") or ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
        usual = {
            "account": profile.account,
            "profile": profile,
            "method": PaymentMethodFactory(account=profile.account, profile=profile),
            "amount_minor": invoice.amount_due_minor,
            "currency": invoice.currency,
            "prepared_by": manager,
            "expires_at": now + timedelta(days=14),
        }
        prepared = PreparedPayment.objects.create(**{**usual, **values})
        PreparedPart.objects.create(prepared=prepared, invoice=invoice, amount_minor=prepared.amount_minor)
        return prepared


def _attempt(
    *,
    invoices: Sequence[Invoice] = (),
    method: PaymentMethod | None = None,
    user: User | None = None,
    status: str = "succeeded",
    **values: Any,
) -> Payment:
    invoices = list(invoices) or [InvoiceFactory()]
    profile = invoices[0].profile
    method = method or PaymentMethodFactory(account=profile.account)
    user = user or ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    now = values.get("created_at") or timezone.now()
    parts = {invoice: invoice.amount_due for invoice in invoices}
    ends = status in {"succeeded", "failed", "cancelled"}
    if status == "failed":
        values.setdefault("decline_reason", "insufficient_funds")
    if status == "succeeded":
        if "receipt_number" not in values:
            with transaction.atomic():
                values["receipt_number"] = next_receipt_number()
        values.setdefault("settled_at", now)
    payment = Payment.objects.create(
        **{
            "account": profile.account,
            "profile": profile,
            "method": method,
            "method_text": method.short_name,
            "gateway": "sandbox",
            "amount_minor": sum(part.minor for part in parts.values()),
            "currency": profile.currency,
            "status": status,
            "idempotency_key": uuid.uuid4().hex,
            "request_key": uuid.uuid4().hex,
            "request_hash": "factory",
            "user": user,
            "created_at": now,
            "next_lookup_at": None if ends else now,
            **values,
        }
    )
    if status == "succeeded":
        ask_for_receipt(payment)
    allocated = {"succeeded": "settled", "failed": "released", "cancelled": "released"}.get(status, "held")
    for invoice, part in parts.items():
        Allocation.objects.create(payment=payment, invoice=invoice, amount_minor=part.minor, status=allocated)
        if status == "succeeded":
            settle_invoice(invoice, part, reference=f"payment:{payment.code}", on=timezone.localdate(now))
    return payment


def make_remittance_of(*invoices: Invoice, by: User | None = None) -> Remittance:
    """A remittance of these invoices of one billing profile, whose PDF is still to be made."""
    profile = invoices[0].profile
    made = Remittance.objects.create(
        account=profile.account,
        profile=profile,
        amount_minor=sum(invoice.amount_due.minor for invoice in invoices),
        currency=profile.currency,
        seller=invoices[0].seller,
        made_by=by or UserFactory(),
    )
    for invoice in invoices:
        RemittancePart.objects.create(remittance=made, invoice=invoice, amount_minor=invoice.amount_due.minor)
    told = {"account": made.account, "profile": profile, "currency": made.currency, "language": "en"}
    Paper.objects.create(kind="remittance", remittance=made, **told)
    return made
