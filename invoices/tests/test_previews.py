"""The preview of mails and documents for staff: real data, both languages and looks, and nothing leaves."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from accounts.tests.factories import UserFactory
from core.jobs import run_due
from core.messages import MailClass, queue_message
from core.models import Message
from invoices.models import Document
from invoices.preview_stock import stock_of
from invoices.previews import INVOICE_MAIL, in_look, shown_mail, templates
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db

ROOT = Path(settings.BASE_DIR) / "templates/emails"


@pytest.fixture
def invoice():
    return InvoiceFactory(profile=BillingProfileFactory(name='<script>alert("x")</script>'))


@pytest.fixture
def staff(client):
    person = UserFactory(staff=True)
    client.force_login(person)
    return person


def address(invoice, rest=""):
    return f"/staff/invoices/invoice/{invoice.pk}/preview/{rest}"


def test_the_page_shows_the_mail_of_the_invoice_in_both_languages_escaped(client, staff, invoice):
    text = client.get(address(invoice)).content.decode()
    assert invoice.number in text
    assert "English:" in text
    assert "Dutch:" in text
    assert "<script>alert(" not in text


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize(("language", "word"), [("en", "Open the invoice"), ("nl", "Factuur openen")])
def test_a_mail_is_drawn_in_each_language_and_look(client, staff, invoice, language, word, look):
    response = client.get(address(invoice, f"mail/{INVOICE_MAIL}/{language}/{look}/"))
    text = response.content.decode()
    assert invoice.number in text
    assert f'lang="{language}"' in text
    assert "prefers-color-scheme: dark)" not in text
    assert ("@media all" in text) is (look == "dark")
    assert "<script>alert(" not in text
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_document_is_made_for_the_look_alone(client, staff, invoice, language, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    response = client.get(address(invoice, f"document/invoice/{language}/"))
    assert response.content.startswith(b"%PDF")
    assert set(Document.objects.values_list("status", flat=True)) == {"pending"}
    assert list(tmp_path.iterdir()) == []


def test_no_mail_leaves_and_none_is_written(client, staff, invoice, mailoutbox):
    for name in templates():
        assert client.get(address(invoice, f"?mail={name}")).status_code == 200
    run_due(only=["core.send_messages"])
    assert not Message.objects.exists()
    assert mailoutbox == []


def test_a_mail_of_another_kind_is_shown_with_its_latest_data_and_without_its_secrets(client, staff, invoice):
    queue_message(
        to="inge@beta.example",
        template="password_code",
        mail_class=MailClass.PASSWORD_RESET,
        language="en",
        context={"person": "Inge", "minutes": 10},
        secret_context={"code": "918273"},
    )
    shown = shown_mail(invoice, "password_code", "nl")
    assert shown is not None
    assert "918273" not in shown.page + shown.mail.body
    assert shown.mail.to == ["name@company.example"]
    assert Message.objects.get().language == "en"


@pytest.mark.parametrize("rest", ["", "mail/invoice_issued/en/light/", "document/invoice/en/"])
def test_T01_only_staff_who_may_see_invoices_and_mails_look(client, invoice, rest):
    client.force_login(UserFactory())
    assert client.get(address(invoice, rest)).status_code in {302, 403, 404}
    helper = UserFactory()
    helper.is_staff = True
    helper.save()
    client.force_login(helper)
    assert client.get(address(invoice, rest)).status_code == 403


@pytest.mark.parametrize(
    "rest",
    [
        "mail/no_such/en/light/",
        "mail/invoice_issued/de/light/",
        "mail/invoice_issued/en/x/",
        "document/letter/en/",
        "document/invoice/de/",
    ],
)
def test_what_there_is_not_is_not_found(client, staff, invoice, rest):
    assert client.get(address(invoice, rest)).status_code == 404


def test_the_looks_differ_in_one_word():
    page = "a @media (prefers-color-scheme: dark) { b }"
    assert in_look(page, "dark") == "a @media all { b }"
    assert in_look(page, "light") == "a @media not all { b }"


def variables(template):
    """The names that a template asks its context for."""
    words = "".join((ROOT / template / part).read_text() for part in ("subject.txt", "body.txt", "body.html"))
    loops = {name for names in re.findall(r"{% for ([a-z_, ]+) in", words) for name in names.split(", ")}
    within = set(re.findall(r"{{ ?([a-z_]+)", words)) | set(re.findall(r"=([a-z_]+)\|", words))
    within |= set(re.findall(r"{% for [a-z_, ]+ in ([a-z_]+)", words))
    named = set(re.findall(r"([a-z_]+)=[a-z_]+\|", words)) | set(re.findall(r" as ([a-z_]+)", words))
    return within - loops - named - {"base_url", "portal_name", "subject"}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_mail_is_shown_also_before_the_first_was_written(invoice, language):
    known = set(stock_of(invoice))
    for template in templates():
        shown = shown_mail(invoice, template, language)
        assert shown is not None
        assert shown.is_made_up is (template != INVOICE_MAIL)
        assert shown.mail.subject
        assert "None" not in shown.mail.body
        if template != INVOICE_MAIL:
            assert variables(template) <= known, template


def test_what_was_written_is_shown_before_what_is_made_up(invoice):
    queue_message(
        to="a@b.example", template="invoice_bounced", mail_class=MailClass.SERVICE, language="en",
        context={"number": "G4711", "email": "x@y.example", "profile_name": "P", "words": "no", "path": "/"},
    )  # fmt: skip
    shown = shown_mail(invoice, "invoice_bounced", "en")
    assert "G4711" in shown.mail.body
    assert not shown.is_made_up


def test_an_invoice_without_a_credit_note_says_that_there_is_none(client, staff, invoice):
    answer = client.get(address(invoice, "document/credit_note/en/"), follow=True)
    assert "There is none of this kind yet" in answer.text
