"""An issued invoice by e-mail: who gets it, in which words, and what faults of a mail server make of it."""

import html
from datetime import timedelta

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core import jobs
from core.errors import Refused
from core.messages import MailClass, Verdict, queue_message
from core.models import Message
from core.policy import Role
from invoices.deliveries import (
    address_dispatch,
    deliveries_of,
    report_bounce,
    unreported_bounces,
    verdict_on_delivery,
)
from invoices.models import Delivery, Dispatch, Document
from invoices.tests.factories import InvoiceFactory
from profiles.models import BillingProfile, ExtraRecipient, ProfileRole
from profiles.recipients import mailed_recipients
from profiles.services.recipients import link_of
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db(transaction=True)

OWNER, CONTRIBUTOR, READER, MANAGER = (
    Role.PROFILE_OWNER,
    Role.PROFILE_CONTRIBUTOR,
    Role.PROFILE_READER,
    Role.INVOICE_MANAGER,
)


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def profile():
    """A profile that sends its invoices, with an owner."""
    profile = BillingProfileFactory(sends_invoices=True, name="Operations NL")
    person(profile, "owner@alfa.example", OWNER, name="Marieke de Vries")
    return profile


def person(profile, email, role, **values):
    return ProfileRoleFactory(profile=profile, user=UserFactory(email=email, **values), role=role).user


def work() -> None:
    """What the worker does with an issued invoice, until nothing is due."""
    jobs.run_due(only=["invoices.make_documents"])
    jobs.run_due(only=["invoices.address_dispatches"])
    jobs.run_due(only=["core.send_messages"])


def later(**by):
    return time_machine.travel(timezone.now() + timedelta(**by))


def outcomes(invoice) -> dict[str, str]:
    return dict(Delivery.objects.filter(invoice=invoice).values_list("email", "message__status"))


# --- Who ------------------------------------------------------------------------------------------


def test_S4_2_owner_contributor_reader_and_invoice_manager_get_it_with_the_pdf_attached(profile, mail_server):
    for email, role in (("bpc@a.example", CONTRIBUTOR), ("bpr@a.example", READER), ("im@a.example", MANAGER)):
        person(profile, email, role)
    invoice = InvoiceFactory(profile=profile)

    work()

    assert sorted(mail_server.recipients) == ["bpc@a.example", "bpr@a.example", "im@a.example", "owner@alfa.example"]
    assert set(outcomes(invoice).values()) == {"accepted"}
    with default_storage.open(Document.objects.get(kind="pdf").file) as file:
        pdf = file.read()
    for mail in mail_server.received:
        [attachment] = mail.iter_attachments()
        assert attachment.get_content() == pdf
        assert attachment.get_filename() == f"Invoice-{invoice.number}.pdf"
        assert attachment.get_content_type() == "application/pdf"


def test_S4_account_roles_and_people_of_other_profiles_get_none(profile, mail_server):
    for role in (Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER):
        AccountRoleFactory(account=profile.account, role=role)
    other = BillingProfileFactory(account=profile.account, sends_invoices=True)
    person(other, "other@alfa.example", OWNER)
    invoice = InvoiceFactory(profile=profile)

    work()

    assert mail_server.recipients == ["owner@alfa.example"]
    assert outcomes(invoice) == {"owner@alfa.example": "accepted"}


def test_expired_roles_and_deactivated_people_get_none_and_one_that_expires_today_does(profile):
    today = timezone.localdate()
    for email, expires in (("yesterday@a.example", today - timedelta(days=1)), ("today@a.example", today)):
        ProfileRoleFactory(profile=profile, user=UserFactory(email=email), role=READER, expires_on=expires)
    person(profile, "gone@a.example", READER, is_active=False)
    invoice = InvoiceFactory(profile=profile)

    emails = [recipient.email for recipient in mailed_recipients(invoice.profile, on=today)]

    assert emails == ["owner@alfa.example", "today@a.example"]


