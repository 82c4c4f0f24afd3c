"""The vendor's staff write to many people: class, languages, audience, preview; a job hands it out."""

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.models import Audience, ServiceNotice
from accounts.services import topics
from accounts.services.service_notices import hand_out_notice, send_notice
from accounts.tests.factories import BillingAccountFactory, OrganisationMemberFactory, UserFactory
from core.errors import Refused
from core.jobs import registry, run_due
from core.mail import write_mail
from core.messages import MailClass, Verdict, verdict_on
from core.models import Message

pytestmark = pytest.mark.django_db
ADD = "/staff/accounts/servicenotice/add/"
VALUES = {
    "mail_class": "mandatory_service",
    "topic": "",
    "audience": "everybody",
    "organisation": "",
    "subject_en": "Prices change",
    "text_en": "From 1 January on.\n<b>Really</b>",
    "subject_nl": "Prijzen veranderen",
    "text_nl": "Vanaf 1 januari.",
}


@pytest.fixture
def staff():
    return UserFactory(staff=True, email="joris@vendor.example")


def notice(staff, **values):
    return ServiceNotice.objects.create(created_by=staff, **{**VALUES, "organisation": None, **values})


def recipients():
    return set(Message.objects.filter(template="service_notice").values_list("recipient", flat=True))


def test_S0_4_staff_write_look_and_send_and_everybody_gets_it_in_their_language(client, staff):
    client.force_login(staff)
    tom = UserFactory(email="tom@alfa.example", language="nl", contact_email="tom@x.example")
    tom.contact_email_verified_at = timezone.now()
    tom.save()
    topics.choose_topics(tom, [])

    preview = client.post(ADD, VALUES).url
    page = client.get(preview).content.decode()
    assert "Prijzen veranderen" in page
    assert "2 people" in page
    assert client.get(preview + "nl/").headers["Content-Security-Policy"].count("style-src 'unsafe-inline'")
    client.post(preview)
    run_due(only=["accounts.hand_out_notices"])

    assert ServiceNotice.objects.get().status == "sent"
    assert recipients() == {"joris@vendor.example", "tom@alfa.example", "tom@x.example"}
    mail = write_mail(Message.objects.get(recipient="tom@alfa.example"))
    assert mail.subject == "Prijzen veranderen"
    assert verdict_on(Message.objects.get(recipient="tom@alfa.example")) == Verdict.SEND


def test_S0_4_a_notice_is_handed_out_once_however_often_a_worker_dies(staff):
    told = notice(staff)
    send_notice(told, by=staff)
    again = ServiceNotice.objects.get(pk=told.pk)
    hand_out_notice(told)

    with pytest.raises(Refused):
        hand_out_notice(again)

    assert Message.objects.count() == 1


def test_S0_4_audiences(staff):
    owner, member = UserFactory(email="owner@alfa.example"), UserFactory(email="member@alfa.example")
    account = BillingAccountFactory(owner=owner)
    OrganisationMemberFactory(organisation=account.organisation, user=member)
    UserFactory(email="off@alfa.example", is_active=False)
    for audience, wanted in (
        (Audience.OWNERS, {owner.email}),
        (Audience.ORGANISATION, {owner.email, member.email}),
        (Audience.EVERYBODY, {owner.email, member.email, staff.email}),
    ):
        Message.objects.all().delete()
        told = notice(staff, audience=audience, organisation=account.organisation)
        send_notice(told, by=staff)
        hand_out_notice(told)
        assert recipients() == wanted


def test_S0_11c_marketing_goes_to_those_who_asked_and_stops_when_they_decline(staff):
    wants = UserFactory(email="wants@alfa.example")
    topics.choose_topics(wants, ["news"])
    told = notice(staff, mail_class=MailClass.MARKETING, topic="news")
    send_notice(told, by=staff)
    hand_out_notice(told)
    mail = Message.objects.get()
    assert mail.recipient == "wants@alfa.example"
    assert "/communication-preferences/by-link/" in write_mail(mail).body

    topics.choose_topics(wants, [])
    registry()

    assert verdict_on(mail) == Verdict.SUPPRESS


def test_a_notice_to_nobody_and_one_that_was_sent_are_refused(staff):
    with pytest.raises(Refused) as refusal:
        send_notice(notice(staff, mail_class=MailClass.MARKETING, topic="offers"), by=staff)
    assert refusal.value.code == "nobody"
    told = notice(staff)
    send_notice(told, by=staff)

    with pytest.raises(Refused) as refusal:
        send_notice(told, by=staff)

    assert refusal.value.code == "no_such_edge"


def test_only_staff_who_may_send(staff):
    with pytest.raises(PermissionDenied):
        send_notice(notice(staff), by=UserFactory())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mail_class": "marketing"}, "topic"),
        ({"audience": "organisation"}, "organisation"),
        ({"text_nl": ""}, "text_nl"),
    ],
)
def test_a_draft_that_lacks_something_is_refused_at_its_field(client, staff, values, field):
    client.force_login(staff)

    response = client.post(ADD, VALUES | values)

    assert response.context["adminform"].form.errors[field]


def test_T36_what_staff_write_is_only_text(staff):
    told = notice(staff)
    send_notice(told, by=staff)
    hand_out_notice(told)

    assert "<b>Really</b>" not in write_mail(Message.objects.get()).alternatives[0].content
