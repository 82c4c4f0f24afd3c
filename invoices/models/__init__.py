"""Invoices and all that makes one: charges, periods, numbers, lines, VAT, the ledger, documents, deliveries."""

from invoices.models.charges import Charge, ChargeImport, ChargeUpload
from invoices.models.corrections import (
    Correction,
    CorrectionReason,
    CorrectionRequest,
    CreditedLine,
    Offset,
)
from invoices.models.credits import PAID_SOURCES, CreditLot, CreditMove, CreditSource, CreditTransaction
from invoices.models.disputes import Dispute
from invoices.models.documents import Delivery, Dispatch, Document, DocumentKind
from invoices.models.exchange import ExchangeRate
from invoices.models.holds import BillingHold
from invoices.models.invoices import BillingPeriod, Invoice, InvoiceKind, InvoiceLine, NumberSeries, VatGroup
from invoices.models.ledger import LedgerAccount, Posting
from invoices.models.preflights import Finding, Preflight, PreflightRow
from invoices.models.purchase_orders import OrderState, PurchaseOrder
from invoices.models.runs import BillingRun, ParkedProfile, ParkReason, RunOrigin, RunRange, RunTotal
from invoices.models.vat_rates import RateKind, VatRate

__all__ = [
    "PAID_SOURCES",
    "BillingHold",
    "BillingPeriod",
    "BillingRun",
    "Charge",
    "ChargeImport",
    "ChargeUpload",
    "Correction",
    "CorrectionReason",
    "CorrectionRequest",
    "CreditLot",
    "CreditMove",
    "CreditSource",
    "CreditTransaction",
    "CreditedLine",
    "Delivery",
    "Dispatch",
    "Dispute",
    "Document",
    "DocumentKind",
    "ExchangeRate",
    "Finding",
    "Invoice",
    "InvoiceKind",
    "InvoiceLine",
    "LedgerAccount",
    "NumberSeries",
    "Offset",
    "OrderState",
    "ParkReason",
    "ParkedProfile",
    "Posting",
    "Preflight",
    "PreflightRow",
    "PurchaseOrder",
    "RateKind",
    "RunOrigin",
    "RunRange",
    "RunTotal",
    "VatGroup",
    "VatRate",
]
