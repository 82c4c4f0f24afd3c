"""Personal data goes when its class allows, never before; what the books name stays under a pseudonym, and the seals
of the history still prove the rest (L5, L8, I27, I29)."""

from datetime import date, timedelta

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import TestCase
from django.utils import timezone
from pghistory.models import Context

from accounts.models import BillingAccount, User, UserProfile
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from billing_portal.jobs import seal_history
from billing_portal.retention import _accounts, _people
from core.history import acting
from core.retention import erase_all_expired
from core.seals import event_models, verify_seals
from invoices.models import CorrectionRequest
from invoices.tests.factories import InvoiceFactory
from payments.models import Payment
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from support.models import SupportFile, SupportMessage, SupportRequest
from support.tests.factories import SupportMessageFactory, SupportRequestFactory

pytestmark = pytest.mark.django_db

LONG_AGO = "2023-05-01T10:00:00Z"
TODAY = date(2026, 11, 21)


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def somebody():
    """A person who was there long ago, paid something, changed something and left."""
    with time_machine.travel(LONG_AGO, tick=True):
        person = UserFactory(name="Wilhelmina Vroeg", email="wilhelmina@alfa.example", phone="+31612345678")
        UserProfile.objects.create(user=person, job_title="Boekhouder Vroeg", city="Rotterdam")
        profile = BillingProfileFactory(name="Before")
        with acting(person, "profile.changed"):
            BillingProfile.objects.filter(pk=profile.pk).update(name="After")
        PaymentFactory(invoices=[InvoiceFactory(profile=profile)], user=person)
    aged(LONG_AGO)
    seal_history(timezone.now())
    return person


def aged(at):
    """The database dates its entries by its own clock: here they are as old as what they tell of."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for event in event_models():
            cursor.execute(f"UPDATE {event._meta.db_table} SET pgh_created_at = %s", [at])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def erase(on=TODAY):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return erase_all_expired(on)


def everywhere(words):
    """The tables in which these words stand in some column."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{words}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def test_I29_who_left_two_years_ago_is_a_number_and_the_history_is_still_proved(somebody):
    assert everywhere("Vroeg")
    assert everywhere("wilhelmina")

    erase()

    assert everywhere("Vroeg") == []
    assert everywhere("wilhelmina") == []
    assert everywhere("+31612345678") == []
    left = User.objects.get(pk=somebody.pk)
    assert (str(left), left.is_active, left.has_usable_password()) == (f"#{left.pk}", False, False)
    assert Payment.objects.get().user == left
    assert f"#{left.pk}" in {each.metadata["actor_name"] for each in Context.objects.all()}
    seal_history(timezone.now())
    verdict = verify_seals()
    assert (verdict.breaks, verdict.unsealed) == ([], 0)
    assert verdict.erased >= 3
    call_command("verify_history")
    assert erase() == 0


@pytest.mark.parametrize("still", ["role", "colleague", "seen", "staff", "changed"])
def test_I29_who_is_still_there_stays(somebody, still):
    if still == "role":
        with time_machine.travel(LONG_AGO, tick=True):
            AccountRoleFactory(user=somebody)
    elif still == "colleague":
        with time_machine.travel(LONG_AGO, tick=True):
            OrganisationMemberFactory(user=somebody)
    elif still == "seen":
        User.objects.filter(pk=somebody.pk).update(last_login=timezone.now() - timedelta(days=700))
    elif still == "staff":
        with time_machine.travel(LONG_AGO, tick=True):
            User.objects.filter(pk=somebody.pk).update(is_staff=True)
    aged(LONG_AGO)
    if still == "changed":
        User.objects.filter(pk=somebody.pk).update(language="nl")
    assert somebody not in _people(TODAY)


def test_I29_not_a_day_too_early(somebody):
    assert somebody not in _people(date(2025, 4, 29))
    assert somebody in _people(date(2025, 5, 2))


def test_I29_who_was_deactivated_goes_although_a_role_is_left(somebody):
    with time_machine.travel(LONG_AGO, tick=True):
        AccountRoleFactory(user=somebody)
        User.objects.filter(pk=somebody.pk).update(is_active=False)
    aged(LONG_AGO)
    assert somebody in _people(TODAY)


