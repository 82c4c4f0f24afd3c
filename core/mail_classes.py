"""The classes of mail, and for each who gets it and whether it may be switched off (domain §3.9).

The table is data: the preferences page, the services that choose recipients and the tests read it.
Which *people* hold a right is asked of `core.policy`; which *address* of a person counts is said here.
"""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.policy import Action, Role


class MailClass(models.TextChoices):
    """What a mail is about; decides who gets it and whether anybody may decline it."""

    MANDATORY_SERVICE = "mandatory_service", _("Security, invitation and breaking change")
    SERVICE = "service", _("Service and billing")
    RECOMMENDATION = "recommendation", _("Recommendation")
    INVOICE_ISSUED = "invoice_issued", _("Invoice")
    PAYMENT_TROUBLE = "payment_trouble", _("Payment failed, overdue or disabling")
    RECEIPT = "receipt", _("Payment received")
    CARD_EXPIRING = "card_expiring", _("Card expiring")
    CREDIT_EXPIRING = "credit_expiring", _("Credit expiring")
    ACCESS_CHANGED = "access_changed", _("Role, payment method or address changed")
    PASSWORD_RESET = "password_reset", _("Password reset")
    MARKETING = "marketing", _("Marketing")


class MailAddress(models.TextChoices):
    """Which of a person's addresses a mail goes to."""

    SIGN_IN = "sign_in", _("Sign-in address")
    CONTACT = "contact", _("Contact e-mail, else the sign-in address")
    ALTERNATE = "alternate", _("Alternate e-mail")


class Suppressible(models.TextChoices):
    """Whether somebody may say no to this class, and where."""

    NO = "no", _("Always sent")
    BY_PERSON = "by_person", _("Each person decides")
    BY_PROFILE = "by_profile", _("The billing profile decides")


@dataclass(frozen=True)
class MailRule:
    """One row of the table.

    `address` is the address of each person reached. `action` names the people of a scope by a right
    they hold, `roles` by their role, `fallback_roles` those asked when nobody holds one of `roles`.
    Neither means: the one person the mail is about. `payer` and `owners` add the person who paid and
    the owners of the scope; `extra_recipients` adds the profile's confirmed extra addresses.
    """

    address: MailAddress
    suppressible: Suppressible
    action: Action | None = None
    roles: tuple[Role, ...] = ()
    fallback_roles: tuple[Role, ...] = ()
    payer: bool = False
    owners: bool = False
    extra_recipients: bool = False


MAIL_RULES: dict[MailClass, MailRule] = {
    MailClass.MANDATORY_SERVICE: MailRule(MailAddress.SIGN_IN, Suppressible.NO),
    MailClass.SERVICE: MailRule(MailAddress.CONTACT, Suppressible.NO),
    MailClass.RECOMMENDATION: MailRule(MailAddress.CONTACT, Suppressible.BY_PERSON),
    MailClass.INVOICE_ISSUED: MailRule(
        MailAddress.CONTACT, Suppressible.BY_PROFILE, action=Action.INVOICE_RECEIVE, extra_recipients=True
    ),
    MailClass.PAYMENT_TROUBLE: MailRule(
        MailAddress.CONTACT, Suppressible.NO, action=Action.INVOICE_RECEIVE_DUNNING, extra_recipients=True
    ),
    MailClass.RECEIPT: MailRule(
        MailAddress.CONTACT,
        Suppressible.BY_PERSON,
        action=Action.INVOICE_RECEIVE,
        payer=True,
        extra_recipients=True,
    ),
    MailClass.CARD_EXPIRING: MailRule(
        MailAddress.CONTACT,
        Suppressible.NO,
        roles=(Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR),
        fallback_roles=(Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR),
    ),
    MailClass.CREDIT_EXPIRING: MailRule(
        MailAddress.CONTACT, Suppressible.BY_PERSON, roles=(Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR)
    ),
    MailClass.ACCESS_CHANGED: MailRule(MailAddress.CONTACT, Suppressible.NO, owners=True),
    MailClass.PASSWORD_RESET: MailRule(MailAddress.ALTERNATE, Suppressible.NO),
    MailClass.MARKETING: MailRule(MailAddress.CONTACT, Suppressible.BY_PERSON),
}
