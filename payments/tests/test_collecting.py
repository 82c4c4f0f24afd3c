"""Collecting: the calendar of §3.9, each step once and at its time, nothing after the money (S3-16, P9, P18, P20)."""

from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Agreement, User
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory
from core.errors import Refused
from core.jobs import registry
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.models import Invoice
from invoices.services.settling import settle_invoice
from invoices.tests.factories import InvoiceFactory
from payments.collecting_mail import verdict_on_step
from payments.jobs import close_collection_case, open_collection_cases, take_collection_step
from payments.legal import collection_costs
from payments.models import CollectionCase, CollectionStep, Pace, Payment, ProfileMethods, Standing
from payments.schedule import FASTER, SCHEDULES, Act, Way, day_of, is_in_order
from payments.services.cases import schedule_for
from payments.services.collecting import promise_to_pay
from payments.services.outlook import outlook_of
from payments.services.pay import pay_invoices
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DUE = date(2026, 12, 5)


def hours(start: date, days: int, step: int = 24):
    """Every hour, or one in so many, from five past nine of a day on."""
    moment = datetime(start.year, start.month, start.day, 9, 5, tzinfo=AMSTERDAM)
    for _each in range(days * 24 // step):
        yield moment
        moment += timedelta(hours=step)


def collect(at: datetime) -> None:
    """What the worker does in that hour."""
    open_collection_cases(at)
    while run_what_is_due(take_collection_step):
        pass
    run_what_is_due(close_collection_case)


@cache
def due_of(job):
    """Which rows the job is for; looked up once, for a year has many hours."""
    return next(each.due for each in registry().values() if each.run is job)


def run_what_is_due(job) -> int:
    found = list(due_of(job)(timezone.now()).values_list("pk", flat=True))
    for pk in found:
        job(pk)
    return len(found)


def live_through(start: date, days: int, *, until=lambda: False, step: int = 24) -> None:
    with time_machine.travel(datetime(start.year, start.month, start.day, tzinfo=AMSTERDAM), tick=False) as clock:
        for moment in hours(start, days, step):
            clock.move_to(moment)
            collect(moment)
            if until():
                return


@pytest.fixture
def profile():
    profile = BillingProfileFactory()
    ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER)
    return profile


@pytest.fixture
def invoice(profile):
    return InvoiceFactory(profile=profile, issue_date=date(2026, 11, 5))


def steps(invoice):
    return list(CollectionStep.objects.filter(case__invoice=invoice).order_by("pk").values_list("day", "act"))


def mails(invoice, template="collection_step"):
    return Message.objects.filter(template=template, context__number=invoice.number).order_by("pk")


# --- The table ----------------------------------------------------------------------------------


def test_3_9_the_schedule_is_the_table_of_the_design():
    charge, transfer = (SCHEDULES[Agreement.CUSTOMER_AGREEMENT, way] for way in (Way.CHARGE, Way.TRANSFER))
    assert [step.day for step in charge if step.act == Act.CHARGE] == [0, 3, 7, 14, 21]
    assert [(step.day, step.act.value) for step in transfer[:5]] == [
        (-7, "announce"),
        (1, "remind"),
        (7, "remind2"),
        (14, "demand"),
        (27, "last"),
    ]
    assert day_of(FASTER[Pace.ACCELERATED], Act.DISABLE) == 2
    assert day_of(FASTER[Pace.CHARGED_BACK], Act.DISABLE) == 1


def test_3_9_every_schedule_keeps_within_the_published_bounds():
    assert {key[0] for key in SCHEDULES} == set(Agreement)
    for schedule in [*SCHEDULES.values(), *FASTER.values()]:
        disabled, deleted = day_of(schedule, Act.DISABLE), day_of(schedule, Act.DELETE)
        assert is_in_order(schedule)
        assert 1 <= disabled <= 30
        assert deleted <= 180
        assert 30 <= deleted - disabled <= 90
        before = next(one for one, other in pairwise(schedule) if other.act == Act.DISABLE)
        assert before.act == Act.LAST_DEMAND


