"""What staff look for among the files that are made once: invoices and credit notes, receipts and statements."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invoices.states import DocumentStatus


class Trouble(admin.SimpleListFilter):
    """What somebody should look at."""

    title = _("to look at")
    parameter_name = "trouble"
    found = {
        "failed": (_("Could not be made"), Q(status=DocumentStatus.FAILED)),
        "late": (_("Is tried again"), Q(status=DocumentStatus.PENDING) & ~Q(last_error="")),
        "replaced": (_("Has characters that no font shows"), ~Q(replaced_characters="")),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, label) for key, (label, _condition) in self.found.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.found.get(self.value() or "")
        return queryset.filter(wanted[1]) if wanted else queryset
