"""Downloading the PDF of an invoice: who gets it, what it is called, and what is there before it is made."""

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, OrganisationRoleFactory, UserFactory
from core import jobs
from core.policy import Role
from invoices.models import Document
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def made(**values):
    invoice = InvoiceFactory(**values)
    jobs.run_due(only=["invoices.make_documents"])
    return invoice


def address(invoice) -> str:
    return reverse("invoice_pdf", args=[invoice.code])


def test_a_reader_gets_exactly_the_stored_bytes_under_a_name_and_nothing_keeps_them(client, media):
    invoice = made(language="nl")
    client.force_login(ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user)

    answer = client.get(address(invoice))

    assert answer.status_code == 200
    assert answer.content == (media / Document.objects.get(kind="pdf").file).read_bytes()
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="Factuur-{invoice.number}.pdf"'
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_T01_an_outsider_finds_no_invoice_and_a_person_without_the_right_gets_none(client):
    invoice = made()
    stranger = ProfileRoleFactory(role=Role.PROFILE_OWNER).user
    sibling = ProfileRoleFactory(profile=BillingProfileFactory(account=invoice.account)).user
    keeper = OrganisationRoleFactory(organisation=invoice.account.organisation).user

    for person in (stranger, sibling, keeper, UserFactory()):
        client.force_login(person)
        assert client.get(address(invoice)).status_code == 404
    client.logout()
    assert client.get(address(invoice)).status_code == 302


def test_an_account_reader_gets_it_too(client):
    invoice = made()
    client.force_login(AccountRoleFactory(account=invoice.account, role=Role.ACCOUNT_READER).user)

    assert client.get(address(invoice)).status_code == 200


def test_the_database_is_asked_five_times(client, django_assert_num_queries):
    invoice = made()
    client.force_login(ProfileRoleFactory(profile=invoice.profile).user)

    with django_assert_num_queries(5):  # session, user, roles, invoice, document
        client.get(address(invoice))


def test_while_it_is_being_made_a_page_says_so_and_looks_again(client):
    invoice = InvoiceFactory()
    client.force_login(ProfileRoleFactory(profile=invoice.profile).user)

    answer = client.get(address(invoice))

    assert answer.status_code == 202
    assert answer["Refresh"] == "3"
    assert answer["Cache-Control"] == "no-store"
    assert "The PDF is being made" in answer.text
    assert invoice.get_absolute_url() in answer.text


def test_F38_what_could_not_be_made_is_said_without_the_error_of_the_machine(client):
    invoice = InvoiceFactory()
    Document.objects.update(last_error="OSError: /srv/media is full")
    client.force_login(ProfileRoleFactory(profile=invoice.profile).user)

    pending = client.get(address(invoice))
    Document.objects.update(status="failed")
    failed = client.get(address(invoice))

    assert "The PDF is not ready yet" in pending.text
    assert "The PDF could not be made" in failed.text
    for answer in (pending, failed):
        assert answer.status_code == 202
        assert "Refresh" not in answer
        assert "/srv/media" not in answer.text


def test_F39_a_damaged_file_is_refused_with_an_alert(client, media, caplog):
    invoice = made()
    (media / Document.objects.get(kind="pdf").file).write_bytes(b"%PDF-1.7 forged IBAN")
    client.force_login(ProfileRoleFactory(profile=invoice.profile).user)

    answer = client.get(address(invoice))

    assert answer.status_code == 503
    assert b"forged" not in answer.content
    assert "The PDF cannot be given out now" in answer.text
    assert [record.levelname for record in caplog.records if "damaged or gone" in record.message] == ["ERROR"]


def test_a_draft_has_no_document(client):
    draft = InvoiceFactory(status="draft")
    client.force_login(ProfileRoleFactory(profile=draft.profile).user)

    assert client.get(address(draft)).status_code == 404


def test_it_is_only_read(client):
    invoice = made()
    client.force_login(ProfileRoleFactory(profile=invoice.profile).user)

    assert client.post(address(invoice)).status_code == 405
    assert client.head(address(invoice)).status_code == 200
