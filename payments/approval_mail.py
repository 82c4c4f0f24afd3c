"""Mail about approving payments: to the owners who can, and to who prepared it."""

from collections.abc import Iterable

from django.utils import timezone

from accounts.models import User
from accounts.services.notices import mail_person
from core.mail_classes import MailClass
from payments.models import PreparedPayment


def tell_to_approve(prepared: PreparedPayment, owners: Iterable[User]) -> None:
    """Somebody prepared a payment, and it waits for one of them."""
    for owner in owners:
        _mail(prepared, owner, "approval_asked")


def tell_of_decision(prepared: PreparedPayment) -> None:
    """What became of it, to who prepared it."""
    _mail(prepared, prepared.prepared_by, "approval_decided")


def _mail(prepared: PreparedPayment, person: User, template: str) -> None:
    mail_person(
        person,
        template=template,
        mail_class=MailClass.SERVICE,
        context={
            "amount": prepared.amount,
            "method": prepared.method_text,
            "profile": prepared.profile.name,
            "by": str(prepared.prepared_by),
            "decided_by": str(prepared.decided_by) if prepared.decided_by else "",
            "outcome": str(prepared.status),
            "reason": prepared.reason,
            "until": timezone.localdate(prepared.expires_at),
            "numbers": [
                part.invoice.number for part in prepared.parts.select_related("invoice").order_by("invoice_id")
            ],
            "path": prepared.get_absolute_url(),
        },
        reference=f"profile:{prepared.profile.code}",
        key=f"{template}:{prepared.code}:{prepared.status}:{person.pk}",
    )
