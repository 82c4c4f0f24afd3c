"""Workers that die anywhere between an issued invoice and its mails: every recipient of every document ends in one
final state, and nothing goes twice without being marked (PR9, I25, I28)."""

import random
from collections import Counter

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core import jobs
from core.mail import TWICE_IN_DOUBT
from core.models import JobClaim, Message
from core.testing import start_process
from invoices.models import Delivery, Document
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

JOBS = ["invoices.make_documents", "invoices.address_dispatches", "core.send_messages"]
RECIPIENTS = 3
DEATHS = 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=1)
@pytest.mark.parametrize("seed", range(40))
def test_PR9_I25_I28_workers_that_die_at_any_statement_leave_each_recipient_of_each_document_in_one_final_state(
    seed, mail_server, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    chance = random.Random(seed)
    profile = BillingProfileFactory(sends_invoices=True)
    for number in range(RECIPIENTS):
        ProfileRoleFactory(profile=profile, user=UserFactory(email=f"p{number}@a.example"))
    invoices = [InvoiceFactory(profile=profile) for _ in range(5)]

    deaths = 0
    for _ in range(DEATHS):
        point = [str(chance.randrange(1, 95)), chance.choice(["before", "after"])]
        worker = start_process("-c", _WORKER, *point, EMAIL_URL=mail_server.url, MEDIA_ROOT=str(tmp_path))
        worker.communicate()
        deaths += worker.returncode == -9
        everything_is_due()
    for _ in range(5):  # the rest of the day: the doubts and their repetition
        jobs.run_due(only=JOBS)
        everything_is_due()

    deliveries = Delivery.objects.select_related("message")
    expected = {(invoice.pk, f"p{number}@a.example") for invoice in invoices for number in range(RECIPIENTS)}
    assert sorted((each.invoice_id, each.email) for each in deliveries) == sorted(expected)
    arrived = Counter(mail["Message-ID"] for mail in mail_server.received)
    assert set(arrived) <= {each.message.message_id for each in deliveries}
    for message in (each.message for each in deliveries):
        if message.status == Message.Status.ACCEPTED:
            assert 1 <= arrived[message.message_id] <= (2 if message.possibly_twice else 1)
        else:  # Both workers died over this one.
            assert (message.status, message.last_error) == (Message.Status.GIVEN_UP, TWICE_IN_DOUBT)
            assert deaths == DEATHS
    assert Message.objects.filter(possibly_twice=True).count() <= deaths
    assert set(Document.objects.values_list("status", flat=True)) == {"ready"}
    call_command("check_documents", verbosity=0)  # ends with an error where a file is lost, damaged or left over


def everything_is_due() -> None:
    JobClaim.objects.update(until=timezone.now())
    Message.objects.unfinished().update(next_attempt_at=timezone.now())


_WORKER = f"""
import os, signal, sys, django
django.setup()
from django.db import connection
from core import jobs

left, when = int(sys.argv[1]), sys.argv[2]

def die_there(execute, *statement):
    global left
    left -= 1
    if left == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = execute(*statement)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

with connection.execute_wrapper(die_there):
    jobs.run_due(only={JOBS!r})
"""
