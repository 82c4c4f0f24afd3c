"""Mail to people: which of their addresses counts, and who owns an account."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils import timezone

from accounts.models import AccountRole, BillingAccount, User
from core.mail_classes import MAIL_RULES, MailAddress
from core.messages import MailClass, queue_message
from core.policy import Role

OWNER_ROLES = (Role.ACCOUNT_OWNER, Role.ACCOUNT_ADMINISTRATOR)


def mail_person(
    person: User,
    *,
    template: str,
    mail_class: MailClass,
    context: Mapping[str, Any],
    reference: str = "",
    key: str | None = None,
) -> None:
    """Queue one mail to a person, in the person's language, to the address that the class asks for (§3.9).

    What goes to the sign-in address goes to a contact address as well (S0-4).
    """
    addresses = [person.billing_email]
    if MAIL_RULES[mail_class].address == MailAddress.SIGN_IN:
        addresses = list(dict.fromkeys([person.email, person.billing_email]))
    for address in addresses:
        queue_message(
            to=address,
            template=template,
            mail_class=mail_class,
            language=person.language,
            context={"person": str(person), **context},
            reference=reference,
            key=f"{key}:{address}" if key else None,
        )


def mail_people(people: Iterable[User], **mail: Any) -> None:
    """`mail_person` once to each of them, however often they occur."""
    for person in {person.pk: person for person in people}.values():
        mail_person(person, **mail)


def owners_of(account: BillingAccount, on: date | None = None) -> list[User]:
    """Those who own the account: its owners, or the administrator of an online-services account."""
    roles = AccountRole.objects.active(on or timezone.localdate()).filter(account=account, role__in=OWNER_ROLES)
    return [held.user for held in roles.select_related("user").order_by("user__name", "pk")]
