"""Mail of collecting: what each step says, to whom, and whether it still counts when it is sent (§3.9, P18)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.services.notices import mail_person
from core.mail_classes import MailClass
from core.messages import Message, Verdict, queue_message
from core.policy import Action, holders
from core.templatetags.ui import day as day_words
from core.templatetags.ui import money as money_words
from payments.legal import CONSUMER_DAYS, collection_costs, is_consumer, is_dutch
from payments.models import CollectionCase, Family, ProfileMethods
from payments.schedule import Act
from payments.services.pay_links import make_link
from profiles.models import BillingProfile, ExtraRecipient

Text = str | Promise


@dataclass(frozen=True)
class Words:
    """The subject and the first sentence of a mail; both know number, amount, day, days, name and their day."""

    subject: Text
    opening: Text
    tone: str = "info"


WORDS: dict[Act, Words] = {
    Act.ANNOUNCE: Words(
        gettext_lazy("%(number)s falls due on %(due)s"),
        gettext_lazy("%(amount)s of %(number)s falls due on %(due)s."),
    ),
    Act.REMIND: Words(
        gettext_lazy("Reminder: %(number)s is past due"),
        gettext_lazy("%(amount)s of %(number)s was due on %(due)s. Perhaps it escaped you; please pay it now."),
    ),
    Act.REMIND_AGAIN: Words(
        gettext_lazy("Second reminder: %(number)s is past due"),
        gettext_lazy("%(amount)s of %(number)s was due on %(due)s, and we have not had it yet. Please pay it now."),
        "warn",
    ),
    Act.DEMAND: Words(
        gettext_lazy("Formal demand for payment of %(number)s"),
        gettext_lazy("In spite of our reminders, %(amount)s of %(number)s is not paid. It was due on %(due)s."),
        "danger",
    ),
    Act.LAST_DEMAND: Words(
        gettext_lazy("Last demand: subscriptions of %(name)s are disabled on %(disabled)s"),
        gettext_lazy(
            "%(amount)s of %(number)s was due on %(due)s. If it is not paid, the subscriptions of %(name)s "
            "are disabled on %(disabled)s."
        ),
        "danger",
    ),
    Act.DISABLE: Words(
        gettext_lazy("The subscriptions of %(name)s are disabled"),
        gettext_lazy(
            "%(amount)s of %(number)s is not paid, so the subscriptions of %(name)s are disabled. Their data is kept "
            "until %(deleted)s. They are active again as soon as the money is there."
        ),
        "danger",
    ),
    Act.RETENTION: Words(
        gettext_lazy("The data of %(name)s is deleted on %(deleted)s"),
        gettext_lazy(
            "The subscriptions of %(name)s are disabled, since %(amount)s of %(number)s is not paid. On %(deleted)s "
            "they are deleted with their data."
        ),
        "danger",
    ),
    Act.DELETE: Words(
        gettext_lazy("The subscriptions of %(name)s are deleted"),
        gettext_lazy(
            "%(amount)s of %(number)s was not paid, so the subscriptions of %(name)s are deleted with their data. "
            "The amount stays due."
        ),
        "danger",
    ),
}


def tell_step(case: CollectionCase, act: Act, *, disable_day: int | None, delete_day: int | None) -> None:
    """Mail the step to those who look after payment and to the confirmed extra addresses, each in their language,
    with a link that pays without signing in. In the caller's transaction, once per recipient and step."""
    profile = case.invoice.profile
    if act == Act.ANNOUNCE and _is_debited(profile):
        return  # its pre-notice says amount and day
    days = {
        "disabled": case.day_of(disable_day) if disable_day is not None else None,
        "deleted": case.day_of(delete_day) if delete_day is not None else None,
    }
    reference, key = f"case:{case.pk}", f"case:{case.pk}:{case.pace}:{case.last_day}:{act}"
    link = make_link(case.invoice, at=timezone.now())
    mail: dict[str, Any] = {
        "template": "collection_step",
        "mail_class": MailClass.PAYMENT_TROUBLE,
        "secret_context": {"pay_link": link},
        "reference": reference,
    }
    for held in holders(Action.INVOICE_RECEIVE_DUNNING, profile):
        context = _context(case, act, days, held.user.language)
        mail_person(held.user, context=context, key=f"{key}:{held.user_id}", **mail)
    for extra in _extras(profile):
        context = {"person": "", **_context(case, act, days, extra.language)}
        queue_message(to=extra.email, language=extra.language, context=context, key=f"{key}:extra:{extra.pk}", **mail)


