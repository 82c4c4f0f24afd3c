"""What is paid beyond what invoices need: kept, used, given back (§3.7, §3.9)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.tests.factories import SellerFactory, UserFactory
from billing_portal.invariants import find_violations
from core.errors import Forbidden, Refused
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.models import CreditLot, Invoice, LedgerAccount
from invoices.services.correcting import credit_lines, void_invoice
from invoices.services.credits import take_back_credit
from invoices.services.ledger import balance
from invoices.services.run import run_billing
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.models import Charge
from payments.models import BankEntry, BookedBy, CollectionCase, Paper, Payment
from payments.services.bank import book_entry, look_at, take_in_file, undo_booking
from payments.services.collecting import go_on
from payments.services.debits import announce_debit, collect_announced
from payments.services.overpaid import balances_of, use_balance
from payments.services.pay import pay_invoices
from payments.services.refunds import ask_refund, carry_out, confirm_transferred, refundable
from payments.services.settle import look_up
from payments.tests.bank_files import Move, camt
from payments.tests.factories import PaymentMethodFactory
from payments.tests.test_families import sign
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

ON = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


@pytest.fixture
def profile():
    return BillingProfileFactory(created_at=timezone.make_aware(timezone.datetime(2026, 10, 1)))


@pytest.fixture
def staff():
    return UserFactory(staff=True)


def euros(text):
    return Money.rounded(Decimal(text), "EUR")


def balance_of(profile):
    """How much of what was overpaid is left on the profile."""
    return Money(balances_of(profile.account).filter(profile=profile).left_minor(), profile.currency)


def transferred(invoice, amount, *, iban, reference=None):
    """A movement at the bank that names the invoice, taken in and looked at."""
    number = str(BankEntry.objects.count() + 1)
    move = Move(amount, reference=reference or invoice.payment_reference, bank_reference=number)
    content = camt([move], iban=iban, number=number)
    file = take_in_file(content, name="s.xml", by=None).file
    look_at(list(BankEntry.objects.filter(file=file)), at=timezone.now())
    return BankEntry.objects.get(file=file)


def assert_well():
    assert [str(each) for each in find_violations() if each.invariant != "I20"] == []


def test_S37_a_transfer_of_too_much_pays_the_invoice_and_keeps_the_rest(seller, profile):
    invoice = InvoiceFactory(profile=profile)

    entry = transferred(invoice, "150.00", iban=seller.iban)

    payment = Payment.objects.get(allocations__invoice=invoice)
    invoice.refresh_from_db()
    assert (invoice.status, entry.status, payment.amount, payment.kept) == (
        "paid",
        "booked",
        euros("150"),
        euros("29"),
    )
    assert balance_of(profile) == euros("29")
    assert balance(LedgerAccount.CREDITS, "EUR", profile=profile) == euros("-29")
    assert balance(LedgerAccount.BANK, "EUR", profile=profile) == euros("150")
    assert_well()


def test_S37_the_next_invoice_uses_what_was_overpaid(time_machine, seller, profile):
    time_machine.move_to("2026-11-21 10:00")
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    SubscriptionFactory(profile=profile, unit_price=Decimal(100), started_on=date(2026, 12, 1))
    CreditLot.objects.get()

    for month in (Month(2026, 10), Month(2026, 11), Month(2026, 12)):
        run_billing(month, on=date(2027, 1, 4))

    invoice = Invoice.objects.order_by("-pk").first()
    assert (invoice.prepaid, invoice.amount_due) == (euros("29"), euros("92"))
    assert not balance_of(profile)
    assert_well()


def test_S37_a_person_lets_the_balance_pay_an_open_invoice_and_others_may_not(seller, profile):
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    other = InvoiceFactory(profile=profile)
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user

    assert use_balance(other, by=payer) == euros("29")

    other.refresh_from_db()
    assert (other.amount_due, balance_of(profile)) == (euros("92"), euros("0"))
    with pytest.raises(Refused) as refused:
        use_balance(other, by=payer)
    assert refused.value.code == "no_balance"
    assert_well()


def test_S39_what_was_overpaid_is_used_before_a_card_is_charged(seller, profile):
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    card = PaymentMethodFactory(account=profile.account, default_for=[profile])
    invoice, now = InvoiceFactory(profile=profile), timezone.now()
    case = CollectionCase.objects.create(invoice=invoice, day_zero=timezone.localdate(now), last_day=-7, next_at=now)

    go_on(case, at=now)

    charged = Payment.objects.get(method=card)
    invoice.refresh_from_db()
    assert (charged.amount, invoice.status, balance_of(profile)) == (euros("92"), "paid", euros("0"))
    assert_well()


def test_I19_S39_a_direct_debit_collects_what_the_balance_leaves(seller, profile):
    payer = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    method, invoice = sign(profile, payer, default_for=[profile]).method, InvoiceFactory(profile=profile)
    notice = announce_debit(invoice, method, at=timezone.now())
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)

    collect_announced(notice, at=timezone.now() + timedelta(days=60))

    notice.refresh_from_db()
    assert (notice.status, notice.payment.amount, balance_of(profile)) == ("collected", euros("92"), euros("0"))
    assert_well()


def test_S39_nobody_is_reminded_of_what_the_balance_pays(seller, profile, mailoutbox):
    transferred(InvoiceFactory(profile=profile), "300.00", iban=seller.iban)
    invoice, now = InvoiceFactory(profile=profile), timezone.now()
    case = CollectionCase.objects.create(
        invoice=invoice, day_zero=timezone.localdate(now) - timedelta(days=1), last_day=-7, next_at=now
    )

    go_on(case, at=now)

    case.refresh_from_db()
    invoice.refresh_from_db()
    assert (invoice.status, case.status, case.steps.count()) == ("paid", "closed", 0)
    assert balance_of(profile) == euros("58")


def test_P24_a_second_transfer_for_a_paid_invoice_is_kept_when_staff_say_so(seller, profile, staff):
    invoice = InvoiceFactory(profile=profile)
    transferred(invoice, "121.00", iban=seller.iban)
    entry = transferred(invoice, "121.00", iban=seller.iban)
    assert entry.status == "open"

    payment = book_entry(entry, [invoice], why=BookedBy.STAFF, by=staff)

    assert (payment.allocations.count(), payment.kept, balance_of(profile)) == (0, euros("121"), euros("121"))
    assert_well()


def test_P8_the_receipt_of_what_pays_no_invoice_speaks_the_language_of_the_latest(seller, profile, staff):
    invoice = InvoiceFactory(profile=profile, language="nl")
    for _time in range(2):
        entry = transferred(invoice, "121.00", iban=seller.iban)

    payment = book_entry(entry, [invoice], why=BookedBy.STAFF, by=staff)

    assert Paper.objects.get(payment=payment).language == "nl"


def test_P24_staff_leave_the_rest_on_the_movement_to_book_it_elsewhere(seller, profile, staff):
    invoice = InvoiceFactory(profile=profile)
    entry = transferred(invoice, "150.00", iban=seller.iban, reference="thank you")

    book_entry(entry, [invoice], why=BookedBy.STAFF, by=staff, keeps_rest=False)

    entry.refresh_from_db()
    assert (entry.status, entry.left, balance_of(profile)) == ("partly", euros("29"), euros("0"))
    assert_well()


def test_P24_undoing_takes_the_balance_away_and_is_refused_once_it_was_used(seller, profile, staff):
    entry = transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    undo_booking(entry.bookings.get(), reason="Of another customer", by=staff)
    assert balance_of(profile) == euros("0")
    assert_well()

    invoice, other = InvoiceFactory(profile=profile), InvoiceFactory(profile=profile)
    entry = transferred(invoice, "150.00", iban=seller.iban)
    use_balance(other, by=ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user)
    with pytest.raises(Refused) as refused:
        undo_booking(entry.bookings.get(), reason="Of another customer", by=staff)
    assert refused.value.code == "balance_used"
    assert_well()


def test_I17_what_was_overpaid_goes_back_first_and_reopens_nothing(seller, profile, staff):
    invoice = InvoiceFactory(profile=profile)
    transferred(invoice, "150.00", iban=seller.iban)
    payment = Payment.objects.get()

    refund = ask_refund(payment, euros("29"), reason="Paid too much", by=staff)
    confirm_transferred(refund, by=staff)

    payment.refresh_from_db()
    invoice.refresh_from_db()
    assert (payment.status, invoice.status, balance_of(profile)) == ("partially_refunded", "paid", euros("0"))
    assert balance(LedgerAccount.BANK, "EUR", profile=profile) == euros("121")
    assert refundable(payment) == euros("121")
    assert_well()


def test_I17_what_was_used_of_the_balance_cannot_go_back(seller, profile):
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    use_balance(InvoiceFactory(profile=profile), by=ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user)

    assert refundable(Payment.objects.get()) == euros("121")


def test_the_vendor_takes_back_no_money_of_the_customer_as_if_it_were_a_promotion(seller, profile, staff):
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)

    with pytest.raises(Refused) as refused:
        take_back_credit(CreditLot.objects.get(), reason="Mistake", by=staff, on=ON)

    assert refused.value.code == "given_back_by_refund"


def paid_while(profile, change):
    """An invoice paid by card on the bank's page, and changed before the bank says yes."""
    card = PaymentMethodFactory(account=profile.account, specimen="checked")
    invoice = InvoiceFactory(profile=profile)
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    payment = pay_invoices([invoice], method=card, by=payer, request_key="k")
    change(invoice)
    api.answer_charge_check(payment.gateway_reference, confirmed=True)
    return look_up(payment), invoice