def test_S0_3_it_goes_to_the_verified_contact_address_else_to_the_sign_in_address(profile):
    now = timezone.now()
    person(profile, "a@a.example", READER, contact_email="a.mail@a.example", contact_email_verified_at=now)
    person(profile, "b@a.example", READER, contact_email="b.mail@a.example")
    invoice = InvoiceFactory(profile=profile)

    emails = [recipient.email for recipient in mailed_recipients(invoice.profile, on=timezone.localdate())]

    assert sorted(emails) == ["a.mail@a.example", "b@a.example", "owner@alfa.example"]


def test_two_people_with_one_mailbox_get_one_mail_named_after_the_highest_role(profile, mail_server):
    now = timezone.now()
    person(profile, "x@a.example", READER, contact_email="Owner@alfa.example", contact_email_verified_at=now)
    invoice = InvoiceFactory(profile=profile)

    work()

    assert len(mail_server.received) == 1
    assert Delivery.objects.get(invoice=invoice).reason == OWNER


def test_an_online_services_account_sends_to_its_administrator(mail_server):
    account = BillingAccountFactory(online_services=True, owner=UserFactory(email="aa@beta.example"))
    profile = SubscriptionProfileFactory(account=account, sends_invoices=True)
    invoice = InvoiceFactory(profile=profile)

    work()

    assert outcomes(invoice) == {"aa@beta.example": "accepted"}
    assert Delivery.objects.get().reason == Role.ACCOUNT_ADMINISTRATOR


def test_S4_6_without_the_switch_nothing_is_sent(mail_server):
    profile = BillingProfileFactory()
    person(profile, "owner@alfa.example", OWNER)
    invoice = InvoiceFactory(profile=profile)

    work()

    assert mail_server.received == []
    assert Dispatch.objects.get(invoice=invoice).status == "skipped"
    assert not Delivery.objects.exists()


def test_switched_on_with_nobody_on_the_profile_it_is_addressed_to_nobody(mail_server):
    invoice = InvoiceFactory(profile=BillingProfileFactory(sends_invoices=True))

    work()

    assert Dispatch.objects.get(invoice=invoice).status == "expanded"
    assert not Delivery.objects.exists()


# --- What -----------------------------------------------------------------------------------------


def test_each_recipient_reads_it_in_their_own_language_and_no_figure_is_lost(profile, mail_server):
    person(profile, "jan@a.example", READER, language="nl", name="Jan Bakker")
    BillingProfile.objects.update(po_number="PO-7")
    profile.refresh_from_db()
    invoice = InvoiceFactory(profile=profile, lines=[739_000])

    work()

    mails = {mail["To"]: mail for mail in mail_server.received}
    english, dutch = mails["owner@alfa.example"], mails["jan@a.example"]
    seller = invoice.seller["legal_name"]
    assert english["Subject"] == f"Invoice {invoice.number} from {seller}"
    assert dutch["Subject"] == f"Factuur {invoice.number} van {seller}"
    plain, page = (html.unescape(dutch.get_body([kind]).get_content()) for kind in ("plain", "html"))
    for text in (plain, page):
        assert "Beste Jan Bakker" in text
        assert "€\xa08.941,90" in text
        assert "05-12-2026" in text
        assert "01-10-2026 t/m 31-10-2026" in text
        assert "PO-7" in text
        assert "Operations NL" in text
        assert f"http://testserver{invoice.get_absolute_url()}" in text
    assert "€8,941.90" in english.get_body(["plain"]).get_content()


def test_S4_2a_without_attaching_the_mail_carries_a_link_alone(profile, mail_server):
    BillingProfile.objects.update(attaches_pdf=False)
    invoice = InvoiceFactory(profile=BillingProfile.objects.get())

    work()

    [mail] = mail_server.received
    assert list(mail.iter_attachments()) == []
    assert invoice.get_absolute_url() in mail.get_body(["plain"]).get_content()
    assert "is ready in the portal" in mail.get_body(["plain"]).get_content()


