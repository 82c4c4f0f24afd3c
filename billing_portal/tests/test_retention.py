"""What is kept as long as the law wants, and erased afterwards (L5, I29, I36)."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import TestCase
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, SellerFactory
from core.jobs import run_due
from core.messages import MailClass, queue_message
from core.models import MailEvent, Message
from core.retention import erase_all_expired, retention_classes
from invoices.models import Delivery, Document, Invoice, Posting
from invoices.retention import _documents, is_over
from invoices.tests.factories import InvoiceFactory
from payments.models import Paper, Payment
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


# The guard of the database goes by its own clock.
YEAR = timezone.localdate().year


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


def issued(on, **values):
    return InvoiceFactory(issue_date=on, **values)


def said(*arguments):
    out = StringIO()
    call_command("erase_expired", *arguments, stdout=out)
    return out.getvalue()


def abroad(country="DE"):
    account = BillingAccountFactory()
    account.sold_to.country = country
    account.sold_to.save()
    return BillingProfileFactory(account=account)


@pytest.mark.parametrize(
    ("on", "goes"),
    [(date(YEAR - 8, 12, 31), True), (date(YEAR - 7, 1, 1), False), (date(YEAR - 1, 1, 1), False)],
)
def test_L5_a_document_goes_seven_years_after_the_year_of_its_invoice_and_not_before(on, goes):
    invoice = issued(on)
    assert _documents(date(YEAR, 11, 21)).filter(invoice=invoice).exists() is goes
    if goes:
        invoice.documents.all().delete()
        return
    with pytest.raises(DatabaseError, match="the law keeps"), transaction.atomic():
        invoice.documents.all().delete()


@pytest.mark.parametrize(("year", "goes"), [(YEAR - 8, False), (YEAR - 10, False), (YEAR - 11, True)])
def test_L5_ten_years_where_vat_of_another_country_was_charged(year, goes):
    SellerFactory()
    invoice = issued(date(year, 5, 5), profile=abroad())
    assert _documents(date(YEAR, 11, 21)).filter(invoice=invoice).exists() is goes
    if not goes:
        with pytest.raises(DatabaseError, match="the law keeps"), transaction.atomic():
            invoice.documents.all().delete()


def test_L5_reverse_charge_and_export_have_the_usual_time():
    SellerFactory()
    invoice = issued(date(2017, 5, 5), profile=abroad(), rate=Decimal(0))
    assert Document.objects.filter(is_over(date(2026, 11, 21)), invoice=invoice).exists()


def test_L5_I36_after_its_time_documents_and_mails_go_and_the_books_stay():
    profile = BillingProfileFactory(sends_invoices=True)
    ProfileRoleFactory(profile=profile)
    old, young = issued(date(2018, 3, 3), profile=profile), issued(date(2026, 3, 3), profile=profile)
    run_due(only=["invoices.make_documents", "invoices.address_dispatches"])
    files = {invoice: list(invoice.documents.values_list("file", flat=True)) for invoice in (old, young)}
    assert Delivery.objects.count() == 2

    with_commit(lambda: erase_all_expired(timezone.localdate()))

    assert not old.documents.exists()
    assert [default_storage.exists(file) for file in files[old]] == [False, False]
    assert [default_storage.exists(file) for file in files[young]] == [True, True]
    assert [delivery.invoice for delivery in Delivery.objects.all()] == [young]
    assert Message.objects.count() == 1
    assert Invoice.objects.filter(pk=old.pk).exists()
    assert Posting.objects.filter(invoice=old).exists()


def test_L5_I36_the_page_of_an_invoice_without_its_documents_still_opens(client):
    invoice = issued(date(2018, 3, 3))
    client.force_login(ProfileRoleFactory(profile=invoice.profile).user)
    with_commit(lambda: erase_all_expired(timezone.localdate()))
    assert "No documents" in client.get(invoice.get_absolute_url()).content.decode()
    assert client.get(f"/invoices/{invoice.code}/pdf/").status_code == 404


def test_L5_a_receipt_goes_after_ten_years_and_its_payment_stays():
    with time_machine.travel("2015-06-01T12:00:00Z", tick=True):
        payment = PaymentFactory(invoices=[InvoiceFactory(issue_date=date(2015, 5, 5))])
    with pytest.raises(DatabaseError), transaction.atomic():
        PaymentFactory().paper.delete()

    with_commit(lambda: erase_all_expired(timezone.localdate()))

    assert not Paper.objects.filter(payment=payment).exists()
    assert Payment.objects.filter(pk=payment.pk).exists()


def test_L5_not_even_by_hand_can_a_document_go_early():
    invoice = issued(timezone.localdate())
    for sql in ("DELETE FROM invoices_document", "TRUNCATE invoices_document CASCADE"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert invoice.documents.exists()


def test_I29_old_mails_messages_and_reports_go_and_what_is_under_way_stays():
    old, waiting, fresh = (
        queue_message(to="a@b.example", template="x", mail_class=MailClass.SERVICE, language="en", context={})
        for _each in range(3)
    )
    long_ago = timezone.now() - timedelta(days=800)
    Message.objects.filter(pk__in=[old.pk, waiting.pk]).update(created_at=long_ago)
    Message.objects.filter(pk=old.pk).update(status="sending")
    Message.objects.filter(pk=old.pk).update(status="accepted", accepted_at=long_ago)
    told = {"service": "x", "event_id": "1", "kind": "bounced", "payload": "", "status": "processed"}
    MailEvent.objects.create(**told, received_at=long_ago)

    erase_all_expired(timezone.localdate())

    assert set(Message.objects.all()) == {waiting, fresh}
    assert not MailEvent.objects.exists()


def test_L5_a_dry_run_says_how_much_would_go_and_erases_nothing():
    issued(date(2018, 3, 3))
    assert "documents of invoices (kept 7 years after" in said("--dry-run")
    assert "1 would go" in said("--dry-run", "--only", "documents of invoices")
    assert "0 would go" in said("--dry-run", "--only", "documents of invoices", "--on", "2025-12-31")
    assert Document.objects.count() == 1
    assert "1 erased" in said("--only", "documents of invoices")
    assert "0 erased" in said("--only", "documents of invoices")


def test_L5_nothing_is_erased_ahead_of_its_day():
    with pytest.raises(CommandError, match="ahead of its day"):
        said("--on", "2999-01-01")
    with pytest.raises(CommandError, match="No such class"):
        said("--only", "everything")


def test_every_class_says_how_long_it_keeps():
    assert len(retention_classes()) >= 7
    assert all(str(each.kept_for) for each in retention_classes())


def with_commit(act):
    """Run it, and what was to happen after the commit."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        act()
