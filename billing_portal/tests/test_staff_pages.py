"""The staff's own pages: receivables by age, today's exceptions, the ledger's files, one search."""

import csv
import io
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts.models import BillingAccount
from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.staff.exceptions import KINDS, exceptions_for
from core.messages import MailClass, queue_message
from core.models import JobClaim, MailEvent, Message
from core.money import Money
from invoices.models import BillingRun, ChargeUpload, Document, LedgerAccount, Preflight
from invoices.receivables import AGES, GROUPS, SORTS, Asked, rows_of, stream, totals_of
from invoices.services.credits import Overpaid, keep_overpaid
from invoices.services.ledger import balance
from invoices.services.settling import offset, settle_invoice
from invoices.tests.factories import InvoiceFactory, ParkedProfileFactory
from payments.models import BankEntry, BankFile, GatewayEvent, GatewayHealth, Paper, Payment, Refund, WriteOff
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 20)
# Days after the due date, and where they are counted.
DAYS = {0: "not_due", 1: "days_30", 30: "days_30", 31: "days_60", 60: "days_60", 61: "days_90", 90: "days_90"}
DAYS |= {91: "older", 400: "older", -5: "not_due"}


@pytest.fixture
def staff(client):
    person = UserFactory(staff=True)
    client.force_login(person)
    return person


def person_with(*permissions: str):
    person = UserFactory(is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


def late_by(days: int, **values):
    """An invoice of € 121.00 that fell due so many days before the day."""
    return InvoiceFactory(issue_date=DAY - timedelta(days=days + 30), lines=[10_000], **values)


def ledger_on(day: date) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency, sum(CASE WHEN debit = 'receivable' THEN amount_minor ELSE -amount_minor END)"
            " FROM invoices_posting WHERE 'receivable' IN (debit, credit) AND posted_on <= %s GROUP BY 1",
            [day],
        )
        return {currency: int(minor) for currency, minor in cursor.fetchall()}


# --- Receivables by age ----------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "age"), DAYS.items())
def test_I1_an_invoice_is_as_old_as_its_due_date_says(days, age):
    late_by(days)
    ((row,), number) = rows_of(Asked(DAY))
    assert number == 1
    assert dict(zip(AGES, row.ages, strict=True)) == {name: Money(12_100 if name == age else 0, "EUR") for name in AGES}


@pytest.mark.parametrize("by", GROUPS)
def test_I1_the_sums_are_those_of_the_ledger_also_of_days_that_are_past(by):
    account = BillingAccountFactory()
    profiles = [BillingProfileFactory(account=account), BillingProfileFactory(account=account), BillingProfileFactory()]
    invoices = [late_by(days, profile=profile) for days in (5, 45, 75, 200) for profile in profiles]
    InvoiceFactory(profile__account__american=True, lines=[500])
    note = InvoiceFactory(profile=profiles[0], kind="credit_note", lines=[3_000], issue_date=DAY - timedelta(days=3))
    settle_invoice(invoices[0], Money(100, "EUR"), reference="payment:a", on=DAY - timedelta(days=1))
    settle_invoice(invoices[1], invoices[1].amount_due, reference="payment:b", on=DAY)
    offset(note, invoices[3], on=DAY - timedelta(days=2))
    for day in (DAY - timedelta(days=300), DAY - timedelta(days=60), DAY - timedelta(days=2), DAY, DAY + timedelta(90)):
        asked, ledger = Asked(day, by=by), ledger_on(day)
        rows = list(stream(asked))
        assert len(rows) == rows_of(asked, most=None)[1]
        for total in totals_of(asked):
            of_it = [row for row in rows if row.total.currency == total.currency]
            assert total.total == total.ledger == Money(ledger[total.currency], total.currency)
            assert Money.total((row.total for row in of_it), total.currency) == total.total
            assert Money.total(total.ages, total.currency) == total.total
            for place, amount in enumerate(total.ages):
                assert Money.total((row.ages[place] for row in of_it), total.currency) == amount
        assert {total.currency for total in totals_of(asked)} == set(ledger)
    assert balance(LedgerAccount.RECEIVABLE, "EUR") == totals_of(Asked(DAY))[0].total