def test_S4_2b_an_extra_address_gets_the_pdf_and_a_way_to_stop(profile, mail_server):
    BillingProfile.objects.update(attaches_pdf=False)
    extra = ExtraRecipient.objects.create(profile=profile, email="books@bureau.example", confirmed_at=timezone.now())
    ExtraRecipient.objects.create(profile=profile, email="pending@bureau.example")
    invoice = InvoiceFactory(profile=BillingProfile.objects.get())

    work()

    mail = next(mail for mail in mail_server.received if mail["To"] == "books@bureau.example")
    assert "pending@bureau.example" not in mail_server.recipients
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]
    # Signed in its second: what stands before the time is the same in every one.
    assert link_of(extra).partition(":")[0] in mail.get_body(["plain"]).get_content()
    assert invoice.get_absolute_url() not in mail.get_body(["plain"]).get_content()
    extra.delete()
    assert verdict_on_delivery(Delivery.objects.get(email="books@bureau.example")) == Verdict.WITHDRAW


def test_a_pdf_that_mail_servers_would_refuse_is_linked_not_attached(profile, mail_server):
    invoice = InvoiceFactory(profile=profile)
    Document.objects.filter(invoice=invoice).update(
        status="ready", file="invoices/large.pdf", sha256="0" * 64, size_bytes=9 * 1024 * 1024
    )

    work()

    assert list(mail_server.received[0].iter_attachments()) == []


def test_a_credit_note_is_announced_as_one(profile, mail_server):
    note = InvoiceFactory(profile=profile, kind="credit_note")

    work()

    [mail] = mail_server.received
    assert mail["Subject"].startswith(f"Credit note {note.number} ")
    assert "Due date" not in mail.get_body(["plain"]).get_content()


def test_T39_a_hostile_name_stays_text(mail_server):
    profile = BillingProfileFactory(sends_invoices=True, name="<b>x</b>\r\nBcc: all@a.example")
    person(profile, "owner@alfa.example", OWNER, name="<script>alert(1)</script>")
    InvoiceFactory(profile=profile)

    work()

    [mail] = mail_server.received
    page = mail.get_body(["html"]).get_content()
    assert "<script" not in page
    assert "<b>x</b>" not in page
    assert mail["Bcc"] is None


# --- Once, and only with the right ------------------------------------------------------------------


def test_nothing_is_mailed_before_the_pdf_is_there(profile, mail_server):
    invoice = InvoiceFactory(profile=profile)

    jobs.run_due(only=["invoices.address_dispatches"])
    assert Dispatch.objects.get(invoice=invoice).status == "pending"
    work()

    assert len(mail_server.received) == 1


def test_I25_the_work_done_twice_sends_once(profile, mail_server):
    invoice = InvoiceFactory(profile=profile)
    work()
    dispatch = Dispatch.objects.get(invoice=invoice)

    work()
    with pytest.raises(Refused, match="cannot become"):
        address_dispatch(dispatch, on=timezone.localdate())

    assert len(mail_server.received) == 1
    assert Message.objects.about(f"invoice:{invoice.code}").count() == 1


def test_I25_the_database_knows_one_delivery_per_document_and_recipient(profile, mail_server):
    invoice = InvoiceFactory(profile=profile)
    work()
    delivery = Delivery.objects.get(invoice=invoice)

    other = queue_message(
        to=delivery.email, template="test_mail", mail_class=MailClass.SERVICE, language="en", context={}
    )
    with pytest.raises(IntegrityError, match="one_delivery_per_address"):
        Delivery.objects.create(invoice=invoice, email=delivery.email, reason="x", message=other)


def test_I23_a_right_withdrawn_before_sending_stops_the_mail(profile, mail_server):
    leaver = person(profile, "leaver@a.example", READER)
    invoice = InvoiceFactory(profile=profile)
    jobs.run_due(only=["invoices.make_documents"])
    jobs.run_due(only=["invoices.address_dispatches"])
    ProfileRole.objects.filter(user=leaver).delete()

    work()

    assert mail_server.recipients == ["owner@alfa.example"]
    assert outcomes(invoice) == {"leaver@a.example": "withdrawn", "owner@alfa.example": "accepted"}


