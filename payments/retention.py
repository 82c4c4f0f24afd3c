"""Receipts and statements go with the longest class of what they tell of: ten years after their year (L5)."""

from collections.abc import Sequence
from datetime import date

from django.utils.translation import gettext_lazy as _

from core.retention import keeps, start_of
from invoices.retention import LONG_YEARS, remove_files
from payments.models import Paper


@keeps(
    "receipts and statements",
    for_=_("10 years after their year"),
    due=lambda on: Paper.objects.filter(created_at__lt=start_of(date(on.year - LONG_YEARS, 1, 1))),
)
def erase_papers(rows: Sequence[Paper]) -> None:
    """The rows and, once that is certain, their files."""
    Paper.objects.filter(pk__in=[row.pk for row in rows]).delete()
    remove_files(row.file for row in rows)