def test_P24_money_for_an_invoice_credited_meanwhile_pays_what_is_left_and_is_kept(profile):
    payment, invoice = paid_while(
        profile,
        lambda invoice: credit_lines(
            invoice, {invoice.lines.get().pk: euros("50")}, reason="Half", by=None, on=timezone.localdate()
        ),
    )

    invoice.refresh_from_db()
    assert (payment.status, payment.parked_reason, invoice.status) == ("succeeded", "", "paid")
    assert (payment.allocations.get().amount, payment.kept, balance_of(profile)) == (
        euros("60.50"),
        euros("60.50"),
        euros("60.50"),
    )
    assert_well()


def test_I17_money_for_a_void_invoice_is_kept_and_can_be_refunded_to_the_card(profile, staff):
    payment, _invoice = paid_while(
        profile, lambda invoice: void_invoice(invoice, reason="Wrong", by=None, on=timezone.localdate())
    )
    assert (payment.kept, payment.allocations.get().status) == (euros("121"), "released")
    assert_well()

    refund = ask_refund(payment, euros("121"), reason="Nothing was owed", by=staff)
    carry_out(refund, at=timezone.now())

    payment.refresh_from_db()
    assert (payment.status, balance_of(profile)) == ("refunded", euros("0"))
    assert balance(LedgerAccount.GATEWAY, "EUR", profile=profile) == euros("0")
    assert_well()


