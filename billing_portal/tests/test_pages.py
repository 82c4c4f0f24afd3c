"""Home, overview, search and help: what waits for whom, and what each person finds."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Address
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from billing_portal import figures, todo
from billing_portal.search import SHOWN, search_everything
from core.messages import MailClass, queue_message
from core.models import MailComplaint, MessageStatus
from core.policy import GRANTS, Action, Role
from core.states import move
from invoices.models import Delivery
from invoices.tests.factories import InvoiceFactory
from payments.tests.factories import PaymentFactory, PaymentMethodFactory, TransferRequestFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def overdue_invoice(profile, **values):
    today = timezone.localdate()
    return InvoiceFactory(profile=profile, issue_date=today - timedelta(days=60), **values)


def titles(user, account):
    return [task.title for task in todo.tasks(user, account, timezone.localdate())]


def test_S0_18_home_with_one_account_is_its_overview(owner, account):
    response = signed_in(owner).get(reverse("home"))
    assert (response.status_code, response.url) == (302, account.get_absolute_url())


def test_S0_18_home_with_two_accounts_lists_what_waits_in_each(owner, account):
    BillingAccountFactory(name="Alfa Vastgoed B.V.", owner=owner)
    text = signed_in(owner).get(reverse("home")).content.decode()
    assert text.count("You are the only owner of this account") == 2


def test_P21_home_without_any_account_says_why():
    text = signed_in(UserFactory()).get(reverse("home")).content.decode()
    assert "No billing account is yours to see yet" in text


def test_the_only_owner_is_told_and_two_are_not(owner, account):
    assert titles(owner, account) == ["You are the only owner of this account"]
    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)
    assert titles(owner, account) == []


def test_P2_an_overdue_invoice_is_first_and_leads_to_paying(owner, account):
    invoice = overdue_invoice(BillingProfileFactory(account=account))
    first = todo.tasks(owner, account, timezone.localdate())[0]
    assert first.title == f"{invoice.number} is past due"
    assert (first.href, first.amount, first.tone) == (
        reverse("invoice_payment", args=[invoice.code]),
        invoice.amount_due,
        "danger",
    )


def test_two_overdue_invoices_are_one_row_with_their_sum(owner, account):
    profile = BillingProfileFactory(account=account)
    both = [overdue_invoice(profile), overdue_invoice(profile)]
    first = todo.tasks(owner, account, timezone.localdate())[0]
    assert first.title == "2 invoices are past due"
    assert first.amount == both[0].amount_due + both[1].amount_due


def test_a_reader_has_nothing_to_do_about_an_overdue_invoice(account):
    overdue_invoice(BillingProfileFactory(account=account))
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    assert titles(reader, account) == []


def test_T01_what_waits_on_a_sibling_profile_is_not_told(account):
    own, sibling = BillingProfileFactory(account=account), BillingProfileFactory(account=account)
    overdue_invoice(sibling)
    manager = ProfileRoleFactory(profile=own, role=Role.INVOICE_MANAGER).user
    assert titles(manager, account) == []


def test_T01_neither_tasks_nor_figures_tell_of_a_sibling_profile(owner, account):
    today = timezone.localdate()
    own, sibling = BillingProfileFactory(account=account), BillingProfileFactory(account=account, name="Sibling")
    SubscriptionFactory(profile=sibling)
    TransferRequestFactory(profile=sibling, status="question", note="Which accounts?")
    invoice = InvoiceFactory(profile=sibling, issue_date=today - timedelta(days=20))
    getting = ProfileRoleFactory(profile=sibling, role=Role.PROFILE_READER).user
    mail = queue_message(
        to=getting.email, template="test_mail", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    move(mail, MessageStatus.SENDING)
    move(mail, MessageStatus.GIVEN_UP)
    Delivery.objects.create(
        invoice=invoice, email=mail.recipient, user=getting, reason=Role.PROFILE_READER, message=mail
    )
    PaymentFactory(invoices=[InvoiceFactory(profile=sibling)], status="succeeded")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user

    told = " | ".join(titles(owner, account))
    seen, unseen = (figures.amounts(person, account, today) for person in (owner, stranger))

    assert all(each in told for each in (f"{invoice.number} is due in", "a question", "came back", "no payment method"))
    assert titles(stranger, account) == []
    assert (seen["count"], seen["paid_count"]) == (1, 1)
    assert (unseen["count"], unseen["paid_count"]) == (0, 0)
    later = today + timedelta(days=62)
    assert figures.invoiced_per_month(owner, account, later)
    assert figures.invoiced_per_month(stranger, account, later) is None


def test_Q1_a_task_is_only_for_who_may_do_it(owner, account, monkeypatch):
    monkeypatch.setitem(GRANTS, Action.ACCOUNT_ASSIGN_ROLES, frozenset())
    assert titles(owner, account) == []


def test_T01_search_and_help_know_no_accounts_of_others(account):
    for number in range(SHOWN):
        BillingAccountFactory(name=f"AAA {number}")
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    found = [(hit.title, hit.text) for group in search_everything(reader, "activity") for hit in group.hits]
    pages = [hit.text for group in search_everything(reader, "invoices") for hit in group.hits]
    assert found == []
    assert set(pages) == {account.name}
    assert list(signed_in(reader).get(reverse("help")).context["asking"]) == [account]


def test_an_incomplete_address_is_told_to_who_can_complete_it(owner, account):
    Address.objects.filter(pk=account.sold_to_id).update(is_complete=False)
    account.refresh_from_db()
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    assert "The address of this account is not complete" in titles(owner, account)
    assert titles(reader, account) == []


def test_P10_a_complaint_of_somebody_else_is_told_to_who_can_change_the_recipients(owner, account):
    mail = queue_message(
        to="inge@beta.example", template="test_mail", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    invoice = InvoiceFactory(profile=BillingProfileFactory(account=account))
    Delivery.objects.create(invoice=invoice, email=mail.recipient, reason=Role.PROFILE_READER, message=mail)
    MailComplaint.objects.create(recipient=mail.recipient, message=mail)
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    assert "inge@beta.example marked an invoice mail as spam" in titles(owner, account)
    assert titles(reader, account) == []


def test_an_expired_default_card_is_told_to_who_can_replace_it(owner, account):
    profile = BillingProfileFactory(account=account)
    yesterday = timezone.localdate() - timedelta(days=1)
    PaymentMethodFactory(account=account, default_for=[profile], valid_until=yesterday)
    assert any(title.endswith("has expired") for title in titles(owner, account))
    manager = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    assert titles(manager, account) == []


def test_the_overview_asks_the_same_number_of_statements_whatever_its_rows(owner, account, django_assert_num_queries):
    client, address = signed_in(owner), account.get_absolute_url()
    profile = BillingProfileFactory(account=account)
    overdue_invoice(profile)
    overdue_invoice(profile)
    with django_assert_num_queries(STATEMENTS):
        client.get(address)
    for _ in range(3):
        overdue_invoice(profile)
    with django_assert_num_queries(STATEMENTS):
        client.get(address)


STATEMENTS = 20


def test_the_overview_shows_what_is_due_and_how_late(owner, account):
    profile = BillingProfileFactory(account=account)
    overdue_invoice(profile, lines=[10_000])
    text = signed_in(owner).get(account.get_absolute_url()).content.decode()
    assert text.count("€121.00") >= 2
    assert "8–30 days late" in text


@pytest.mark.parametrize(
    ("words", "page"),
    [("invo", "Invoices"), ("fact", "Invoices"), ("betaalm", "Payment methods"), ("Bills &", "Invoices")],
)
def test_S0_6_pages_are_found_by_their_english_and_dutch_names(owner, account, words, page):
    text = signed_in(owner).get(reverse("search"), {"q": words}).content.decode()
    assert f"<b>{page}</b>" in text


def test_S0_6_search_finds_what_the_person_may_see_and_nothing_else(owner, account):
    profile = BillingProfileFactory(account=account, name="Warehouse Rotterdam")
    foreign = BillingProfileFactory(name="Warehouse Antwerpen")
    mine, theirs = InvoiceFactory(profile=profile), InvoiceFactory(profile=foreign)
    text = signed_in(owner).get(reverse("search"), {"q": "ware"}).content.decode()
    assert "Warehouse Rotterdam" in text
    assert "Warehouse Antwerpen" not in text
    numbers = signed_in(owner).get(reverse("search"), {"q": mine.number[:4]}).content.decode()
    assert mine.number in numbers
    assert theirs.number not in numbers


@pytest.mark.parametrize("words", ["", " ", "%", "_", "\x00", "x" * 5000, "'; --", "<b>"])
def test_PR14_any_words_may_be_searched_for(owner, account, words):
    response = signed_in(owner).get(reverse("search"), {"q": words})
    assert response.status_code == 200
    assert "<b></b>" not in response.content.decode()


def test_P12_help_says_who_may_do_what(owner, account):
    text = signed_in(owner).get(reverse("help")).content.decode()
    assert "Pay invoices" in text
    assert reverse("payment_problems") in text