def test_what_is_owed_today_is_what_the_invoices_say():
    invoices = [late_by(days) for days in (-5, 40, 100)]
    settle_invoice(invoices[1], Money(2_100, "EUR"), reference="payment:a", on=DAY)
    rows = {row.number: row.total.minor for row in stream(Asked(DAY, by="invoice"))}
    for invoice in invoices:
        invoice.refresh_from_db()
        assert rows[invoice.number] == invoice.amount_due_minor


@pytest.mark.parametrize("sort", SORTS)
def test_receivables_are_sorted_searched_and_paged(client, staff, sort, monkeypatch):
    monkeypatch.setattr("billing_portal.staff.site.PAGE_SIZE", 2)
    names = ["Zeta", "100% 'Alfa' _", "Beta"]
    for place, name in enumerate(names):
        late_by(91 * place, profile__account__name=name, profile__name=f"{name} Operations")
    address, seen = reverse("admin:receivables"), []
    for page in (1, 2):
        shown = client.get(address, {"on": DAY, "sort": sort, "page": page}).context["rows"][:2]
        seen += [row.account_name for row in shown]
    assert set(seen) == set(names)
    first = {"total": None, "older": None, "oldest": "Beta", "name": "100% 'Alfa' _"}[sort]
    assert first in (None, seen[0])
    found = client.get(address, {"on": DAY, "sort": sort, "q": "'alfa' _"}).context
    assert [row.account_name for row in found["rows"]] == [names[1]]
    assert [total.ledger for total in found["totals"]] == [None]


