"""How a customer pays: saved methods, payments with their attempts, and what the gateway told us."""

from payments.models.approvals import ApprovalRule, PreparedPart, PreparedPayment
from payments.models.bank import BankBooking, BankEntry, BankFile, BookedBy
from payments.models.collecting import (
    CollectionCase,
    CollectionStep,
    Pace,
    PayLink,
    PayLinkUse,
    Standing,
    StepOutcome,
)
from payments.models.events import EventTrouble, GatewayEvent
from payments.models.gateways import GatewayHealth
from payments.models.methods import Brand, CardSetup, Family, GatewayCustomer, Mandate, PaymentMethod, ProfileMethods
from payments.models.papers import Paper, PaperKind
from payments.models.payments import (
    BANK,
    Allocation,
    DebitNotice,
    Decision,
    Initiator,
    ParkedReason,
    Payment,
    PaymentDecision,
)
from payments.models.refunds import Refund, RefundPart, WriteOff
from payments.models.remittances import Remittance, RemittancePart
from payments.models.transfers import TransferDocument, TransferRequest

__all__ = [
    "BANK",
    "Allocation",
    "ApprovalRule",
    "BankBooking",
    "BankEntry",
    "BankFile",
    "BookedBy",
    "Brand",
    "CardSetup",
    "CollectionCase",
    "CollectionStep",
    "DebitNotice",
    "Decision",
    "EventTrouble",
    "Family",
    "GatewayCustomer",
    "GatewayEvent",
    "GatewayHealth",
    "Initiator",
    "Mandate",
    "Pace",
    "Paper",
    "PaperKind",
    "ParkedReason",
    "PayLink",
    "PayLinkUse",
    "Payment",
    "PaymentDecision",
    "PaymentMethod",
    "PreparedPart",
    "PreparedPayment",
    "ProfileMethods",
    "Refund",
    "RefundPart",
    "Remittance",
    "RemittancePart",
    "Standing",
    "StepOutcome",
    "TransferDocument",
    "TransferRequest",
    "WriteOff",
]
