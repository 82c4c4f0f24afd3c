"""COPY through one helper: every text arrives as it was, and memory does not grow with the rows."""

import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DataError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from core.database import analyze_grown, copy_rows

pytestmark = pytest.mark.django_db

TEXT = "tab\t, line\r\nbreak, back\\slash, \\N, ‘é€𝄞’"
ROW = [1, TEXT, Decimal("-0.000000000000000001"), {"a\\": ["\n", None]}, None]


@pytest.fixture
def table():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS copied "
            "(n bigint, words text, cost numeric(38,18), tags jsonb, at timestamptz) ON COMMIT DROP"
        )
        cursor.execute("TRUNCATE copied")
        yield "copied"


def stored() -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT n, words, cost, tags, at FROM copied ORDER BY n")
        return cursor.fetchall()


def test_every_kind_of_value_arrives_as_it_was(table: str):
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    assert copy_rows(table, ["n", "words", "cost", "tags", "at"], [ROW, [2, "", 0, {}, moment]]) == 2

    first, second = stored()
    assert first[:3] == tuple(ROW[:3])
    assert (first[4], second[0], second[1], second[4]) == (None, 2, "", moment)


# Texts are also taken from what the code says, and there the sandbox has account numbers.
@pytest.mark.writes_numbers
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_text_arrives_as_it_was(words: str):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE one_text (words text) ON COMMIT DROP")
        copy_rows("one_text", ["words"], [[words]])
        cursor.execute("SELECT words FROM one_text")
        assert cursor.fetchall() == [(words,)]
        cursor.execute("DROP TABLE one_text")


def test_a_row_that_does_not_fit_leaves_nothing(table: str):
    with pytest.raises(DataError), transaction.atomic():
        copy_rows(table, ["n", "at"], [[1, date(2026, 1, 1)], [2, "no day"]])

    assert stored() == []


def test_memory_does_not_grow_with_the_rows(table: str):
    tracemalloc.start()
    assert copy_rows(table, ["n", "words"], ((n, "x" * 100) for n in range(100_000))) == 100_000
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000


def test_table_with_row_history_is_refused():
    with pytest.raises(ValueError, match="accounts_organisation has row history"):
        copy_rows("accounts_organisation", ["name"], [["Beta"]])


def test_the_planner_is_told_of_a_table_that_grew_and_not_twice():
    table = Group._meta.db_table

    def known():
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
            return cursor.fetchone()[0]

    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {table}")
    before = known()
    Group.objects.bulk_create(Group(name=f"group {number}") for number in range(20))
    analyze_grown(Group, by=before + 20)
    assert known() == before + 20
    Group.objects.all().delete()
    analyze_grown(Group, by=before + 20)
    assert known() == before + 20


def test_many_keys_are_one_parameter():
    one, other, _third = (Group.objects.create(name=name) for name in ("a", "b, {c}", "d"))
    kinds = {permission.content_type_id for permission in Permission.objects.all()[:1]}

    by_key = Group.objects.filter(pk__among={one.pk, other.pk}).order_by("pk")
    of_kind = Permission.objects.filter(content_type__among=kinds)

    assert list(by_key) == [one, other]
    assert list(Group.objects.filter(name__among=[other.name])) == [other]
    assert not Group.objects.filter(pk__among=[]).exists()
    assert set(of_kind) == set(Permission.objects.filter(content_type__in=kinds)) != set()
    assert [len(rows.query.sql_with_params()[1]) for rows in (by_key, of_kind)] == [1, 1]
