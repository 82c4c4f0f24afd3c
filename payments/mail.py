"""Mail about payments and payment methods: who gets it, and what it says. Sent by the outbox."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import User
from accounts.services.notices import mail_people, mail_person, owners_of
from core.mail_classes import MailClass
from core.messages import Message, Verdict, recheck
from core.policy import Action, holders, may, read_roles
from payments.declines import explain
from payments.models import Payment, PaymentMethod
from profiles.models import BillingProfile
from profiles.people import effective_owners
from profiles.recipients import mailed_recipients


def send_receipt(payment: Payment) -> None:
    """A receipt to who paid and to those who get the profile's invoices (§3.9, P8), once each."""
    lines = [[allocation.invoice.number, allocation.amount] for allocation in _booked(payment)]
    recipients = mailed_recipients(payment.profile, on=timezone.localdate())
    for person in _payer_and(payment, [recipient.user for recipient in recipients if recipient.user]):
        mail_person(
            person,
            template="payment_receipt",
            mail_class=MailClass.RECEIPT,
            context={
                "number": payment.receipt_number,
                "amount": payment.amount,
                "method": payment.method_text,
                "day": timezone.localdate(payment.settled_at),
                "lines": lines,
                "path": payment.get_absolute_url(),
                "receipt_path": reverse("payment_receipt", args=[payment.code]),
            },
            reference=f"payment:{payment.code}",
            key=f"receipt:{payment.code}:{person.pk}",
        )


def tell_declined(payment: Payment) -> None:
    """Why no money came and what to do, to who tried and to those who look after payment (S3-17, §3.9)."""
    allocations = list(payment.allocations.select_related("invoice").order_by("invoice__number"))
    people = [held.user for held in holders(Action.INVOICE_RECEIVE_DUNNING, payment.profile)]
    for person in _payer_and(payment, people):
        with translation.override(person.language):
            decline = explain(payment.decline_reason)
            sentence, advice = str(decline.sentence), [str(step) for step in decline.advice]
        mail_person(
            person,
            template="payment_declined",
            mail_class=MailClass.PAYMENT_TROUBLE,
            context={
                "amount": payment.amount,
                "method": payment.method_text,
                "sentence": sentence,
                "advice": advice,
                "numbers": [allocation.invoice.number for allocation in allocations],
                "path": reverse("invoice_payment", args=[allocations[0].invoice.code]),
            },
            reference=f"payment:{payment.code}",
            key=f"declined:{payment.code}:{person.pk}",
        )


def tell_returned(payment: Payment) -> None:
    """The bank took a payment back, and what is owed again, to those who look after payment (§3.9)."""
    allocations = list(payment.allocations.filter(status="settled").select_related("invoice").order_by("invoice_id"))
    if not allocations:
        return
    people = [held.user for held in holders(Action.INVOICE_RECEIVE_DUNNING, payment.profile)]
    for person in _payer_and(payment, people):
        with translation.override(person.language):
            decline = explain(payment.decline_reason)
            sentence, advice = str(decline.sentence), [str(step) for step in decline.advice]
        mail_person(
            person,
            template="payment_returned",
            mail_class=MailClass.PAYMENT_TROUBLE,
            context={
                "amount": payment.amount,
                "method": payment.method_text,
                "sentence": sentence,
                "advice": advice,
                "numbers": [allocation.invoice.number for allocation in allocations],
                "path": reverse("invoice_payment", args=[allocations[0].invoice.code]),
            },
            reference=f"payment:{payment.code}",
            key=f"returned:{payment.code}:{person.pk}",
        )


def tell_method_added(method: PaymentMethod, profiles: Iterable[BillingProfile], *, by: User) -> None:
    """A card was added, and pays for these profiles from now on."""
    _tell("method_added", method, profiles, by)


def tell_default_changed(method: PaymentMethod, profiles: Iterable[BillingProfile], *, by: User) -> None:
    """These profiles pay with another method from now on (P9)."""
    _tell("method_default", method, profiles, by)


def tell_method_removed(method: PaymentMethod, *, by: User) -> None:
    """A card was taken away."""
    _tell("method_removed", method, (), by)


def _tell(template: str, method: PaymentMethod, profiles: Iterable[BillingProfile], by: User) -> None:
    profiles = list(profiles)
    places = {profile.pk: profile for profile in [*profiles, *([method.profile] if method.profile else [])]}
    owners = [owner for profile in places.values() for owner in effective_owners(profile)]
    mail_people(
        [by, *owners_of(method.account), *owners],
        template=template,
        mail_class=MailClass.ACCESS_CHANGED,
        context={
            "method": method.short_name,
            "account": method.account.name,
            "profiles": [profile.name for profile in profiles],
            "by": str(by),
            "path": reverse("payment_methods", args=[method.account.code]),
        },
        reference=f"method:{method.code}",
    )


def _booked(payment: Payment) -> Iterable[Any]:
    return payment.allocations.filter(status="settled").select_related("invoice", "payment").order_by("invoice__number")


def _payer_and(payment: Payment, people: Iterable[User]) -> Iterable[User]:
    everybody = [*([payment.user] if payment.user else []), *people]
    return {person.pk: person for person in everybody}.values()


@recheck(MailClass.RECEIPT)
def receipt_still_wanted(message: Message) -> Verdict:
    """Who lost sight of the payment meanwhile does not get its receipt (I23)."""
    return _verdict(message, Action.INVOICE_VIEW)


@recheck(MailClass.PAYMENT_TROUBLE)
def decline_still_wanted(message: Message) -> Verdict:
    return _verdict(message, Action.INVOICE_VIEW)


def _verdict(message: Message, action: Action) -> Verdict:
    code = message.reference.removeprefix("payment:")
    payment = Payment.objects.filter(code=code).first()
    if payment is None:
        return Verdict.SEND
    people = User.objects.filter(is_active=True).filter(email__iexact=message.recipient) | User.objects.filter(
        is_active=True, contact_email__iexact=message.recipient
    )
    reads = any(may(person, action, payment, read_roles(person)) for person in people)
    return Verdict.SEND if reads else Verdict.WITHDRAW
