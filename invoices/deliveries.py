"""An issued invoice by e-mail: who gets it, what became of each mail, and sending one again (S4, §3.9).

Issuing wrote one Dispatch. When the PDF is there it becomes one Delivery per recipient, each with its
Message; from then on the outbox sends, and the state of a delivery is that of its message (I25). The
right to read the invoice is looked at when the mail is addressed and again just before it is sent.

A run that catches up on missed months issues several documents of a profile on one day. They go in one
mail to each recipient, once the last of them is there (F26).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Concat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.services.notices import mail_people
from core.errors import Refused
from core.messages import Attachment, MailClass, Verdict, new_message, requeue_message
from core.models import MailComplaint, Message, MessageAttempt, MessageStatus
from core.policy import Action, demand, may, read_roles
from core.states import move_all
from invoices.documents.archive import Damaged, file_name, read_document
from invoices.models import Delivery, Dispatch, Document, DocumentKind, Invoice, RunRange
from invoices.states import DispatchStatus, DocumentStatus, InvoiceStatus
from profiles.people import effective_owners
from profiles.recipients import InvoiceRecipient, mailed_on_each, still_wanted_each
from profiles.services.recipients import link_of

# Mail servers refuse more; the mail then carries a link as if attaching were switched off.
ATTACHED_BYTES = 8 * 1024 * 1024
# What the mails about an undelivered invoice are filed under, with the delivery's id.
_BOUNCE = "bounced delivery:"
RESEND_PAUSE = timedelta(minutes=5)
# Of the mails that came back, the latest are looked at.
LOOKED_AT = 10
# The reason of a delivery that somebody asked for, to an address of theirs.
SENT_BY_HAND = "sent_by_hand"
# It will not arrive unless somebody does something.
LOST = (MessageStatus.BOUNCED, MessageStatus.GIVEN_UP)
# How long a document waits for the others that go with it.
WAITED_FOR = timedelta(days=1)
# A delivery that needs somebody stands first.
_WORST_FIRST = (
    MessageStatus.BOUNCED,
    MessageStatus.GIVEN_UP,
    MessageStatus.DEFERRED,
    MessageStatus.QUEUED,
    MessageStatus.SENDING,
    MessageStatus.WITHDRAWN,
    MessageStatus.SUPPRESSED,
    MessageStatus.ACCEPTED,
)


def address_dispatch(dispatch: Dispatch, *, on: date) -> None:
    """Turn a dispatch into a delivery and a queued mail per recipient, once; or into none where the profile
    does not want invoices by mail. Its PDF has to be there. Refuses `moved_meanwhile` when somebody else did."""
    if not address_dispatches([dispatch], on=on):
        raise Refused(_("Somebody else changed this a moment ago. Look again and retry."), "moved_meanwhile")


@transaction.atomic
def address_dispatches(dispatches: Sequence[Dispatch], *, on: date) -> list[Dispatch]:
    """`address_dispatch` of many with those that go together with them, all or none, in a few statements. Returns
    those that nobody else had moved."""
    dispatches = [*dispatches, *_following(dispatches)]
    profiles = {dispatch.invoice.profile_id: dispatch.invoice.profile for dispatch in dispatches}
    skipped = [dispatch for dispatch in dispatches if not dispatch.invoice.profile.sends_invoices]
    mailed = [dispatch for dispatch in dispatches if dispatch.invoice.profile.sends_invoices]
    # Moving them first locks the rows: whoever comes second moves none and writes nothing.
    moved = move_all(skipped, DispatchStatus.SKIPPED)
    addressed = move_all(mailed, DispatchStatus.EXPANDED, expanded_at=timezone.now())
    recipients = mailed_on_each(profiles.values(), on=on)
    documents = Document.objects.filter(invoice__in=[dispatch.invoice_id for dispatch in addressed])
    pdfs = {document.invoice_id: document for document in documents.filter(kind=DocumentKind.PDF)}
    together: dict[Any, list[Invoice]] = {}
    for dispatch in sorted(addressed, key=lambda each: each.pk):
        together.setdefault(_place(dispatch), []).append(dispatch.invoice)
    deliveries = [
        _deliveries(invoices, recipient, pdfs)
        for invoices in together.values()
        for recipient in recipients[invoices[0].profile_id]
    ]
    Message.objects.bulk_create([each[0].message for each in deliveries])
    Delivery.objects.bulk_create([delivery for each in deliveries for delivery in each])
    return moved + addressed


def _place(dispatch: Dispatch) -> tuple[int, date | None, int | None]:
    """What those have in common that go together: what a run issued of one profile on one day."""
    invoice = dispatch.invoice
    return invoice.profile_id, invoice.issue_date, None if invoice.period_id else invoice.pk


def _following(dispatches: Sequence[Dispatch]) -> list[Dispatch]:
    """Those that go together with these."""
    places = {_place(dispatch) for dispatch in dispatches if dispatch.invoice.period_id}
    if not places:
        return []
    # Two steps, each by an index: the planner may know nothing yet of what a run has just written.
    issued = Invoice.objects.exclude(status=InvoiceStatus.DRAFT).filter(
        profile__in={profile for profile, _day, _own in places},
        issue_date__in={day for _profile, day, _own in places},
        period__isnull=False,
    )
    others = set(issued.values_list("pk", flat=True)) - {dispatch.invoice_id for dispatch in dispatches}
    if not others:
        return []
    found = _with_pdf().filter(invoice__in=others).select_related("invoice__profile__account")
    return [dispatch for dispatch in found if _place(dispatch) in places]


def _deliveries(
    invoices: Sequence[Invoice], recipient: InvoiceRecipient, pdfs: Mapping[int, Document]
) -> list[Delivery]:
    """A delivery of each with the message of all, none of them written yet."""
    # An extra address has no other way to the document.
    attachments = _attachments(invoices, pdfs, always=recipient.extra is not None)
    first, attached = invoices[0], bool(attachments)
    is_one = len(invoices) == 1
    message = new_message(
        to=recipient.email,
        template="invoice_issued" if is_one else "invoices_issued",
        mail_class=MailClass.INVOICE_ISSUED,
        language=recipient.language,
        context=(
            mail_context(first, recipient, attached=attached)
            if is_one
            else _context_of_several(invoices, recipient, attached=attached)
        ),
        attachments=attachments,
        reference=f"invoice:{first.code}",
    )
    return [
        Delivery(invoice=each, email=recipient.email, user=recipient.user, reason=recipient.reason, message=message)
        for each in invoices
    ]


def resend_delivery(delivery: Delivery, *, by: Any) -> None:
    """Send the same mail to the same recipient once more, with the Message-ID it had.

    Everybody who may see the invoice may ask. Refuses `still_on_its_way`, `sent_just_now`,
    `complained` when its holder marked our mail as spam,
    `switched_off` when the profile no longer wants invoices by mail, and `no_right` when the recipient
    may no longer get them.
    """
    demand(by, Action.INVOICE_VIEW, delivery.invoice)
    message = delivery.message
    if message.is_unfinished:
        raise Refused(
            _("The mail to %(email)s is still on its way. You see here what becomes of it.")
            % {"email": delivery.email},
            "still_on_its_way",
        )
    if message.accepted_at and timezone.now() - message.accepted_at < RESEND_PAUSE:
        raise Refused(
            _("The invoice was sent to %(email)s a moment ago. Try again in five minutes.") % {"email": delivery.email},
            "sent_just_now",
        )
    if MailComplaint.objects.of([delivery.email]):
        raise Refused(
            _("%(email)s marked our mail as spam. It goes there again once its holder asks for it.")
            % {"email": delivery.email},
            "complained",
        )
    match verdict_on_delivery(delivery):
        case Verdict.SUPPRESS:
            raise Refused(
                _("Invoices by e-mail are switched off for %(profile)s. Switch them on in its e-mail preference.")
                % {"profile": delivery.invoice.profile},
                "switched_off",
            )
        case Verdict.WITHDRAW:
            raise Refused(
                _("%(email)s may no longer get invoices of %(profile)s, or does not want them. See its recipients.")
                % {"email": delivery.email, "profile": delivery.invoice.profile},
                "no_right",
            )
    requeue_message(message, words=str(by))


def verdict_on_delivery(delivery: Delivery) -> Verdict:
    """Whether the mail may go now: the profile still wants it and the recipient may still read it, or who sent it
    by hand may still download it (I23).

    Raises Damaged when the attached PDF is not the one that was made; the mail then waits (F39).
    """
    verdict = verdicts_on_deliveries([delivery]).get(delivery.pk)
    if verdict is None:
        raise Damaged(str(delivery.invoice))
    return verdict


def verdicts_on_deliveries(deliveries: Sequence[Delivery]) -> dict[int, Verdict]:
    """`verdict_on_delivery` of many in a few statements, by primary key, without those whose PDF is damaged."""
    places = [(delivery.invoice.profile, delivery.email, delivery.user_id) for delivery in deliveries]
    found: dict[int, Verdict] = {}
    going = []
    for delivery, is_wanted in zip(deliveries, still_wanted_each(places), strict=True):
        sender = delivery.sent_by
        if sender is not None:
            if may(sender, Action.INVOICE_DOWNLOAD, delivery.invoice, read_roles(sender)):
                going.append(delivery)
            else:
                found[delivery.pk] = Verdict.WITHDRAW
        elif not delivery.invoice.profile.sends_invoices:
            found[delivery.pk] = Verdict.SUPPRESS
        elif not is_wanted:
            found[delivery.pk] = Verdict.WITHDRAW
        else:
            going.append(delivery)
    damaged = _damaged_pdfs([delivery for delivery in going if delivery.message.attachments])
    return found | {delivery.pk: Verdict.SEND for delivery in going if delivery.invoice_id not in damaged}


def _damaged_pdfs(deliveries: Sequence[Delivery]) -> set[int]:
    """The invoices of these deliveries of which an attached file is not the one that was made; each is read once."""
    documents = Document.objects.filter(invoice__in={delivery.invoice_id for delivery in deliveries})
    attached = {each["storage_name"] for delivery in deliveries for each in delivery.message.attachments}
    damaged = set()
    for document in documents.filter(file__in=attached).only("file", "sha256", "invoice_id", "kind"):
        try:
            read_document(document)
        except Damaged:
            damaged.add(document.invoice_id)
    return damaged


def deliveries_of(invoice: Invoice) -> list[Delivery]:
    """What became of each mail, those that need somebody first. `delivery.timeline` holds the tries, and
    `is_replaced` says whether another mends it; one statement, and one more where there are mails."""
    rows = list(invoice.deliveries.select_related("message", "sent_by"))
    replaced = {delivery.in_place_of_id for delivery in rows}
    tries: dict[int, list[dict[str, Any]]] = {delivery.message_id: [] for delivery in rows}
    if rows:
        found = MessageAttempt.objects.filter(message__in=tries).order_by("pk")
        for attempt in found.values("message_id", "at", "outcome", "code", "words"):
            tries[attempt["message_id"]].append({**attempt})
    for delivery in rows:
        delivery.timeline = tries[delivery.message_id]  # type: ignore[attr-defined]
        delivery.is_replaced = delivery.pk in replaced  # type: ignore[attr-defined]
    return sorted(rows, key=lambda delivery: (_WORST_FIRST.index(delivery.message.status), delivery.email))


def _with_pdf() -> QuerySet[Dispatch]:
    """Dispatches whose PDF is there."""
    ready = Document.objects.filter(invoice=OuterRef("invoice"), kind=DocumentKind.PDF, status=DocumentStatus.READY)
    return Dispatch.objects.filter(Exists(ready), status=DispatchStatus.PENDING)


def dispatches_due() -> QuerySet[Dispatch]:
    """Dispatches whose PDF is there, and those of the documents that go with it, or something has kept one for a
    day."""
    now = timezone.now()
    # What is on its way to the others of the day is asked about each row by the invoices of its profile, whatever the
    # planner believes of tables that a run has just filled: by the day from and to, it makes no table of all there is.
    together = Invoice.objects.exclude(status=InvoiceStatus.DRAFT).filter(
        profile=OuterRef("invoice__profile"),
        issue_date__gte=OuterRef("invoice__issue_date"),
        issue_date__lte=OuterRef("invoice__issue_date"),
        period__isnull=False,
        created_at__gt=now - WAITED_FOR,
    )
    awaited = Document.objects.filter(invoice=OuterRef("pk"), kind=DocumentKind.PDF, status=DocumentStatus.PENDING)
    being_made = together.annotate(awaited=Case(When(Exists(awaited), then=True))).filter(awaited=True)
    # The months that a run has not come to yet.
    coming = RunRange.objects.at_work(now).filter(
        run__month__gt=OuterRef("invoice__period_start"),
        first_profile__lte=OuterRef("invoice__profile"),
        last_profile__gte=OuterRef("invoice__profile"),
    )
    alone = Q(invoice__period=None)
    return _with_pdf().filter(alone | ~Exists(being_made) & ~Exists(coming)).order_by("pk")


def unreported_bounces() -> QuerySet[Delivery]:
    """Deliveries that will not arrive, and of which the owners were not told yet; of one mail the first. None of a
    closed account, where nobody can mend an address."""
    first = Delivery.objects.filter(message=OuterRef("message"), pk__lt=OuterRef("pk"))
    told = Message.objects.filter(reference=Concat(Value(_BOUNCE), Cast(OuterRef("pk"), CharField())))
    lost = Delivery.objects.filter(~Exists(told), ~Exists(first), message__status__in=LOST)
    return lost.exclude(invoice__account__status="closed").order_by("pk")


def unrepaired(rows: QuerySet[Delivery]) -> list[Delivery]:
    """Those of these deliveries that came back and still matter: nothing was sent in their place, and the address is
    still to get the invoices of its profile. Two for a page; as many statements whatever there is."""
    lost = rows.filter(message__status__in=LOST, replacements=None)
    found = list(lost.select_related("invoice__profile", "message", "sent_by").order_by("-pk")[:LOOKED_AT])
    places = [(delivery.invoice.profile, delivery.email, delivery.user_id) for delivery in found]
    return [
        delivery
        for delivery, is_wanted in zip(found, still_wanted_each(places), strict=True)
        if is_wanted or delivery.sent_by_id
    ]


@transaction.atomic
def report_bounce(delivery: Delivery) -> None:
    """Tell the owners of the profile, once, that an invoice did not reach somebody, in the server's words (F17)."""
    # Two workers at once: the second waits here, and then finds it told.
    if unreported_bounces().select_for_update(of=("self",)).filter(pk=delivery.pk).first() is None:
        return
    invoice = delivery.invoice
    mail_people(
        effective_owners(invoice.profile),
        template="invoice_bounced",
        mail_class=MailClass.SERVICE,
        context={
            "email": delivery.email,
            "number": ", ".join(_numbers(delivery.message)),
            "profile_name": invoice.profile_name,
            "words": delivery.message.last_error,
            "path": reverse("delivery_repair", args=[invoice.code, delivery.pk]),
        },
        reference=f"{_BOUNCE}{delivery.pk}",
    )


