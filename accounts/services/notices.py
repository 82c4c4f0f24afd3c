"""Mail to people: which of their addresses counts, and who owns an account."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.utils import timezone

from accounts.models import AccountRole, BillingAccount, User
from core.mail_classes import MAIL_RULES, MailAddress
from core.messages import Attachment, MailClass, queue_message
from core.policy import Role

OWNER_ROLES = (Role.ACCOUNT_OWNER, Role.ACCOUNT_ADMINISTRATOR)


def mail_person(
    person: User,
    *,
    template: str,
    mail_class: MailClass,
    context: Mapping[str, Any],
    secret_context: Mapping[str, Any] | None = None,
    attachments: Sequence[Attachment] = (),
    reference: str = "",
    key: str | None = None,
) -> None:
    """Queue one mail to a person, in the person's language, to the address that the class asks for (§3.9)."""
    for address in addresses_of(person, MAIL_RULES[mail_class].address):
        queue_message(
            to=address,
            template=template,
            mail_class=mail_class,
            language=person.language,
            context={"person": str(person), **context},
            secret_context=secret_context,
            attachments=attachments,
            reference=reference,
            key=f"{key}:{address}" if key else None,
        )


def addresses_of(person: User, which: MailAddress) -> list[str]:
    """Where mail of that sort reaches the person: the one place that chooses among a person's addresses (P27).

    What goes to the sign-in address goes to a contact address as well (S0-4). Who has no alternate address is
    reached at the sign-in address.
    """
    match which:
        case MailAddress.SIGN_IN:
            return list(dict.fromkeys([person.email, person.billing_email]))
        case MailAddress.ALTERNATE:
            return [person.alternate_email or person.email]
        case _:
            return [person.billing_email]


def mail_people(people: Iterable[User], **mail: Any) -> None:
    """`mail_person` once to each of them, however often they occur."""
    for person in {person.pk: person for person in people}.values():
        mail_person(person, **mail)


def owners_of(account: BillingAccount, on: date | None = None) -> list[User]:
    """Those who own the account: its owners, or the administrator of an online-services account."""
    roles = AccountRole.objects.active(on or timezone.localdate()).filter(account=account, role__in=OWNER_ROLES)
    return [held.user for held in roles.select_related("user").order_by("user__name", "pk")]
