"""An invoice to an address that somebody typed: their own accounting, or in the place of one that came back."""

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from billing_portal.todo import tasks
from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import MailComplaint, Message
from core.policy import Role
from invoices.deliveries import verdict_on_delivery
from invoices.documents.archive import Damaged
from invoices.models import Delivery
from invoices.services.sending import last_address, repair_delivery, send_invoice_to
from invoices.tests.factories import InvoiceFactory
from profiles.models import ExtraRecipient, ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNTING = "inkoop@boekhouding.example"


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner), sends_invoices=True)


@pytest.fixture
def invoice(profile):
    made = InvoiceFactory(profile=profile)
    run_due(only=["invoices.make_documents"])
    return made


@pytest.fixture
def reader(profile):
    user = UserFactory(email="reader@alfa.example", name="Rik Reader", language="nl")
    return ProfileRoleFactory(profile=profile, user=user, role=Role.PROFILE_READER).user


def send():
    run_due(only=["invoices.address_dispatches"])
    run_due(only=["core.send_messages"])


def lost(invoice, address, mail_server):
    """The delivery to that address, which its server refused."""
    mail_server.answers_to_recipient[address] = ["550 5.1.1 no such user"]
    send()
    return Delivery.objects.get(invoice=invoice, email=address)


def test_S4_a_reader_sends_the_pdf_and_the_structured_file_to_their_accounting(client, invoice, reader, mail_server):
    client.force_login(reader)
    address = reverse("invoice_sending", args=[invoice.code])
    assert address in client.get(invoice.get_absolute_url()).text

    answer = client.post(address, {"email": ACCOUNTING}, follow=True)
    send()

    assert f"De factuur gaat naar {ACCOUNTING}." in answer.text
    mail = next(each for each in mail_server.received if each["To"] == ACCOUNTING)
    kinds = [part.get_content_type() for part in mail.iter_attachments()]
    assert kinds == ["application/pdf", "application/xml"]
    words = mail.get_body(("plain",)).get_content()
    assert "Rik Reader (reader@alfa.example)" in words
    assert invoice.get_absolute_url() not in words
    assert "Verstuurd door Rik Reader" in client.get(invoice.get_absolute_url()).text
    assert last_address(reader) == ACCOUNTING
    assert f'value="{ACCOUNTING}"' in client.get(address).text


def test_S4_it_goes_also_where_the_profile_sends_no_invoices_and_once_however_often_it_is_asked(
    invoice, reader, mail_server
):
    invoice.profile.sends_invoices = False
    invoice.profile.save()
    first = send_invoice_to(invoice, email=ACCOUNTING, by=reader)
    with pytest.raises(Refused) as refusal:
        send_invoice_to(invoice, email=ACCOUNTING.upper(), by=reader)
    assert refusal.value.code == "still_on_its_way"
    send()
    assert mail_server.recipients == [ACCOUNTING]
    assert Delivery.objects.get() == first


def test_I23_who_lost_the_right_meanwhile_sends_nothing(invoice, reader, mail_server):
    delivery = send_invoice_to(invoice, email=ACCOUNTING, by=reader)
    ProfileRole.objects.filter(user=reader).delete()
    run_due(only=["core.send_messages"])
    assert mail_server.recipients == []
    assert Message.objects.get(pk=delivery.message_id).status == "withdrawn"


def test_F39_a_changed_structured_file_is_not_mailed(invoice, reader, tmp_path):
    delivery = send_invoice_to(invoice, email=ACCOUNTING, by=reader)
    (tmp_path / invoice.documents.get(kind="ubl").file).write_bytes(b"other")
    with pytest.raises(Damaged):
        verdict_on_delivery(delivery)


def test_T23_twenty_an_hour_and_none_where_our_mail_is_spam(profile, reader):
    MailComplaint.objects.create(recipient=ACCOUNTING)
    invoice = InvoiceFactory(profile=profile)
    with pytest.raises(Refused) as refusal:
        send_invoice_to(invoice, email=ACCOUNTING, by=reader)
    assert refusal.value.code == "complained"
    with pytest.raises(Refused) as refusal:
        send_invoice_to(invoice, email="b@b.example", by=reader)
    assert refusal.value.code == "not_ready"
    run_due(only=["invoices.make_documents"])
    for number in range(20):
        send_invoice_to(invoice, email=f"a{number}@b.example", by=reader)
    with pytest.raises(Refused) as refusal:
        send_invoice_to(invoice, email="one-more@b.example", by=reader)
    assert refusal.value.code == "too_many"


