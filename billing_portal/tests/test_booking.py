"""A statement is booked at once or a movement at a time: both leave the same rows (P24)."""

from datetime import UTC, date, datetime
from unittest import mock

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, SellerFactory
from billing_portal.invariants import find_violations
from core.money import Money
from core.policy import Role
from invoices.models import CreditLot, CreditTransaction, Invoice, Posting
from invoices.services.disputes import open_dispute
from invoices.tests.factories import InvoiceFactory
from payments.models import Allocation, BankBooking, BankEntry, CollectionCase, Paper, Payment
from payments.services import bank
from payments.tests.bank_files import OUR_IBAN, Move, camt
from payments.tests.factories import PaymentFactory, make_remittance_of
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
# What is drawn, or counted up, anew each time; and the database's own clock.
DRAWN = {"id", "code", "idempotency_key", "receipt_number", "created_at"}


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory(iban=OUR_IBAN)


@pytest.fixture(autouse=True)
def now():
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def profile():
    profile = BillingProfileFactory()
    AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_OWNER)
    return profile


def take_in(moves):
    numbered = [
        Move(euros, reference=reference, text=text, bank_reference=f"M{number:03}")
        for number, (euros, reference, text) in enumerate(moves)
    ]
    return list(bank.take_in_file(camt(numbered), name="s.xml", by=None).file.entries.order_by("pk"))


def an_invoice(profile):
    return InvoiceFactory(profile=profile, issue_date=date(2026, 11, 5))


def with_a_case(invoice):
    today = timezone.localdate()
    CollectionCase.objects.create(invoice=invoice, day_zero=today, last_day=7, next_at=NOW, standing="past_due")
    return invoice


def a_world(profile):
    """Invoices of three customers, and a statement with all that a movement can do to them."""
    own = [an_invoice(profile) for _number in range(12)]
    SubscriptionFactory(profile=profile, status="past_due")
    for invoice in own[:2]:
        with_a_case(invoice)
    other, beside = BillingProfileFactory(), BillingProfileFactory(account=profile.account)
    theirs, besides = an_invoice(other), an_invoice(beside)
    payer = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    open_dispute(own[5], line=own[5].lines.get(), amount=Money(2_000, "EUR"), by=payer)
    PaymentFactory(invoices=[own[6]], status="unknown")
    both = make_remittance_of(own[8], own[9])
    several = make_remittance_of(own[10], besides)
    named = [(invoice.payment_reference, "") for invoice in own]
    return [
        ("121.00", *named[0]),  # what is owed
        ("150.00", *named[1]),  # more
        ("21.00", *named[2]),  # a part, and later more than the rest
        ("121.00", "", f"factuur {own[3].number}"),
        ("122.00", "", f"factuur {own[4].number}"),  # a number with an amount that does not fit
        ("150.00", *named[5]),  # of which a part is disputed
        ("121.00", *named[6]),  # which is being paid
        ("7.00", "", "november"),
        ("-2.50", "", "kosten"),
        ("300.00", both.reference, ""),  # a remittance, and more than it says
        ("300.00", several.reference, ""),  # of two billing profiles
        ("130.00", *named[2]),
        ("121.00", *named[2]),  # nothing is owed on it any more
        ("200.00", theirs.payment_reference, ""),
        ("250.00", named[7][0], named[11][0]),  # two references, and more than both need
    ]


def rows():
    """All that booking writes, with what is drawn anew taken out, and payments named by their movement."""
    payments = {payment.pk: payment for payment in Payment.objects.all()}
    key = {payment.code: payment.request_key for payment in payments.values()}
    lots = {lot.pk: key[lot.reason.removeprefix("payment:")] for lot in CreditLot.objects.all()}

    def named(row):
        told = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
        for name, of in (("payment_id", {pk: row.request_key for pk, row in payments.items()}), ("lot_id", lots)):
            if told.get(name):
                told[name] = of[told[name]]
        if told.get("balance_lot_id"):
            told["balance_lot_id"] = lots[told["balance_lot_id"]]
        for name in ("reference", "reason"):
            if told.get(name, "").startswith("payment:"):
                told[name] = key[told[name].removeprefix("payment:")]
        return {name: value for name, value in told.items() if name not in DRAWN}

    models = [Invoice, BankEntry, BankBooking, Payment, Allocation, CreditLot, CreditTransaction, Posting, Paper]
    models += [CollectionCase, Subscription]
    found = {model.__name__: sorted((named(row) for row in model.objects.all()), key=repr) for model in models}
    numbers = sorted(filter(None, Payment.objects.values_list("receipt_number", flat=True)))
    return found | {"receipts": numbers}


def booked(entries, *, at_once):
    """The rows after these movements were looked at; then all is as before."""
    with transaction.atomic():
        if at_once:
            bank.look_at(entries, at=NOW)
        else:
            with mock.patch.object(bank, "book_plain", return_value=set()):
                bank.look_at(entries, at=NOW)
        violated = [str(each) for each in find_violations() if each.invariant != "I20"]
        found = rows()
        transaction.set_rollback(True)
    assert violated == []
    return found


def test_P24_I11_I18_a_statement_booked_at_once_leaves_the_rows_of_one_booked_movement_by_movement(profile):
    entries = take_in(a_world(profile))

    at_once, one_by_one = booked(entries, at_once=True), booked(entries, at_once=False)

    for name, of_one in one_by_one.items():
        assert at_once[name] == of_one, name
    statuses = [row["status"] for row in sorted(at_once["BankEntry"], key=lambda row: row["bank_reference"])]
    assert statuses == [
        *("booked", "booked", "booked", "booked", "open", "booked", "open", "open", "open"),
        *("booked", "partly", "booked", "open", "booked", "booked"),
    ]
    kept = sorted(lot["original_minor"] for lot in at_once["CreditLot"])
    assert kept == [800, 2_900, 2_900, 3_000, 5_800, 7_900]
    assert all(lot["balance_minor"] == lot["original_minor"] for lot in at_once["CreditLot"])
    assert {row["status"] for row in at_once["CollectionCase"]} == {"closed"}
    assert {row["status"] for row in at_once["Subscription"]} == {"active"}


@pytest.mark.parametrize("at_once", [True, False])
def test_P24_a_second_transfer_in_the_same_statement_is_left_to_a_person_as_in_the_next_one(profile, at_once):
    """What comes of a movement does not depend on where a batch ends."""
    invoice = InvoiceFactory(profile=profile)
    entries = take_in([("121.00", invoice.payment_reference, "")] * 2)
    found = booked(entries, at_once=at_once)
    assert sorted(row["status"] for row in found["BankEntry"]) == ["booked", "open"]
    assert found["CreditLot"] == []


def test_P24_more_movements_take_no_more_statements_also_where_too_much_was_paid():
    _first, few, many = (statements_for(count) for count in (2, 3, 30))
    assert many == few


def statements_for(count):
    invoices = [with_a_case(InvoiceFactory()) for _number in range(count)]
    for invoice in invoices:
        SubscriptionFactory(profile=invoice.profile)
    entries = take_in(
        [(("121.00", "150.00")[number % 2], invoice.payment_reference, "") for number, invoice in enumerate(invoices)]
    )
    with CaptureQueriesContext(connection) as captured:
        assert bank.look_at(entries, at=NOW) == count
    return len(captured)
