"""How long questions to the vendor are kept: two years after the last word, and with the documents of the invoice that
they are about (L5, I29). The same rule stands in the function that removes them."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from core.retention import keeps, start_of
from invoices.retention import is_over, remove_files
from support.models import SupportFile, SupportRequest

YEARS = 2


def _requests(on: date) -> QuerySet[SupportRequest]:
    silent = SupportRequest.objects.filter(changed_at__lt=start_of(on - timedelta(days=365 * YEARS)))
    return silent.filter(Q(invoice=None) | is_over(on)).exclude(dispute__status="open")


@keeps(
    "support requests",
    for_=_("2 years after the last message; about an invoice or a dispute as long as its documents"),
    due=_requests,
)
def erase_requests(rows: Sequence[SupportRequest]) -> None:
    """The threads with their files, and once that is certain what lies in the storage."""
    ids = [row.pk for row in rows]
    files = list(SupportFile.objects.filter(message__request__in=ids).values_list("storage_name", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT support_erase_requests(%s)", [ids])
    remove_files(files)
