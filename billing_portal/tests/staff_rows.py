"""Rows for every list of the staff: one function a model, each call making one row more with relations of its own."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from accounts.models import (
    BillingAccount,
    Invitation,
    NameChange,
    Organisation,
    Seller,
    ServiceNotice,
    User,
    VatCheck,
)
from accounts.services import digest
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    NameChangeFactory,
    OrganisationFactory,
    SellerFactory,
    UserFactory,
    VatCheckFactory,
)
from core.codes import new_code
from core.messages import MailClass, queue_message
from core.models import JobClaim, JobSlot, MailComplaint, MailEvent, Message, MessageAttempt
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.models import (
    BillingHold,
    BillingRun,
    ChargeImport,
    ChargeUpload,
    CorrectionRequest,
    CreditLot,
    CreditSource,
    Document,
    ExchangeRate,
    Invoice,
    NumberSeries,
    ParkedProfile,
    Preflight,
    PreflightRow,
    VatRate,
)
from invoices.services.correction_requests import request_correction
from invoices.services.credits import give_credit
from invoices.tests.factories import ChargeImportFactory, InvoiceFactory, ParkedProfileFactory
from payments.models import (
    BankEntry,
    BankFile,
    CardSetup,
    CollectionCase,
    DebitNotice,
    GatewayCustomer,
    GatewayEvent,
    GatewayHealth,
    Mandate,
    Paper,
    PayLink,
    PayLinkUse,
    Payment,
    PaymentDecision,
    PaymentMethod,
    Refund,
    TransferDocument,
    TransferRequest,
    WriteOff,
)
from payments.tests.factories import PaymentFactory, PaymentMethodFactory, TransferRequestFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Price, PriceTier, Product, Purchase, Subscription
from subscriptions.tests.factories import PriceFactory, ProductFactory, PurchaseFactory, SubscriptionFactory
from support.models import SupportRequest
from support.tests.factories import SupportRequestFactory

WORDS = "Hottentottententententoonstellingsmakersopleidingsprogramma: was it so, and why not?"


def make_row_of(model: type[Model], number: int) -> None:
    """One row more of a registered model; `number` is another one each time."""
    MAKERS[model](number)


def models_of_staff() -> list[type[Model]]:
    """Every model that has a list in the admin."""
    return list(admin.site._registry)


def _mail(number: int) -> Message:
    mail = queue_message(
        to=f"reader{number}@alfa.example",
        template="invoice_issued",
        mail_class=MailClass.INVOICE_ISSUED,
        language="en",
        context={},
        reference=f"S{number}",
    )
    MessageAttempt.objects.create(message=mail, at=timezone.now(), outcome="deferred", code=451, words=WORDS)
    return mail


def _notice(number: int) -> ServiceNotice:
    texts = {"subject_en": f"Maintenance {number}", "text_en": WORDS, "subject_nl": "Onderhoud", "text_nl": WORDS}
    return ServiceNotice.objects.create(mail_class=MailClass.SERVICE, created_by=UserFactory(), **texts)


def _invitation(number: int) -> Invitation:
    return Invitation.objects.create(
        account=BillingAccountFactory(),
        email=f"new{number}@alfa.example",
        role=Role.ACCOUNT_READER,
        token_digest=digest(uuid4().hex),
        invited_by=UserFactory(),
        expires_at=timezone.now() + timedelta(days=7),
        language="en",
    )


def _preflight(number: int) -> Preflight:
    profile, day = BillingProfileFactory(), timezone.localdate()
    month = Month.of(day).previous.first
    totals = {"EUR": {"invoices": 1, "credit_notes": 0, "net_minor": 100, "vat_minor": 21}}
    look = Preflight.objects.create(month=month, on=day, totals=totals, started_by=UserFactory())
    PreflightRow.objects.create(
        preflight=look, profile=profile, month=month, currency="EUR", net_minor=100, vat_minor=21, findings=["held"]
    )
    Preflight.objects.filter(pk=look.pk).update(status="done", profiles_total=1, profiles_done=1)
    return look


def _credit(number: int) -> CreditLot:
    profile = BillingProfileFactory()
    today = timezone.localdate()
    return give_credit(
        profile,
        source=CreditSource.COMPENSATION,
        amount=Money(100_00, profile.currency),
        starts_on=today,
        expires_on=None,
        description=f"Credit {number}",
        reason=WORDS,
        by=UserFactory(staff=True),
        on=today,
    )


def _correction(number: int) -> CorrectionRequest:
    owner = UserFactory()
    invoice = InvoiceFactory(profile__account__owner=owner)
    return request_correction(
        invoice, by=owner, reason="po_number", proposed={"po_number": "P" * 50}, explanation=WORDS
    )


def _entry(number: int) -> BankEntry:
    file = BankFile.objects.create(file_name=f"{number}.xml", sha256=f"{number:064x}", taken_by=UserFactory())
    values: dict[str, Any] = {"amount_minor": 121_00, "currency": "EUR", "name": "Alfa B.V.", "text": WORDS}
    today, key = timezone.localdate(), uuid4().hex
    return BankEntry.objects.create(file=file, entry_key=key, booked_on=today, looked_at=timezone.now(), **values)


def _case(number: int) -> CollectionCase:
    case = CollectionCase.objects.create(invoice=InvoiceFactory(), day_zero=timezone.localdate())
    case.steps.create(pace=case.pace, day=3, act="reminder", begun_at=timezone.now())
    return case


def _link(number: int) -> PayLink:
    later = timezone.now() + timedelta(days=9)
    link = PayLink.objects.create(invoice=InvoiceFactory(), expires_at=later)
    PayLinkUse.objects.create(link=link, what="opened")
    return link


def _payment(number: int) -> None:
    payment = PaymentFactory(status="unknown")
    payment.next_lookup_at = None
    payment.save()
    PaymentDecision.objects.create(
        payment=payment,
        decision="failed",
        reason=WORDS,
        status_before="unknown",
        decided_by=UserFactory(),
        decided_at=timezone.now(),
    )


def _setup(number: int) -> CardSetup:
    return CardSetup.objects.create(
        account=BillingAccountFactory(),
        profile=BillingProfileFactory(),
        gateway="sandbox",
        idempotency_key=uuid4().hex,
        started_by=UserFactory(),
    )


def _mandate(number: int) -> Mandate:
    return Mandate.objects.create(
        method=PaymentMethodFactory(),
        reference=new_code(),
        iban_masked="NL69 •••• 0001",
        signed_at=timezone.now(),
        signed_by=UserFactory(),
        signatory="Alfa B.V.",
        notice_days=2,
    )


def _debit(number: int) -> DebitNotice:
    return DebitNotice.objects.create(
        mandate=_mandate(number),
        invoice=InvoiceFactory(),
        amount_minor=121_00,
        announced_at=timezone.now(),
        collects_on=timezone.localdate(),
    )


def _transfer(number: int) -> None:
    values = {"name": f"{WORDS}.pdf", "file": f"{number}.pdf", "size": 9, "content_type": "application/pdf"}
    request = TransferRequestFactory(decided_by=UserFactory())
    TransferDocument.objects.create(request=request, added_by=UserFactory(), **values)


def _refund(number: int) -> Refund:
    return Refund.objects.create(
        payment=PaymentFactory(),
        amount_minor=21_00,
        reason=WORDS,
        asked_by=UserFactory(),
        agreed_by=UserFactory(),
        idempotency_key=uuid4().hex,
    )


def _write_off(number: int) -> WriteOff:
    by = {"asked_by": UserFactory(), "agreed_by": UserFactory()}
    return WriteOff.objects.create(invoice=InvoiceFactory(), amount_minor=21_00, reason=WORDS, **by)


def _event(number: int) -> GatewayEvent:
    values = {"kind": "charge.changed", "amount_minor": 121_00, "currency": "EUR", "trouble": "unknown_object"}
    return GatewayEvent.objects.create(gateway="sandbox", event_id=uuid4().hex, payload={"id": WORDS}, **values)


def _claim(number: int) -> JobClaim:
    now = timezone.now()
    return JobClaim.objects.create(
        job="core.tidy", row_id=number, token=uuid4(), started_at=now, until=now, tries_left=0, last_error=WORDS
    )


MAKERS: dict[type[Model], Callable[[int], Any]] = {
    Message: _mail,
    MailComplaint: lambda number: MailComplaint.objects.create(recipient=f"{number}@a.example", message=_mail(number)),
    MailEvent: lambda number: MailEvent.objects.create(
        service="mailer", event_id=uuid4().hex, kind="bounced", message=_mail(number), words=WORDS
    ),
    JobClaim: _claim,
    JobSlot: lambda number: JobSlot.objects.create(job="core.tidy", slot=timezone.now() - timedelta(hours=number)),
    ServiceNotice: _notice,
    User: lambda number: AccountRoleFactory(role=Role.ACCOUNT_READER).user,
    Organisation: lambda number: OrganisationFactory(),
    Seller: lambda number: Seller.objects.first() or SellerFactory(),
    Invitation: _invitation,
    CorrectionRequest: _correction,
    CreditLot: _credit,
    ExchangeRate: lambda number: ExchangeRate.objects.create(
        currency="USD", day=timezone.localdate() - timedelta(days=number), rate="1.08"
    ),
    VatRate: lambda number: VatRate.objects.create(
        country="DK", kind="reduced", valid_from=date(2027, 1, 1), rate=number % 25, source=WORDS
    ),
    BillingHold: lambda number: BillingHold.objects.create(
        profile=BillingProfileFactory(), note=WORDS, placed_by=UserFactory(), released_by=UserFactory()
    ),
    BillingRun: lambda number: BillingRun.objects.create(
        month=Month.of(timezone.localdate()).plus(-number).first,
        issue_date=timezone.localdate(),
        profiles_held=0,
        started_by=UserFactory(),
    ),
    Preflight: _preflight,
    ChargeUpload: lambda number: ChargeUpload.objects.create(
        file_name=f"{WORDS}.csv", size_bytes=1, uploaded_by=UserFactory(), refusal=WORDS
    ),
    Document: lambda number: InvoiceFactory(),
    Invoice: lambda number: InvoiceFactory(),
    NumberSeries: lambda number: NumberSeries.objects.create(kind=f"kind-{number}", prefix="X"),
    BankFile: _entry,
    BankEntry: _entry,
    CollectionCase: _case,
    PayLink: _link,
    CardSetup: _setup,
    Mandate: _mandate,
    DebitNotice: _debit,
    Refund: _refund,
    WriteOff: _write_off,
    GatewayEvent: _event,
    GatewayHealth: lambda number: GatewayHealth.objects.create(gateway=f"gateway-{number}", failures=number),
    GatewayCustomer: lambda number: GatewayCustomer.objects.create(
        account=BillingAccountFactory(), gateway="sandbox", reference=new_code()
    ),
    Paper: lambda number: PaymentFactory(),
    Product: lambda number: PriceFactory(product=ProductFactory()),
    Price: lambda number: PriceTier.objects.create(price=PriceFactory(), from_quantity=10, unit_price=9),
    Subscription: lambda number: SubscriptionFactory(),
    Purchase: lambda number: PurchaseFactory(bought_by=UserFactory()),
    BillingAccount: lambda number: AccountRoleFactory(account=BillingAccountFactory(owner=UserFactory())),
    BillingProfile: lambda number: BillingProfileFactory(),
    VatCheck: lambda number: VatCheckFactory(),
    NameChange: lambda number: NameChangeFactory(decided_by=UserFactory()),
    ParkedProfile: lambda number: ParkedProfileFactory(detail=WORDS),
    ChargeImport: lambda number: ChargeImportFactory(),
    Payment: _payment,
    PaymentMethod: lambda number: PaymentMethodFactory(profile=BillingProfileFactory(), added_by=UserFactory()),
    TransferRequest: _transfer,
    SupportRequest: lambda number: SupportRequestFactory(),
    Group: lambda number: Group.objects.create(name=f"Finance {number}"),
}