def test_S4_9_switched_off_before_sending_nothing_goes(profile, mail_server):
    invoice = InvoiceFactory(profile=profile)
    jobs.run_due(only=["invoices.make_documents"])
    jobs.run_due(only=["invoices.address_dispatches"])
    BillingProfile.objects.update(sends_invoices=False)

    work()

    assert mail_server.received == []
    assert outcomes(invoice) == {"owner@alfa.example": "suppressed"}


def test_F39_a_changed_pdf_is_not_mailed(profile, mail_server, media):
    invoice = InvoiceFactory(profile=profile)
    jobs.run_due(only=["invoices.make_documents"])
    file = media / Document.objects.get(kind="pdf").file
    original = file.read_bytes()
    jobs.run_due(only=["invoices.address_dispatches"])
    file.write_bytes(b"%PDF-1.7 another IBAN")

    work()
    assert mail_server.received == []
    assert outcomes(invoice) == {"owner@alfa.example": "deferred"}
    file.write_bytes(original)
    with later(minutes=2):
        work()

    assert len(mail_server.received) == 1


def test_I34_no_transaction_is_open_while_the_mail_server_is_asked(profile, mail_server, no_network_in_transactions):
    invoice = InvoiceFactory(profile=profile)

    work()

    assert outcomes(invoice) == {"owner@alfa.example": "accepted"}


# --- Faults of the mail server -----------------------------------------------------------------------


@pytest.fixture
def five(profile):
    """An invoice for five recipients."""
    for number in range(1, 5):
        person(profile, f"p{number}@a.example", READER)
    return InvoiceFactory(profile=profile)


@pytest.mark.parametrize("banner", ["421 4.3.2 busy", "554 5.3.2 no"])
def test_F13_a_server_that_refuses_everybody_is_tried_again_and_the_page_says_so(five, mail_server, client, banner):
    mail_server.banner = banner

    work()

    assert set(outcomes(five).values()) == {"deferred"}
    client.force_login(User.objects.get(email="owner@alfa.example"))
    page = client.get(five.get_absolute_url()).text
    assert page.count("Next try: ") == 5
    mail_server.banner = ""
    with later(minutes=2):
        work()
    assert set(outcomes(five).values()) == {"accepted"}
    assert mail_server.connections == 2  # one per round: nobody knocks five times at a closed door


def test_F13_no_server_at_all_gives_up_after_a_day_and_says_so(profile, settings):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    invoice = InvoiceFactory(profile=profile)
    work()
    start, tries = timezone.now(), 0

    while set(outcomes(invoice).values()) == {"deferred"} and tries < 40:
        tries += 1
        with time_machine.travel(start + timedelta(minutes=61 * tries)):
            work()

    assert outcomes(invoice) == {"owner@alfa.example": "given_up"}
    assert 20 <= tries <= 30


@pytest.mark.parametrize("where", ["answers_to_recipient", "answers_to_data"])
def test_F14_only_the_recipient_put_off_is_tried_again(five, mail_server, where):
    getattr(mail_server, where)["p2@a.example"] = ["451 4.7.1 greylisted"]

    work()
    assert outcomes(five)["p2@a.example"] == "deferred"
    assert len(mail_server.received) == 4
    with later(minutes=2):
        work()

    assert set(outcomes(five).values()) == {"accepted"}
    assert sorted(mail_server.recipients) == sorted(outcomes(five))


def test_F15_a_line_cut_in_the_middle_does_not_count_as_sent(five, mail_server):
    mail_server.behaviour["p2@a.example"] = ["cut mid-data"]

    work()
    assert outcomes(five)["p2@a.example"] == "deferred"
    with later(minutes=2):
        work()

    assert sorted(mail_server.recipients) == sorted(outcomes(five))