def test_collection_costs_are_those_of_the_scale():
    euros = [100, 266.67, 2_500, 5_000, 10_000, 200_000, 2_000_000]
    costs = [collection_costs(Money(round(each * 100), "EUR")).minor for each in euros]
    assert costs == [4_000, 4_000, 37_500, 62_500, 87_500, 277_500, 677_500]
    assert collection_costs(Money(10_000, "USD")) is None


# --- Transfer -----------------------------------------------------------------------------------


def test_3_9_who_transfers_is_reminded_disabled_and_deleted_on_the_days_of_the_table(profile, invoice):
    subscription = SubscriptionFactory(profile=profile)
    seen = {}

    def look():
        subscription.refresh_from_db()
        seen.setdefault(subscription.status, timezone.localdate())

    live_through(date(2026, 11, 20), 145, until=look)
    case = CollectionCase.objects.get()
    begun = {step.act: timezone.localdate(step.begun_at) for step in case.steps.all() if step.act != "retention"}
    assert {act: (day - DUE).days for act, day in begun.items()} == {
        "announce": -7,
        "remind": 1,
        "remind2": 7,
        "demand": 14,
        "last": 27,
        "disable": 30,
        "delete": 120,
    }
    assert {status: (day - DUE).days for status, day in seen.items() if status != "active"} == {
        "past_due": 1,
        "disabled": 30,
        "deleted": 120,
    }
    assert mails(invoice).count() == 10
    assert case.next_at is None


def test_3_9_a_step_taken_twice_has_one_effect(invoice):
    live_through(date(2026, 12, 6), 1)
    case = CollectionCase.objects.get()
    before = mails(invoice).count()
    CollectionCase.objects.update(next_at=timezone.now() - timedelta(days=400), last_day=-7, day_zero=DUE)
    CollectionStep.objects.filter(case=case).exclude(day=1).update(day=1)
    take_collection_step(case.pk)
    assert mails(invoice).count() == before


@pytest.mark.parametrize("language", ["nl", "en"])
def test_3_9_the_formal_demand_tells_a_dutch_company_of_the_law(profile, invoice, language):
    role = profile.roles.get()
    role.user.language = language
    role.user.save()
    live_through(date(2026, 11, 20), 40)
    words = mails(invoice).filter(context__tone="danger").first().context
    assert ("ingebrekestelling" in " ".join(words["notes"]).lower()) == (language == "nl")
    assert words["subject"].startswith("Aanmaning" if language == "nl" else "Formal demand")


def test_3_9_a_consumer_gets_fourteen_days_before_costs(profile):
    profile.account.vat_id = profile.account.registration_number = ""
    profile.account.save()
    invoice = InvoiceFactory(profile=profile, issue_date=date(2026, 11, 5), customer_vat_id="")
    live_through(date(2026, 11, 20), 35)
    notes = " ".join(mails(invoice).filter(context__tone="danger").first().context["notes"])
    assert "14 days" in notes
    assert "€ 40.00" in notes or "€40.00" in notes


def test_P20_the_money_brings_back_what_was_disabled_at_that_moment(profile, invoice):
    subscription = SubscriptionFactory(profile=profile)
    live_through(date(2026, 11, 20), 50)
    subscription.refresh_from_db()
    assert subscription.status == "disabled"
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    card = PaymentMethodFactory(account=profile.account)
    with time_machine.travel(datetime(2027, 1, 10, 12, tzinfo=AMSTERDAM)):
        pay_invoices([invoice], method=card, by=payer, request_key="0123456789")
    subscription.refresh_from_db()
    case = CollectionCase.objects.get()
    assert (subscription.status, case.status, case.next_at) == ("active", "closed", None)