def test_receivables_as_csv_are_the_rows_of_the_page(client, staff):
    late_by(100, profile__account__name="=cmd")
    late_by(10)
    answer = client.get(reverse("admin:receivables_csv"), {"on": DAY, "by": "invoice"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert sorted(row["Over 90 days"] for row in rows) == ["0.00", "121.00"]
    assert "'=cmd" in {row["Name of the customer"] for row in rows}


@pytest.mark.parametrize(
    "query", ["on=31-02-2026", "on=0001-01-01", "on=9999-12-31", "by=password", "sort=--", "page=-1", "page=999999"]
)
def test_PR14_an_address_that_makes_no_sense_is_a_page(client, staff, query):
    late_by(10)
    for name in ("receivables", "receivables_csv"):
        assert client.get(f"{reverse(f'admin:{name}')}?{query}&q=%00&currency=%C3%A9").status_code == 200


def test_the_statements_of_the_receivables_do_not_grow_with_the_rows(client, staff, django_assert_max_num_queries):
    late_by(10)
    address = reverse("admin:receivables")
    client.get(address)
    with django_assert_max_num_queries(12) as few:
        client.get(address, {"on": DAY})
    for days in range(8):
        late_by(days)
    with django_assert_max_num_queries(len(few)):
        client.get(address, {"on": DAY})


# --- Today's exceptions ----------------------------------------------------------------------------


def _make_one_of_each() -> None:
    """One row of every kind of exception."""
    owed = InvoiceFactory()
    BillingAccount.objects.filter(pk=owed.account_id).update(status="closed")
    kept = Overpaid(owed.account_id, owed.profile_id, Money(100, "EUR"), "Transfer", "payment:late")
    keep_overpaid([kept], debit=LedgerAccount.BANK, on=DAY)
    now = timezone.now()
    unknown = PaymentFactory(status="unknown")
    Payment.objects.filter(pk=unknown.pk).update(next_lookup_at=None)
    GatewayEvent.objects.create(gateway="sandbox", event_id="e", kind="k", payload={}, status="quarantined")
    GatewayHealth.objects.create(gateway="sandbox", failures=9, last_failure_at=now, rests_until=now + timedelta(1))
    file = BankFile.objects.create(file_name="a.xml", sha256="0" * 64)
    entry = {"booked_on": DAY, "amount_minor": 100, "currency": "EUR", "looked_at": now}
    BankEntry.objects.create(file=file, entry_key="a", **entry)
    paid = PaymentFactory(status="succeeded")
    values = {"asked_by": UserFactory(), "reason": "Because it was so", "amount_minor": 1}
    Refund.objects.create(payment=paid, idempotency_key="r", **values)
    WriteOff.objects.create(invoice=InvoiceFactory(), **values)
    ParkedProfileFactory()
    BillingRun.objects.create(month=date(2026, 10, 1), issue_date=DAY, status="stopped")
    Preflight.objects.create(month=date(2026, 10, 1), on=DAY, status="stopped")
    ChargeUpload.objects.create(file_name="a.csv", size_bytes=1, uploaded_by=UserFactory(), status="refused")
    Document.objects.filter(pk=Document.objects.latest("pk").pk).update(status="failed")
    Paper.objects.filter(payment=paid).update(status="failed")
    for status in ("bounced", "given_up"):
        mail = queue_message(
            to="x@y.example", template="test_mail", mail_class=MailClass.SERVICE, language="en", context={}
        )
        for step in ("sending", status):
            Message.objects.filter(pk=mail.pk).update(status=step)
    MailEvent.objects.create(service="x", event_id="m", kind="bounced", status="quarantined")
    JobClaim.objects.create(job="core.tidy", row_id=1, token=uuid4(), started_at=now, until=now, tries_left=0)


def test_nothing_to_do_is_said(client, staff):
    page = client.get(reverse("admin:exceptions"))
    assert "Nothing needs a person." in page.content.decode()


def test_somebody_sees_only_what_they_may_look_at(client):
    PaymentFactory(status="unknown")
    ParkedProfileFactory()
    person = person_with("view_parkedprofile")
    client.force_login(person)
    assert [str(each.label) for each in exceptions_for(person, at=timezone.now())] == [
        "Billing profiles that were parked"
    ]
    assert "outcome is unknown" not in client.get(reverse("admin:exceptions")).content.decode()


@pytest.mark.parametrize("name", ["receivables", "receivables_csv", "ledger", "ledger_csv", "audit_file"])
def test_pages_of_money_want_their_permission(client, name):
    client.force_login(person_with("view_parkedprofile"))
    assert client.get(reverse(f"admin:{name}")).status_code == 403
    client.force_login(person_with("view_invoice", "view_posting"))
    assert client.get(reverse(f"admin:{name}")).status_code == 200
    assert client.post(reverse(f"admin:{name}")).status_code == 405


@pytest.mark.parametrize("name", ["exceptions", "staff_search", "receivables", "ledger", "audit_file"])
def test_who_is_no_staff_is_sent_away(client, name):
    client.force_login(UserFactory())
    assert client.get(reverse(f"admin:{name}")).status_code == 302


# --- Search and ledger -----------------------------------------------------------------------------


def test_staff_find_customers_people_invoices_and_payments(client, staff, django_assert_max_num_queries):
    owner = UserFactory(name="Marieke de Vries", email="marieke@alfa.example")
    profile = BillingProfileFactory(account__owner=owner, account__name="Alfa <Logistiek>", name="Alfa Operations")
    invoice = InvoiceFactory(profile=profile)
    payment = PaymentFactory(invoices=[invoice], status="succeeded", receipt_number="R000000077")
    address = reverse("admin:staff_search")
    for words, wanted in (
        ("alfa", ["Billing accounts", "Billing profiles"]),
        ("marieke@", ["People"]),
        (invoice.number.lower(), ["Invoices", "Payments"]),
        ("r000000077", ["Payments"]),
        (payment.idempotency_key, ["Payments"]),
        ("100%", []),
        ("", []),
    ):
        with django_assert_max_num_queries(9):
            page = client.get(address, {"q": words})
        assert [group.label for group in page.context["groups"]] == wanted, words
        for group in page.context["groups"]:
            assert client.get(group.hits[0].href).status_code == 200
    assert "Alfa &lt;Logistiek&gt;" in client.get(address, {"q": "alfa"}).content.decode()


def test_staff_who_may_look_at_invoices_alone_find_no_people(client):
    UserFactory(name="Marieke de Vries")
    client.force_login(person_with("view_invoice"))
    assert client.get(reverse("admin:staff_search"), {"q": "marieke"}).context["groups"] == []


def test_the_ledger_page_says_the_sums_and_offers_both_files(client, staff):
    InvoiceFactory(lines=[10_000], issue_date=DAY)
    query = {"starts_on": DAY, "ends_on": DAY, "currency": "EUR"}
    page = client.get(reverse("admin:ledger"), query)
    assert [(each.debit, each.credit) for each in page.context["sums"]] == [(Money(12_100, "EUR"),) * 2]
    csv_file = client.get(reverse("admin:ledger_csv"), query)
    assert b"Accounts receivable" in b"".join(csv_file.streaming_content)
    audit_file = client.get(reverse("admin:audit_file"), query)
    assert audit_file["Content-Disposition"] == 'attachment; filename="EUR-2026-11-20-2026-11-20.xaf"'
    assert b"<totalDebit>121.00</totalDebit>" in b"".join(audit_file.streaming_content)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"starts_on": DAY, "ends_on": DAY}, "choose which"),
        ({"starts_on": "2026-13-01", "ends_on": DAY}, "Enter a valid date"),
        ({"starts_on": DAY, "ends_on": DAY - timedelta(days=1)}, "after the last one"),
        ({"starts_on": DAY - timedelta(days=700), "ends_on": DAY, "currency": "EUR"}, "twelve months at most"),
    ],
)
def test_what_no_audit_file_can_hold_is_said_on_the_page(client, staff, query, words):
    InvoiceFactory(issue_date=DAY)
    page = client.get(reverse("admin:audit_file"), query)
    assert page["Content-Type"].startswith("text/html")
    assert words in page.content.decode()