def test_T01_an_outsider_sends_and_mends_nothing(client, invoice, reader, mail_server):
    outsider = AccountRoleFactory().user
    with pytest.raises(Forbidden):
        send_invoice_to(invoice, email=ACCOUNTING, by=outsider)
    delivery = lost(invoice, "reader@alfa.example", mail_server)
    with pytest.raises(Forbidden):
        repair_delivery(delivery, email=ACCOUNTING, by=reader)
    client.force_login(outsider)
    for name, more in (("invoice_sending", []), ("delivery_repair", [delivery.pk])):
        assert client.get(reverse(name, args=[invoice.code, *more])).status_code == 404


def test_F17_the_task_leads_to_the_page_that_mends_the_address_and_sends_again(
    client, invoice, owner, reader, mail_server
):
    delivery = lost(invoice, "reader@alfa.example", mail_server)
    [task] = [each for each in tasks(owner, invoice.account, invoice.issue_date) if each.icon == "mail"]
    assert task.href == reverse("delivery_repair", args=[invoice.code, delivery.pk])
    client.force_login(owner)
    page = client.get(task.href).text
    assert "5.1.1 no such user" in page
    assert 'value="reader@alfa.example"' in page

    client.post(task.href, {"email": "rik@alfa.example"})
    send()

    assert mail_server.recipients == ["rik@alfa.example"]
    assert "mail" not in {each.icon for each in tasks(owner, invoice.account, invoice.issue_date)}
    assert "Nothing to fix" in client.get(task.href).text
    assert User.objects.get(pk=reader.pk).email == "reader@alfa.example"  # is theirs to change


def test_F17_the_same_address_is_sent_the_same_mail_once_its_mailbox_works(invoice, owner, reader, mail_server):
    delivery = lost(invoice, "reader@alfa.example", mail_server)
    repair_delivery(delivery, email="Reader@alfa.example", by=owner)
    send()
    assert mail_server.recipients == ["reader@alfa.example"]
    assert Delivery.objects.count() == 1


def test_F17_S4_2b_an_extra_address_is_replaced_for_coming_invoices_once_its_holder_agrees(invoice, owner, mail_server):
    extra = ExtraRecipient.objects.create(
        profile=invoice.profile, email="old@bureau.example", language="nl", confirmed_at=invoice.created_at
    )
    delivery = lost(invoice, extra.email, mail_server)

    repair_delivery(delivery, email="new@bureau.example", by=owner)
    send()

    assert ExtraRecipient.objects.get().email == "new@bureau.example"
    assert not ExtraRecipient.objects.get().is_confirmed
    to_new = [mail["Subject"] for mail in mail_server.received if mail["To"] == "new@bureau.example"]
    assert len(to_new) == 2  # the invoice, and the question
    assert any(invoice.number in subject for subject in to_new)


def test_F17_an_address_from_which_it_came_back_is_not_offered_again(invoice, reader, mail_server):
    send_invoice_to(invoice, email=ACCOUNTING, by=reader)
    lost(invoice, ACCOUNTING, mail_server)
    assert last_address(reader) == ""


def test_F17_no_task_is_left_for_who_does_not_get_invoices_any_more(invoice, owner, reader, mail_server):
    lost(invoice, "reader@alfa.example", mail_server)
    ProfileRole.objects.filter(user=reader).delete()
    assert "mail" not in {each.icon for each in tasks(owner, invoice.account, invoice.issue_date)}


def test_F17_what_arrived_is_not_mended(client, invoice, owner, reader, mail_server):
    send()
    delivery = Delivery.objects.get(email="reader@alfa.example")
    with pytest.raises(Refused) as refusal:
        repair_delivery(delivery, email=ACCOUNTING, by=owner)
    assert refusal.value.code == "arrived"


def test_P14_a_link_of_a_mail_leads_there_through_the_sign_in_and_tells_another_person_who_they_are(
    client, invoice, reader, mail_server, settings
):
    send()
    mail = next(each for each in mail_server.received if each["To"] == reader.email)
    link = f"{settings.BASE_URL}{invoice.get_absolute_url()}"
    assert link in mail.get_body(("plain",)).get_content()
    path = link.removeprefix(settings.BASE_URL)

    [(to_sign_in, _status)] = client.get(path, follow=True).redirect_chain
    assert to_sign_in == f"{reverse('account_login')}?next={path}"
    client.force_login(reader)
    assert client.get(path).status_code == 200
    other = AccountRoleFactory(user=UserFactory(email="somebody@beta.example")).user
    client.force_login(other)
    answer = client.get(path)
    assert answer.status_code == 404
    assert "You are signed in as somebody@beta.example" in answer.text