def closed_account(year):
    with time_machine.travel(f"{year}-03-01T10:00:00Z", tick=True):
        account = BillingAccountFactory(name="Eenmanszaak Jansen", vat_id="NL000099998B57", status="active")
        account.sold_to.contact_name = "Piet Jansen"
        account.sold_to.save()
        profile = BillingProfileFactory(account=account)
        PaymentMethodFactory(profile=profile, holder="P. Jansen")
        InvoiceFactory(profile=profile, issue_date=date(year, 3, 1))
        BillingAccount.objects.filter(pk=account.pk).update(status="closed")
    return account


def test_I29_a_closed_account_is_emptied_ten_years_after_its_last_invoice():
    account, kept = closed_account(2015), closed_account(2016)
    aged("2016-03-01T10:00:00Z")
    seal_history(timezone.now())

    erase()

    account.refresh_from_db()
    assert (account.name, account.vat_id, account.sold_to.contact_name) == (account.code, "", "")
    assert account.payment_methods.get().holder == ""
    assert account.invoices.count() == 1
    assert BillingAccount.objects.get(pk=kept.pk).name == "Eenmanszaak Jansen"
    seal_history(timezone.now())
    assert verify_seals().breaks == []
    assert kept not in _accounts(TODAY)
    assert kept in _accounts(date(2027, 1, 1))


def test_I29_an_open_account_stays_however_old():
    account = closed_account(2012)
    with time_machine.travel("2012-04-01T10:00:00Z", tick=True):
        other = BillingAccountFactory()
    aged("2012-05-01T10:00:00Z")
    assert list(_accounts(TODAY)) == [account]
    assert other not in _accounts(TODAY)


def thread(at, **values):
    with time_machine.travel(at, tick=True):
        asked = SupportRequestFactory(**values)
        message = SupportMessageFactory(request=asked, text="Mijn burgerservicenummer")
        name = default_storage.save("support/one.pdf", ContentFile(b"%PDF"))
        SupportFile.objects.create(
            message=message, name="Bsn.pdf", content_type="application/pdf", size_bytes=4, sha256="0" * 64,
            storage_name=name,
        )  # fmt: skip
    return asked, name


def test_L5_a_thread_goes_with_its_files_when_its_class_allows_and_never_before():
    old, file = thread("2024-01-01T10:00:00Z")
    fresh, fresh_file = thread("2025-06-01T10:00:00Z")
    invoice = InvoiceFactory(issue_date=date(2023, 12, 1))
    about, about_file = thread("2024-01-02T10:00:00Z", profile=invoice.profile, invoice=invoice)

    erase()

    assert set(SupportRequest.objects.all()) == {fresh, about}
    assert not SupportMessage.objects.filter(request_id=old.pk).exists()
    assert [default_storage.exists(each) for each in (file, fresh_file, about_file)] == [False, True, True]


@pytest.mark.parametrize("about_invoice", [True, False])
def test_L5_not_even_by_hand_does_a_thread_go_early(about_invoice):
    invoice = InvoiceFactory(issue_date=date(2023, 12, 1))
    values = {"profile": invoice.profile, "invoice": invoice} if about_invoice else {}
    asked, _file = thread("2024-01-01T10:00:00Z" if about_invoice else "2025-06-01T10:00:00Z", **values)
    for sql in ("SELECT support_erase_requests(ARRAY[%s]::bigint[])", "DELETE FROM support_supportmessage"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [asked.pk] if "%s" in sql else None)
    assert asked.messages.exists()


def test_L5_the_words_of_a_correction_go_with_the_documents_of_its_invoice():
    for year in (2018, 2019):
        invoice = InvoiceFactory(issue_date=date(year, 3, 1))
        CorrectionRequest.objects.create(
            invoice=invoice, account=invoice.account, profile=invoice.profile, reason="po_number",
            status="withdrawn", explanation="Ik ben verhuisd", requested_by=UserFactory(),
        )  # fmt: skip
    erase()
    told = dict(CorrectionRequest.objects.values_list("invoice__issue_date__year", "explanation"))
    assert told == {2018: "", 2019: "Ik ben verhuisd"}
