"""Operations of migrations: triggers come without building the classes of all related models anew.

Django does that for whatever changes an option of a model, and most of the time in which an empty database is made
would go into it. A trigger changes nothing that a class of a migration knows.
"""

from django.db.migrations.state import ProjectState
from pgtrigger import migrations


class AddTrigger(migrations.AddTrigger):
    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        options = state.models[app_label, self.model_name].options
        options["triggers"] = [*options.get("triggers", []), self.trigger]
