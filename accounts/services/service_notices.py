"""Notices of the vendor's staff to many people: written, looked at, released; handed out by a job (S0-4)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountRole, Audience, ServiceNotice, TopicChoice, User
from accounts.services.notices import OWNER_ROLES, mail_person
from accounts.services.topics import topics_link
from accounts.states import AccountStatus, NoticeStatus
from core.errors import Refused
from core.messages import MailClass
from core.models import Message
from core.states import move

CHUNK = 200
TEMPLATE = "service_notice"


def may_send_notices(person: Any) -> bool:
    """Whether this is one of the vendor's staff who may write and send notices."""
    return bool(person.is_active and person.is_staff and person.has_perm("accounts.add_servicenotice"))


def notice_people(notice: ServiceNotice) -> QuerySet[User]:
    """Who gets it now, in a fixed order. Marketing goes to those who asked for its topic."""
    people = User.objects.filter(is_active=True)
    if notice.audience == Audience.OWNERS:
        held = AccountRole.objects.active(timezone.localdate()).filter(role__in=OWNER_ROLES)
        held = held.exclude(account__status=AccountStatus.CLOSED)
        people = people.filter(pk__in=held.values("user"))
    elif notice.audience == Audience.ORGANISATION:
        people = people.filter(memberships__organisation=notice.organisation)
    if notice.mail_class == MailClass.MARKETING:
        asked_for = TopicChoice.objects.filter(topic=notice.topic, is_wanted=True)
        people = people.filter(pk__in=asked_for.values("user"))
    return people.order_by("pk")


def send_notice(notice: ServiceNotice, *, by: Any) -> None:
    """Release it: a job hands it out. Refuses `nobody` and, for one that was sent, `no_such_edge`."""
    if not may_send_notices(by):
        raise PermissionDenied("only the staff of the vendor sends notices")
    with transaction.atomic():
        stored = ServiceNotice.objects.select_for_update(of=("self",)).get(pk=notice.pk)
        number = notice_people(stored).count()
        if not number:
            raise Refused(_("Nobody would get this notice: choose another audience."), "nobody")
        move(stored, NoticeStatus.SENDING, sent_by=by, sent_at=timezone.now(), number_of_people=number)
    notice.refresh_from_db()


def hand_out_notice(notice: ServiceNotice) -> None:
    """Queue one mail per person, a few at a time; what was queued before a worker died is not queued again."""
    last = 0
    while people := list(notice_people(notice).filter(pk__gt=last)[:CHUNK]):
        with transaction.atomic():
            for person in people:
                mail_notice(notice, person)
        last = people[-1].pk
    move(notice, NoticeStatus.SENT)


def mail_notice(notice: ServiceNotice, person: User) -> None:
    """Queue it for that person, in the person's language."""
    mail_person(
        person,
        template=TEMPLATE,
        mail_class=MailClass(notice.mail_class),
        context=_context(notice, person),
        secret_context={"topics_path": topics_link(person)} if _can_decline(notice) else {},
        reference=f"notice:{notice.pk}",
        key=f"notice:{notice.pk}:{person.pk}",
    )


def written_for(notice: ServiceNotice, person: User) -> Message:
    """The message that such a person would get, not kept: for the preview."""
    return Message(
        recipient=person.email,
        language=person.language,
        template=TEMPLATE,
        mail_class=notice.mail_class,
        context={"person": str(person), **_context(notice, person)},
        secret_context={"topics_path": reverse("topics_ask")} if _can_decline(notice) else {},
        message_id="<preview@localhost>",
    )


def _can_decline(notice: ServiceNotice) -> bool:
    return notice.mail_class in {MailClass.RECOMMENDATION, MailClass.MARKETING}


def _context(notice: ServiceNotice, person: User) -> dict[str, Any]:
    is_dutch = person.language == "nl"
    return {
        "title": notice.subject_nl if is_dutch else notice.subject_en,
        "text": notice.text_nl if is_dutch else notice.text_en,
        "is_mandatory": notice.mail_class == MailClass.MANDATORY_SERVICE,
        **({"person_id": person.pk, "topic": notice.topic} if _can_decline(notice) else {}),
    }
