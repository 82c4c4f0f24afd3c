"""Step 9 of the thread: invoices by e-mail, through a real mail server, and what became of each mail."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.tests.journeys.conftest import until
from core.policy import Role
from invoices.models import Delivery, Dispatch
from invoices.tests.factories import InvoiceFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S4_2_after_opting_in_everybody_on_the_profile_gets_the_invoice(person, mailbox, mail_server):
    owner = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)
    profile = BillingProfileFactory(account=account, name="Operations NL", sends_invoices=False)
    for name, role in (("tom", Role.INVOICE_MANAGER), ("fatima", Role.PROFILE_READER)):
        user = UserFactory(name=name.title(), email=f"{name}@alfa.example")
        ProfileRoleFactory(profile=profile, user=user, role=role)
    mail_server.answers_to_recipient["fatima@alfa.example"] = ["550 5.1.1 no such mailbox here"]

    marieke = person(owner)
    marieke.opens(f"/billing-accounts/{account.code}/invoices/")
    marieke.follows("Invoice e-mail preference")
    marieke.reads("Invoices by e-mail")
    marieke.looks()
    marieke.picks("Opt in")
    marieke.presses("Update")
    marieke.sees("Invoices of “%(name)s” are sent by e-mail from now on.", name="Operations NL")
    marieke.looks()
    assert BillingProfile.objects.get().sends_invoices

    invoice = InvoiceFactory(profile=profile)
    mail = mailbox("tom@alfa.example")
    assert invoice.number in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]
    assert "marieke@alfa.example" not in mail_server.recipients[:1]  # an account's owner is not mailed (S4-2)

    until(lambda: set(Delivery.objects.values_list("message__status", flat=True)) == {"accepted", "bounced"})
    marieke.opens(f"/invoices/{invoice.code}/")
    marieke.sees_in_row("tom@alfa.example", "Delivered")
    marieke.sees("550")
    marieke.looks()
    marieke.presses("Send again to %(email)s", email="fatima@alfa.example")
    marieke.sees("The invoice goes to %(email)s again.", email="fatima@alfa.example")
    assert invoice.number in mailbox("fatima@alfa.example")["Subject"]
    until(lambda: set(Delivery.objects.values_list("message__status", flat=True)) == {"accepted"})
    marieke.opens(f"/invoices/{invoice.code}/")
    marieke.looks()


def test_S4_2a_opting_out_ends_it_for_all_at_once(person, worker):
    owner = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)
    profile = BillingProfileFactory(account=account, name="Operations NL", sends_invoices=True, owner=owner)
    marieke = person(owner)
    marieke.opens(f"/billing-profiles/{profile.code}/email-preference/")
    marieke.picks("Opt out")
    marieke.presses("Update")
    marieke.sees("Invoices of “%(name)s” are no longer sent by e-mail.", name="Operations NL")
    invoice = InvoiceFactory(profile=profile)
    until(lambda: Dispatch.objects.get(invoice=invoice).status == "skipped")
    marieke.opens(f"/invoices/{invoice.code}/")
    marieke.sees("Not sent by e-mail")
    marieke.looks()
    assert not Delivery.objects.exists()