def test_P20_another_invoice_past_due_keeps_it_so(profile, invoice):
    InvoiceFactory(profile=profile, issue_date=date(2026, 11, 25))
    subscription = SubscriptionFactory(profile=profile)
    live_through(date(2026, 11, 20), 50)
    settle_invoice(invoice, invoice.amount_due, reference="test", on=DUE)
    live_through(date(2027, 1, 10), 1)
    subscription.refresh_from_db()
    assert subscription.status == "past_due"


def test_3_9_nothing_is_sent_after_payment_also_what_waits_in_the_outbox(invoice):
    live_through(date(2026, 12, 6), 1)
    message = mails(invoice).last()
    assert verdict_on_step(message) == "send"
    settle_invoice(invoice, invoice.amount_due, reference="test", on=DUE)
    assert verdict_on_step(message) == "withdraw"
    before = mails(invoice).count()
    live_through(date(2026, 12, 7), 60)
    assert mails(invoice).count() == before


def test_3_9_days_in_dispute_do_not_count(profile, invoice):
    live_through(date(2026, 11, 20), 20)
    invoice.refresh_from_db()
    type(invoice).objects.filter(pk=invoice.pk).update(status="locked")
    live_through(date(2026, 12, 11), 30)
    before = mails(invoice).count()
    assert CollectionCase.objects.get().standing == Standing.PAST_DUE
    type(invoice).objects.filter(pk=invoice.pk).update(status="due")
    live_through(date(2027, 1, 10), 2)
    assert mails(invoice).count() == before + 1
    assert "last" not in {act for _day, act in steps(invoice)}


def test_3_9_a_standstill_disables_nobody_without_the_warnings(profile, invoice):
    subscription = SubscriptionFactory(profile=profile)
    live_through(date(2026, 11, 20), 17)
    live_through(date(2027, 2, 20), 3)
    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    assert [act for _day, act in steps(invoice)][-1] == "remind2"


def test_3_9_an_invoice_that_is_long_past_due_begins_with_the_first_reminder(profile, invoice):
    live_through(date(2027, 3, 1), 2)
    assert [act for _day, act in steps(invoice)] == ["remind"]


# --- Promises -----------------------------------------------------------------------------------


def test_3_9_a_promise_pauses_until_its_day_and_then_it_goes_on(profile, invoice):
    payer = profile.roles.get().user
    live_through(date(2026, 11, 20), 17)
    with time_machine.travel(datetime(2026, 12, 7, 12, tzinfo=AMSTERDAM)):
        promise_to_pay(invoice, until=date(2026, 12, 20), by=payer, at=timezone.now())
    live_through(date(2026, 12, 8), 13)
    assert [act for _day, act in steps(invoice)][-1] == "remind"
    live_through(date(2026, 12, 21), 2)
    assert [act for _day, act in steps(invoice)][-1] == "remind2"


@pytest.mark.parametrize(("until", "code"), [(date(2026, 12, 6), "too_late"), (date(2027, 1, 30), "too_late")])
def test_3_9_a_promise_is_for_the_next_two_weeks(profile, invoice, until, code):
    with time_machine.travel(datetime(2026, 12, 7, 12, tzinfo=AMSTERDAM)), pytest.raises(Refused) as refusal:
        promise_to_pay(invoice, until=until, by=profile.roles.get().user, at=timezone.now())
    assert refusal.value.code == code


def test_3_9_one_promise_per_case(profile, invoice):
    payer = profile.roles.get().user
    with time_machine.travel(datetime(2026, 12, 7, 12, tzinfo=AMSTERDAM)):
        promise_to_pay(invoice, until=date(2026, 12, 10), by=payer, at=timezone.now())
        with pytest.raises(Refused) as refusal:
            promise_to_pay(invoice, until=date(2026, 12, 11), by=payer, at=timezone.now())
    assert refusal.value.code == "promised_before"


# --- Autopay ------------------------------------------------------------------------------------


