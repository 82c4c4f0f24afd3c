"""Families of payment methods beside saved cards: mandates, single payments at the bank; and changing a card."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from invoices.models import LedgerAccount
from invoices.services.ledger import balance
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import SPECIMENS
from payments.gateways.sandbox.jobs import settle_charge
from payments.gateways.sandbox.models import Card, Charge
from payments.jobs import (
    announce_direct_debits,
    collect_direct_debit,
    forget_removed_method,
    lapse_unused_mandate,
    read_gateway_event,
)
from payments.models import DebitNotice, Family, GatewayEvent, Mandate, PaymentMethod
from payments.services.cards import finish_card_setup, start_card_setup, start_card_update
from payments.services.debits import announce_debit, collect_announced
from payments.services.mandates import cancel_mandate, last_day
from payments.services.methods import remove_method
from payments.services.pay import pay_invoices, pay_once
from payments.services.settle import look_up
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def contributor(profile):
    return ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user


def sign(profile, by, account="account", **options):
    setup, _address = start_card_setup(profile.account, profile=profile, family=Family.DIRECT_DEBIT, by=by, **options)
    api.enter_account(setup.session_id, number=SPECIMENS[account].number, holder="Alfa B.V.")
    return finish_card_setup(setup)


def let_end(payment):
    """What was pending at the sandbox ends, and the portal asks."""
    Charge.objects.filter(key=payment.idempotency_key).update(due_at=timezone.now())
    settle_charge(Charge.objects.get(key=payment.idempotency_key).pk)
    return look_up(payment)


# --- Mandates -----------------------------------------------------------------------------------


def test_S2_3_P1_a_mandate_is_kept_with_reference_masked_account_and_signer(profile, contributor):
    setup = sign(profile, contributor, default_for=[profile])

    method, mandate = setup.method, setup.method.mandate
    assert (method.family, method.account, method.profile) == ("direct_debit", profile.account, profile)
    assert str(method) == "SEPA direct debit ending 0001"
    assert (mandate.signed_by, mandate.signatory, mandate.notice_days) == (contributor, "Alfa B.V.", 2)
    assert len(mandate.reference) <= 35
    assert mandate.iban_masked == "NL69 •••• 0001"
    assert profile.methods.default == method


@pytest.mark.parametrize(
    ("used", "last"),
    [
        (date(2026, 11, 21), date(2029, 11, 20)),
        (date(2028, 2, 29), date(2031, 2, 27)),
        (date(2026, 1, 1), date(2028, 12, 31)),
    ],
)
def test_I19_a_mandate_lapses_36_months_after_its_last_use(used, last):
    assert last_day(used) == last


def test_I19_an_unused_mandate_lapses_by_a_job_and_collects_nothing(profile, contributor, time_machine):
    method = sign(profile, contributor).method
    invoice = InvoiceFactory(profile=profile)
    before, after = method.valid_until, method.valid_until + timedelta(days=1)
    due = [list(Mandate.objects.lapsing(day)) for day in (before, after)]

    time_machine.move_to(after)
    lapse_unused_mandate(method.mandate.pk)
    with pytest.raises(Refused) as refusal:
        pay_invoices([invoice], method=method, by=contributor, request_key="0123456789")

    method.mandate.refresh_from_db()
    assert due == [[], [method.mandate]]
    assert (method.mandate.status, refusal.value.code) == ("lapsed", "mandate_ended")
    assert not Charge.objects.exists()


def test_I19_each_collection_begins_the_36_months_anew(profile, contributor, time_machine):
    method = sign(profile, contributor, "account_at_once").method
    time_machine.move_to(timezone.now() + timedelta(days=365))
    today = timezone.localdate()

    pay_invoices([InvoiceFactory(profile=profile)], method=method, by=contributor, request_key="0123456789")

    method.refresh_from_db()
    assert (method.mandate.last_collected_on, method.valid_until) == (today, last_day(today))


def test_a_direct_debit_is_processed_first_and_paid_later(profile, contributor):
    method, invoice = sign(profile, contributor).method, InvoiceFactory(profile=profile)

    payment = pay_invoices([invoice], method=method, by=contributor, request_key="0123456789")
    waiting = payment.status
    payment = let_end(payment)

    invoice.refresh_from_db()
    assert (waiting, payment.status, payment.method_text) == ("processing", "succeeded", "SEPA direct debit 0001")
    assert invoice.status == "paid"


def test_a_returned_direct_debit_is_owed_again_and_said(profile, contributor, client):
    method, invoice = sign(profile, contributor, "account_returned").method, InvoiceFactory(profile=profile)
    payment = pay_invoices([invoice], method=method, by=contributor, request_key="0123456789")
    assert payment.status == "succeeded"

    payment = let_end(payment)
    again = look_up(payment)

    invoice.refresh_from_db()
    method.refresh_from_db()
    assert (payment.status, again.status, payment.decline_reason) == (
        "charged_back",
        "charged_back",
        "insufficient_funds",
    )
    assert (invoice.status, invoice.amount_due) == ("due", payment.amount)
    assert balance(LedgerAccount.GATEWAY, "EUR", invoice=invoice).minor == 0
    assert (method.status, method.mandate.status) == ("declined", "active")
    mail = Message.objects.get(template="payment_returned")
    assert mail.recipient == contributor.email
    assert invoice.number in mail.context["numbers"]


def test_an_event_of_the_gateway_brings_the_news_of_a_return(profile, contributor):
    method, invoice = sign(profile, contributor, "account_returned").method, InvoiceFactory(profile=profile)
    payment = pay_invoices([invoice], method=method, by=contributor, request_key="0123456789")
    Charge.objects.update(due_at=timezone.now())
    settle_charge(Charge.objects.get().pk)
    event = GatewayEvent.objects.create(
        gateway="sandbox", event_id="e", kind="charge.returned", idempotency_key=payment.idempotency_key, payload={}
    )

    read_gateway_event(event.pk)

    event.refresh_from_db()
    invoice.refresh_from_db()
    assert (event.status, invoice.status) == ("processed", "due")


def test_a_removed_account_ends_its_mandate(profile, contributor):
    method = sign(profile, contributor).method

    remove_method(method, by=contributor, on=timezone.localdate())
    forget_removed_method(method.pk)

    method.refresh_from_db()
    assert (method.status, method.mandate.status, method.token) == ("deleted", "cancelled", "")


def test_a_mandate_is_for_euros_only(contributor):
    account = BillingAccountFactory(currency="USD", owner=UserFactory())
    owner = account.roles.get().user

    with pytest.raises(Refused) as refusal:
        start_card_setup(account, family=Family.DIRECT_DEBIT, by=owner)

    assert refusal.value.code == "only_euro"


# --- Notices ------------------------------------------------------------------------------------


def test_I19_a_debit_is_announced_in_time_and_collected_on_its_day(profile, contributor, time_machine):
    method = sign(profile, contributor, "account_at_once", default_for=[profile]).method
    invoice = InvoiceFactory(profile=profile)
    early, in_time = (
        timezone.now().replace(hour=4) + (invoice.due_date - timezone.localdate()) - timedelta(days=days)
        for days in (3, 2)
    )
    announce_direct_debits(early)
    assert not DebitNotice.objects.exists()

    time_machine.move_to(in_time)
    announce_direct_debits(in_time)
    announce_direct_debits(in_time)
    notice = DebitNotice.objects.get()
    before = list(DebitNotice.objects.to_collect(invoice.due_date - timedelta(days=1)))
    time_machine.move_to(in_time + timedelta(days=2))
    collect_direct_debit(notice.pk)
    collect_direct_debit(notice.pk)

    notice.refresh_from_db()
    invoice.refresh_from_db()
    mail = Message.objects.get(template="debit_announced")
    assert (notice.collects_on, notice.amount, before) == (invoice.due_date, notice.payment.amount, [])
    assert (notice.status, notice.payment.initiated_by, invoice.status) == ("collected", "automatic", "paid")
    assert (mail.recipient, mail.context["account"]) == (contributor.email, "NL42 •••• 0002")
    assert mail.context["mandate"] == method.mandate.reference


def test_I19_nothing_is_collected_by_itself_that_was_not_announced_or_is_more(profile, contributor):
    method, invoice = sign(profile, contributor).method, InvoiceFactory(profile=profile)
    notice = announce_debit(invoice, method, at=timezone.now())
    codes = []
    for at, said in ((timezone.now(), None), (timezone.now() + timedelta(days=60), 100)):
        if said:
            DebitNotice.objects.filter(pk=notice.pk).update(amount_minor=said)
        with pytest.raises(Refused) as refusal:
            pay_invoices(
                [invoice], method=method, by=None, request_key=f"automatic-{said}", initiated_by="automatic", at=at
            )
        codes.append(refusal.value.code)

    assert codes == ["not_announced", "not_announced"]
    assert not Charge.objects.exists()


def test_an_announced_debit_of_an_invoice_that_was_paid_meanwhile_is_dropped(profile, contributor):
    method, card = sign(profile, contributor).method, PaymentMethodFactory(account=profile.account)
    invoice = InvoiceFactory(profile=profile)
    notice = announce_debit(invoice, method, at=timezone.now())
    pay_invoices([invoice], method=card, by=contributor, request_key="0123456789")

    collect_announced(notice, at=timezone.now() + timedelta(days=60))

    notice.refresh_from_db()
    assert (notice.status, notice.dropped_because, Charge.objects.count()) == ("dropped", "not_payable", 1)
    with pytest.raises(Refused) as refusal:
        announce_debit(invoice, method, at=timezone.now())
    assert refusal.value.code == "not_payable"


def test_an_ended_mandate_announces_and_collects_nothing(profile, contributor):
    method, invoice = sign(profile, contributor, default_for=[profile]).method, InvoiceFactory(profile=profile)
    cancel_mandate(method)

    announce_direct_debits(timezone.now() + timedelta(days=90))
    with pytest.raises(Refused) as announced:
        announce_debit(invoice, method, at=timezone.now())
    with pytest.raises(Refused) as paid:
        pay_invoices([invoice], method=method, by=contributor, request_key="0123456789")

    assert (announced.value.code, paid.value.code) == ("mandate_ended", "mandate_ended")
    assert not DebitNotice.objects.exists()


def test_a_late_invoice_is_announced_for_the_first_day_that_the_mandate_allows(profile, contributor):
    method, invoice = sign(profile, contributor).method, InvoiceFactory(profile=profile)
    at = timezone.now() + timedelta(days=90)

    assert announce_debit(invoice, method, at=at).collects_on == timezone.localdate(at) + timedelta(days=2)
    assert announce_debit(invoice, method, at=at) is None


# --- Single payments ----------------------------------------------------------------------------


@pytest.mark.parametrize(("confirmed", "status", "owed"), [(True, "succeeded", "paid"), (False, "failed", "due")])
def test_S2_3_P19_an_invoice_is_paid_once_at_the_bank_and_nothing_is_kept(
    profile, contributor, confirmed, status, owed
):
    invoice = InvoiceFactory(profile=profile)
    payment = pay_once([invoice], by=contributor, request_key="0123456789")
    asked = (payment.status, payment.family, payment.method, payment.method_text)

    api.answer_charge_check(payment.gateway_reference, confirmed=confirmed)
    payment = look_up(payment)

    invoice.refresh_from_db()
    assert asked == ("requires_action", "wallet", None, "iDEAL")
    assert payment.action_url == ""
    assert (payment.status, invoice.status) == (status, owed)
    assert not PaymentMethod.objects.exists()


def test_P19_the_bank_page_asks_about_the_amount(profile, contributor, client):
    payment = pay_once([InvoiceFactory(profile=profile)], by=contributor, request_key="0123456789")

    text = client.get(payment.action_url).content.decode()
    back = client.post(payment.action_url, {"answer": "yes"})

    assert "from your account" in text
    assert back.headers["Location"] == f"/payments/{payment.code}/return/"


def test_I12_while_somebody_is_at_the_bank_the_invoice_takes_no_other_attempt(profile, contributor):
    invoice, card = InvoiceFactory(profile=profile), PaymentMethodFactory(account=profile.account)
    first = pay_once([invoice], by=contributor, request_key="0123456789")

    same = pay_once([invoice], by=contributor, request_key="0123456789")
    with pytest.raises(Refused) as refusal:
        pay_invoices([invoice], method=card, by=contributor, request_key="another-key")

    assert (same, refusal.value.code) == (first, "under_way")


def test_ideal_pays_euros_only():
    profile = BillingProfileFactory(account=BillingAccountFactory(currency="USD"))
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user

    with pytest.raises(Refused) as refusal:
        pay_once([InvoiceFactory(profile=profile)], by=payer, request_key="0123456789")

    assert refusal.value.code == "only_euro"


# --- Changing a card, and cards that are not taken ----------------------------------------------


def test_S3_12_S3_13_expiry_holder_and_address_are_changed_at_the_gateway(profile, contributor):
    method = PaymentMethodFactory(account=profile.account, profile=profile)
    token = method.token
    setup, _address = start_card_update(method, by=contributor)
    api.change_card(setup.session_id, expiry_year=2040, expiry_month=2, holder="N. New", address="Damrak 1")

    setup = finish_card_setup(setup)

    method.refresh_from_db()
    assert (setup.status, setup.method, setup.changes) == ("completed", method, method)
    assert (method.valid_until, method.holder, method.billing_address) == (date(2040, 2, 29), "N. New", "Damrak 1")
    assert (method.token, PaymentMethod.objects.count()) == (token, 1)


def test_S3_12_the_number_of_a_card_does_not_change(profile, contributor):
    method = PaymentMethodFactory(account=profile.account, profile=profile)
    setup, _address = start_card_update(method, by=contributor)
    PaymentMethod.objects.filter(pk=method.pk).update(fingerprint="of another number")
    api.change_card(setup.session_id, expiry_year=2040, expiry_month=2, holder="N. New", address="")

    setup = finish_card_setup(setup)

    method.refresh_from_db()
    assert (setup.status, setup.decline_reason) == ("failed", "another_card")
    assert (method.holder, method.status) == ("T. Test", "active")


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S3_12_who_may_not_edit_changes_no_card(profile, role):
    person = ProfileRoleFactory(profile=profile, role=role).user

    with pytest.raises(Forbidden):
        start_card_update(PaymentMethodFactory(account=profile.account, profile=profile), by=person)


def test_S3_12_a_card_that_went_and_an_account_are_not_changed(profile, contributor):
    debit = sign(profile, contributor).method
    gone = PaymentMethodFactory(account=profile.account, profile=profile)
    remove_method(gone, by=contributor, on=timezone.localdate())
    forgotten = PaymentMethodFactory(account=profile.account, profile=profile)
    Card.objects.filter(token=forgotten.token).update(forgotten_at=timezone.now())

    codes = []
    for method in (debit, gone, forgotten):
        with pytest.raises(Refused) as refusal:
            start_card_update(method, by=contributor)
        codes.append(refusal.value.code)

    assert codes == ["not_a_card", "method_gone", "method_gone"]


@pytest.mark.parametrize(
    ("specimen", "country", "status"),
    [
        ("abroad", "NL", "failed"),
        ("abroad", "US", "completed"),
        ("prepaid", "NL", "failed"),
        ("visa", "NL", "completed"),
    ],
)
def test_S3_7_cards_of_another_country_and_prepaid_ones_are_not_taken(specimen, country, status):
    account = BillingAccountFactory(country=country, owner=UserFactory())
    setup, _address = start_card_setup(account, by=account.roles.get().user)
    api.enter_card(
        setup.session_id, number=SPECIMENS[specimen].number, expiry_year=2090, expiry_month=1, holder="T. Test"
    )

    setup = finish_card_setup(setup)

    assert setup.status == status
    if status == "failed":
        assert setup.decline_reason == "not_accepted"
        forget_removed_method(PaymentMethod.objects.get().pk)
        assert not Card.objects.filter(forgotten_at=None).exists()
    assert PaymentMethod.objects.kept().count() == (status == "completed")
