"""Step 2 of the thread: which accounts are mine, what they are, and a bill-to address that changes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import NameChange, PlannedChange
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationRoleFactory,
    SellerFactory,
    UserFactory,
)
from billing_portal.tests.journeys.person import KEYBOARD
from core.jobs import run_due
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory

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


def test_S0_8a_an_address_is_planned_a_vat_id_verified_and_a_legal_name_asked_for(person, settings, tmp_path):
    """What the admin who comes twice a year does in one sitting; the register and staff answer meanwhile."""
    settings.MEDIA_ROOT = tmp_path
    document = tmp_path / "extract.pdf"
    document.write_bytes(b"%PDF-1.7\n%%EOF\n")
    SellerFactory()
    owner = UserFactory(name="Marieke de Vries")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner, vat_id="", vat_check="none")
    BillingProfileFactory(account=account, name="Operations NL", invoice_day=5)
    marieke = person(owner)

    marieke.opens(f"/billing-accounts/{account.code}/properties/")
    marieke.follows("Change the numbers")
    marieke.reads("Tax and register numbers")
    marieke.types("VAT ID", "NL123456789B01")
    marieke.presses("Save")
    marieke.sees("One thing needs another look")
    marieke.types("VAT ID", "nl 0000 99998 b57")
    marieke.presses("Save")
    marieke.reads("Properties")
    marieke.sees("Format valid")
    run_due(only=["accounts.verify_vat_ids"])
    marieke.opens(f"/billing-accounts/{account.code}/properties/")
    marieke.sees("Verified")

    marieke.follows("Update addresses")
    types_into(marieke, "sold_to_line1", "Coolsingel 40")
    later = timezone.localdate() + timedelta(days=200)
    types_into(marieke, "takes_effect_on", f"{later:%d%m%Y}" if marieke.way.means == KEYBOARD else f"{later}")
    marieke.presses("Save addresses")
    marieke.reads("Look before you save")
    marieke.sees("Operations NL")
    marieke.looks()
    marieke.presses("Save the plan")
    marieke.reads("Properties")
    marieke.follows("Withdraw it")
    marieke.reads("Withdraw a planned change")
    marieke.presses("Withdraw")
    marieke.sees("Withdrawn. The address stays as it is.")

    marieke.follows("Request another legal name")
    marieke.reads("Legal name")
    marieke.types("New legal name", "Alfa Groep N.V.")
    marieke.page.locator("#id_document").set_input_files(document)
    marieke.presses("Send the request")
    marieke.sees("A request waits for review")
    marieke.looks()
    account.refresh_from_db()
    assert account.sold_to.line1 == "Waalhaven Zuidzijde 21"
    assert (PlannedChange.objects.get().status, NameChange.objects.get().status) == ("withdrawn", "requested")


def test_S1_2_the_profile_of_an_organisation_is_changed(person):
    account = BillingAccountFactory(organisation__name="Beta Bouw", owner=UserFactory())
    eva = OrganisationRoleFactory(organisation=account.organisation, role=Role.ORGANISATION_ADMINISTRATOR).user
    eva = person(eva)

    eva.opens("/organisations/")
    eva.follows("Edit the organisation profile")
    eva.reads("Edit the organisation profile")
    types_into(eva, "name", "Beta Groep")
    types_into(eva, "phone", "+31 10 200 30 40")
    types_into(eva, "line1", "Energieweg 8")
    types_into(eva, "postal_code", "7041")
    types_into(eva, "city", "'s-Heerenberg")
    types_into(eva, "technical_contact_email", "techniek@beta.example")
    eva.presses("Save")
    eva.sees("One thing needs another look")
    eva.looks()
    types_into(eva, "postal_code", "7041 AC")
    eva.presses("Save")
    eva.reads("Beta Groep")
    eva.sees("Energieweg 8")
    eva.looks()
    account.refresh_from_db()
    assert account.sold_to.company_name == account.name