def test_3_9_the_default_method_is_charged_on_the_due_date(profile, invoice):
    card = PaymentMethodFactory(account=profile.account, default_for=[profile])
    live_through(date(2026, 11, 20), 15)
    assert outlook_of(invoice, at=datetime(2026, 12, 4, 12, tzinfo=AMSTERDAM)).charge == (DUE, card)
    assert not Payment.objects.exists()
    live_through(DUE, 2)
    payment = Payment.objects.get()
    invoice.refresh_from_db()
    assert (invoice.status, payment.method, payment.initiated_by) == ("paid", card, "automatic")
    assert timezone.localdate(payment.created_at) == DUE
    assert [message.context["tone"] for message in mails(invoice)] == ["info"]


def test_P19_3_9_then_the_backup(profile, invoice):
    first = PaymentMethodFactory(account=profile.account, specimen="no_funds", default_for=[profile])
    backup = PaymentMethodFactory(account=profile.account)
    ProfileMethods.objects.filter(profile=profile).update(backup=backup)
    live_through(DUE, 1)
    assert list(Payment.objects.order_by("pk").values_list("method", "status")) == [
        (first.pk, "failed"),
        (backup.pk, "succeeded"),
    ]


def test_3_9_a_soft_decline_is_tried_again_on_the_days_of_the_table(profile, invoice):
    PaymentMethodFactory(account=profile.account, specimen="no_funds", default_for=[profile])
    subscription = SubscriptionFactory(profile=profile)
    live_through(date(2026, 11, 20), 60)
    days = [(timezone.localdate(payment.created_at) - DUE).days for payment in Payment.objects.order_by("pk")]
    assert days == [0, 3, 7, 14, 21]
    assert Message.objects.filter(template="payment_declined").count() == 5
    assert all(message.secret_context["pay_link"] for message in Message.objects.filter(template="payment_declined"))
    subscription.refresh_from_db()
    assert subscription.status == "disabled"


def test_3_9_a_hard_decline_is_never_tried_again_and_goes_faster(profile, invoice):
    PaymentMethodFactory(account=profile.account, specimen="blocked", default_for=[profile])
    subscription = SubscriptionFactory(profile=profile)
    live_through(date(2026, 11, 20), 60)
    assert Payment.objects.count() == 1
    case = CollectionCase.objects.get()
    disabled = case.steps.get(act="disable")
    assert case.pace == Pace.ACCELERATED
    assert (timezone.localdate(disabled.begun_at) - DUE).days == 2
    subscription.refresh_from_db()
    assert subscription.status == "disabled"


def test_S3_17_3_9_a_bank_that_wants_a_confirmation_asks_the_customer_back(profile, invoice):
    PaymentMethodFactory(account=profile.account, specimen="checked", default_for=[profile])
    live_through(date(2026, 11, 20), 26)
    payment = Payment.objects.get()
    assert payment.decline_reason == "authentication_required"
    assert CollectionCase.objects.get().pace == Pace.NORMAL
    mail = Message.objects.get(template="payment_declined")
    assert mail.secret_context["pay_link"]


def test_3_9_nothing_is_charged_where_the_switch_is_off(profile, invoice):
    PaymentMethodFactory(account=profile.account, default_for=[profile])
    ProfileMethods.objects.update(charges_automatically=False)
    live_through(date(2026, 11, 20), 30)
    assert not Payment.objects.exists()
    assert [act for _day, act in steps(invoice)][:2] == ["announce", "remind"]
    assert outlook_of(invoice, at=datetime.combine(DUE, time(12), AMSTERDAM)).charge is None


