"""What a page draws for whoever may, it draws for nobody who may not: with the right taken out of the table the same
person gets the same page without it (Q1, Q5)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.mail_classes import MailClass
from core.messages import queue_message
from core.models import MessageStatus
from core.policy import GRANTS, Action, Role
from core.states import move
from invoices.models import Delivery
from invoices.services.correction_requests import request_correction
from invoices.services.sending import repair_path
from invoices.tests.factories import InvoiceFactory, PurchaseOrderFactory
from profiles.models import BillingProfile, InvoiceSection
from profiles.services.profiles import set_email_preference
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory
from support.services import dispute_invoice
from support.tests.factories import SupportRequestFactory

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Drawn:
    """A page of a profile, and how one sees in it whether something is drawn for whoever has that right."""

    right: Action
    address: str
    sign: str


def _next_invoice(profile: BillingProfile) -> Drawn:
    return Drawn(Action.INVOICE_VIEW, profile.get_absolute_url(), 'id="next-invoice"')


def _pay_now(profile: BillingProfile) -> Drawn:
    invoice = InvoiceFactory(profile=profile)
    pay = reverse("invoice_payment", args=[invoice.code])
    return Drawn(Action.INVOICE_PAY, reverse("invoices", args=[profile.account.code]), pay)


def _promise(profile: BillingProfile) -> Drawn:
    invoice = InvoiceFactory(profile=profile, issue_date=timezone.localdate() - timedelta(days=33))
    return Drawn(
        Action.INVOICE_PAY, reverse("invoice", args=[invoice.code]), reverse("invoice_promise", args=[invoice.code])
    )


def _withdraw_correction(profile: BillingProfile) -> Drawn:
    owner = profile.account.roles.get().user
    asked = request_correction(
        InvoiceFactory(profile=profile), reason="po_number", proposed={"po_number": "7"}, explanation="No", by=owner
    )
    withdrawal = reverse("correction_request_withdrawal", args=[asked.code])
    return Drawn(Action.INVOICE_DISPUTE, reverse("correction_request", args=[asked.code]), withdrawal)


def _export(profile: BillingProfile) -> Drawn:
    page, export = (reverse(f"profile_permissions{each}", args=[profile.code]) for each in ("", "_export"))
    return Drawn(Action.PROFILE_EXPORT_ROLES, page, export)


def _invoice_day(profile: BillingProfile) -> Drawn:
    open_field = r'<input(?=[^>]*name="invoice_day")(?![^>]*disabled)'
    return Drawn(Action.PROFILE_EDIT_INVOICE_DAY, reverse("profile_edit", args=[profile.code]), open_field)


def _switch_mail_on(profile: BillingProfile) -> Drawn:
    set_email_preference(profile, sends_invoices=False, attaches_pdf=False, by=profile.account.roles.get().user)
    return Drawn(Action.PROFILE_EDIT_RECIPIENTS, reverse("profile_recipients", args=[profile.code]), "Switch it on")


def _rename_section(profile: BillingProfile) -> Drawn:
    section = InvoiceSection.objects.create(profile=profile, name="Production", is_default=True)
    rename = reverse("profile_section_edit", args=[profile.code, section.pk])
    return Drawn(Action.SECTION_CREATE, reverse("profile_sections", args=[profile.code]), rename)


def _move_to_section(profile: BillingProfile) -> Drawn:
    InvoiceSection.objects.create(profile=profile, name="Production", is_default=True)
    move = reverse("subscription_section", args=[SubscriptionFactory(profile=profile).code])
    return Drawn(Action.SUBSCRIPTION_MOVE, reverse("profile_sections", args=[profile.code]), move)


def _write_to_support(profile: BillingProfile) -> Drawn:
    asked = SupportRequestFactory(profile=profile)
    return Drawn(Action.SUPPORT_ASK, reverse("support_request", args=[asked.code]), "Write a message")


def _withdraw_dispute(profile: BillingProfile) -> Drawn:
    asked = dispute_invoice(InvoiceFactory(profile=profile), text="Not ours", by=profile.account.roles.get().user)
    withdrawal = reverse("dispute_withdrawal", args=[asked.code])
    return Drawn(Action.INVOICE_DISPUTE, reverse("support_request", args=[asked.code]), withdrawal)


def _invoices_of_order(profile: BillingProfile) -> Drawn:
    order = PurchaseOrderFactory(profile=profile, valid_from=date(2020, 1, 1))
    invoice = InvoiceFactory(profile=profile, lines=[{"net_minor": 10_000, "purchase_order": order}])
    return Drawn(Action.INVOICE_VIEW, reverse("purchase_order_detail", args=[order.code]), invoice.number)


def _mend_a_mail(profile: BillingProfile) -> Drawn:
    invoice = InvoiceFactory(profile=profile)
    mail = queue_message(
        to="inge@beta.example", template="test_mail", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    move(mail, MessageStatus.SENDING)
    move(mail, MessageStatus.GIVEN_UP)
    lost = Delivery.objects.create(invoice=invoice, email=mail.recipient, reason=Role.PROFILE_READER, message=mail)
    return Drawn(Action.PROFILE_EDIT_RECIPIENTS, reverse("invoice", args=[invoice.code]), repair_path(lost))


def _another_recipient(profile: BillingProfile) -> Drawn:
    page = reverse("invoice_sending", args=[InvoiceFactory(profile=profile).code])
    return Drawn(Action.PROFILE_EDIT_RECIPIENTS, page, reverse("profile_recipient_new", args=[profile.code]))


def _card_as_default(profile: BillingProfile) -> Drawn:
    page = reverse("profile_card_new", args=[profile.code])
    return Drawn(Action.METHOD_REPLACE_DEFAULT, page, "Use this card as the default")


CONTROLS: dict[str, Callable[[BillingProfile], Drawn]] = {
    "the box of the next invoice": _next_invoice,
    "Pay now in the list": _pay_now,
    "the promise to pay": _promise,
    "the withdrawal of a correction": _withdraw_correction,
    "the export of roles": _export,
    "the field of the invoice day": _invoice_day,
    "the switch of invoice mail": _switch_mail_on,
    "the verbs of a section": _rename_section,
    "the move to another section": _move_to_section,
    "the form to write to support": _write_to_support,
    "the withdrawal of a dispute": _withdraw_dispute,
    "the invoices that drew from an order": _invoices_of_order,
    "the mending of a mail that came back": _mend_a_mail,
    "the way from sending once to every time": _another_recipient,
    "the choice of a new card as default": _card_as_default,
}


@pytest.mark.parametrize("control", CONTROLS)
def test_Q5_a_control_is_drawn_for_whoever_may_and_for_nobody_else(control, monkeypatch):
    owner = UserFactory()
    profile = BillingProfileFactory(account=BillingAccountFactory(owner=owner))
    drawn = CONTROLS[control](profile)
    client = Client()
    client.force_login(owner)

    with_it = client.get(drawn.address)
    monkeypatch.setitem(GRANTS, drawn.right, frozenset())
    without_it = client.get(drawn.address)

    assert (with_it.status_code, without_it.status_code) == (200, 200)
    assert re.search(drawn.sign, with_it.content.decode())
    assert not re.search(drawn.sign, without_it.content.decode())