def test_I17_a_chargeback_of_a_balance_that_was_used_waits_for_a_person(profile):
    payment, _invoice = paid_while(
        profile, lambda invoice: void_invoice(invoice, reason="Wrong", by=None, on=timezone.localdate())
    )
    other = InvoiceFactory(profile=profile)
    use_balance(other, by=payment.user)

    Charge.objects.filter(reference=payment.gateway_reference).update(due_at=timezone.now())
    api.settle_pending(Charge.objects.get(reference=payment.gateway_reference).pk)
    payment = look_up(payment)

    assert (payment.status, payment.parked_reason) == ("charged_back", "balance_used")
    assert balance(LedgerAccount.GATEWAY, "EUR", profile=profile) == euros("0")
    assert_well()


def test_I17_a_booking_is_not_undone_while_a_refund_of_it_is_on_its_way(seller, profile, staff):
    entry = transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    refund = ask_refund(Payment.objects.get(), euros("29"), reason="Paid too much", by=staff)

    with pytest.raises(Refused) as refused:
        undo_booking(entry.bookings.get(), reason="Of another customer", by=staff)

    assert refused.value.code == "refunding"
    confirm_transferred(refund, by=staff)
    assert_well()


def test_Q5_a_reader_lets_no_balance_pay(seller, profile):
    transferred(InvoiceFactory(profile=profile), "150.00", iban=seller.iban)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        use_balance(InvoiceFactory(profile=profile), by=reader)
    assert balance_of(profile) == euros("29")