def test_I16_a_crash_after_the_charge_charges_once(profile, invoice, monkeypatch):
    PaymentMethodFactory(account=profile.account, specimen="no_funds", default_for=[profile])

    def dies(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("payments.services.collecting._charged", dies)
        with pytest.raises(KeyboardInterrupt):
            live_through(DUE, 1)
    assert Payment.objects.count() == 1
    live_through(DUE, 1)
    assert Payment.objects.count() == 1
    assert CollectionStep.objects.get(act="charge").outcome == "failed"


# --- A year -------------------------------------------------------------------------------------


# Agreement, language of who pays, and the card that pays; without one somebody transfers.
YEARS = list(product(Agreement, ["en", "nl"], [None, "no_funds", "visa"]))


def a_profile_of(agreement, language, card):
    """A profile of that agreement, somebody who gets its mail in that language, and a card that pays for it."""
    if agreement == Agreement.CUSTOMER_AGREEMENT:
        profile = BillingProfileFactory()
        person = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    else:
        account = BillingAccountFactory(online_services=True)
        profile = SubscriptionProfileFactory(account=account)
        person = AccountRoleFactory(account=account, role=Role.ACCOUNT_ADMINISTRATOR).user
    User.objects.filter(pk=person.pk).update(language=language)
    if card:
        PaymentMethodFactory(account=profile.account, specimen=card, default_for=[profile])
    return profile


@pytest.mark.long(sample=2)
@pytest.mark.parametrize(("agreement", "language", "card"), YEARS)
def test_Q_3_9_a_year_of_collecting_says_each_thing_once_and_nothing_after_the_money(long, agreement, language, card):
    """A year hour by hour with --long, five months day by day otherwise; an invoice a month, one in three is never
    paid by hand."""
    profile = a_profile_of(agreement, language, card)
    months, days, step = (9, 365, 1) if long else (2, 160, 24)
    begin = date(2026, 11, 20)
    issued = [
        InvoiceFactory(profile=profile, issue_date=date(2026, 11, 5) + timedelta(days=30 * month))
        for month in range(months)
    ]
    paid_on = {invoice.pk: invoice.due_date + timedelta(days=n * 4) for n, invoice in enumerate(issued) if n % 3}
    closed_at = {}
    with time_machine.travel(datetime(2026, 11, 20, tzinfo=AMSTERDAM), tick=False) as clock:
        for moment in hours(begin, days, step):
            clock.move_to(moment)
            status = dict(Invoice.objects.filter(profile=profile).values_list("pk", "status"))
            for invoice in issued:
                if status[invoice.pk] == "due" and paid_on.get(invoice.pk) == moment.date():
                    settle_invoice(invoice, invoice.amount_due, reference="test", on=moment.date())
                if invoice.status == "paid" or status[invoice.pk] == "paid":
                    closed_at.setdefault(invoice.pk, moment)
            collect(moment)
    assert_each_once(issued, closed_at, begin + timedelta(days=days), schedule_of_profile(profile), language)
    if card == "visa":
        assert len(closed_at) == len(issued)
        assert not Payment.objects.exclude(status="succeeded").exists()


def schedule_of_profile(profile):
    case = CollectionCase.objects.filter(invoice__profile=profile).first()
    return schedule_for(case, profile)


def assert_each_once(issued, closed_at, end, schedule, language):
    assert closed_at
    for invoice in issued:
        sent = [*mails(invoice), *declines(invoice)]
        assert {message.language for message in sent} <= {language}
        keys = [(message.template, message.context.get("subject"), message.created_at.date()) for message in sent]
        assert len(set(keys)) == len(keys)
        done = list(CollectionStep.objects.filter(case__invoice=invoice))
        assert len({(step.case_id, step.pace, step.day) for step in done}) == len(done)
        for step in done:
            begun = timezone.localtime(step.begun_at, AMSTERDAM)
            assert (begun.date(), begun.hour) == (invoice.due_date + timedelta(days=step.day), 9)
        if invoice.pk in closed_at:
            assert all(message.created_at <= closed_at[invoice.pk] for message in sent)
            assert all(step.begun_at <= closed_at[invoice.pk] for step in done)
        elif invoice.due_date + timedelta(days=121) < end:
            assert [(step.day, step.act) for step in done] == [(step.day, step.act.value) for step in schedule]


def declines(invoice):
    return Message.objects.filter(template="payment_declined", context__numbers__contains=invoice.number).order_by("pk")
