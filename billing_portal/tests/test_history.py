"""History that nobody can rewrite unseen: append-only, sealed, verified, lawfully erased (I26, I27, T57)."""

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone
from pghistory.models import Context

from accounts.tests.factories import UserFactory
from billing_portal.jobs import seal_history
from core.history import acting
from core.models import HistorySeal
from core.seals import erase_history, verify_seals
from profiles.models import BillingProfile, BillingProfileEvent, ExtraRecipient, ExtraRecipientEvent
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db
# What the database answers when a guard says no.
GUARDED = (InternalError, IntegrityError)


@pytest.fixture
def profile():
    person = UserFactory(name="Marieke")
    with acting(person, "profile.created"):
        profile = BillingProfileFactory(name="Operations")
    with acting(person, "profile.changed"):
        BillingProfile.objects.filter(pk=profile.pk).update(name="Fleet")
    seal_history(timezone.now())
    return profile


def by_force(sql):
    """What somebody with the tables in hand could do: the guards are off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE profiles_billingprofileevent SET name = 'x'",
        "DELETE FROM profiles_billingprofileevent",
        "UPDATE pghistory_context SET metadata = '{}'",
        "DELETE FROM pghistory_context",
        "UPDATE core_historyseal SET digest = ''",
        "DELETE FROM core_historyseal",
    ],
)
def test_I27_the_database_refuses_to_change_history_and_its_seals(profile, sql):
    with pytest.raises(GUARDED), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_I26_two_acts_of_one_request_keep_their_own_names(profile):
    person = UserFactory(name="Tom")
    with acting(person, "request"):
        with acting(person, "first"):
            BillingProfile.objects.filter(pk=profile.pk).update(name="One")
        with acting(None, "second"):
            BillingProfile.objects.filter(pk=profile.pk).update(name="Two")
        BillingProfile.objects.filter(pk=profile.pk).update(name="Three")

    told = {each.name: each.pgh_context.metadata for each in BillingProfileEvent.objects.select_related("pgh_context")}
    assert [told[name]["action"] for name in ("One", "Two", "Three")] == ["first", "second", "request"]
    assert told["Two"]["actor_name"] == "system"


def test_I27_what_is_untouched_verifies_and_the_tail_without_seals_is_told(profile, capsys):
    BillingProfile.objects.filter(pk=profile.pk).update(name="New")

    verdict = verify_seals()

    assert (verdict.breaks, verdict.unsealed) == ([], 1)
    assert verdict.seals == HistorySeal.objects.count() > 2
    call_command("verify_history", "--seal")
    said = capsys.readouterr().out
    assert "0 entries not sealed yet" in said
    assert verify_seals().head in said


def test_I27_each_account_has_a_chain_of_its_own(profile):
    own = HistorySeal.objects.filter(chain=profile.account_id, table="profiles.billingprofileevent")
    assert own.count() == 2
    assert HistorySeal.objects.filter(chain=0).exists(), "people belong to no account"


def test_I27_sealing_twice_seals_once(profile):
    before = HistorySeal.objects.count()
    seal_history(timezone.now())
    assert HistorySeal.objects.count() == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE profiles_billingprofileevent SET name = 'Forged' WHERE name = 'Operations'", "was altered"),
        ("DELETE FROM profiles_billingprofileevent WHERE name = 'Operations'", "is gone"),
        ('UPDATE pghistory_context SET metadata = metadata || \'{"actor_name": "Somebody else"}\'', "was altered"),
        ("UPDATE core_historyseal SET content = repeat('0', 64) WHERE number = 1", "altered"),
        ("DELETE FROM core_historyseal WHERE number = 1", "missing"),
    ],
)
def test_I27_T57_a_forged_entry_is_named_and_the_command_fails(profile, sql, said, capsys):
    by_force(sql)

    with pytest.raises(CommandError) as failure:
        call_command("verify_history")

    assert failure.value.returncode == 1
    assert said in str(failure.value)


def test_I27_lawful_erasure_is_told_from_forgery(profile):
    extra = ExtraRecipient.objects.create(profile=profile, email="books@bureau.example")
    seal_history(timezone.now())
    ExtraRecipient.objects.filter(pk=extra.pk).delete()
    erase_history(ExtraRecipient, extra.pk, fields=("email",))
    seal_history(timezone.now())

    assert set(ExtraRecipientEvent.objects.values_list("email", flat=True)) == {""}
    verdict = verify_seals()
    assert (verdict.breaks, verdict.erased) == ([], 1)

    with pgtrigger.ignore("profiles.ExtraRecipientEvent:append_only"):
        ExtraRecipientEvent.objects.update(email="forged@x.example")
    assert "altered" in verify_seals().breaks[0].what


def test_I27_a_column_that_comes_later_breaks_no_seal(profile):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE profiles_billingprofileevent ADD COLUMN colour text NOT NULL DEFAULT 'red'")
    assert verify_seals().breaks == []


def test_I26_the_context_tells_from_where(client):
    person = UserFactory(name="Marieke")
    client.force_login(person)
    client.post("/preferences/", {"language": "nl", "color_mode": "dark"}, HTTP_USER_AGENT="Mosaic\x00/1.0")

    told = Context.objects.filter(metadata__actor=person.pk).get().metadata
    assert (told["address"], told["agent"]) == ("127.0.0.1", "Mosaic/1.0")