def _context(case: CollectionCase, act: Act, days: dict[str, date | None], language: str) -> dict[str, Any]:
    invoice, profile = case.invoice, case.invoice.profile
    with translation.override(language):
        said = {
            "number": invoice.number,
            "amount": money_words(invoice.amount_asked),
            "due": day_words(invoice.due_date),
            "name": profile.name,
            **{name: day_words(day) if day else "" for name, day in days.items()},
        }
        words = WORDS[act]
        return {
            "subject": str(words.subject) % said,
            "opening": str(words.opening) % said,
            "tone": words.tone,
            "notes": [*_notes(case, act)],
            "amount": invoice.amount_asked,
            "number": invoice.number,
            "due": invoice.due_date,
            "iban": str(invoice.seller.get("iban", "")),
            "holder": str(invoice.seller.get("legal_name", "")),
            "transfer_reference": invoice.payment_reference,
            "path": reverse("invoice", args=[invoice.code]),
        }


def _notes(case: CollectionCase, act: Act) -> Iterable[str]:
    """What goes beside the first sentence: how it will be paid, or what the law wants said."""
    invoice = case.invoice
    if act == Act.ANNOUNCE and (method := _charged_with(invoice.profile)):
        yield _("It is charged on that day with %(method)s. You need not do anything.") % {"method": method}
    if act == Act.DEMAND and is_dutch(invoice):
        costs = collection_costs(invoice.amount_asked)
        if costs is not None and is_consumer(invoice):
            yield _(
                "If the amount is in our account within %(days)d days, counted from the day after you received this "
                "letter, you owe nothing more. After that we may charge collection costs of %(costs)s, as the law sets "
                "them, and statutory interest."
            ) % {"days": CONSUMER_DAYS, "costs": money_words(costs)}
        elif costs is not None:
            yield _(
                "We give you notice of default. By law you owe statutory commercial interest from the day after the "
                "due date, and collection costs, which are %(costs)s for this amount. We do not charge them now."
            ) % {"costs": money_words(costs)}
    if act in (Act.DEMAND, Act.LAST_DEMAND):
        yield _("Is something wrong with the invoice? Write to us, and say what; then we look at it before we go on.")


def verdict_on_step(message: Message) -> Verdict:
    """None after payment: what was paid, disputed or promised meanwhile is not asked for any more (I23)."""
    case = (
        CollectionCase.objects.select_related("invoice__profile")
        .filter(pk=int(message.reference.removeprefix("case:")))
        .first()
    )
    if case is None or case.invoice.status != "due" or case.is_promised(timezone.localdate()):
        return Verdict.WITHDRAW
    people = {held.user for held in holders(Action.INVOICE_RECEIVE_DUNNING, case.invoice.profile)}
    addresses = {person.billing_email.lower() for person in people}
    addresses |= {extra.email.lower() for extra in _extras(case.invoice.profile)}
    return Verdict.SEND if message.recipient.lower() in addresses else Verdict.WITHDRAW


def _extras(profile: BillingProfile) -> Iterable[ExtraRecipient]:
    return ExtraRecipient.objects.filter(profile=profile, confirmed_at__isnull=False).order_by("pk")


def _is_debited(profile: BillingProfile) -> bool:
    return ProfileMethods.objects.filter(profile=profile, default__family=Family.DIRECT_DEBIT).exists()


def _charged_with(profile: BillingProfile) -> str:
    chosen = ProfileMethods.objects.filter(profile=profile, charges_automatically=True).select_related("default")
    methods = chosen.first()
    if methods is None or methods.default is None or methods.default.family != Family.CARD:
        return ""
    return str(methods.default)
