"""Take-outs: what is in them, that they go on where they stopped, and who gets them (L8)."""

import csv
import hashlib
import io
import zipfile
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import AccountRole
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from billing_portal import take_out_tables, take_outs
from billing_portal.models import TakeOut
from billing_portal.take_out_tables import TABLES
from billing_portal.take_outs import ask_for_take_out, end_take_outs, fetch, prepare
from core import jobs
from core.archives import CHECKSUMS, stream_zip
from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import Message
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def owner():
    return UserFactory(name="=HYPERLINK(1)")


@pytest.fixture
def account(owner):
    account = BillingAccountFactory(owner=owner, name="Alfa")
    profile = BillingProfileFactory(account=account, name="Operations NL")
    PaymentFactory(invoices=[InvoiceFactory(profile=profile)])
    run_due(only=["invoices.make_documents", "payments.make_papers"])
    return account


def taken_out(account, owner):
    made = ask_for_take_out(account, by=owner)
    run_due(only=[JOB])
    made.refresh_from_db()
    return made


JOB = "billing_portal.prepare_take_out"


def archive_of(take_out, owner):
    content = b"".join(stream_zip(fetch(take_out, by=owner, at=timezone.now())))
    return zipfile.ZipFile(io.BytesIO(content))


def rows_of(archive, name):
    return list(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


def test_L8_everything_of_the_account_is_in_it_with_its_checksum(account, owner):
    invoice = account.invoices.get()

    archive = archive_of(taken_out(account, owner), owner)

    names = archive.namelist()
    assert {f"{table.name}.csv" for table in TABLES} <= set(names)
    assert f"documents/Invoice-{invoice.number}.pdf" in names
    assert f"documents/Invoice-{invoice.number}.xml" in names
    assert any(name.startswith("documents/Receipt-R") for name in names)
    assert rows_of(archive, "invoices.csv")[1][0] == invoice.number
    assert len(rows_of(archive, "invoice-lines.csv")) == 1 + invoice.lines.count()
    assert len(rows_of(archive, "history.csv")) > 1
    sums = dict(reversed(line.split("  ", 1)) for line in archive.read(CHECKSUMS).decode().splitlines())
    assert set(sums) == set(names) - {CHECKSUMS}
    assert all(hashlib.sha256(archive.read(name)).hexdigest() == digest for name, digest in sums.items())


def test_L8_T01_it_holds_nothing_of_another_account(account, owner):
    other = PaymentFactory(invoices=[InvoiceFactory(profile=BillingProfileFactory(name="Somebody else"))])

    archive = archive_of(taken_out(account, owner), owner)

    everything = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".csv")).decode()
    for theirs in (other.code, other.allocations.get().invoice.number, "Somebody else", other.user.email):
        assert theirs not in everything


def test_T38_no_cell_is_a_formula(account, owner):
    archive = archive_of(taken_out(account, owner), owner)
    assert rows_of(archive, "people-of-the-account.csv")[1][0] == "'=HYPERLINK(1)"


def test_L8_a_table_of_many_rows_comes_in_pieces_without_a_gap(account, owner, monkeypatch):
    monkeypatch.setattr(take_out_tables, "PIECE", 2)
    profile = account.profiles.get()
    for _ in range(4):
        InvoiceFactory(profile=profile)

    archive = archive_of(taken_out(account, owner), owner)

    pieces = [name for name in archive.namelist() if name.startswith("invoices")]
    assert pieces == ["invoices.csv", "invoices-2.csv", "invoices-3.csv"]
    numbers = [row[0] for name in pieces for row in rows_of(archive, name)[1:]]
    assert numbers == list(account.invoices.order_by("pk").values_list("number", flat=True))
    parts = [name for name in archive.namelist() if name.startswith("history")]
    moments = [row[0] for name in parts for row in rows_of(archive, name)[1:]]
    assert moments == sorted(moments)


def test_L8_a_worker_that_dies_goes_on_where_it_stopped(account, owner, monkeypatch):
    whole = taken_out(account, owner)
    made = ask_for_take_out(account, by=owner)
    keep, calls = take_outs.keep, []

    def dies_at_the_fifth(content, name):
        calls.append(name)
        if len(calls) == 5:
            raise OSError("no space left on device")
        return keep(content, name)

    monkeypatch.setattr(take_outs, "keep", dies_at_the_fifth)
    with pytest.raises(OSError, match="no space"):
        prepare(made)
    done = set(made.parts.values_list("file", "made_at"))
    assert len(done) == 4

    prepare(TakeOut.objects.get(pk=made.pk))

    made.refresh_from_db()
    assert made.status == "ready"
    assert done < set(made.parts.values_list("file", "made_at"))
    assert set(made.parts.values_list("name", flat=True)) == set(whole.parts.values_list("name", flat=True))