def _numbers(message: Message) -> list[str]:
    """The numbers of the documents that the mail carries."""
    return [str(each.invoice) for each in Delivery.objects.filter(message=message).select_related("invoice")]


def _attachments(invoices: Sequence[Invoice], pdfs: Mapping[int, Document], *, always: bool) -> list[Attachment]:
    """All of them or none."""
    if not (always or invoices[0].profile.attaches_pdf):
        return []
    if sum(pdfs[invoice.pk].size_bytes or 0 for invoice in invoices) > ATTACHED_BYTES:
        return []
    return [Attachment(pdfs[invoice.pk].file, file_name(invoice), "application/pdf") for invoice in invoices]


def mail_context(invoice: Invoice, recipient: InvoiceRecipient, *, attached: bool) -> dict[str, Any]:
    """What the mail about an invoice says to this recipient."""
    return {
        "person": recipient.name,
        "stop_path": link_of(recipient.extra) if recipient.extra else "",
        "kind": invoice.kind,
        "number": invoice.number,
        "total": invoice.total,
        "due_date": invoice.due_date,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "account_name": invoice.account_name,
        "profile_name": invoice.profile_name,
        "po_number": invoice.po_number,
        "seller_name": invoice.seller["legal_name"],
        "sender": "",
        "attached": attached,
        "path": invoice.get_absolute_url(),
    }


def _context_of_several(invoices: Sequence[Invoice], recipient: InvoiceRecipient, *, attached: bool) -> dict[str, Any]:
    """What the mail about several documents of one profile says: what they have in common, and a row of each."""
    common = ("person", "stop_path", "account_name", "profile_name", "seller_name", "attached")
    each = ("kind", "number", "total", "due_date", "period_start", "period_end", "path")
    found = [mail_context(invoice, recipient, attached=attached) for invoice in invoices]
    profile = invoices[0].profile
    return {
        **{name: found[0][name] for name in common},
        "documents": [{name: context[name] for name in each} for context in found],
        "path": f"{reverse('invoices', args=[profile.account.code])}?profile={profile.code}",
    }
