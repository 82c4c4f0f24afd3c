"""What stands in an address besides the object: for each parameter of a route a row that is there, made at a place.

So a guard that lets somebody through shows by what then happens, and is not hidden behind "there is no such row".
A new parameter without an entry fails the route matrix.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import AccountRole, AddressKind, Invitation, MemberInvitation, PlannedChange
from accounts.tests.factories import (
    AccountRoleFactory,
    AddressFactory,
    OrganisationMemberFactory,
    PlannedChangeFactory,
    UserFactory,
)
from billing_portal.tests.world import Place
from core.mail_classes import MailClass
from core.messages import queue_message
from core.policy import Role
from invoices.models import Delivery, Invoice
from profiles.models import BillingProfile, ExtraRecipient, InvoiceSection, ProfileRole
from profiles.tests.factories import ProfileRoleFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import PriceFactory
from support.models import SupportFile, SupportMessage, SupportRequest

Make = Callable[[Place, Any], Any]


def _role(place: Place, obj: Any) -> AccountRole | ProfileRole:
    if isinstance(obj, BillingProfile | Subscription):
        return ProfileRoleFactory(profile=place.profile, role=Role.PROFILE_READER)
    return AccountRoleFactory(account=place.account, role=Role.ACCOUNT_READER)


def _invitation(place: Place, obj: Any) -> Invitation:
    scope = "profile" if isinstance(obj, BillingProfile) else "subscription"
    is_below = isinstance(obj, BillingProfile | Subscription)
    return Invitation.objects.create(
        account=place.account,
        scope=scope if is_below else "account",
        scope_code=place.profile.code if is_below else "",
        email=f"{uuid.uuid4().hex[:8]}@alfa.example",
        role=Role.ACCOUNT_READER,
        token_digest=uuid.uuid4().hex,
        invited_by=UserFactory(),
        expires_at=timezone.now() + timedelta(days=7),
    )


def _member_invitation(place: Place, _obj: Any) -> MemberInvitation:
    return MemberInvitation.objects.create(
        organisation=place.account.organisation,
        email=f"{uuid.uuid4().hex[:8]}@alfa.example",
        name="Offered",
        language="en",
        token_digest=uuid.uuid4().hex,
        invited_by=UserFactory(),
        expires_at=timezone.now() + timedelta(days=7),
    )


def _planned(place: Place, obj: Any) -> PlannedChange:
    profile = place.profile
    address = place.account.sold_to if obj == place.account else profile.bill_to
    if address is None:
        address = AddressFactory(kind=AddressKind.SHIP_TO)
        BillingProfile.objects.filter(pk=profile.pk).update(ship_to=address)
    return PlannedChangeFactory(account=place.account, parts=[(address, {"city": "Dordrecht"})])


def _recipient(place: Place, _obj: Any) -> ExtraRecipient:
    return ExtraRecipient.objects.create(profile=place.profile, email=f"{uuid.uuid4().hex[:8]}@alfa.example")


def _section(place: Place, _obj: Any) -> InvoiceSection:
    InvoiceSection.objects.get_or_create(profile=place.profile, is_default=True, defaults={"name": "Default"})
    return InvoiceSection.objects.create(profile=place.profile, name=uuid.uuid4().hex)


def _delivery(_place: Place, invoice: Invoice) -> Delivery:
    mail = queue_message(
        to="reader@alfa.example",
        template="invoice_issued",
        mail_class=MailClass.INVOICE_ISSUED,
        language="en",
        context={},
    )
    return Delivery.objects.create(invoice=invoice, email=mail.recipient, reason=Role.PROFILE_READER, message=mail)


def _file(_place: Place, asked: SupportRequest) -> SupportFile:
    return SupportFile.objects.create(
        message=SupportMessage.objects.filter(request=asked).first(),
        name="none.pdf",
        content_type="application/pdf",
        size_bytes=1,
        sha256="0" * 64,
        storage_name="support/none.pdf",
    )


# By the parameter, or by the route and the parameter where it means something else there.
CHILDREN: dict[str | tuple[str, str], Make] = {
    "person": lambda place, _obj: ProfileRoleFactory(profile=place.profile, role=Role.PROFILE_READER).user,
    "role": _role,
    "member": lambda place, _obj: OrganisationMemberFactory(organisation=place.account.organisation),
    "invitation": _invitation,
    ("member_invitation", "invitation"): _member_invitation,
    "change": _planned,
    "recipient": _recipient,
    "section": _section,
    "price": lambda place, _obj: PriceFactory(currency=place.account.currency),
    "delivery_id": _delivery,
    "file": _file,
}
TEXTS = {"kind": "alternate_email"}


def parameters_of(name: str, converters: Any, place: Place | None, obj: Any) -> dict[str, Any]:
    """What stands in the address of that route for the object: its code, and the key of a row for all else."""
    found: dict[str, Any] = {}
    for parameter in converters:
        if parameter == "code":
            found["code"] = obj.code
        elif parameter in TEXTS:
            found[parameter] = TEXTS[parameter]
        else:
            found[parameter] = (CHILDREN.get((name, parameter)) or CHILDREN[parameter])(place, obj).pk  # type: ignore[arg-type]
    return found