def test_a_worker_that_is_to_stop_stops_between_two_pieces(account, owner):
    made = ask_for_take_out(account, by=owner)
    jobs.stop()
    try:
        prepare(made)
    finally:
        jobs.resume()
    assert made.parts.count() == 0


def test_L8_one_at_a_time(account, owner):
    ask_for_take_out(account, by=owner)
    with pytest.raises(Refused) as refusal:
        ask_for_take_out(account, by=owner)
    assert refusal.value.code == "under_way"


def test_L8_who_asked_gets_a_mail_and_nobody_else_downloads_it(account, owner):
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER).user
    made = taken_out(account, owner)

    assert Message.objects.get(template="take_out_ready").recipient == owner.email
    with pytest.raises(Refused) as refusal:
        fetch(made, by=second, at=timezone.now())
    assert refusal.value.code == "not_yours"


def test_L8_who_lost_the_right_gets_nothing(account, owner):
    made = taken_out(account, owner)
    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)
    AccountRole.objects.filter(account=account, user=owner).update(role=Role.ACCOUNT_READER)
    with pytest.raises(Forbidden):
        fetch(made, by=owner, at=timezone.now())


def test_L8_who_loses_the_right_while_it_is_prepared_gets_none(account, owner):
    made = ask_for_take_out(account, by=owner)
    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)
    AccountRole.objects.filter(account=account, user=owner).update(role=Role.ACCOUNT_READER)
    prepare(made)
    assert made.status == "over"
    assert not Message.objects.filter(template="take_out_ready").exists()


def test_L8_I29_it_expires_and_its_files_go(account, owner):
    made = taken_out(account, owner)
    files = list(made.parts.values_list("file", flat=True))
    later = made.expires_at + timedelta(minutes=1)

    with pytest.raises(Refused):
        fetch(made, by=owner, at=later)
    assert end_take_outs(later) == 1
    assert end_take_outs(later) == 0

    made.refresh_from_db()
    assert (made.status, made.parts.count()) == ("over", 0)
    assert not any(default_storage.exists(file) for file in files)


def test_I26_asking_and_fetching_are_in_the_history(account, owner):
    made = taken_out(account, owner)
    fetch(made, by=owner, at=timezone.now())
    acts = [event.pgh_context.metadata["action"] for event in made.events.order_by("pgh_id") if event.pgh_context]
    assert acts[0] == "takeout.ask"
    assert acts[-1] == "takeout.fetch"


def test_F39_a_damaged_document_is_left_out_and_named(account, owner):
    made = taken_out(account, owner)
    document = account.invoices.get().documents.get(kind="pdf")
    default_storage.delete(document.file)

    archive = archive_of(made, owner)

    assert "Invoice-" in archive.read("left-out.txt").decode()


def test_L8_the_archive_is_asked_for_and_downloaded_from_its_page(client, account, owner, monkeypatch):
    monkeypatch.setattr("core.step_up.is_confirmed", lambda request, seconds=0: True)
    client.force_login(owner)
    address = f"/billing-accounts/{account.code}/take-out/"
    assert "Prepare a take-out" in client.get(address).content.decode()

    response = client.post(address, follow=True)
    assert "being prepared now" in response.content.decode()
    run_due(only=[JOB])

    made = TakeOut.objects.get()
    assert f"/take-outs/{made.code}/file/" in client.get(address).content.decode()
    content = b"".join(client.get(f"/take-outs/{made.code}/file/").streaming_content)
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    made.refresh_from_db()
    assert made.last_fetched_at is not None


def test_T01_readers_have_no_take_out(client, account):
    client.force_login(AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user)
    assert client.get(f"/billing-accounts/{account.code}/take-out/").status_code == 403


def test_Q1_a_contributor_asks_for_no_take_out():
    contributor = AccountRoleFactory(role=Role.ACCOUNT_CONTRIBUTOR)

    with pytest.raises(Forbidden):
        ask_for_take_out(contributor.account, by=contributor.user)

    assert not TakeOut.objects.exists()
