"""Receipts and statements as PDF: what they say, who gets them, and that they are made once (P8, L4)."""

import io
import re
from datetime import date, timedelta

import pikepdf
import pypdf
import pytest
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.documents import render
from invoices.documents.render import RenderFailed, RenderRefused
from invoices.models import LedgerAccount
from invoices.services.ledger import balance
from invoices.services.settling import reopen_invoice
from invoices.tests.factories import InvoiceFactory
from payments.models import Paper
from payments.services import papers
from payments.services.papers import ask_for_statement
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    person = UserFactory()
    client.force_login(person)
    return person


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek")


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account, name="Operations NL")


def paid(profile, **values):
    return PaymentFactory(invoices=[InvoiceFactory(profile=profile)], **values)


def make():
    run_due(only=["payments.make_papers"])


def content_of(paper):
    with default_storage.open(paper.file) as file:
        return file.read()


def paper_of(payment):
    return Paper.objects.get(payment=payment)


def text_of(paper):
    with default_storage.open(paper.file) as file:
        pages = pypdf.PdfReader(file).pages
        return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


# --- Receipts -----------------------------------------------------------------------------------


def test_P8_S2_6_the_receipt_is_made_once_and_says_who_paid_what_for_which_invoice(client, profile):
    payment = paid(profile)

    make()

    paper = paper_of(payment)
    text = text_of(paper)
    for said in (payment.receipt_number, payment.allocations.get().invoice.number, payment.method_text, payment.code):
        assert said in text
    made = paper.made_at, paper.sha256
    make()
    paper.refresh_from_db()
    assert (paper.made_at, paper.sha256) == made
    response = client.get(f"/payments/{payment.code}/receipt/pdf/")
    assert response["Content-Disposition"].endswith(f'{payment.receipt_number}.pdf"')
    assert response.content == content_of(paper)


def test_P8_the_receipt_is_pdf_a_3a_and_ua_1_tagged_with_language_and_title(profile):
    payment = paid(profile)
    payment.user.language = "nl"
    payment.user.save(update_fields=["language"])
    Paper.objects.filter(payment=payment).update(language="nl")

    make()

    paper = paper_of(payment)
    with pikepdf.open(io.BytesIO(content_of(paper))) as pdf:
        with pdf.open_metadata() as said:
            assert (said.pdfa_status, said["pdfuaid:part"]) == ("3A", "1")
        assert str(pdf.Root.Lang) == "nl"
        assert pdf.Root.MarkInfo.Marked
    assert f"Betaalbewijs {payment.receipt_number}" in text_of(paper_of(payment))


def test_P8_the_mail_carries_the_receipt(profile):
    payment = paid(profile)

    make()

    mail = Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt").get()
    assert [each["storage_name"] for each in mail.attachments] == [paper_of(payment).file]


def test_P8_a_receipt_that_cannot_be_made_is_mailed_without_it_and_its_page_says_so(client, profile, monkeypatch):
    payment = paid(profile)
    monkeypatch.setattr(papers, "render", _raising(RenderRefused("no such face")))

    make()

    mail = Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt").get()
    assert (paper_of(payment).status, mail.attachments) == ("failed", [])
    response = client.get(f"/payments/{payment.code}/receipt/pdf/", follow=True)
    assert "The PDF could not be made" in response.content.decode()


def test_P8_what_may_mend_itself_is_tried_again(profile, monkeypatch):
    payment = paid(profile)
    with monkeypatch.context() as broken:
        broken.setattr(papers, "render", _raising(RenderFailed("the renderer ended")))
        assert len(papers.make_papers([payment.paper])) == 1
    assert not Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt").exists()

    make()

    paper = paper_of(payment)
    assert (paper.status, paper.last_error) == ("ready", "")


def test_P8_an_old_payment_gets_its_receipt_without_a_mail(profile):
    payment = paid(profile, created_at=timezone.now() - timedelta(days=400))

    make()

    assert paper_of(payment).status == "ready"
    assert not Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt").exists()


def test_F39_a_receipt_that_was_changed_is_given_to_nobody(client, profile):
    payment = paid(profile)
    make()
    paper = paper_of(payment)
    default_storage.delete(paper.file)
    default_storage.save(paper.file, io.BytesIO(b"%PDF forged"))

    response = client.get(f"/payments/{payment.code}/receipt/pdf/", follow=True)

    assert response.redirect_chain
    assert "so nobody gets it" in response.content.decode()


