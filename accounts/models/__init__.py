"""People, and the customer they act for."""

from accounts.models.access import AccountRole, Invitation, ScopeMemory
from accounts.models.customers import (
    Address,
    AddressKind,
    Agreement,
    BillingAccount,
    NameChange,
    PlannedAddress,
    PlannedChange,
    Seller,
    VatCheck,
)
from accounts.models.mail import MARKETING_TOPICS, Audience, LinkKind, LinkRequest, ServiceNotice, Topic, TopicChoice
from accounts.models.organisations import MemberInvitation, Organisation, OrganisationMember, OrganisationRole
from accounts.models.people import ColorMode, User, UserProfile
from accounts.models.proofs import Attempt, PasswordReset, Proof, ProofKind, ResetWay

__all__ = [
    "MARKETING_TOPICS",
    "AccountRole",
    "Address",
    "AddressKind",
    "Agreement",
    "Attempt",
    "Audience",
    "BillingAccount",
    "ColorMode",
    "Invitation",
    "LinkKind",
    "LinkRequest",
    "MemberInvitation",
    "NameChange",
    "Organisation",
    "OrganisationMember",
    "OrganisationRole",
    "PasswordReset",
    "PlannedAddress",
    "PlannedChange",
    "Proof",
    "ProofKind",
    "ResetWay",
    "ScopeMemory",
    "Seller",
    "ServiceNotice",
    "Topic",
    "TopicChoice",
    "User",
    "UserProfile",
    "VatCheck",
]
