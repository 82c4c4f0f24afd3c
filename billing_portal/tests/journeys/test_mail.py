"""Step 9 of the thread: invoices by e-mail, through a real mail server, and what became of each mail."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.tests.journeys.conftest import until
from core.policy import Role
from invoices.models import Delivery, Dispatch, Document
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


def test_F17_what_came_back_is_mended_from_the_task_in_one_step(person, mailbox, mail_server):
    owner = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)
    profile = BillingProfileFactory(account=account, name="Operations NL", sends_invoices=True)
    tom = UserFactory(name="Tom Visser", email="tom@alfa.example")
    ProfileRoleFactory(profile=profile, user=tom, role=Role.INVOICE_MANAGER)
    mail_server.answers_to_recipient[tom.email] = ["550 5.1.1 no such mailbox here"]
    invoice = InvoiceFactory(profile=profile)
    until(lambda: Delivery.objects.filter(message__status="bounced").exists())

    marieke = person(owner)
    marieke.opens("/")
    marieke.sees("Invoice e-mail to %(address)s came back", address=tom.email)
    marieke.looks()
    marieke.follows("Fix and send again")
    marieke.reads("Fix the address and send again")
    marieke.sees("5.1.1 no such mailbox here")
    marieke.looks()
    marieke.types("E-mail address", "tom.visser@alfa.example")
    marieke.presses("Send again")
    marieke.sees("The invoice goes to %(email)s.", email="tom.visser@alfa.example")
    assert invoice.number in mailbox("tom.visser@alfa.example")["Subject"]
    marieke.opens("/")
    marieke.does_not_see("Fix and send again")


def test_S4_somebody_who_reads_sends_an_invoice_to_their_accounting(person, mailbox):
    profile = BillingProfileFactory(account=BillingAccountFactory(name="Alfa Logistiek B.V."), name="Operations NL")
    reader = ProfileRoleFactory(profile=profile, user=UserFactory(name="Fatima"), role=Role.PROFILE_READER).user
    invoice = InvoiceFactory(profile=profile)
    until(lambda: Document.objects.filter(invoice=invoice, kind="pdf", status="ready").exists())
    fatima = person(reader)
    fatima.opens(f"/invoices/{invoice.code}/")
    fatima.follows("Send to my accounting")
    fatima.reads("Send to my accounting")
    fatima.looks()
    fatima.types("E-mail address", "inkoop@boekhouding.example")
    fatima.presses("Send")
    fatima.sees("The invoice goes to %(email)s.", email="inkoop@boekhouding.example")
    mail = mailbox("inkoop@boekhouding.example")
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf", "application/xml"]
    fatima.opens(f"/invoices/{invoice.code}/")
    fatima.sees("Sent by %(name)s", name="Fatima")
    fatima.looks()
