"""Asking the vendor and being answered (S2-26, S2-27, P20)."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import InternalError, transaction
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, SellerFactory, UserFactory
from core.errors import Refused
from core.models import Message
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from support import services
from support.models import SupportFile, SupportMessage, SupportRequest
from support.tests.factories import SupportRequestFactory

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 something\n%%EOF\n"


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def owner():
    return UserFactory(name="Marieke", email="marieke@alfa.example")


@pytest.fixture
def account(owner):
    SellerFactory(email="desk@vendor.example")
    return BillingAccountFactory(owner=owner, name="Alfa")


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account, name="Operations")


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def new(account):
    return reverse("support_request_new", args=[account.code])


def sent(**values):
    return {"category": "other", "subject": "A question", "text": "Why?", **values}


def test_S2_26_a_question_about_a_charge_is_filled_in_from_the_invoice(browser, account, profile):
    invoice = InvoiceFactory(profile=profile, lines=[100, 200])
    page = browser.get(invoice.get_absolute_url()).content.decode()
    address = re.search(r'href="([^"]+/support-requests/new/\?invoice=[^"]+)"', page)[1]

    form = browser.get(f"{address}&line=2").context["form"]
    assert form["category"].value() == "charge"
    assert invoice.number in form["subject"].value()
    assert form["line"].value() == "2"
    browser.post(address, sent(category="charge", line="2"))

    asked = SupportRequest.objects.get()
    assert (asked.invoice, asked.profile, asked.line.position) == (invoice, profile, 2)
    question = Message.objects.get(template="support_question")
    assert question.recipient == "desk@vendor.example"
    assert asked.status == "open"


def test_S2_27_a_question_about_a_profile_is_filled_in_from_its_page(browser, account, profile):
    page = browser.get(profile.get_absolute_url()).content.decode()
    address = re.search(r'href="([^"]+/support-requests/new/[^"]+)"', page)[1].replace("&amp;", "&")

    form = browser.get(address).context["form"]
    assert (form["category"].value(), form["profile"].value()) == ("profile", profile.code)
    browser.post(address, sent(category="profile", profile=profile.code))

    assert SupportRequest.objects.get().profile == profile


def test_P20_asking_works_while_account_and_profile_are_disabled(browser, owner):
    account = BillingAccountFactory(owner=owner, status="disabled")
    profile = BillingProfileFactory(account=account, status="disabled")
    assert browser.get(reverse("help")).content.decode().count(new(account)) == 1
    browser.post(new(account), sent(profile=profile.code))
    assert SupportRequest.objects.get().profile == profile


def test_the_thread_goes_both_ways_with_mail_each_time(browser, client, account, owner):
    browser.post(new(account), sent())
    asked = SupportRequest.objects.get()
    staff = UserFactory(staff=True, name="Joris")

    services.answer_request(asked, text="Because.", closes=False, by=staff)

    asked.refresh_from_db()
    assert asked.status == "answered"
    answer = Message.objects.get(template="support_answer")
    assert (answer.recipient, answer.context["text"]) == (owner.email, "Because.")
    text = browser.get(asked.get_absolute_url()).content.decode()
    assert "Joris of the vendor" in text
    browser.post(asked.get_absolute_url() + "messages/", {"text": "Thank you, and this?"})
    asked.refresh_from_db()
    assert asked.status == "open"
    assert Message.objects.filter(template="support_question").count() == 2
    browser.post(asked.get_absolute_url() + "closing/")
    browser.post(asked.get_absolute_url() + "closing/")
    asked.refresh_from_db()
    assert asked.status == "closed"
    browser.post(asked.get_absolute_url() + "messages/", {"text": "Once more"})
    asked.refresh_from_db()
    assert asked.status == "open"


def test_I23_whoever_lost_the_right_to_see_it_gets_no_answer(account, profile, owner):
    held = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    asked = services.open_request(account, category="profile", subject="A", text="B", profile=profile, by=held.user)
    services.write_message(asked, text="Me too", by=owner)
    held.delete()

    services.answer_request(asked, text="C", closes=True, by=UserFactory(staff=True))

    assert [mail.recipient for mail in Message.objects.filter(template="support_answer")] == [owner.email]


def test_T01_who_sees_a_profile_sees_its_requests_and_no_other(client, account, profile):
    whole = SupportRequestFactory(profile=None, account=account, subject="Whole")
    own = SupportRequestFactory(profile=profile, subject="Own")
    sibling = SupportRequestFactory(profile=BillingProfileFactory(account=account), subject="Sibling")
    client.force_login(ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user)

    page = client.get(reverse("support_requests", args=[account.code]))

    assert list(page.context["page"].rows) == [own]
    for hidden in (whole, sibling):
        assert client.get(hidden.get_absolute_url()).status_code == 404
        assert client.post(hidden.get_absolute_url() + "messages/", {"text": "x"}).status_code == 404
    # Without a role on the account, a profile has to be chosen.
    assert set(client.post(new(account), sent()).context["form"].errors) == {"profile"}
    assert client.post(new(account), sent(profile=sibling.profile.code)).context["form"].errors
    foreign = InvoiceFactory()
    assert client.get(f"{new(account)}?invoice={foreign.code}").status_code == 404


def test_the_list_is_filtered_searched_and_costs_the_same(browser, account, profile, django_assert_num_queries):
    SupportRequestFactory(profile=profile, subject="Why 21 %?")
    address = reverse("support_requests", args=[account.code])
    with django_assert_num_queries(STATEMENTS):
        browser.get(address)
    for _each in range(3):
        SupportRequestFactory(profile=profile, status="closed")
    with django_assert_num_queries(STATEMENTS):
        browser.get(address)
    assert len(browser.get(address + "?q=why").context["page"].rows) == 1
    assert len(browser.get(address + "?status=closed").context["page"].rows) == 3
    assert "No request fits" in browser.get(address + "?q=%25").content.decode()


STATEMENTS = 5


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("page.html", b"<script>", "file_kind"),
        ("invoice.pdf.exe", PDF, "file_kind"),
        ("invoice.pdf", b"MZ not a PDF", "file_content"),
        ("empty.csv", b"", "empty"),
        ("data.csv", b"a;b\x00c", "file_content"),
        ("picture.png", b"\xff\xd8\xff", "file_content"),
        ("large.txt", b"x" * (5 * 1024 * 1024 + 1), "too_large"),
    ],
)
def test_M7_a_file_that_is_not_what_it_says_is_refused(browser, account, name, content, code):
    response = browser.post(new(account), sent(attachments=SimpleUploadedFile(name, content)))
    errors = response.context["form"].errors["attachments"].as_data()
    assert [error.code for error in errors] == [code]
    assert not SupportRequest.objects.exists()


def test_M7_files_are_kept_under_a_name_of_ours_and_only_downloaded(browser, client, account, profile, media):
    files = [SimpleUploadedFile("../../etc/passwd.PDF", PDF), SimpleUploadedFile('a"b\u2028c.csv', b"a;b")]
    page = browser.post(new(account), sent(attachments=files))
    assert page.status_code == 302, page.context["form"].errors

    asked, rows = SupportRequest.objects.get(), list(SupportFile.objects.order_by("pk"))
    assert [row.name for row in rows] == ["passwd.PDF", "a_bc.csv"]
    assert {path.name for path in (media / "support").iterdir()} == {row.storage_name[8:] for row in rows}
    response = browser.get(reverse("support_file", args=[asked.code, rows[0].pk]))
    assert b"".join(response.streaming_content) == PDF
    assert response["Content-Disposition"] == 'attachment; filename="passwd.PDF"'
    assert (response["X-Content-Type-Options"], response["Content-Type"]) == ("nosniff", "application/octet-stream")
    other = SupportRequestFactory(profile=profile)
    assert browser.get(reverse("support_file", args=[other.code, rows[0].pk])).status_code == 404
    client.force_login(UserFactory())
    assert client.get(reverse("support_file", args=[asked.code, rows[0].pk])).status_code == 404


def test_four_files_and_twenty_messages_an_hour_are_too_many(browser, account, owner):
    files = [SimpleUploadedFile(f"{number}.pdf", PDF) for number in range(4)]
    assert "at most 3 files" in browser.post(new(account), sent(attachments=files)).content.decode()
    for _each in range(20):
        services.open_request(account, category="other", subject="A", text="B", by=owner)
    with pytest.raises(Refused) as refusal:
        services.open_request(account, category="other", subject="A", text="B", by=owner)
    assert refusal.value.code == "too_many"


def test_staff_read_the_thread_and_answer_in_the_admin(client, account, profile):
    asked = SupportRequestFactory(profile=profile, account=account, subject="Why?")
    SupportMessage.objects.create(request=asked, author=asked.opened_by, text="<b>Bold</b>\nSecond line")
    AccountRoleFactory(account=account, user=asked.opened_by, role=Role.ACCOUNT_READER)
    client.force_login(UserFactory(staff=True, name="Joris"))
    page = reverse("admin:support_supportrequest_change", args=[asked.pk])

    text = client.get(page).content.decode()
    assert "&lt;b&gt;Bold&lt;/b&gt;" in text
    assert client.post(page, {"answer": "  ", "closes": ""}).status_code == 200
    client.post(page, {"answer": "Because of the rate.", "closes": "on"})

    asked.refresh_from_db()
    assert asked.status == "closed"
    assert asked.messages.last().is_answer
    assert Message.objects.filter(template="support_answer").count() == 1
    assert client.get(reverse("admin:support_supportrequest_changelist")).status_code == 200


def test_customers_do_not_answer_and_threads_are_final(account, profile, owner):
    asked = SupportRequestFactory(profile=profile)
    with pytest.raises(PermissionDenied):
        services.answer_request(asked, text="Free of charge!", closes=True, by=owner)
    with pytest.raises(InternalError), transaction.atomic():
        SupportMessage.objects.update(text="Never said")


def test_without_an_address_of_the_seller_its_staff_are_told(owner):
    account = BillingAccountFactory(owner=owner)
    staff = UserFactory(staff=True)
    services.open_request(account, category="other", subject="A", text="B", by=owner)
    assert Message.objects.get().recipient == staff.email


def test_an_online_services_account_asks_about_the_whole_or_an_invoice(client):
    SellerFactory(email="desk@vendor.example")
    profile = SubscriptionProfileFactory()
    administrator = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_ADMINISTRATOR).user
    client.force_login(administrator)
    invoice = InvoiceFactory(profile=profile)

    assert "profile" not in client.get(new(profile.account)).context["form"].fields
    client.post(f"{new(profile.account)}?invoice={invoice.code}", sent(category="charge"))

    asked = SupportRequest.objects.get()
    assert asked.profile == profile
    assert client.get(asked.get_absolute_url()).status_code == 200
