"""An owner closes a billing account: what stands in the way is dealt with, the name typed, and what stays is seen."""

import pytest

from accounts.models import BillingAccount
from accounts.services.invitations import invite_to_account
from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S2_an_account_is_closed_and_can_still_be_read(person, mailbox):
    owner = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)
    profile = BillingProfileFactory(account=account, name="Operations NL")
    other = BillingProfileFactory(account=account, name="Warehouse")
    paid = InvoiceFactory(profile=profile, status="paid")
    card = PaymentMethodFactory(account=account)
    invite_to_account(account, email="new@bureau.example", role=Role.ACCOUNT_READER, by=owner)
    marieke = person(owner)
    with marieke.speaking():
        named = str(card)

    marieke.opens(f"/billing-accounts/{account.code}/")
    marieke.follows("Properties")
    marieke.follows("Close account")
    marieke.reads("Close the billing account")
    marieke.sees("Billing profile “%(name)s” is open", name="Warehouse")
    marieke.looks()

    marieke.follows(
        "%(action)s: %(title)s",
        action=marieke.word("Close it"),
        title=marieke.word("Billing profile “%(name)s” is open", name="Warehouse"),
    )
    marieke.reads("Close the billing profile")
    marieke.presses("Close the billing profile")
    marieke.sees("“%(name)s” is closed.", name="Warehouse")

    marieke.opens(f"/billing-accounts/{account.code}/closing/")
    marieke.sees("“%(name)s”, its only billing profile, is closed with it", name="Operations NL")
    marieke.follows(
        "%(action)s: %(title)s",
        action=marieke.word("Remove"),
        title=marieke.word("%(method)s is saved in it", method=named),
    )
    marieke.presses("Remove card")
    marieke.reads("Payment methods")

    marieke.opens(f"/billing-accounts/{account.code}/closing/")
    marieke.reads("What stays")
    marieke.looks()
    marieke.types("Name of the billing account", "Alfa")
    marieke.presses("Close the billing account")
    marieke.sees("That is not its name. Type “%(name)s”.", name="Alfa Logistiek B.V.")
    marieke.looks()
    marieke.types("Name of the billing account", "alfa logistiek b.v.")
    marieke.presses("Close the billing account")
    marieke.reads("Overview")
    marieke.sees("This billing account is closed.")
    marieke.looks()
    assert "Alfa Logistiek B.V." in mailbox("marieke@alfa.example")["Subject"]

    marieke.follows("Invoices")
    marieke.sees(paid.number)
    marieke.looks()
    marieke.opens(f"/billing-accounts/{account.code}/billing-profiles/new/")
    marieke.reads("This billing account is closed")
    marieke.looks()
    assert BillingAccount.objects.get().status == "closed"
    assert {each.status for each in account.profiles.all()} == {"closed"}
    assert other.account.invitations.get().status == "revoked"


def test_the_staff_open_it_again(person):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=UserFactory(), status="active")
    vendor = person(UserFactory(staff=True, name="Noor", email="noor@vendor.example"))
    for verb, done in (("Close the account", "Close it"), ("Open the account again", "Open it again")):
        vendor.opens(f"/staff/accounts/billingaccount/{account.pk}/change/")
        vendor.follows(verb)
        vendor.types("Reason", "The customer wrote to us.")
        vendor.looks()
        vendor.presses(done)
        vendor.sees("The customer wrote to us.")
    account.refresh_from_db()
    assert account.status == "active"