def test_F16_a_line_cut_after_the_last_dot_gives_one_repeat_that_can_be_recognised(five, mail_server, client):
    mail_server.behaviour["p2@a.example"] = ["cut after dot"]

    work()
    with later(minutes=2):
        work()

    twice = [mail for mail in mail_server.received if mail["To"] == "p2@a.example"]
    assert len(twice) == 2
    assert len({mail["Message-ID"] for mail in twice}) == 1
    assert len({mail["Message-ID"] for mail in mail_server.received}) == 5
    client.force_login(User.objects.get(email="owner@alfa.example"))
    assert client.get(five.get_absolute_url()).text.count("it may have arrived twice") == 1


def test_F17_one_of_five_refused_four_are_sent_and_the_owners_are_told_once(five, mail_server):
    mail_server.answers_to_recipient["p2@a.example"] = ["550 5.1.1 no such user"]

    work()
    for _ in range(2):
        for delivery in unreported_bounces():
            report_bounce(delivery)
    work()

    statuses = outcomes(five)
    assert statuses.pop("p2@a.example") == "bounced"
    assert set(statuses.values()) == {"accepted"}
    notices = [mail for mail in mail_server.received if "did not reach" in mail["Subject"]]
    assert [mail["To"] for mail in notices] == ["owner@alfa.example"]
    text = notices[0].get_body(["plain"]).get_content()
    assert "p2@a.example" in text
    assert "5.1.1 no such user" in text
    assert five.get_absolute_url() in text


def test_F17_the_clock_reports_bounces_every_hour(five, mail_server):
    mail_server.answers_to_recipient["p2@a.example"] = ["550 5.1.1 no such user"]
    work()

    jobs.tick()
    jobs.run_due(only=["invoices.report_bounces"])
    work()

    assert [mail["To"] for mail in mail_server.received if "did not reach" in mail["Subject"]] == ["owner@alfa.example"]


def test_F18_a_tar_pit_does_not_hold_up_the_others(five, mail_server, settings):
    settings.EMAIL_TIMEOUT = 1
    mail_server.behaviour["p2@a.example"] = ["tar pit"]
    started = timezone.now()

    work()

    assert timezone.now() - started < timedelta(seconds=15)
    statuses = outcomes(five)
    assert statuses.pop("p2@a.example") == "deferred"
    assert set(statuses.values()) == {"accepted"}


def test_a_hundred_mails_go_over_one_connection(profile, mail_server):
    for number in range(20):
        person(profile, f"m{number}@a.example", READER)
    invoices = [InvoiceFactory(profile=profile) for _ in range(4)]

    work()

    assert len(mail_server.received) == 84
    assert mail_server.connections == 1
    assert len(invoices) == 4


# --- The page -----------------------------------------------------------------------------------------


def test_deliveries_are_listed_worst_first_with_every_try_in_two_statements(
    five, mail_server, django_assert_num_queries
):
    mail_server.answers_to_recipient["p3@a.example"] = ["550 5.1.1 no such user"]
    mail_server.answers_to_recipient["p1@a.example"] = ["451 4.7.1 later"]
    work()

    with django_assert_num_queries(2):
        listed = deliveries_of(five)

    assert [(each.email, each.message.status) for each in listed] == [
        ("p3@a.example", "bounced"),
        ("p1@a.example", "deferred"),
        ("owner@alfa.example", "accepted"),
        ("p2@a.example", "accepted"),
        ("p4@a.example", "accepted"),
    ]
    assert [(each["outcome"], each["code"]) for each in listed[0].timeline] == [("bounced", 550)]


def test_the_page_says_what_the_server_said(five, mail_server, client):
    mail_server.answers_to_recipient["p3@a.example"] = ["552 5.2.2 <b>mailbox</b> full"]
    work()
    client.force_login(User.objects.get(email="owner@alfa.example"))

    page = client.get(five.get_absolute_url()).text

    assert "refused: 5.2.2 &lt;b&gt;mailbox&lt;/b&gt; full (552)" in page
    assert page.count("delivered with the PDF") == 4
    assert "5 recipients" in page


