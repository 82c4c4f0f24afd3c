"""Tables made in one step are there as those made one by one would be, and go again."""

import pytest
from django.db import connection, models
from django.db.migrations import AddField, CreateModel
from django.db.migrations.state import ProjectState

from core.migration_operations import CreateModels, together

KEY = ("id", models.BigAutoField(primary_key=True))
HEN = CreateModel("Hen", [KEY, ("hatched_from", models.ForeignKey("core.Egg", models.CASCADE, null=True))])
EGG = CreateModel("Egg", [KEY, ("laid_by", models.ForeignKey("core.Hen", models.CASCADE))])
NAME = AddField("Hen", "name", models.TextField(default=""))
NEST = CreateModel("Nest", [KEY])


def test_tables_next_to_each_other_are_one_step():
    first, second, third = together([HEN, EGG, NAME, NEST])
    assert (first.models, second, third.models) == ([HEN, EGG], NAME, [NEST])
    assert first.describe() == "Create model Hen; Create model Egg"


@pytest.mark.django_db(transaction=True)
def test_tables_that_name_each_other_are_made_and_go_again():
    step = CreateModels([HEN, EGG])
    before, after = ProjectState(), ProjectState()
    assert [list(state.apps.get_models()) for state in (before, after)] == [[], []]  # built, as within a migration
    step.state_forwards("core", after)
    with connection.schema_editor() as editor:
        step.database_forwards("core", editor, before, after)
    try:
        assert {"core_hen", "core_egg"} <= set(connection.introspection.table_names())
        with connection.cursor() as cursor:
            relations = connection.introspection.get_relations(cursor, "core_hen")
        assert relations == {"hatched_from_id": ("id", "core_egg")}
    finally:
        with connection.schema_editor() as editor:
            step.database_backwards("core", editor, after, before)
    assert not {"core_hen", "core_egg"} & set(connection.introspection.table_names())
