"""Any sequence of paying and what can go wrong with it: all invariants after each step, every edge of the graph.

One customer pays with good and bad cards, by direct debit, on the bank's page and by transfer; the gateway is silent,
slow, takes another amount, sends its notices twice and late; money goes back by refund, chargeback and return; staff
credit, void, write off, undo and decide. By default a sample; `--long` takes many and longer ones (Q7a, I10–I17).
"""

import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.invariants import find_violations
from core import states
from core.errors import Refused
from core.money import Money
from core.policy import Role
from invoices.models import Dispute, Invoice
from invoices.services.correcting import credit_lines, left_to_credit, void_invoice
from invoices.services.disputes import open_dispute, reject_dispute, withdraw_dispute
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import SPECIMENS
from payments.gateways.sandbox.models import Charge, Webhook
from payments.gateways.sandbox.signatures import HEADER, sign
from payments.models import (
    Allocation,
    BankBooking,
    BankEntry,
    BookedBy,
    CollectionCase,
    Family,
    GatewayEvent,
    GatewayHealth,
    Payment,
    ProfileMethods,
    Refund,
)
from payments.services.bank import book_entry, look_at, take_in_file, undo_booking
from payments.services.cards import finish_card_setup, start_card_setup
from payments.services.collecting import go_on, open_cases
from payments.services.decide import decide_payment, decisions_for
from payments.services.events import process_event, receive_event
from payments.services.overpaid import use_balance
from payments.services.pay import cancel_payment, pay_invoices, pay_once
from payments.services.reconcile import reconcile
from payments.services.refunds import (
    agree_refund,
    agree_write_off,
    ask_refund,
    ask_write_off,
    carry_out,
    confirm_transferred,
    decline_refund,
    refundable,
)
from payments.services.settle import look_up
from payments.states import PAYMENT
from payments.tests.bank_files import Move, camt
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

ANY = st.integers(0, 10**6)
CARDS = ["visa", "checked", "no_funds", "blocked", "cut_before", "cut_after", "silent", "later", "refused_later"]
CARDS += ["other_amount", "again", "early", "unannounced"]
ACCOUNTS = ["account", "account_returned"]
METHODS = [*CARDS, *ACCOUNTS]
# In percent; as often the whole as a part of it.
PARTS = st.one_of(st.just(100), st.integers(1, 100))
Step = tuple[str, dict[str, Any]]
BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
WHY = "As agreed with the customer"


class Killed(BaseException):
    """The process ends here."""


class Seen:
    """Which edges of a payment were taken, by all examples together."""

    def __init__(self) -> None:
        self.edges: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def watching(self) -> Any:
        def move(obj: Any, to: str, **fields: Any) -> None:
            edge = (str(obj.status), str(to))
            states.move(obj, to, **fields)
            if isinstance(obj, Payment):
                self.edges[edge] += 1

        with ExitStack() as stack:
            for place in ("settle", "refunds", "bank"):
                stack.enter_context(mock.patch(f"payments.services.{place}.move", move))
            yield


SEEN = Seen()


