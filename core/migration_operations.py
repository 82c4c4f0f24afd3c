"""Operations of migrations that do not build the classes of all related models anew for each of them.

Django does that for whatever changes a model, and most of the time in which an empty database is made would go into
it. Tables that are made one after another are one step, and a trigger changes nothing that a class of a migration
knows.
"""

from collections.abc import Sequence
from itertools import groupby

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from pgtrigger import migrations


class AddTrigger(migrations.AddTrigger):
    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        options = state.models[app_label, self.model_name].options
        options["triggers"] = [*options.get("triggers", []), self.trigger]


class CreateModels(Operation):
    """Several tables, in their order; those that name each other may stand in any."""

    reduces_to_sql = True

    def __init__(self, models: Sequence[CreateModel]) -> None:
        self.models = models

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        # The classes are built once, when the first table is made.
        state.clear_delayed_apps_cache()
        vars(state).pop("apps", None)
        for each in self.models:
            each.state_forwards(app_label, state)

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for each in self.models:
            each.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for each in reversed(self.models):
            each.database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return "; ".join(each.describe() for each in self.models)


def together(operations: Sequence[Operation]) -> list[Operation]:
    """The operations of a migration, those that make tables one after another as one."""
    found: list[Operation] = []
    for kind, run in groupby(operations, type):
        of_kind = list(run)
        found += [CreateModels(of_kind)] if kind is CreateModel else of_kind  # type: ignore[arg-type]
    return found