def test_every_kind_of_exception_has_its_number_its_oldest_and_the_list_of_just_them(client, staff):
    _make_one_of_each()
    found = exceptions_for(staff, at=timezone.now())
    assert [each.label for each in found] == [kind.label for kind in KINDS]
    for each in found:
        assert each.oldest is not None, each.label
        changelist = client.get(each.href).context["cl"]
        assert changelist.result_count == each.number, each.label
    page = client.get(reverse("admin:exceptions")).content.decode()
    assert all(str(each.label) in page for each in found)
    assert "19 kinds of things need a person" in client.get(reverse("admin:index")).content.decode()


def test_the_worker_is_let_try_again_what_could_not_be_made(client, staff):
    document = InvoiceFactory().documents.get()
    Document.objects.filter(pk=document.pk).update(status="failed")
    paid = PaymentFactory(status="succeeded")
    paper = paid.paper
    Paper.objects.filter(pk=paper.pk).update(status="failed")
    for route, row in (("invoices_document", document), ("payments_paper", paper)):
        values = {"action": "make_again", "_selected_action": [row.pk]}
        client.post(reverse(f"admin:{route}_changelist"), values)
        row.refresh_from_db()
        assert row.status == "pending"


@pytest.mark.parametrize("path", ["nothing/here/", "invoices/invoice/999999999/change/", "payments/nothing/"])
def test_PR7_what_is_not_there_is_said_within_the_staffs_own_frame(client, staff, path):
    answer = client.get(reverse("admin:index") + path, follow=True)
    words = answer.content.decode()
    assert "There is nothing here" in words or "doesn’t exist" in words
    assert reverse("admin:staff_search") in words


def test_PR7_staff_without_the_right_are_told_within_the_staffs_own_frame(client):
    client.force_login(person_with("view_invoice"))
    answer = client.get(reverse("admin:accounts_billingaccount_changelist"))
    assert answer.status_code == 403
    assert "your rights do not reach this" in answer.content.decode()
    assert reverse("admin:index") in answer.content.decode()


def test_who_signs_out_as_staff_comes_to_the_portals_own_sign_in(client, staff):
    answer = client.post(reverse("admin:logout"))
    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("account_login"))
    assert "_auth_user_id" not in client.session


def test_PR7_customers_are_told_within_their_own_frame(client):
    client.force_login(UserFactory())
    answer = client.get("/nothing/here/")
    assert (answer.status_code, "no role on" in answer.content.decode()) == (404, True)
