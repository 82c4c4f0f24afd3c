"""Any sequence of buying, billing, crediting, paying, correcting and disputing: all invariants after each step.

By default a sample; `--long` takes many and longer ones (Q7a).
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.invariants import find_violations
from core.codes import new_code
from core.errors import Refused
from core.money import Money
from core.periods import Month
from invoices.models import CreditLot, Dispute, Invoice
from invoices.services.correcting import correct_invoice, credit_lines, left_to_credit, void_invoice
from invoices.services.credits import expire_credit, give_credit, move_credit, take_back_credit
from invoices.services.disputes import open_dispute, reject_dispute, uphold_dispute, withdraw_dispute
from invoices.services.run import run_billing
from invoices.services.settling import settle_invoice
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Subscription
from subscriptions.services.changing import cancel_subscription, change_subscription, plan_cancellation, plan_change
from subscriptions.tests.factories import ProductFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

FIRST = Month(2026, 1)
ANY = st.integers(0, 10**6)
CENTS = st.integers(1, 30_000)


class Billing(RuleBasedStateMachine):
    """One customer with two billing profiles. Numbers drawn choose among what is there by then."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        SellerFactory()
        self.owner, self.staff = UserFactory(), UserFactory(staff=True)
        account = BillingAccountFactory(owner=self.owner)
        made = datetime(2026, 1, 1, tzinfo=UTC)
        self.profiles = [BillingProfileFactory(account=account, created_at=made) for _number in range(2)]
        self.products = [ProductFactory(name="Office"), ProductFactory(name="Book", supply="reduced")]
        self.month = FIRST
        self.day = FIRST.first

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    def one_of(self, rows: Any, number: int) -> Any:
        found = list(rows.order_by("pk"))
        return found[number % len(found)] if found else None

    def invoice(self, number: int, *statuses: str) -> Invoice | None:
        return self.one_of(Invoice.objects.filter(kind="invoice", status__in=statuses), number)

    @rule(number=ANY, price=st.integers(1, 20_000), quantity=st.integers(1, 4))
    def buy(self, number: int, price: int, quantity: int) -> None:
        SubscriptionFactory(
            profile=self.profiles[number % 2],
            product=self.products[number // 2 % 2],
            unit_price=Decimal(price) / 100,
            quantity=quantity,
            started_on=self.day,
        )

    @rule(number=ANY, quantity=st.integers(1, 6))
    def change(self, number: int, quantity: int) -> None:
        bought = self.one_of(Subscription.objects.filter(status="active"), number)
        if bought is None or quantity == bought.quantity:
            return
        try:
            expected = plan_change(bought, quantity=quantity, price=None, on=self.day).net
            change_subscription(
                bought,
                quantity=quantity,
                price=None,
                expected=expected,
                request_key=new_code(),
                by=self.owner,
                on=self.day,
            )
        except Refused:
            pass

    @rule(number=ANY)
    def cancel(self, number: int) -> None:
        bought = self.one_of(Subscription.objects.filter(status="active"), number)
        if bought is None:
            return
        try:
            expected = plan_cancellation(bought, on=self.day).net
            cancel_subscription(bought, expected=expected, request_key=new_code(), by=self.owner, on=self.day)
        except Refused:
            pass

    @rule(days=st.integers(0, 8))
    def wait(self, days: int) -> None:
        self.day = min(self.day + timedelta(days=days), self.month.last)

    @rule()
    def bill(self) -> None:
        self.day = self.month.next.first + timedelta(days=4)
        run_billing(self.month, on=self.day)
        self.month = self.month.next
        for lot in CreditLot.objects.to_expire(self.day):
            expire_credit(lot, on=self.day)

    @rule(
        number=ANY,
        minor=CENTS,
        source=st.sampled_from(["promotion", "compensation", "prepaid"]),
        days=st.integers(0, 90),
    )
    def give(self, number: int, minor: int, source: str, days: int) -> None:
        give_credit(
            self.profiles[number % 2],
            source=source,
            amount=Money(minor, "EUR"),
            starts_on=self.day,
            expires_on=self.day + timedelta(days=days) if days else None,
            description="Credit",
            reason="As agreed",
            by=self.staff,
            on=self.day,
        )

    @rule(number=ANY, moves=st.booleans())
    def move_or_take_back(self, number: int, moves: bool) -> None:
        lot = self.one_of(CreditLot.objects.filter(balance_minor__gt=0), number)
        if lot is None:
            return
        if moves:
            other = next(profile for profile in self.profiles if profile.pk != lot.profile_id)
            move_credit(lot, profile=other, reason="Asked", by=self.staff, on=self.day)
        else:
            take_back_credit(lot, reason="Mistake", by=self.staff, on=self.day)

    @rule(number=ANY, part=st.integers(1, 100))
    def pay(self, number: int, part: int) -> None:
        invoice = self.invoice(number, "due", "locked")
        if invoice is not None:
            minor = max(invoice.amount_due.minor * part // 100, 1)
            settle_invoice(invoice, Money(minor, "EUR"), reference=f"payment:{new_code()}", on=self.day)

    @rule(number=ANY, minor=CENTS)
    def credit(self, number: int, minor: int) -> None:
        invoice = self.invoice(number, "due", "locked", "paid")
        left = left_to_credit(invoice) if invoice is not None else []
        if invoice is not None and left:
            line, most = left[number % len(left)]
            amounts = {line.pk: min(most, Money(minor, "EUR"))}
            credit_lines(invoice, amounts, reason="Too much", by=self.staff, on=self.day)

    @rule(number=ANY)
    def void(self, number: int) -> None:
        if invoice := self.invoice(number, "due", "locked", "paid"):
            void_invoice(invoice, reason="Wrong", by=self.staff, on=self.day)

    @rule(number=ANY)
    def correct(self, number: int) -> None:
        if invoice := self.invoice(number, "due", "locked", "paid"):
            changes = {"po_number": new_code(), "bill_to.line1": "Elsewhere 1"}
            correct_invoice(invoice, changes, reason="Asked", by=self.staff, on=self.day)

    @rule(number=ANY, of_line=st.booleans())
    def dispute(self, number: int, of_line: bool) -> None:
        invoice = self.invoice(number, "due")
        left = left_to_credit(invoice) if invoice is not None else []
        if invoice is not None and left:
            line = left[number % len(left)][0] if of_line else None
            open_dispute(invoice, line=line, amount=None, by=self.owner)

    @precondition(lambda self: Dispute.objects.filter(status="open").exists())
    @rule(number=ANY, answer=st.sampled_from(["uphold", "reject", "withdraw"]))
    def decide(self, number: int, answer: str) -> None:
        dispute = self.one_of(Dispute.objects.filter(status="open"), number)
        try:
            if answer == "uphold":
                uphold_dispute(dispute, by=self.staff, on=self.day)
            elif answer == "reject":
                reject_dispute(dispute, by=self.staff)
            else:
                withdraw_dispute(dispute, by=self.owner)
        except Refused:
            # What was disputed was credited or voided meanwhile.
            reject_dispute(dispute, by=self.staff)

    @invariant()
    def all_is_well(self) -> None:
        found = [str(each) for each in find_violations()]
        assert not found, "\n".join(found)


# In parts, so that each is done within the time of a test.
@pytest.mark.long(sample=1)
@pytest.mark.parametrize("part", range(10))
def test_Q7_any_sequence_of_billing_keeps_every_invariant(part: int, long: bool):
    examples, steps = (20, 50) if long else (2, 12)
    run_state_machine_as_test(
        Billing,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
