"""People who want to know: who gets the invoices, what a charge is, and what happened."""

import pytest

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.tests.journeys.conftest import link_of
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from profiles.models import ExtraRecipient
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from support.models import SupportRequest
from support.services import answer_request

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def profile(marieke):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    profile = BillingProfileFactory(account=account, name="Operations NL", sends_invoices=True)
    tom = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    ProfileRoleFactory(profile=profile, user=tom, role=Role.INVOICE_MANAGER)
    return profile


def test_P10_S4_2b_an_extra_address_is_added_confirmed_by_its_holder_and_erased(person, profile, marieke, mailbox):
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/recipients/")
    owner.sees_in_row("Tom Bakker", "Gets it")
    owner.follows("Add an address")
    owner.reads("Add an address")
    owner.looks()
    owner.types("E-mail", "books@bureau.example")
    owner.presses("Add and ask")
    owner.sees_in_row("books@bureau.example", "Not confirmed yet")
    owner.looks()

    holder = person()
    holder.opens(link_of(mailbox("books@bureau.example"), "/recipients/"))
    holder.reads("Do you want these invoices?")
    holder.looks()
    holder.presses("Yes, send them")
    holder.reads("You get these invoices")
    holder.looks()

    owner.opens(f"/billing-profiles/{profile.code}/recipients/")
    owner.sees_in_row("books@bureau.example", "Gets it")
    owner.presses("Send a test mail to %(email)s", email="tom@alfa.example")
    owner.sees("A test mail goes to %(email)s.", email="tom@alfa.example")
    assert "Operations NL" in mailbox("tom@alfa.example")["Subject"]
    holder.presses("Stop these mails")
    holder.reads("This address is not on the list")
    holder.looks()
    assert not ExtraRecipient.objects.exists()

    # What happened is told to the owner, without the address that is gone.
    owner.opens(f"/billing-profiles/{profile.code}/activity/")
    owner.sees("Removed")
    owner.does_not_see("books@bureau.example")
    owner.looks()


def test_S2_26_a_charge_is_asked_about_and_answered(person, profile, marieke, mailbox):
    SellerFactory(email="desk@vendor.example")
    invoice = InvoiceFactory(profile=profile)
    owner = person(marieke)
    owner.opens(invoice.get_absolute_url())
    owner.follows("Ask about a charge")
    owner.reads("Ask the vendor")
    owner.looks()
    owner.types("Your question", "Why is this so much?")
    owner.presses("Send")
    owner.sees("Waiting for the vendor")
    owner.looks()
    assert "Why is this so much?" in mailbox("desk@vendor.example").get_body(("plain",)).get_content()

    answer_request(
        SupportRequest.objects.get(), text="It is twice the month.", closes=False, by=UserFactory(staff=True)
    )

    owner.opens(link_of(mailbox("marieke@alfa.example"), "/support-requests/"))
    owner.page.get_by_text("It is twice the month.").first.wait_for()
    owner.types("Message", "Thank you.")
    owner.presses("Send")
    owner.page.get_by_text("Thank you.").first.wait_for()
    owner.presses("Close this request")
    owner.sees("Write again, which opens it")
    owner.looks()
    assert SupportRequest.objects.get().status == "closed"
