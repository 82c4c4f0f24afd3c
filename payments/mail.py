"""Mail about payments and payment methods: who gets it, and what it says. Sent by the outbox."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import AccountRole, User
from accounts.services.notices import mail_people, mail_person, owners_of
from core.mail_classes import MAIL_RULES, MailClass
from core.messages import Attachment, Message, Verdict, recheck
from core.money import Money
from core.policy import Action, Role, holders, may, read_roles
from payments.collecting_mail import verdict_on_step
from payments.declines import explain
from payments.models import Allocation, DebitNotice, Initiator, Paper, Payment, PaymentMethod, TransferRequest
from payments.services.pay_links import make_link
from profiles.models import BillingProfile, ProfileRole
from profiles.people import effective_owners
from profiles.recipients import mailed_recipients


def send_receipt(payment: Payment, paper: Paper | None, file_name: str) -> None:
    """A receipt to who paid and to those who get the profile's invoices (§3.9, P8), once each; with its PDF where
    there is one."""
    attachments = [Attachment(paper.file, file_name, "application/pdf")] if paper else []
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
                "kept": payment.kept or None,
                "path": payment.get_absolute_url(),
                "receipt_path": reverse("payment_receipt", args=[payment.code]),
                "attached": bool(attachments),
            },
            attachments=attachments,
            reference=f"payment:{payment.code}",
            key=f"receipt:{payment.code}:{person.pk}",
        )


def tell_declined(payment: Payment) -> None:
    """Why no money came and what to do, to who tried and to those who look after payment (S3-17, §3.9)."""
    _tell_of_trouble(payment, "declined", list(payment.allocations.select_related("invoice")))


def tell_returned(payment: Payment) -> None:
    """The bank took a payment back, and what is owed again, to those who look after payment (§3.9)."""
    _tell_of_trouble(payment, "returned", list(_booked(payment)))


def _tell_of_trouble(payment: Payment, what: str, allocations: list[Allocation]) -> None:
    invoices = sorted((allocation.invoice for allocation in allocations), key=lambda invoice: invoice.number or "")
    if not invoices:
        return
    link = ""
    if what == "declined" and payment.initiated_by == Initiator.AUTOMATIC:
        link = make_link(invoices[0], at=timezone.now())
    people = [held.user for held in holders(Action.INVOICE_RECEIVE_DUNNING, payment.profile)]
    for person in _payer_and(payment, people):
        with translation.override(person.language):
            decline = explain(payment.decline_reason)
            sentence, advice = str(decline.sentence), [str(step) for step in decline.advice]
        mail_person(
            person,
            template=f"payment_{what}",
            mail_class=MailClass.PAYMENT_TROUBLE,
            context={
                "amount": payment.amount,
                "method": payment.method_text,
                "sentence": sentence,
                "advice": advice,
                "numbers": [invoice.number for invoice in invoices],
                "path": reverse("invoice_payment", args=[invoices[0].code]),
                "problems_path": f"{reverse('payment_problems')}#{payment.decline_reason}",
            },
            # Nobody was there when it was charged: whoever reads the mail can pay at once (P18).
            secret_context={"pay_link": link} if link else None,
            reference=f"payment:{payment.code}",
            key=f"{what}:{payment.code}:{person.pk}",
        )


def tell_debit_announced(notice: DebitNotice) -> None:
    """How much is collected from which account, when and for what, to those who look after payment (I19)."""
    for held in holders(Action.INVOICE_RECEIVE_DUNNING, notice.invoice.profile):
        mail_person(
            held.user,
            template="debit_announced",
            mail_class=MailClass.SERVICE,
            context={
                "amount": notice.amount,
                "number": notice.invoice.number,
                "day": notice.collects_on,
                "account": notice.mandate.iban_masked,
                "mandate": notice.mandate.reference,
                "path": notice.invoice.get_absolute_url(),
            },
            reference=f"invoice:{notice.invoice.code}",
            key=f"debit:{notice.pk}:{held.user_id}",
        )


def tell_refunded(payment: Payment, amount: Money, *, key: str) -> None:
    """How much of a payment went back, and what is owed again, to who paid and to those who look after payment."""
    people = [held.user for held in holders(Action.INVOICE_RECEIVE_DUNNING, payment.profile)]
    for person in _payer_and(payment, people):
        mail_person(
            person,
            template="payment_refunded",
            mail_class=MailClass.SERVICE,
            context={
                "amount": amount,
                "method": payment.method_text,
                "numbers": [allocation.invoice.number for allocation in _booked(payment)],
                "path": payment.get_absolute_url(),
            },
            reference=f"payment:{payment.code}",
            key=f"{key}:{person.pk}",
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


def tell_of_transfer(request: TransferRequest) -> None:
    """Where a request to pay by transfer stands now: to who asked, and to those who look after the methods (P16)."""
    owners = effective_owners(request.profile) if request.profile else owners_of(request.account)
    for person in {person.pk: person for person in [request.requested_by, *owners]}.values():
        with translation.override(person.language):
            status = str(request.get_status_display())  # type: ignore[attr-defined]
        mail_person(
            person,
            template="transfer_request",
            mail_class=MailClass.ACCESS_CHANGED,
            context={
                "of": str(request),
                "status": status,
                "kind": str(request.status),
                "note": request.note,
                "term": request.term_days,
                "path": request.get_absolute_url(),
            },
            reference=f"transfer:{request.code}",
        )


# How many days before its last one an expiring method is mailed about, once each (§3.9).
EXPIRY_NOTICES = (30, 7)


def tell_expiring(method: PaymentMethod, *, on: date) -> None:
    """A method that pays for something expires soon: to owners and contributors of what it pays for, and where
    there are none to those of the account; once 30 and once 7 days before (§3.9)."""
    if method.valid_until is None or not on <= method.valid_until:
        return
    left = (method.valid_until - on).days
    notice = min((days for days in EXPIRY_NOTICES if left <= days), default=None)
    if notice is None:
        return
    profiles = BillingProfile.objects.filter(Q(methods__default=method) | Q(methods__backup=method))
    of_person: dict[User, list[BillingProfile]] = {}
    for profile in profiles.select_related("account").order_by("name", "pk"):
        for person in keepers(profile, on=on):
            of_person.setdefault(person, []).append(profile)
    for person, theirs in of_person.items():
        mail_person(
            person,
            template="card_expiring",
            mail_class=MailClass.CARD_EXPIRING,
            context={
                "method": method.short_name,
                "account": method.account.name,
                "last_day": method.valid_until,
                "days": left,
                "profiles": [profile.name for profile in theirs],
                "path": reverse("method_replacement", args=[method.code]),
            },
            reference=f"method:{method.code}",
            key=f"expiring:{method.code}:{method.valid_until}:{notice}:{person.pk}",
        )


def keepers(profile: BillingProfile, *, on: date) -> list[User]:
    """Who looks after the methods of a profile: the rule of the class "card expiring" (§3.9).

    On online services that is the account administrator, who is the owner of every subscription.
    """
    rule = MAIL_RULES[MailClass.CARD_EXPIRING]
    direct = ProfileRole.objects.active(on).filter(profile=profile, role__in=rule.roles, user__is_active=True)
    people = [held.user for held in direct.select_related("user").order_by("user__name", "pk")]
    if not people:
        above = [*rule.fallback_roles, Role.ACCOUNT_ADMINISTRATOR]
        held_above = AccountRole.objects.active(on).filter(
            account=profile.account, role__in=above, user__is_active=True
        )
        people = [held.user for held in held_above.select_related("user").order_by("user__name", "pk")]
    return people


@recheck(MailClass.CARD_EXPIRING)
def expiry_still_counts(message: Message) -> Verdict:
    """Nobody is told of a card that pays nothing any more, or that lost sight of it (I23)."""
    method = PaymentMethod.objects.filter(code=message.reference.removeprefix("method:")).first()
    if method is None or not PaymentMethod.objects.in_use().filter(pk=method.pk).exists():
        return Verdict.WITHDRAW
    return _seen_by(message.recipient, Action.METHOD_VIEW, method)


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
    if message.reference.startswith("case:"):
        return verdict_on_step(message)
    return _verdict(message, Action.INVOICE_VIEW)


def _verdict(message: Message, action: Action) -> Verdict:
    code = message.reference.removeprefix("payment:")
    payment = Payment.objects.filter(code=code).first()
    return Verdict.SEND if payment is None else _seen_by(message.recipient, action, payment)


def _seen_by(address: str, action: Action, obj: Payment | PaymentMethod) -> Verdict:
    people = User.objects.filter(is_active=True).filter(email__iexact=address) | User.objects.filter(
        is_active=True, contact_email__iexact=address
    )
    reads = any(may(person, action, obj, read_roles(person)) for person in people)
    return Verdict.SEND if reads else Verdict.WITHDRAW
