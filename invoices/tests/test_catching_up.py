"""A run that catches up on missed months: one mail to each recipient that carries all of it, and no flood (F26)."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pgtrigger
import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts.tests.factories import SellerFactory, UserFactory
from core import jobs
from core.mail import write_mail
from core.messages import Verdict
from core.models import Message
from core.periods import Month
from core.policy import Role
from core.states import move
from invoices.deliveries import address_dispatches, dispatches_due, report_bounce, unreported_bounces
from invoices.jobs import all_still_wanted, still_wanted
from invoices.models import BillingRun, Delivery, Dispatch, Document, Invoice, RunRange
from invoices.retention import erase_deliveries
from invoices.services.run import run_billing
from profiles.models import BillingProfile, ExtraRecipient
from profiles.services.recipients import link_of
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

AUGUST, OCTOBER, FIFTH = Month(2026, 8), Month(2026, 10), date(2026, 11, 5)


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def profile() -> BillingProfile:
    return behind("Operations NL")


def behind(name: str, *, since: Month = AUGUST) -> BillingProfile:
    """A profile with something to bill from that month on, and one person who gets its invoices."""
    profile = BillingProfileFactory(
        name=name, sends_invoices=True, created_at=datetime.combine(since.first, datetime.min.time(), UTC)
    )
    SubscriptionFactory(profile=profile, unit_price=Decimal(100), started_on=since.first)
    ProfileRoleFactory(
        profile=profile, user=UserFactory(email=f"{profile.code}@alfa.example", language="en"), role=Role.PROFILE_OWNER
    )
    return profile


def bill() -> list[Invoice]:
    SellerFactory()
    run_billing(OCTOBER, on=FIFTH)
    return list(Invoice.objects.order_by("period_start"))


def make(*invoices: Invoice) -> None:
    """As if their PDFs were made."""
    rows = Document.objects.filter(invoice__in=invoices, kind="pdf")
    for row in rows:
        Document.objects.filter(pk=row.pk).update(
            status="ready", file=f"{row.pk}.pdf", sha256="0" * 64, size_bytes=100, made_at=timezone.now()
        )


def address() -> list[Message]:
    jobs.run_due(only=["invoices.address_dispatches"])
    return list(Message.objects.filter(mail_class="invoice_issued").order_by("recipient"))


def test_F26_three_missed_months_are_one_mail_to_each_recipient(profile):
    """Also for extra addresses, which see the documents in the mail alone."""
    extra = ExtraRecipient.objects.create(
        profile=profile, email="archive@alfa.example", language="nl", confirmed_at=timezone.now()
    )
    invoices = bill()
    make(*invoices)

    to_extra, to_owner = sorted(address(), key=lambda message: message.recipient != extra.email)

    assert [invoice.period_start.month for invoice in invoices] == [8, 9, 10]
    assert (to_extra.recipient, to_owner.recipient) == (extra.email, f"{profile.code}@alfa.example")
    assert [each["file_name"] for each in to_owner.attachments] == [f"Invoice-{each.number}.pdf" for each in invoices]
    # What follows is the second of its signature.
    assert to_extra.context["stop_path"].partition(":")[0] == link_of(extra).partition(":")[0]
    assert set(Dispatch.objects.values_list("status", flat=True)) == {"expanded"}
    assert sorted(Delivery.objects.values_list("invoice", "message")) == sorted(
        (invoice.pk, message.pk) for invoice in invoices for message in (to_extra, to_owner)
    )


def test_F26_the_mail_names_each_document_its_period_and_its_due_date(profile):
    invoices = bill()
    make(*invoices)

    [message] = address()
    written = write_mail(message, read=lambda name: b"%PDF")

    assert written.subject == "3 documents from Vendor Cloud B.V."
    for text in (written.body, written.alternatives[0][0]):
        for invoice in invoices:
            assert invoice.number in text
            assert invoice.get_absolute_url() in text
        assert text.count("€121.00") == 3
        assert f"?profile={profile.code}" in text
    assert "1–31 Aug 2026" in written.body


def test_F26_a_month_by_itself_is_the_mail_that_it_always_was():
    behind("One month", since=OCTOBER)
    make(*bill())

    [message] = address()

    assert message.template == "invoice_issued"


def test_F26_they_wait_for_the_last_pdf_but_no_longer_than_a_day(profile):
    first, second, third = bill()
    make(first, third)

    assert address() == []
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        [message] = address()
    assert sorted(Delivery.objects.filter(message=message).values_list("invoice", flat=True)) == [first.pk, third.pk]

    # What was kept so long comes by itself.
    make(second)
    assert [each.template for each in address() if each != message] == ["invoice_issued"]


def test_F26_they_wait_for_the_months_that_the_run_has_not_come_to(profile):
    """Whoever is billed up to the month of the run waits for nobody."""
    other = behind("Not behind", since=OCTOBER)
    profile.subscriptions.update(ended_on=date(2026, 9, 30))
    bill()
    make(*Invoice.objects.all())
    RunRange.objects.update(status="waiting")
    BillingRun.objects.update(status="running", finished_at=None)
    late = Invoice.objects.filter(profile=profile)

    assert set(dispatches_due().values_list("invoice__profile", flat=True)) == {other.pk}

    # One that fell silent has died: nobody waits for it for ever.
    RunRange.objects.update(heard_at=timezone.now() - timedelta(minutes=11))
    assert set(dispatches_due().values_list("invoice", flat=True)) == {
        other.invoices.get().pk,
        *late.values_list("pk", flat=True),
    }


def test_F26_what_goes_together_is_looked_up_and_never_searched_for(profile):
    """Each document of a run asks for those of its profile; by a scan that would be as many times all of them."""
    make(*bill())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = dispatches_due().explain()

    [looked_up] = re.findall(r"on invoices_invoice v0 .*\n *Index Cond: (.*)", plan)
    assert "profile_id = " in looked_up
    assert "issue_date >= " in looked_up


def test_F26_documents_that_go_together_go_in_one_mail_though_others_are_addressed_with_them(profile):
    """A batch may take some of them and leave the rest to the next, or to another worker."""
    invoices = bill()
    make(*invoices)
    first, *others = Dispatch.objects.filter(invoice__in=invoices).order_by("pk")

    assert len(address_dispatches([others[0]], on=FIFTH)) == 3

    assert address_dispatches([first], on=FIFTH) == []
    [message] = address()
    assert Delivery.objects.filter(message=message).count() == 3


def test_two_profiles_that_are_behind_never_share_a_mail(profile):
    other = behind("Research")
    bill()
    make(*Invoice.objects.all())

    messages = address()

    assert {message.recipient for message in messages} == {f"{each.code}@alfa.example" for each in (profile, other)}
    for message in messages:
        found = Delivery.objects.filter(message=message).values_list("invoice__profile__code", flat=True)
        assert (len(found), f"{found[0]}@alfa.example") == (3, message.recipient)


def test_I23_F39_one_right_and_one_damaged_file_decide_for_the_whole_mail(profile):
    make(*bill())
    [message] = address()

    # The files are not there: damaged, so that it waits.
    assert all_still_wanted([message]) == {}
    BillingProfile.objects.filter(pk=profile.pk).update(sends_invoices=False)
    assert all_still_wanted([message]) == {message.pk: Verdict.SUPPRESS}
    assert still_wanted(message) == Verdict.SUPPRESS


def test_F17_a_mail_of_several_that_came_back_is_told_of_once_with_all_numbers(profile):
    invoices = bill()
    make(*invoices)
    [message] = address()
    for status in ("sending", "bounced"):
        move(message, status)

    [delivery] = unreported_bounces()
    report_bounce(delivery)

    [told] = Message.objects.filter(template="invoice_bounced")
    assert all(invoice.number in told.context["number"] for invoice in invoices)
    assert not unreported_bounces().exists()


def test_a_mail_is_kept_until_the_last_of_its_invoices_may_go(profile):
    make(*bill())
    address()
    first, *others = Delivery.objects.order_by("pk")

    with pgtrigger.ignore("invoices.Delivery:kept"):
        erase_deliveries([first])
        assert Message.objects.filter(pk=first.message_id).exists()
        erase_deliveries(others)
        assert not Message.objects.filter(pk=first.message_id).exists()
