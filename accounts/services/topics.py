"""What a person wants to read: topics that may be declined, and the link that opens them without a sign-in (S0-11c)."""

from collections.abc import Collection

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import MARKETING_TOPICS, Topic, TopicChoice, User
from core.history import acting
from core.mail_events import lift_complaints
from core.messages import MailClass
from core.models import MailComplaint, Message

LINK_DAYS = 30
SALT = "accounts.topics"
UNSUBSCRIBE_SALT = "accounts.unsubscribe"
TOPIC_OF = {
    MailClass.RECEIPT: Topic.RECEIPTS,
    MailClass.CREDIT_EXPIRING: Topic.CREDITS,
    MailClass.RECOMMENDATION: Topic.RECOMMENDATIONS,
}


def wanted_topics(person: User) -> set[Topic]:
    """The topics that the person gets mail about. Marketing is off until somebody asks for it."""
    wanted = set(Topic) - set(MARKETING_TOPICS)
    for topic, is_wanted in TopicChoice.objects.filter(user=person).values_list("topic", "is_wanted"):
        (wanted.add if is_wanted else wanted.discard)(Topic(topic))
    return wanted


@transaction.atomic
def choose_topics(person: User, wanted: Collection[str]) -> None:
    """Keep these topics and decline all others. Mandatory service mail knows no topic and goes on."""
    now = wanted_topics(person)
    with acting(person, "topics.chosen"):
        for topic in Topic:
            if (topic in wanted) != (topic in now):
                TopicChoice.objects.update_or_create(user=person, topic=topic, defaults={"is_wanted": topic in wanted})


def is_declined(message: Message) -> bool:
    """Whether everybody whom this mail reaches said no to its topic (looked up just before it is sent)."""
    mail_class = MailClass(message.mail_class)
    if mail_class == MailClass.MARKETING:
        asked_for = TopicChoice.objects.filter(
            user=message.context.get("person_id"), topic=message.context.get("topic"), is_wanted=True
        )
        return "person_id" in message.context and not asked_for.exists()
    people = people_at(message.recipient)
    topic = TOPIC_OF[mail_class]
    said_no = people.filter(topic_choices__topic=topic, topic_choices__is_wanted=False)
    return said_no.exists() and not people.exclude(pk__in=said_no).exists()


def complained(person: User) -> bool:
    """Whether mail to an address of the person was marked as spam, and what can be declined stopped."""
    return bool(MailComplaint.objects.of(_addresses(person)))


def want_mail_again(person: User) -> None:
    """The person chose what to get: that ends what a mark as spam had stopped."""
    for address in _addresses(person):
        lift_complaints(address)


def _addresses(person: User) -> set[str]:
    return {person.email, person.billing_email}


def people_at(address: str) -> QuerySet[User]:
    """Whom mail to that address reaches."""
    return User.objects.filter(email__iexact=address) | User.objects.filter(contact_email__iexact=address)


def unsubscribe_path(message: Message) -> str:
    """The path by which one click declines mail like this at its address; empty where it is nobody's of ours, as the
    address of an extra recipient, who has a way of their own. It works for as long as the mail is kept."""
    mail_class = MailClass(message.mail_class)
    topic = message.context.get("topic") if mail_class == MailClass.MARKETING else TOPIC_OF.get(mail_class)
    if topic not in Topic.values or not people_at(message.recipient).exists():
        return ""
    said = {"to": message.recipient, "topic": topic}
    return reverse("unsubscribe", args=[signing.dumps(said, salt=UNSUBSCRIBE_SALT)])


def read_unsubscribe(token: str) -> tuple[str, Topic] | None:
    """The address and the topic of such a path; None where it was made up."""
    try:
        said = signing.loads(token, salt=UNSUBSCRIBE_SALT)
    except signing.BadSignature:
        return None
    return said["to"], Topic(said["topic"])


@transaction.atomic
def unsubscribe(address: str, topic: Topic) -> None:
    """Everybody whom mail to that address reaches declines the topic. Twice is once."""
    for person in people_at(address).order_by("pk"):
        if topic in wanted_topics(person):
            with acting(person, "topics.chosen"):
                TopicChoice.objects.update_or_create(user=person, topic=topic, defaults={"is_wanted": False})


def topics_link(person: User) -> str:
    """The path that opens this person's topics, and nothing else, for thirty days."""
    return reverse("topics_link", args=[signing.dumps({"person": person.pk, "for": person.email}, salt=SALT)])


def person_of_link(token: str, *, is_old_one_fine: bool = False) -> User | None:
    """Whose topics a link opens; None where it was made up, has expired, or its person is gone."""
    try:
        said = signing.loads(token, salt=SALT, max_age=None if is_old_one_fine else LINK_DAYS * 24 * 60 * 60)
    except signing.BadSignature:
        return None
    return User.objects.filter(pk=said["person"], email=said["for"], is_active=True).first()