def test_L4_a_made_paper_is_final(profile):
    payment = paid(profile)
    make()
    for change in (lambda rows: rows.update(sha256="0" * 64), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change(Paper.objects.filter(payment=payment))


def test_M8_names_that_look_like_typst_code_are_printed_as_text(profile):
    profile.name = '#panic("x") $a$ [*b*]'
    profile.save(update_fields=["name"])
    payment = paid(profile)

    make()

    assert '#panic("x") $a$ [*b*]' in text_of(paper_of(payment))


# --- Statements ---------------------------------------------------------------------------------


def ask(account, by, profile=None, start=date(2020, 1, 1), end=None):
    made = ask_for_statement(account, profile=profile, starts_on=start, ends_on=end or timezone.localdate(), by=by)
    make()
    made.refresh_from_db()
    return made


def test_P8_I5_a_statement_shows_the_moves_of_the_books_with_a_running_balance(account, owner, profile):
    payment = paid(profile)
    open_one = InvoiceFactory(profile=profile, lines=[5000], issue_date=date(2026, 11, 6))

    statement = ask(account, owner)

    owed = balance(LedgerAccount.RECEIVABLE, "EUR", account_id=account.pk)
    assert (statement.opening, statement.closing) == (Money(0, "EUR"), owed)
    assert owed == open_one.amount_due
    text = text_of(statement)
    for said in (open_one.number, payment.receipt_number, payment.allocations.get().invoice.number, "Closing balance"):
        assert said in text


def test_P8_the_statement_of_a_profile_holds_nothing_of_another(account, owner, profile):
    other = InvoiceFactory(profile=BillingProfileFactory(account=account), lines=[700])
    mine = InvoiceFactory(profile=profile, lines=[900])

    statement = ask(account, owner, profile)

    assert statement.closing == mine.amount_due
    assert other.number not in text_of(statement)


def test_P8_the_balance_before_the_first_day_is_carried_over(account, owner, profile):
    before = InvoiceFactory(profile=profile, issue_date=date(2026, 1, 5))
    within = InvoiceFactory(profile=profile, issue_date=date(2026, 2, 5), lines=[900])
    InvoiceFactory(profile=profile, issue_date=date(2026, 3, 5))

    statement = ask(account, owner, start=date(2026, 2, 1), end=date(2026, 2, 28))

    assert statement.opening == before.amount_due
    assert statement.closing == before.amount_due + within.amount_due
    assert before.number not in text_of(statement)


def test_P8_money_that_was_taken_back_is_owed_again(account, owner, profile):
    payment = paid(profile)
    invoice = payment.allocations.get().invoice
    reopen_invoice(invoice, payment.amount, reference=f"returned:{payment.code}", on=timezone.localdate())

    statement = ask(account, owner)

    assert statement.closing == payment.amount
    assert "Payment taken back" in text_of(statement)


def test_P8_an_empty_time_says_so(account, owner):
    assert "Nothing was invoiced, paid or credited" in text_of(ask(account, owner))


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (date(2026, 2, 1), date(2026, 1, 1), "days_reversed"),
        (date(2026, 1, 1), date(2999, 1, 1), "not_over"),
    ],
)
def test_P8_a_time_that_makes_no_sense_is_refused(account, owner, start, end, code):
    with pytest.raises(Refused) as refusal:
        ask(account, owner, start=start, end=end)
    assert refusal.value.code == code


def test_P8_more_entries_than_a_document_holds_are_refused(account, owner, profile, monkeypatch):
    monkeypatch.setattr(papers, "MOST_ENTRIES", 1)
    for day in (5, 6):
        InvoiceFactory(profile=profile, issue_date=date(2026, 11, day))
    with pytest.raises(Refused) as refusal:
        ask(account, owner)
    assert refusal.value.code == "too_long"


def test_T01_who_has_a_role_on_a_profile_gets_no_statement_of_the_account(account, owner, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        ask(account, reader)
    assert ask(account, reader, profile).status == "ready"


def test_T01_the_list_and_the_files_show_each_only_what_they_may_see(client, account, owner, profile):
    whole, other = ask(account, owner), ask(account, owner, BillingProfileFactory(account=account))
    mine = ask(account, owner, profile)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)

    page = client.get(f"/billing-accounts/{account.code}/statements/")

    assert [row.pk for row in page.context["page"].rows] == [mine.pk]
    assert client.get(f"/statements/{mine.code}/pdf/").status_code == 200
    for unseen in (whole, other):
        assert client.get(f"/statements/{unseen.code}/").status_code == 404
        assert client.get(f"/statements/{unseen.code}/pdf/").status_code == 404


def test_P8_a_statement_is_asked_for_waited_for_and_downloaded(client, account, owner, profile):
    paid(profile)
    page = client.get(f"/billing-accounts/{account.code}/statements/")
    assert "No statements yet" in page.content.decode()

    response = client.post(
        f"/billing-accounts/{account.code}/statements/new/",
        {"profile": "", "starts_on": "2020-01-01", "ends_on": str(timezone.localdate())},
    )

    assert client.get(response["Location"])["Refresh"] == "3"
    make()
    statement = Paper.objects.get(kind="statement")
    page = client.get(response["Location"]).content.decode()
    assert f"/statements/{statement.code}/pdf/" in page
    assert client.get(f"/statements/{statement.code}/pdf/")["Content-Type"] == "application/pdf"


def test_P8_the_receipt_is_no_statement(client, profile):
    payment = paid(profile)
    assert client.get(f"/statements/{paper_of(payment).code}/").status_code == 404


def test_the_list_of_statements_costs_the_same_however_long_it_is(
    client, account, owner, profile, django_assert_num_queries
):
    def ask_without_making():
        ask_for_statement(account, profile=profile, starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 31), by=owner)

    ask_without_making()
    with CaptureQueriesContext(connection) as one:
        client.get(f"/billing-accounts/{account.code}/statements/")
    for _ in range(5):
        ask_without_making()
    with django_assert_num_queries(len(one)):
        client.get(f"/billing-accounts/{account.code}/statements/")


def test_account_readers_may_have_statements(account):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    assert ask(account, reader).status == "ready"


def _raising(error):
    def fail(request):
        raise error

    return fail


def test_the_set_has_a_template_for_each_kind():
    assert set(render.WORKER.parent.glob("*.typ")) >= {
        render.WORKER.with_name(f"{name}.typ") for name in ("frame", "invoice", "receipt", "statement")
    }


@pytest.mark.django_db(transaction=True)
def test_P8_I28_staff_find_a_receipt_that_could_not_be_made_and_have_it_made(client, profile, monkeypatch):
    payment = paid(profile)
    with monkeypatch.context() as broken:
        broken.setattr(papers, "render", _raising(RenderRefused("no such face")))
        make()
    client.force_login(UserFactory(staff=True))
    page = reverse("admin:payments_paper_changelist")
    [found] = client.get(page, {"trouble": "failed"}).context["cl"].result_list

    client.post(page, {"action": "make_again", "_selected_action": [found.pk]})
    make()

    assert paper_of(payment).status == "ready"
