"""After paying in every way: no card number, no security code and no full account number anywhere (PR12, L11).

Every other test is listened to for the same: see billing_portal/tests/leaks.py.

Searched are every table, what workers are given, the log, and every mail as it is sent.
"""

import logging
import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.jobs import registry, reserve
from core.mail import send_messages
from core.models import Message
from core.policy import Role
from core.testing import SECURITY_CODE
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox.cards import SPECIMENS
from payments.gateways.sandbox.models import Charge, Webhook
from payments.gateways.sandbox.webhooks import deliver
from payments.jobs import read_gateway_event
from payments.models import Family, GatewayEvent, Payment, PaymentMethod
from payments.services.cards import finish_card_setup, start_card_setup
from payments.services.pay import pay_invoices, pay_once
from payments.services.settle import look_up
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db(transaction=True)

# As somebody would write it: ids of rows, which count on through all tests, and parts of UUIDs meet it by chance.
CODE = re.compile(rf"(?<![\w.:,\[(-])(?<!, )(?<!': ){SECURITY_CODE}(?![\w-])")
OTHERS = ["4929123456789012", "NL02ABNA0123456789"]  # of the right form, and refused
CARDS = ["visa", "amex", "no_funds", "checked_once", "never", "prepaid", "cut_after", "silent", "other_amount"]
ACCOUNTS = ["account", "account_empty", "account_returned", "account_refused"]


def numbers():
    """Every number somebody typed, as people write them."""
    for number in [*(SPECIMENS[name].number for name in CARDS + ACCOUNTS), *OTHERS]:
        groups = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
        yield from (number, groups, groups.replace(" ", "-"))


def every_text():
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            cursor.execute(f"SELECT row_to_json(t)::text FROM {connection.ops.quote_name(table)} t")
            for (row,) in cursor.fetchall():
                yield table, row


@pytest.fixture
def profile():
    return BillingProfileFactory()


def type_in(client, profile, by, name, family=Family.CARD):
    """Somebody types it on the gateway's page; the method where it was taken."""
    setup, address = start_card_setup(profile.account, profile=profile, family=family, by=by)
    number = SPECIMENS[name].number if name in SPECIMENS else name
    values = {"number": number, "expiry": "12/39", "code": SECURITY_CODE, "holder": "T. Test", "agreed": "on"}
    response = client.post(address, values)
    assert number not in response.content.decode().split("<datalist")[0]
    if response.headers.get("Location", "").endswith("/check/"):
        client.post(response.headers["Location"], {"answer": "yes"})
    return finish_card_setup(setup).method


def test_PR12_L11_no_number_stays_in_tables_log_jobs_or_mail(
    client, profile, caplog, settings, live_server, mailoutbox
):
    caplog.set_level(logging.DEBUG)
    settings.BASE_URL = live_server.url
    payer = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    tries = [(name, Family.CARD) for name in [*CARDS, OTHERS[0]]]
    tries += [(name, Family.DIRECT_DEBIT) for name in [*ACCOUNTS, OTHERS[1]]]
    payloads = []

    for position, (name, family) in enumerate(tries):
        if position % 10 == 0:  # ten an hour for each account
            profile = BillingProfileFactory()
            ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER, user=payer)
        method = type_in(client, profile, payer, name, family)
        if method is not None:
            pay_invoices([InvoiceFactory(profile=profile)], method=method, by=payer, request_key=f"paid-{name}")
    pay_once([InvoiceFactory(profile=profile)], by=payer, request_key="paid-once")
    for job in registry().values():
        payloads.append((job.name, reserve(job)))
    Charge.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    for notice in Webhook.objects.filter(delivered_at=None):
        deliver(notice)
    for event in GatewayEvent.objects.unprocessed():
        read_gateway_event(event.pk)
    for payment in Payment.objects.open():
        look_up(payment, at=timezone.now() + timedelta(minutes=6))
    send_messages(list(Message.objects.values_list("pk", flat=True)))

    stored = list(every_text())
    sent = [f"{mail.subject} {mail.body} {mail.alternatives}" for mail in mailoutbox]
    written = [*(row for _table, row in stored), caplog.text, repr(payloads), *sent]
    everything = "\n".join(written)
    assert PaymentMethod.objects.count() >= 9
    assert {"payments_payment", "core_message", "sandbox_card", "core_jobclaim"} <= {table for table, _row in stored}
    assert mailoutbox
    assert [number for number in numbers() if number in everything] == []
    assert CODE.findall(everything) == []


@pytest.mark.parametrize(
    ("text", "is_code"),
    [
        (f'{{"id":1,"note":"{SECURITY_CODE}"}}', True),
        (f'{{"id":1,"note":"Code: {SECURITY_CODE}."}}', True),
        (f'{{"id":1,"data":{{"code": "{SECURITY_CODE}"}}}}', True),
        (f"number=4242&code={SECURITY_CODE}&holder=T", True),
        (f"{{'code': '{SECURITY_CODE}'}}", True),
        (f'{{"id":{SECURITY_CODE},"note":"4f0c9a52-{SECURITY_CODE}-4b1e-{SECURITY_CODE}-0d1e2f3a4b5c"}}', False),
        (f"[('send', [{SECURITY_CODE}, {SECURITY_CODE}])] {{'user': {SECURITY_CODE}}} 12.{SECURITY_CODE}", False),
    ],
)
def test_L11_a_security_code_is_told_from_the_id_of_a_row(text, is_code):
    assert bool(CODE.search(text)) == is_code


def test_T31_ten_cards_an_hour_for_one_account_and_other_tenants_notice_nothing(client, profile):
    owner = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    other = BillingProfileFactory()
    neighbour = ProfileRoleFactory(profile=other, role=Role.PROFILE_OWNER, user=UserFactory()).user
    client.force_login(owner)
    address = f"/billing-profiles/{profile.code}/payment-methods/new/"

    answers = [client.post(address) for _time in range(11)]
    client.force_login(neighbour)
    theirs = client.post(f"/billing-profiles/{other.code}/payment-methods/new/")

    assert [answer.status_code for answer in answers] == [302] * 10 + [200]
    assert "10 payment methods were tried on this billing account within an hour" in answers[-1].content.decode()
    assert theirs.status_code == 302


def test_L11_no_form_or_table_of_the_portal_has_a_place_for_an_account_number():
    names = {
        field.name
        for model in apps.get_app_config("payments").get_models()
        for field in model._meta.get_fields()
        if "iban" in field.name or "number" in field.name
    }

    # The last one is that of a company in the trade register.
    assert names == {"iban_masked", "receipt_number", "registration_number"}
