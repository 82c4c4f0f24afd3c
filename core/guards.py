"""Guards that the database itself stands: they hold for bulk writes, the shell and every other client (I6)."""

import pgtrigger


def no_truncate() -> pgtrigger.Trigger:
    """The table cannot be emptied."""
    return pgtrigger.Trigger(
        name="no_truncate",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';",
    )


def append_only() -> list[pgtrigger.Trigger]:
    """Rows are added and never changed or removed."""
    return [
        pgtrigger.Protect(name="no_update_or_delete", operation=pgtrigger.Update | pgtrigger.Delete),
        no_truncate(),
    ]
