"""Step 2 of the thread: which accounts are mine, what they are, and a bill-to address that changes."""

import pytest

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S0_8_both_addresses_change_in_one_panel(person, mailbox):
    """An online-services account has a bill-to of its own (S0-2); on a customer agreement a profile has it."""
    owner = UserFactory(name="Inge Smit", email="inge@beta.example")
    account = BillingAccountFactory(name="Beta Bouw B.V.", online_services=True, owner=owner)
    BillingAccountFactory(name="Beta Projecten B.V.", organisation=account.organisation, owner=owner)
    inge = person(owner)

    inge.opens("/")
    inge.reads("Home")
    inge.looks()
    inge.opens("/billing-accounts/")
    inge.reads("Billing scopes")
    inge.sees("Beta Projecten B.V.")
    inge.looks()
    inge.follows("Beta Bouw B.V.")
    inge.reads("Overview")
    inge.follows("Properties")
    inge.reads("Properties")
    inge.looks()

    inge.follows("Update addresses")
    inge.reads("Update addresses")
    inge.looks()
    types_into(inge, "sold_to_line1", "Energieweg 9")
    inge.ticks("Invoices go to the sold-to address as well")
    types_into(inge, "bill_to_line1", "Postbus 12")
    types_into(inge, "bill_to_postal_code", "12345")
    inge.presses("Save addresses")
    inge.sees("One thing needs another look")
    inge.looks()
    types_into(inge, "bill_to_postal_code", "7040 AA")
    inge.presses("Save addresses")
    inge.sees("Saved. Invoices that are issued from now on carry it; issued ones keep what they have.")
    inge.reads("Properties")
    inge.sees("Postbus 12")
    inge.looks()

    account.refresh_from_db()
    assert (account.sold_to.line1, account.bill_to.line1) == ("Energieweg 9", "Postbus 12")
    assert (account.sold_to.postal_code, account.bill_to.postal_code) == ("3089 JH", "7040 AA")
    assert mailbox("inge@beta.example")["Subject"]


def test_S0_5_somebody_without_the_right_sees_who_has_it(person):
    owner = UserFactory(name="Marieke de Vries")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    lars = person(reader)
    lars.opens(f"/billing-accounts/{account.code}/properties/")
    lars.asks_why("Update addresses")
    lars.sees("Your role does not allow this.")
    lars.sees("Marieke de Vries")
    lars.looks()
    lars.opens(f"/billing-accounts/{account.code}/addresses/")
    lars.sees("Marieke de Vries")
    lars.looks()


def types_into(somebody, name: str, text: str) -> None:
    """Two addresses stand on one page under the same labels, so the field is told by its id."""
    somebody.types_into(somebody.page.locator(f"#id_{name}"), text)
