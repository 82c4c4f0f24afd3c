"""Approve before pay: who prepares, who decides, and that nothing is paid twice or without an owner."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.services.settling import settle_invoice
from invoices.tests.factories import InvoiceFactory
from payments.jobs import end_prepared_payments, pay_approved
from payments.models import ApprovalRule, Initiator, Payment, PaymentMethod, PreparedPayment
from payments.querysets import APPROVAL_TAKEN_UP_AFTER
from payments.services import approvals
from payments.services.approvals import (
    WAITS_FOR,
    approve_payment,
    end_prepared,
    prepare_payment,
    refuse_payment,
    set_approval_limit,
    withdraw_payment,
)
from payments.services.pay import pay_by_link, pay_invoices
from payments.services.pay_links import make_link
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

WHY = "Ask for a credit note first"


def euro(amount: int) -> Money:
    return Money(amount * 100, "EUR")


class Case:
    """A profile with a limit of € 100, two owners, an invoice manager, a card, and an invoice of € 121."""

    def __init__(self) -> None:
        self.profile = BillingProfileFactory()
        self.owner, self.other = (
            ProfileRoleFactory(profile=self.profile, role=Role.PROFILE_OWNER).user for _each in range(2)
        )
        self.manager = ProfileRoleFactory(profile=self.profile, role=Role.INVOICE_MANAGER).user
        self.method = PaymentMethodFactory(profile=self.profile, default_for=[self.profile])
        self.invoice = InvoiceFactory(profile=self.profile, lines=[10_000])
        set_approval_limit(self.profile, euro(100), by=self.owner)

    def prepare(self, **values) -> PreparedPayment:
        return prepare_payment([self.invoice], **{"method": self.method, "by": self.manager, **values})


@pytest.fixture
def case(settings) -> Case:
    return Case()


def refused(code: str, call, *args, **values) -> None:
    with pytest.raises(Refused) as refusal:
        call(*args, **values)
    assert refusal.value.code == code


# --- The limit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [None, {"amount": 1}])
def test_above_the_limit_nobody_but_an_owner_pays_also_not_in_parts(case, parts):
    amounts = {case.invoice.pk: euro(1)} if parts else None
    for role in (Role.INVOICE_MANAGER, Role.PROFILE_CONTRIBUTOR):
        person = ProfileRoleFactory(profile=case.profile, role=role).user
        values = {"method": case.method, "by": person, "request_key": f"k{person.pk}", "amounts": amounts}
        refused("needs_approval", pay_invoices, [case.invoice], **values)
    assert not Payment.objects.exists()
    paid = pay_invoices([case.invoice], method=case.method, by=case.owner, request_key="k", amounts=amounts)
    assert paid.status == "succeeded"


def test_several_invoices_that_are_more_than_the_limit_together_wait_too(case):
    invoices = [InvoiceFactory(profile=case.profile, lines=[5_000]) for _each in range(2)]
    values = {"method": case.method, "by": case.manager}
    refused("needs_approval", pay_invoices, invoices, request_key="k1", **values)
    assert pay_invoices(invoices[:1], request_key="k2", **values).status == "succeeded"


def test_automatic_payment_is_exempt_and_the_link_of_a_mail_is_not(case):
    now = timezone.now()
    make_link(case.invoice, at=now)
    link = case.invoice.pay_links.get()
    refused("needs_approval", pay_by_link, link, amount=case.invoice.amount_due, request_key="k", at=now)
    paid = pay_invoices([case.invoice], method=case.method, by=None, request_key="k", initiated_by=Initiator.AUTOMATIC)
    assert paid.status == "succeeded"


def test_an_owner_sets_the_limit_and_takes_it_away_and_it_is_logged(case):
    set_approval_limit(case.profile, None, by=case.other)
    assert not ApprovalRule.objects.exists()
    entries = ApprovalRule.events.rel.related_model.objects.order_by("pgh_id")  # type: ignore[attr-defined]
    assert [entry.pgh_label for entry in entries] == ["insert", "delete"]
    assert entries.last().pgh_context.metadata["actor"] == case.other.pk
    for role in (Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER):
        person = ProfileRoleFactory(profile=case.profile, role=role).user
        with pytest.raises(Forbidden):
            set_approval_limit(case.profile, euro(1), by=person)


# --- Preparing and deciding ------------------------------------------------------------------------


def test_what_a_manager_prepares_an_owner_approves_and_everybody_is_told(case):
    prepared = case.prepare()
    asked = Message.objects.filter(template="approval_asked")
    assert set(asked.values_list("recipient", flat=True)) == {case.owner.email, case.other.email}
    case.invoice.refresh_from_db()
    assert case.invoice.amount_due == euro(121)  # nothing is held
    payment = approve_payment(prepared, by=case.owner)
    prepared.refresh_from_db()
    assert (payment.status, payment.user, payment.amount) == ("succeeded", case.owner, euro(121))
    assert (prepared.status, prepared.decided_by, prepared.payment) == ("approved", case.owner, payment)
    assert Message.objects.get(template="approval_decided").recipient == case.manager.email
    assert approve_payment(prepared, by=case.owner) == payment  # sent again
    refused("decided", approve_payment, prepared, by=case.other)
    assert Payment.objects.count() == 1
    log = [entry.pgh_context.metadata["action"] for entry in prepared.events.order_by("pgh_id")]
    assert log == ["approval.prepare", "approval.approve", "approval.paid"]


def test_an_owner_refuses_with_a_reason(case):
    prepared = case.prepare()
    refused("reason_missing", refuse_payment, prepared, reason=" . ", by=case.owner)
    refuse_payment(prepared, reason=WHY, by=case.owner)
    prepared.refresh_from_db()
    assert (prepared.status, prepared.reason, prepared.decided_by) == ("refused", WHY, case.owner)
    told = Message.objects.get(template="approval_decided")
    assert told.recipient == case.manager.email
    for call in (approve_payment, withdraw_payment):
        by = case.other if call is approve_payment else case.manager
        refused("decided", call, prepared, by=by)
    assert not Payment.objects.exists()
    case.prepare()  # and may be asked for again


def test_nobody_decides_about_what_they_prepared_themselves(case):
    prepared = case.prepare()
    case.profile.roles.filter(user=case.manager).update(role=Role.PROFILE_OWNER)
    refused("own", approve_payment, prepared, by=case.manager)
    refused("own", refuse_payment, prepared, reason=WHY, by=case.manager)
    with pytest.raises(IntegrityError), transaction.atomic():
        PreparedPayment.objects.filter(pk=prepared.pk).update(status="approved", decided_by=case.manager)
    withdraw_payment(prepared, by=case.manager)
    assert PreparedPayment.objects.get().status == "withdrawn"


@pytest.mark.parametrize("role", [Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER])
def test_Q1_who_owns_nothing_decides_nothing(case, role):
    prepared = case.prepare()
    person = ProfileRoleFactory(profile=case.profile, role=role).user
    for call in (
        lambda: approve_payment(prepared, by=person),
        lambda: refuse_payment(prepared, reason=WHY, by=person),
    ):
        with pytest.raises(Forbidden):
            call()
    with pytest.raises((Forbidden, Refused)):
        withdraw_payment(prepared, by=person)
    assert PreparedPayment.objects.get().status == "waiting"


def test_Q1_a_reader_prepares_nothing(case):
    reader = ProfileRoleFactory(profile=case.profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        case.prepare(by=reader)


def test_the_owner_of_the_account_approves_too(case):
    above = AccountRoleFactory(account=case.profile.account, role=Role.ACCOUNT_OWNER).user
    assert approve_payment(case.prepare(), by=above).status == "succeeded"


def test_where_nobody_could_approve_nothing_is_prepared():
    profile = BillingProfileFactory()
    manager = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    method, invoice = PaymentMethodFactory(profile=profile), InvoiceFactory(profile=profile)
    profile.account.roles.all().delete()
    refused("nobody_approves", prepare_payment, [invoice], method=method, by=manager)


def test_an_invoice_waits_in_one_prepared_payment_only(case):
    case.prepare()
    refused("prepared_before", case.prepare)


# --- What changes meanwhile ------------------------------------------------------------------------


def test_an_invoice_that_is_paid_meanwhile_is_not_paid_again(case):
    prepared = case.prepare()
    settle_invoice(case.invoice, case.invoice.amount_due, reference="payment:x", on=timezone.localdate())
    refused("not_payable", approve_payment, prepared, by=case.owner)
    prepared.refresh_from_db()
    assert (prepared.status, prepared.payment) == ("overtaken", None)
    assert "paid already" in prepared.reason
    assert Message.objects.filter(template="approval_decided", recipient=case.manager.email).exists()


def test_a_part_that_is_paid_meanwhile_is_seen(case):
    prepared = case.prepare()
    settle_invoice(case.invoice, euro(1), reference="payment:x", on=timezone.localdate())
    refused("pays_too_much", approve_payment, prepared, by=case.owner)
    assert PreparedPayment.objects.get().status == "overtaken"


def test_a_method_that_is_removed_meanwhile_charges_nothing(case):
    prepared = case.prepare()
    PaymentMethod.objects.filter(pk=case.method.pk).update(status="detached")
    with pytest.raises(Refused):
        approve_payment(prepared, by=case.owner)
    assert PreparedPayment.objects.get().status == "overtaken"
    assert not Payment.objects.exists()


def test_what_passes_leaves_it_waiting(case, monkeypatch):
    prepared = case.prepare()

    def resting(*args, **values):
        raise Refused("Later.", "gateway_rests")

    with monkeypatch.context() as patch:
        patch.setattr(approvals, "pay_invoices", resting)
        refused("gateway_rests", approve_payment, prepared, by=case.owner)
    assert PreparedPayment.objects.get().status == "waiting"
    assert approve_payment(prepared, by=case.other).status == "succeeded"


def test_it_expires_and_whoever_prepared_it_hears_it(case):
    prepared = case.prepare()
    later = timezone.now() + WAITS_FOR
    end_prepared(prepared, at=later - timedelta(hours=1))
    assert PreparedPayment.objects.get().status == "waiting"
    refused("expired", approve_payment, prepared, by=case.owner, at=later)
    assert prepared in PreparedPayment.objects.to_end(later)
    end_prepared(prepared, at=later)
    assert PreparedPayment.objects.get().status == "expired"
    assert Message.objects.filter(template="approval_decided").exists()


def test_what_was_paid_otherwise_is_ended_by_the_job(case):
    prepared = case.prepare()
    settle_invoice(case.invoice, case.invoice.amount_due, reference="payment:x", on=timezone.localdate())
    assert list(PreparedPayment.objects.to_end(timezone.now())) == [prepared]
    end_prepared_payments(prepared.pk)
    assert PreparedPayment.objects.get().status == "overtaken"


def test_I16_a_crash_after_the_approval_pays_once(case, monkeypatch):
    prepared = case.prepare()

    def dies(*args, **values):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(approvals, "carry_out", dies)
        with pytest.raises(SystemExit):
            approve_payment(prepared, by=case.owner)
    assert PreparedPayment.objects.get().status == "approved"
    later = timezone.now() + APPROVAL_TAKEN_UP_AFTER
    assert list(PreparedPayment.objects.to_pay(later)) == [prepared]
    for _time in range(2):
        pay_approved(prepared.pk)
    assert PreparedPayment.objects.get().payment == Payment.objects.get()
    assert not PreparedPayment.objects.to_pay(later).exists()


def test_an_owner_who_lost_the_role_before_it_was_paid_pays_nothing(case, monkeypatch):
    prepared = case.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(approvals, "carry_out", lambda row, at: None)
        approve_payment(prepared, by=case.owner)
    case.profile.roles.filter(user=case.owner).delete()
    pay_approved(prepared.pk)
    assert PreparedPayment.objects.get().status == "overtaken"
    assert not Payment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_Q9_two_owners_at_once_pay_once(case):
    prepared = case.prepare()
    told: list[str] = []
    start = threading.Barrier(2)

    def decide(owner) -> None:
        start.wait()
        try:
            told.append(approve_payment(prepared, by=owner).status)
        except Refused as refusal:
            told.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(owner,)) for owner in (case.owner, case.other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["decided", "succeeded"]
    assert Payment.objects.count() == 1
    case.invoice.refresh_from_db()
    assert case.invoice.status == "paid"


def test_T01_only_who_may_approve_is_told_what_waits(case, client):
    case.prepare()
    told = []
    for role in (Role.PROFILE_OWNER, Role.INVOICE_MANAGER, Role.PROFILE_READER):
        client.force_login(ProfileRoleFactory(profile=case.profile, role=role).user)
        page = client.get(case.profile.account.get_absolute_url())
        told.append("A payment waits for your approval" in page.content.decode())

    assert told == [True, False, False]


# --- Pages -----------------------------------------------------------------------------------------


def test_a_manager_asks_for_approval_on_the_page_of_the_invoice(case, client):
    client.force_login(case.manager)
    address = reverse("invoice_payment", args=[case.invoice.code])
    page = client.get(address)
    assert "Ask for approval" in page.content.decode()
    form = page.context["form"]
    data = {"request_key": form.initial["request_key"], "shown": 12_100, "amount": "121.00", "method": case.method.code}
    answer = client.post(address, data)
    prepared = PreparedPayment.objects.get()
    assert answer.url == prepared.get_absolute_url()
    assert client.post(address, data).url == answer.url  # sent twice
    shown = client.get(address).content.decode()
    assert "It waits for an owner" in shown
    assert "Withdraw it" in client.get(answer.url).content.decode()


def test_a_manager_asks_for_approval_of_several(case, client):
    client.force_login(case.manager)
    address = reverse("profile_payment", args=[case.profile.code])
    page = client.get(address)
    form = page.context["form"]
    data = {
        "request_key": form.initial["request_key"],
        "shown": 12_100,
        "amount": "",
        "invoice": [case.invoice.code],
        "method": "ideal",
    }
    assert client.post(address, data).url == PreparedPayment.objects.get().get_absolute_url()
    assert PreparedPayment.objects.get().method is None


def test_an_owner_finds_it_at_home_and_decides(case, client):
    prepared = case.prepare()
    client.force_login(case.owner)
    home = client.get(reverse("account_overview", args=[case.profile.account.code]), follow=True)
    listed = client.get(reverse("prepared_payments", args=[case.profile.account.code]))
    assert case.invoice.number in listed.content.decode()
    assert home.status_code == 200
    page = client.get(prepared.get_absolute_url()).content.decode()
    assert "Approve and pay" in page
    answer = client.post(reverse("prepared_payment_approval", args=[prepared.code]))
    assert answer.url == Payment.objects.get().get_absolute_url()
    again = client.post(reverse("prepared_payment_approval", args=[prepared.code]), follow=True)
    assert again.status_code == 200


def test_an_owner_refuses_on_the_page(case, client):
    prepared = case.prepare()
    client.force_login(case.owner)
    address = reverse("prepared_payment_refusal", args=[prepared.code])
    assert client.post(address, {"reason": ""}).status_code == 200
    assert client.post(address, {"reason": WHY}).url == prepared.get_absolute_url()
    assert WHY in client.get(prepared.get_absolute_url()).content.decode()


def test_the_statements_of_the_list_do_not_grow(case, client, django_assert_max_num_queries):
    client.force_login(case.owner)
    address = reverse("prepared_payments", args=[case.profile.account.code])
    case.prepare()
    client.get(address)
    with django_assert_max_num_queries(40) as few:
        client.get(address)
    for _each in range(4):
        invoice = InvoiceFactory(profile=case.profile, lines=[20_000])
        prepare_payment([invoice], method=case.method, by=case.manager)
    with django_assert_max_num_queries(len(few)):
        client.get(address)


def test_somebody_of_another_profile_sees_nothing_of_it(case, client):
    prepared = case.prepare()
    sibling = BillingProfileFactory(account=case.profile.account)
    client.force_login(ProfileRoleFactory(profile=sibling, role=Role.PROFILE_OWNER).user)
    assert client.get(prepared.get_absolute_url()).status_code == 404
    listed = client.get(reverse("prepared_payments", args=[case.profile.account.code]))
    assert case.invoice.number not in listed.content.decode()
    client.force_login(UserFactory())
    assert client.post(reverse("prepared_payment_approval", args=[prepared.code])).status_code == 404


def test_Q5_what_waits_is_told_to_nobody_of_another_profile(case):
    prepared = case.prepare()
    sibling = BillingProfileFactory(account=case.profile.account)
    stranger = ProfileRoleFactory(profile=sibling, role=Role.PROFILE_OWNER).user
    assert approvals.prepared_for([case.invoice], to=case.owner) == prepared
    assert approvals.prepared_for([case.invoice], to=stranger) is None


def test_Q5_who_may_not_pay_any_more_withdraws_nothing(case, client):
    prepared = case.prepare()
    case.manager.profile_roles.all().delete()
    ProfileRoleFactory(profile=case.profile, user=case.manager, role=Role.PROFILE_READER)
    with pytest.raises(Forbidden):
        withdraw_payment(prepared, by=type(case.manager).objects.get(pk=case.manager.pk))
    client.force_login(case.manager)
    page = client.get(prepared.get_absolute_url()).content.decode()
    assert reverse("prepared_payment_withdrawal", args=[prepared.code]) not in page


def test_Q5_the_verbs_of_an_owner_are_drawn_for_owners(case, client):
    prepared = case.prepare()
    reader = ProfileRoleFactory(profile=case.profile, role=Role.PROFILE_READER).user
    verb = reverse("prepared_payment_approval", args=[prepared.code])
    shown = {}
    for person in (case.owner, reader):
        client.force_login(person)
        shown[person] = verb in client.get(prepared.get_absolute_url()).content.decode()
    assert shown == {case.owner: True, reader: False}
