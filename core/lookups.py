"""How rows are found besides Django's own ways."""

from typing import Any

from django.db.models import Field, ForeignObject, Lookup


class Among(Lookup):
    """`pk__among=ids`: `in`, with all of the values as one parameter.

    `in` writes a placeholder for each, which for a thousand costs more than finding the rows. For values that the
    column has as they are: keys, codes, numbers; of a foreign key its id, never a row.
    """

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", (*parameters, list(self.rhs))


def register() -> None:
    """For every field; those that lead to other rows ask only their own lookups."""
    Field.register_lookup(Among)
    ForeignObject.register_lookup(Among)