class Paying(RuleBasedStateMachine):
    """One billing profile. Numbers drawn choose among what is there by then; -1 is the latest."""

    most_invoices = 8

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo._from_testcase = True  # what commits at once in the portal may do so in here
        self.undo.__enter__()
        self.clock = time_machine.travel(BEGIN, tick=False)
        self.time = self.clock.start()
        self.watch = SEEN.watching()
        self.watch.__enter__()

    @initialize()
    def begin(self) -> None:
        self.seller = SellerFactory()
        self.staff, self.second = UserFactory(staff=True), UserFactory(staff=True)
        self.owner = UserFactory()
        account = BillingAccountFactory(owner=self.owner)
        self.profile = BillingProfileFactory(account=account)
        self.payer = ProfileRoleFactory(profile=self.profile, role=Role.PROFILE_OWNER).user
        self.methods = [PaymentMethodFactory(account=account, specimen=each) for each in CARDS]
        for each in ACCOUNTS:
            setup, _address = start_card_setup(account, profile=self.profile, family=Family.DIRECT_DEBIT, by=self.payer)
            api.enter_account(setup.session_id, number=SPECIMENS[each].number, holder="Alfa B.V.")
            self.methods.append(finish_card_setup(setup).method)
        self.issue()

    def teardown(self) -> None:
        try:
            if hasattr(self, "profile"):
                self.settle_down()
        finally:
            self.watch.__exit__(None, None, None)
            self.clock.stop()
            transaction.set_rollback(True)
            self.undo.__exit__(None, None, None)

    # --- Choosing -------------------------------------------------------------------------------

    def one_of(self, rows: Any, number: int) -> Any:
        found = list(rows.order_by("pk"))
        return found[number % len(found)] if found else None

    def due(self, number: int) -> Invoice | None:
        return self.one_of(Invoice.objects.open(), number)

    def charge_of(self, number: int, *statuses: str) -> Charge | None:
        return self.one_of(Charge.objects.filter(status__in=statuses), number)

    def changed(self, row: Charge, **values: Any) -> None:
        Charge.objects.filter(pk=row.pk).update(**values)

    # --- The customer ---------------------------------------------------------------------------

    @rule()
    def issue(self) -> None:
        if Invoice.objects.count() < self.most_invoices:
            InvoiceFactory(profile=self.profile, issue_date=timezone.localdate())

    @rule(number=ANY, part=PARTS, dies=st.sampled_from(["", "", "before", "after"]), card=st.sampled_from(METHODS))
    def pay(self, number: int, part: int, dies: str, card: str) -> None:
        """By any method, whole or in part; the process may die before or after the gateway is asked."""
        invoice = self.due(number)
        if invoice is None:
            self.issue()
            return
        GatewayHealth.objects.all().delete()
        method = self.methods[METHODS.index(card)]
        amount = Money(max(invoice.amount_asked.minor * part // 100, 1), "EUR")
        where = {"before": "payments.services.pay.gateway_named", "after": "payments.services.pay.record_outcome"}
        with suppress(Refused, Killed):
            if dies:
                with mock.patch(where[dies], side_effect=Killed):
                    self._pay(invoice, method, amount)
            else:
                self._pay(invoice, method, amount)

    def _pay(self, invoice: Invoice, method: Any, amount: Money) -> None:
        pay_invoices(
            [invoice], method=method, by=self.payer, request_key=uuid.uuid4().hex, amounts={invoice.pk: amount}
        )

    @rule(number=ANY)
    def pay_several_on_the_page_of_the_bank(self, number: int) -> None:
        invoices = list(Invoice.objects.open().order_by("pk")[: 1 + number % 2])
        if invoices:
            with suppress(Refused):
                pay_once(invoices, by=self.payer, request_key=uuid.uuid4().hex)

    @rule(number=ANY, confirmed=st.booleans())
    def answer_the_bank(self, number: int, confirmed: bool) -> None:
        if charge := self.charge_of(number, "asking"):
            with suppress(api.NotFound):
                api.answer_charge_check(charge.reference, confirmed=confirmed)

    @rule(number=ANY)
    def cancel(self, number: int) -> None:
        if payment := self.one_of(Payment.objects.open(), number):
            cancel_payment(payment, by=self.payer)

    @rule(number=ANY, minor=st.integers(1, 30_000), named=st.booleans())
    def transfer(self, number: int, minor: int, named: bool) -> None:
        """Any amount, with the payment reference or without a word; staff book what is not certain."""
        invoice = self.one_of(Invoice.objects.filter(kind="invoice"), number)
        count = str(BankEntry.objects.count() + 1)
        move = Move(
            f"{minor / 100:.2f}", reference=invoice.payment_reference if named else "", bank_reference=f"B{count}"
        )
        content = camt([move], iban=self.seller.iban, number=count, day=timezone.localdate())
        file = take_in_file(content, name="s.xml", by=None).file
        look_at(list(BankEntry.objects.filter(file=file)), at=timezone.now())
        entry = BankEntry.objects.get(file=file)
        if entry.status == "open":
            with suppress(Refused):
                book_entry(entry, [invoice], why=BookedBy.STAFF, by=self.staff, keeps_rest=bool(number % 2))

    @rule(number=ANY)
    def pay_from_the_balance(self, number: int) -> None:
        if invoice := self.due(number):
            with suppress(Refused):
                use_balance(invoice, by=self.payer)

    @rule(number=ANY)
    def dispute(self, number: int) -> None:
        invoice = self.due(number)
        left = left_to_credit(invoice) if invoice is not None else []
        if invoice is not None and left and not invoice.disputed_minor:
            line, most = left[0]
            open_dispute(
                invoice, line=line, amount=Money(max(most.minor * (number % 100) // 100, 1), "EUR"), by=self.payer
            )

    @rule(number=ANY, agrees=st.booleans())
    def end_dispute(self, number: int, agrees: bool) -> None:
        if dispute := self.one_of(Dispute.objects.filter(status="open"), number):
            if agrees:
                withdraw_dispute(dispute, by=self.payer)
            else:
                reject_dispute(dispute, by=self.staff)

    # --- The gateway ----------------------------------------------------------------------------

    @rule(number=ANY)
    def what_was_pending_ends(self, number: int) -> None:
        if charge := self.charge_of(number, "pending"):
            self.changed(charge, due_at=timezone.now())
            api.settle_pending(charge.pk)

    @rule(number=ANY)
    def the_bank_takes_it_back(self, number: int) -> None:
        if charge := self.charge_of(number, "succeeded"):
            self.changed(charge, due_at=timezone.now())
            api.settle_pending(charge.pk)

    @rule(number=ANY)
    def the_bank_gives_it_up_again(self, number: int) -> None:
        if charge := self.charge_of(number, "returned"):
            self.changed(charge, status="succeeded", decline_code="", captured_at=charge.captured_at or timezone.now())

    @rule(number=ANY, oddity=st.sampled_from(["more", "as_asked", "slow", "asks", "given_up"]))
    def the_gateway_is_odd(self, number: int, oddity: str) -> None:
        """It names another amount, takes its time after the person said yes, asks anew, or gives up by itself."""
        charge = self.charge_of(number, "asking", "pending")
        if charge is None and oddity == "as_asked":
            charge = self.charge_of(number, "succeeded")
        if charge is None:
            return
        asked = Payment.objects.get(idempotency_key=charge.key).amount_minor
        later = timezone.now() + timedelta(hours=1)
        values: dict[str, dict[str, Any]] = {
            "more": {"amount": charge.amount + 100, "status": "succeeded", "captured_at": timezone.now()},
            "as_asked": {"amount": asked},
            "slow": {"status": "pending", "due_at": later},
            "asks": {"status": "asking", "due_at": later},
            "given_up": {"status": "cancelled", "due_at": None},
        }
        self.changed(charge, **values[oddity])

    @rule(number=ANY)
    def a_notice_comes(self, number: int) -> None:
        """Any of those ever sent, once more perhaps; read at once, or later."""
        if webhook := self.one_of(Webhook.objects.all(), number):
            self._deliver(webhook)
        if number % 2:
            self._read_events()

    def _deliver(self, webhook: Webhook) -> None:
        body = webhook.body.encode()
        receive_event("sandbox", headers={HEADER: sign(body, timezone.now())}, body=body)

    def _read_events(self) -> None:
        for event in GatewayEvent.objects.unprocessed():
            process_event(event)

    # --- The portal -----------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 6, 70, 1500]))
    def time_passes(self, minutes: int) -> None:
        """The jobs that are due by then run."""
        self.time.shift(timedelta(minutes=minutes))
        now = timezone.now()
        for payment in Payment.objects.to_look_up(now):
            look_up(payment, at=now)
        for refund in Refund.objects.due(now):
            carry_out(refund, at=now)
        self._read_events()

    @rule(number=ANY, silent=st.booleans())
    def return_page(self, number: int, silent: bool) -> None:
        payment = self.one_of(Payment.objects.all(), number)
        if payment is None or payment.is_from_bank:
            return
        GatewayHealth.objects.all().delete()
        with mock.patch.object(api, "read_charge", side_effect=api.NoAnswer) if silent else nullcontext():
            look_up(payment)

    @rule(number=ANY)
    def collect(self, number: int) -> None:
        """The calendar comes to the invoice: the balance, then the default method, then the backup."""
        default, backup = self.methods[number % len(CARDS)], self.methods[(number + 1) % len(CARDS)]
        ProfileMethods.objects.update_or_create(
            profile=self.profile, defaults={"default": default, "backup": backup, "charges_automatically": True}
        )
        GatewayHealth.objects.all().delete()
        now = timezone.now()
        open_cases(at=now)
        case = self.one_of(CollectionCase.objects.open(), number)
        if case is not None:
            today = timezone.localdate(now)
            CollectionCase.objects.filter(pk=case.pk).update(next_at=now, day_zero=today, last_day=-7)
            with suppress(Refused):
                go_on(CollectionCase.objects.get(pk=case.pk), at=now)

    # --- The vendor's staff ---------------------------------------------------------------------

    @rule(number=ANY, part=PARTS)
    def refund(self, number: int, part: int) -> None:
        payment = self.one_of(Payment.objects.settled(), number)
        left = refundable(payment) if payment is not None else None
        if payment is not None and left:
            amount = Money(max(left.minor * part // 100, 1), "EUR")
            ask_refund(payment, amount, reason=WHY, by=self.staff)

    @rule(number=ANY, agrees=st.booleans(), dies=st.booleans())
    def carry_refund_out(self, number: int, agrees: bool, dies: bool) -> None:
        refund = self.one_of(Refund.objects.filter(status__in=["proposed", "agreed"]), number)
        if refund is None:
            return
        if refund.status == "proposed":
            if agrees:
                agree_refund(refund, by=self.second)
            else:
                decline_refund(refund, by=self.second)
                return
        refund.refresh_from_db()
        GatewayHealth.objects.all().delete()
        if refund.payment.is_from_bank:
            confirm_transferred(refund, by=self.staff)
            return
        killed = mock.patch("payments.services.refunds._given_back", side_effect=Killed) if dies else nullcontext()
        with suppress(Killed), killed:
            carry_out(refund, at=timezone.now())

    @rule(number=ANY, minor=st.integers(1, 30_000))
    def write_off(self, number: int, minor: int) -> None:
        if invoice := self.due(number):
            with suppress(Refused):
                row = ask_write_off(invoice, min(invoice.amount_due, Money(minor, "EUR")), reason=WHY, by=self.staff)
                if row.status == "proposed":
                    agree_write_off(row, by=self.second)

    @rule(number=ANY)
    def credit_or_void(self, number: int) -> None:
        invoice = self.one_of(Invoice.objects.filter(kind="invoice", status__in=["due", "locked", "paid"]), number)
        left = left_to_credit(invoice) if invoice is not None else []
        if invoice is None or not left:
            return
        line, most = left[0]
        if number % 3:
            amounts = {line.pk: Money(max(most.minor * (number % 100) // 100, 1), "EUR")}
            credit_lines(invoice, amounts, reason="Too much", by=self.staff, on=timezone.localdate())
        else:
            void_invoice(invoice, reason="Wrong", by=self.staff, on=timezone.localdate())

    @rule(number=ANY)
    def undo_a_booking(self, number: int) -> None:
        if booking := self.one_of(BankBooking.objects.filter(undone_at=None), number):
            with suppress(Refused):
                undo_booking(booking, reason=WHY, by=self.staff)

    @rule(number=ANY)
    def decide(self, number: int) -> None:
        """A person decides about what waits for one."""
        waiting = Payment.objects.for_a_person()
        if payment := self.one_of(waiting, number):
            choices = decisions_for(payment)
            if choices:
                with suppress(Refused):
                    decide_payment(payment, choices[number % len(choices)], reason=WHY, by=self.staff)

    @rule(number=ANY)
    def nobody_asks_any_more(self, number: int) -> None:
        """All look-ups are used up."""
        if payment := self.one_of(Payment.objects.open(), number):
            Payment.objects.filter(pk=payment.pk).update(next_lookup_at=None)

    # --- What holds -----------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        found = [str(each) for each in find_violations() if each.invariant != "I20"]
        assert not found, "\n".join(found)

    @invariant()
    def an_attempt_that_is_open_is_the_only_one(self) -> None:
        """I12 beyond the index, and I15: each charge is of one attempt, each attempt has one charge at most."""
        held = Allocation.objects.filter(status="held").values_list("invoice_id", flat=True)
        assert len(held) == len(set(held))
        known = set(Payment.objects.values_list("idempotency_key", flat=True))
        assert {charge.key for charge in Charge.objects.all()} <= known

    def settle_down(self) -> None:
        """Every notice comes, every job runs, a person decides the rest: then portal and gateway agree (I13, I15)."""
        for webhook in Webhook.objects.order_by("-pk"):
            self._deliver(webhook)
        for _round in range(9):
            self.time_passes(1500)
        self.all_is_well()
        for payment in Payment.objects.exclude(gateway="bank"):
            look_up(payment)
        reconcile("sandbox", since=BEGIN - timedelta(days=1), until=timezone.now() + timedelta(days=1))
        self._read_events()
        self.all_is_well()
        for charge in Charge.objects.all():
            payment = Payment.objects.get(idempotency_key=charge.key)
            if not payment.parked_reason and charge.behaviour.fault.value not in ("silent",):
                self._agrees(payment, charge)

    def _agrees(self, payment: Payment, charge: Charge) -> None:
        """What the portal says of the attempt is what the gateway says."""
        with_money = payment.status in {"succeeded", "partially_refunded", "refunded"}
        decided = payment.decisions.exists()
        expected = {
            "succeeded": with_money,
            "returned": payment.status == "charged_back" or not payment.is_settled,
            "failed": payment.status == "failed",
            "cancelled": payment.status in {"cancelled", "failed"},
        }
        assert decided or expected.get(charge.status, payment.is_open), (payment.status, charge.status)
        gone = sum(charge.refunds.values_list("amount", flat=True))
        own = Refund.objects.filter(payment=payment, status="given_back").aggregate(sum=Sum("amount_minor"))["sum"] or 0
        waiting = Refund.objects.filter(payment=payment, status="agreed").exists()
        assert decided or waiting or own == gone


def run_it(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Paying,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.long(sample=1)
@pytest.mark.parametrize("part", range(10))
def test_Q7_I10_I17_any_sequence_of_paying_keeps_every_invariant(long, part):
    run_it(*((10, 100) if long else (2, 12)))


# What leads along each edge of the graph, by the rules above; all on one profile, one after the other.
RETURN: Step = ("return_page", {"silent": False})
SILENCE: Step = ("return_page", {"silent": True})
CANCEL: Step = ("cancel", {})
WAIT: Step = ("time_passes", {"minutes": 6})
ENDS: Step = ("what_was_pending_ends", {})
TAKEN_BACK: Step = ("the_bank_takes_it_back", {})
GIVEN_BACK: Step = ("carry_refund_out", {"agrees": True, "dies": False})


def paid_with(card: str, dies: str = "") -> Step:
    return ("pay", {"card": card, "dies": dies, "part": 100})


def odd(oddity: str) -> Step:
    return ("the_gateway_is_odd", {"oddity": oddity})


def answered(confirmed: bool) -> Step:
    return ("answer_the_bank", {"confirmed": confirmed})


def refunded(part: int) -> Step:
    return ("refund", {"part": part})


WAYS: dict[tuple[str, str], list[Step]] = {
    ("created", "requires_action"): [paid_with("checked"), CANCEL],
    ("created", "processing"): [paid_with("later"), ENDS, RETURN],
    ("created", "succeeded"): [paid_with("visa")],
    ("created", "failed"): [paid_with("no_funds")],
    ("created", "unknown"): [paid_with("cut_after"), RETURN],
    ("created", "cancelled"): [paid_with("checked", "after"), CANCEL],
    ("requires_action", "processing"): [paid_with("checked"), odd("slow"), RETURN, ENDS, RETURN],
    ("requires_action", "succeeded"): [paid_with("checked"), answered(True), RETURN],
    ("requires_action", "failed"): [paid_with("checked"), answered(False), RETURN],
    ("requires_action", "cancelled"): [paid_with("checked"), CANCEL],
    ("requires_action", "unknown"): [paid_with("checked"), odd("more"), RETURN, odd("as_asked"), RETURN],
    ("processing", "succeeded"): [paid_with("later"), ENDS, RETURN],
    ("processing", "failed"): [paid_with("refused_later"), ENDS, RETURN],
    ("processing", "cancelled"): [paid_with("later"), odd("given_up"), RETURN],
    ("processing", "unknown"): [paid_with("later"), odd("more"), RETURN, odd("as_asked"), RETURN],
    ("unknown", "requires_action"): [paid_with("checked", "after"), SILENCE, RETURN, CANCEL],
    ("unknown", "processing"): [paid_with("later", "after"), SILENCE, RETURN, ENDS, RETURN],
    ("unknown", "succeeded"): [paid_with("cut_after"), RETURN],
    ("unknown", "failed"): [paid_with("cut_before"), WAIT],
    ("unknown", "cancelled"): [paid_with("checked", "after"), SILENCE, CANCEL],
    ("succeeded", "partially_refunded"): [paid_with("visa"), refunded(30), GIVEN_BACK],
    ("succeeded", "refunded"): [paid_with("visa"), refunded(100), GIVEN_BACK],
    ("partially_refunded", "refunded"): [paid_with("visa"), refunded(30), GIVEN_BACK, refunded(100), GIVEN_BACK],
    ("succeeded", "charged_back"): [paid_with("visa"), TAKEN_BACK, RETURN],
    ("partially_refunded", "charged_back"): [paid_with("visa"), refunded(30), GIVEN_BACK, TAKEN_BACK, RETURN],
    ("charged_back", "succeeded"): [
        paid_with("visa"),
        TAKEN_BACK,
        RETURN,
        ("the_bank_gives_it_up_again", {}),
        RETURN,
        ("decide", {"number": 0}),
    ],
    ("succeeded", "undone"): [("transfer", {"minor": 5_000, "named": True}), ("undo_a_booking", {})],
}


def test_I14_each_edge_of_a_payment_is_taken_and_every_invariant_holds_after_each_step():
    """Also that the table of ways is the graph: an edge that is added to it needs one."""
    assert set(WAYS) == set(PAYMENT)
    machine = Paying()
    machine.most_invoices = 99
    try:
        machine.begin()
        for edge, steps in WAYS.items():
            machine.time.shift(timedelta(hours=2))  # nobody may be declined too often within an hour
            machine.issue()
            before = SEEN.edges[edge]
            for name, values in steps:
                chosen = {} if name == "time_passes" else {"number": -1}
                getattr(machine, name)(**{**chosen, **values})
                machine.all_is_well()
            assert SEEN.edges[edge] > before, edge
    finally:
        machine.teardown()
