"""What listens for card and account numbers in every test hears them (PR12, L11)."""

import io
import logging
import re
from typing import get_type_hints

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection

from accounts.tests.factories import UserFactory
from billing_portal.tests.leaks import leaks_of, pytest_runtest_teardown, taken
from core.jobs import registry
from core.messages import MailClass, queue_message
from core.testing import SECURITY_CODE
from payments.gateways.sandbox.cards import SPECIMENS

CARD, ACCOUNT = SPECIMENS["visa"].number, SPECIMENS["account"].number


@pytest.mark.parametrize("specimen", SPECIMENS.values(), ids=SPECIMENS)
@pytest.mark.parametrize("written", ["'{}'", '{{"note": "{}"}}', "paid with {}.", "number={}&expiry=1299"])
def test_PR12_every_test_number_is_found_as_typed_and_as_printed(specimen, written):
    for number in (specimen.number, specimen.shown, specimen.shown.replace(" ", "-")):
        if specimen.is_account and "-" in number:
            continue  # nobody writes them like that
        assert len(list(leaks_of(written.format(number).encode()))) == 1


@pytest.mark.parametrize("written", [f"'{SECURITY_CODE}'", f'{{"code": "{SECURITY_CODE}"}}', f"&code={SECURITY_CODE}&"])
def test_PR12_a_security_code_is_found(written):
    assert [leak[:17] for leak in leaks_of(written.encode())] == ["the security code"]


@pytest.mark.parametrize(
    "text",
    [
        "'4242424242424241'",  # one digit off
        "'visa •••• 4242', '2099-12-31 07:00:00.424242'",
        "4242424242.424242424242",
        "'5f0c4242424242424242'",
        "'43149391-4017-4279-b567-22cd2926e0d1'",  # the beginning of a random UUID
        "'NL91ABNA0417164300'",  # the vendor's own
        "'RF18 5390 0754 7034'",  # a creditor reference has the same check digits
        "'NL•• •••• 6789'",
        f'WHERE "id" = {SECURITY_CODE}',
    ],
)
def test_what_is_no_number_is_not_found(text):
    assert list(leaks_of(text.encode())) == []


@pytest.mark.django_db
def test_PR12_numbers_are_heard_in_tables_log_and_mail():
    user = UserFactory()
    assert taken() == []

    type(user).objects.filter(pk=user.pk).update(name=CARD)
    context = {"account": ACCOUNT}
    queue_message(to=user.email, template="test_mail", mail_class=MailClass.SERVICE, language="en", context=context)
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE accounts_user SET name = %s WHERE id = %s", [[CARD, user.pk], ["fine", user.pk]])
        cursor.execute("CREATE TEMPORARY TABLE noted (words text) ON COMMIT DROP")
        cursor.copy_expert("COPY noted FROM STDIN", io.StringIO(f"{CARD}\n"))
    logging.getLogger("portal.test").info("paid with %s", CARD)  # masked by the product
    EmailMultiAlternatives("Paid", f"with {ACCOUNT}", "a@x.example", ["b@x.example"]).message()

    assert [leak.split(":")[0] for leak in taken()] == [
        f"the card number {CARD} in the database",
        f"the account number {ACCOUNT} in the database",
        f"the card number {CARD} in the database",
        f"the card number {CARD} in the database",
        f"the account number {ACCOUNT} in a mail",
    ]


def test_PR12_a_number_that_the_log_would_show_is_heard(monkeypatch):
    monkeypatch.setattr("billing_portal.logging.CARD_NUMBER", re.compile("never"))

    logging.getLogger("portal.test").warning("paid with %s", CARD)

    assert len(taken()) == 1


def test_PR12_workers_are_given_rows_by_their_ids_and_nothing_else():
    given = {
        job.name: [str(hint) for name, hint in get_type_hints(job.run).items() if name != "return"]
        for job in registry().values()
    }

    assert given
    assert {hint for hints in given.values() for hint in hints} <= {"<class 'int'>", "list[int]"}


@pytest.mark.django_db
def test_PR12_a_test_that_leaves_a_number_fails(request):
    verdict = pytest_runtest_teardown(request.node)
    next(verdict)

    UserFactory(name=CARD)

    with pytest.raises(pytest.fail.Exception, match=f"the card number {CARD} in the database"):
        verdict.send(None)


@pytest.mark.django_db
@pytest.mark.writes_numbers
def test_PR12_a_test_that_proves_masking_may_write_one(request):
    verdict = pytest_runtest_teardown(request.node)
    next(verdict)

    UserFactory(name=CARD)

    with pytest.raises(StopIteration):
        verdict.send(None)


@pytest.mark.django_db
def test_PR12_what_another_process_wrote_is_read_at_the_end(request, monkeypatch):
    UserFactory(name=CARD)
    taken()  # as if nobody had heard it
    monkeypatch.setattr("core.testing.started_processes", [object()])

    next(pytest_runtest_teardown(request.node))

    found = [leak.split(":")[0] for leak in taken()]
    assert found == [f"the card number {CARD} in {table}" for table in ("accounts_user", "accounts_userevent")]