@pytest.mark.parametrize(
    ("sends", "status", "sentence"),
    [
        (False, "skipped", "Invoices by e-mail were switched off"),
        (True, "pending", "The mail goes out when the PDF is ready"),
        (True, "expanded", "Nobody had a role of their own"),
    ],
)
def test_the_page_says_why_nothing_was_mailed(client, sends, status, sentence):
    profile = BillingProfileFactory(sends_invoices=sends)
    invoice = InvoiceFactory(profile=profile)
    if status != "pending":
        Dispatch.objects.update(status=status)
    client.force_login(AccountRoleFactory(account=profile.account).user)

    assert sentence in client.get(invoice.get_absolute_url()).text


# --- Once more ------------------------------------------------------------------------------------------


def resend(client, delivery):
    return client.post(reverse("delivery_resend", args=[delivery.invoice.code, delivery.pk]), follow=True)


def test_I25_anybody_who_may_see_it_sends_it_again_with_the_same_message_id(profile, mail_server, client):
    reader = person(profile, "reader@a.example", READER, name="Rik Reader")
    invoice = InvoiceFactory(profile=profile)
    work()
    client.force_login(reader)
    delivery = Delivery.objects.get(email="owner@alfa.example")

    with later(minutes=6):
        answer = resend(client, delivery)
        work()
        page = client.get(invoice.get_absolute_url()).text

    assert answer.redirect_chain == [(invoice.get_absolute_url(), 302)]
    assert "The invoice goes to owner@alfa.example again." in answer.text
    again = [mail for mail in mail_server.received if mail["To"] == "owner@alfa.example"]
    assert len(again) == 2
    assert again[0]["Message-ID"] == again[1]["Message-ID"]
    assert "asked for again by Rik Reader" in page
    assert Delivery.objects.filter(invoice=invoice).count() == 2


def test_a_bounced_address_is_tried_again_at_once(profile, mail_server, client):
    mail_server.answers_to_recipient["owner@alfa.example"] = ["550 5.1.1 no such user"]
    invoice = InvoiceFactory(profile=profile)
    work()
    client.force_login(AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER).user)

    resend(client, Delivery.objects.get())
    work()

    assert outcomes(invoice) == {"owner@alfa.example": "accepted"}


def test_resending_is_refused_while_under_way_just_after_and_without_the_right(profile, mail_server, client):
    invoice = InvoiceFactory(profile=profile)
    jobs.run_due(only=["invoices.make_documents"])
    jobs.run_due(only=["invoices.address_dispatches"])
    delivery = Delivery.objects.get(invoice=invoice)
    client.force_login(AccountRoleFactory(account=profile.account).user)

    under_way = resend(client, delivery).text
    work()
    just_now = resend(client, delivery).text
    with later(minutes=6):
        BillingProfile.objects.update(sends_invoices=False)
        switched_off = resend(client, delivery).text
        BillingProfile.objects.update(sends_invoices=True)
        ProfileRole.objects.update(expires_on=timezone.localdate() - timedelta(days=1))
        no_right = resend(client, delivery).text
        work()

    assert "is still on its way" in under_way
    assert "Try again in five minutes" in just_now
    assert "Switch them on in its e-mail preference" in switched_off
    assert "may no longer get invoices" in no_right
    assert len(mail_server.received) == 1


def test_outsiders_and_addresses_of_other_invoices_find_nothing(profile, mail_server, client):
    invoice, other = InvoiceFactory(profile=profile), InvoiceFactory()
    work()
    delivery = Delivery.objects.get(invoice=invoice)
    address = reverse("delivery_resend", args=[invoice.code, delivery.pk])
    client.force_login(ProfileRoleFactory(profile=other.profile).user)

    assert client.post(address).status_code == 404
    assert client.post(reverse("delivery_resend", args=[other.code, delivery.pk])).status_code == 404
    client.force_login(AccountRoleFactory(account=profile.account).user)
    assert client.get(address).status_code == 405
    assert len(mail_server.received) == 1
