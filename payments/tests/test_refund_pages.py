"""What customers see of money that went back: in the list, on the payment, on its receipt, and as a PDF (P8, P9)."""

import io
import re
from contextlib import suppress
from datetime import timedelta

import pypdf
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.errors import Refused
from core.jobs import run_due
from core.money import Money
from core.policy import Role
from invoices.models import LedgerAccount, Posting
from invoices.services.credits import expire_credit, give_credit, take_back_credit
from invoices.services.ledger import balance
from invoices.services.settling import offset
from invoices.tests.factories import InvoiceFactory
from payments.gateways.base import ChargeOutcome, ChargeResult
from payments.models import Paper, Payment, Refund, RefundPart
from payments.papers import statement_of
from payments.services.papers import ask_for_refund_proof, ask_for_statement
from payments.services.pay import pay_invoices
from payments.services.refunds import ask_refund, ask_write_off
from payments.services.settle import record_outcome
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

WHY = "Charged for a server that was off, <b>sorry</b>"


@pytest.fixture
def manager():
    profile = BillingProfileFactory(account__owner=UserFactory())
    return ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user


@pytest.fixture
def paid(manager) -> Payment:
    profile = manager.profile_roles.get().profile
    method = PaymentMethodFactory(profile=profile, default_for=[profile])
    return pay_invoices([InvoiceFactory(profile=profile)], method=method, by=manager, request_key="a")


@pytest.fixture
def refund(paid) -> Refund:
    ask_refund(paid, Money(2_100, "EUR"), reason=WHY, by=UserFactory(staff=True))
    run_due(only=["payments.give_refund_back", "payments.make_papers"])
    return Refund.objects.get()


def test_P8_a_refund_stands_in_the_list_on_the_payment_and_on_its_receipt(client, manager, paid, refund):
    client.force_login(manager)
    listed = client.get(reverse("payments", args=[paid.account.code]), {"status": "refunded"}).content.decode()
    assert "€21.00 back" in listed
    for name in ("payment", "payment_receipt"):
        page = client.get(reverse(name, args=[paid.code])).content.decode()
        assert "€21.00" in page
        assert "&lt;b&gt;sorry" in page
        assert paid.method_text in page
        assert f"?refund={refund.pk}" in page


def test_P8_the_proof_of_refund_says_how_much_when_why_and_to_what(client, manager, paid, refund):
    client.force_login(manager)
    address = reverse("payment_receipt_pdf", args=[paid.code])
    answer = client.get(address, {"refund": refund.pk})
    assert answer["Content-Type"] == "application/pdf"
    text = re.sub(
        r"\s+", " ", " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
    )
    for words in ("Proof of refund", "€21.00", "server that was off", paid.method_text, paid.receipt_number):
        assert words in text, words
    receipt = client.get(address)
    assert receipt.content != answer.content
    with default_storage.open(Paper.objects.get(payment=paid).file) as made:
        assert receipt.content == made.read()  # final, as it was
    for query in ("0", "x", "9" * 30, str(refund.pk + 1)):
        assert client.get(address, {"refund": query}).status_code == 404


def test_P8_what_no_invoice_needed_is_named_as_the_balance(paid):
    refund = Refund.objects.create(
        payment=paid,
        amount_minor=100,
        reason=WHY,
        status="given_back",
        asked_by=UserFactory(staff=True),
        idempotency_key="k",
        settled_at=timezone.now(),
    )
    RefundPart.objects.create(refund=refund, amount_minor=100)
    paper = ask_for_refund_proof(refund)
    run_due(only=["payments.make_papers"])
    paper.refresh_from_db()
    with default_storage.open(paper.file) as file:
        text = " ".join(page.extract_text() for page in pypdf.PdfReader(file).pages)
    assert "Balance of the billing profile" in re.sub(r"\s+", " ", text)


def test_what_only_waits_for_a_second_person_is_not_told(client, manager, paid, settings):
    settings.SECOND_PERSON_ABOVE = 1
    ask_refund(paid, Money(2_100, "EUR"), reason=WHY, by=UserFactory(staff=True))
    client.force_login(manager)
    assert "sorry" not in client.get(paid.get_absolute_url()).content.decode()


def test_the_statements_of_the_payments_do_not_grow_with_refunds(
    client, manager, paid, refund, django_assert_max_num_queries
):
    client.force_login(manager)
    address = reverse("payments", args=[paid.account.code])
    client.get(address)
    with django_assert_max_num_queries(40) as few:
        client.get(address)
    for _each in range(3):
        ask_refund(paid, Money(100, "EUR"), reason=WHY, by=UserFactory(staff=True))
    run_due(only=["payments.give_refund_back"])
    with django_assert_max_num_queries(len(few)):
        client.get(address)


def test_I1_every_move_of_the_books_is_posted_and_a_statement_calls_it_by_its_name(manager, paid, refund):
    """Domain §3.7: allocation, credit, refund, chargeback, write-off; balances are sums of them and of nothing else."""
    profile, staff, today = paid.profile, UserFactory(staff=True), timezone.localdate()
    method = paid.method
    returned = pay_invoices([InvoiceFactory(profile=profile)], method=method, by=manager, request_key="b")
    back = ChargeResult(ChargeOutcome.RETURNED, returned.idempotency_key, returned.gateway_reference, returned.amount)
    record_outcome(returned, back, at=timezone.now())
    given_up = InvoiceFactory(profile=profile)
    with suppress(Refused):
        ask_write_off(given_up, Money(100, "EUR"), reason="They are bankrupt", by=staff)
    offset(InvoiceFactory(profile=profile, kind="credit_note", lines=[500]), given_up, on=today)
    for source in ("promotion", "prepaid"):
        lot = give_credit(
            profile,
            source=source,
            amount=Money(1_000, "EUR"),
            starts_on=today,
            expires_on=today + timedelta(days=9) if source == "promotion" else None,
            description="x",
            reason="Because of the outage",
            by=staff,
            on=today,
        )
        if source == "promotion":
            expire_credit(lot, on=today + timedelta(days=10))
        else:
            take_back_credit(lot, reason="It was a mistake", by=staff, on=today)
    moves = set(Posting.objects.values_list("debit", "credit"))
    R, G = LedgerAccount.RECEIVABLE, LedgerAccount.GATEWAY
    assert moves >= {
        (R, LedgerAccount.REVENUE),
        (R, LedgerAccount.VAT),
        (LedgerAccount.REVENUE, R),
        (G, R),  # allocation
        (R, G),  # refund and chargeback
        (LedgerAccount.BAD_DEBT, R),
        (LedgerAccount.OFFSET, R),
        (R, LedgerAccount.OFFSET),
        (LedgerAccount.PROMOTION, LedgerAccount.CREDITS),
        (LedgerAccount.CREDITS, LedgerAccount.PROMOTION),
        (LedgerAccount.BANK, LedgerAccount.CREDITS),
        (LedgerAccount.CREDITS, LedgerAccount.BANK),
    }
    total = sum(balance(account, "EUR").minor for account in LedgerAccount)
    assert total == 0
    call_command("check_invariants")
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    first = today - timedelta(days=400)
    paper = ask_for_statement(profile.account, profile=profile, starts_on=first, ends_on=today, by=reader)
    labels = {entry.label for entry in statement_of(paper).entries}
    assert {"Refund", "Written off", "Payment taken back", "Settled"} <= labels
