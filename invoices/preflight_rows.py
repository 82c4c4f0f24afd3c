"""The rows of a look before a billing run, as staff read them: filtered, searched, sorted, and as CSV."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Func, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.money import Money
from core.spreadsheets import csv_stream
from invoices.models import Finding, Preflight, PreflightRow

SHOWN = 50
SORTS = {
    "found": ["-number_found", "pk"],
    "total": ["-total_minor", "pk"],
    "profile": ["profile__account__name", "profile__name", "pk"],
}
# Beside the findings: those with any, and everybody.
ANY, EVERY = "any", "every"


class PreflightRows:
    """What the address asks for; what it cannot mean is as if it were not there."""

    def __init__(self, preflight: Preflight, asked: Mapping[str, str]) -> None:
        self.preflight = preflight
        wanted = asked.get("finding", ANY)
        self.finding = wanted if wanted in (*Finding.values, EVERY) else ANY
        self.search = asked.get("q", "").replace("\0", "").strip()[:100]
        self.sort = asked.get("sort", "") if asked.get("sort", "") in SORTS else "found"
        self.number = asked.get("page", "1")

    def found(self) -> QuerySet[PreflightRow]:
        rows = PreflightRow.objects.filter(preflight=self.preflight).select_related("profile__account")
        if self.finding == ANY:
            rows = rows.exclude(findings=[])
        elif self.finding != EVERY:
            rows = rows.filter(findings__contains=[self.finding])
        if self.search:
            rows = rows.filter(
                Q(profile__name__istartswith=self.search)
                | Q(profile__account__name__istartswith=self.search)
                | Q(profile__code=self.search)
            )
        numbered = rows.annotate(
            number_found=Func(F("findings"), function="cardinality"),
            total_minor=F("net_minor") + F("vat_minor"),
        )
        if self.sort == "total":
            return numbered.order_by(F("total_minor").desc(nulls_last=True), "pk")
        return numbered.order_by(*SORTS[self.sort])

    def page(self) -> Page:
        return Paginator(self.found(), SHOWN).get_page(self.number)

    def choices(self) -> list[dict[str, Any]]:
        """Each kind of finding that occurs with how many there are, and everybody. One statement."""
        counts: dict[str, int] = {}
        number = any_found = 0
        rows = PreflightRow.objects.filter(preflight=self.preflight)
        for findings, count in _counted(rows):
            number += count
            any_found += count if findings else 0
            for each in findings:
                counts[each] = counts.get(each, 0) + count
        listed = [(ANY, _("Anything found"), any_found)]
        listed += [(each.value, str(each.label), counts[each]) for each in Finding if each in counts]
        listed.append((EVERY, _("Everybody"), number))
        return [
            {"value": value, "label": label, "count": count, "is_chosen": value == self.finding}
            for value, label, count in listed
        ]

    def form(self) -> "FilterForm":
        return FilterForm(initial={"finding": self.finding, "q": self.search, "sort": self.sort})


class FilterForm(forms.Form):
    """The search and the order, beside the links of the findings."""

    finding = forms.CharField(widget=forms.HiddenInput)
    q = forms.CharField(label=gettext_lazy("Profile or account"), required=False, max_length=100)
    sort = forms.ChoiceField(
        label=gettext_lazy("Sort by"),
        choices=[
            ("found", gettext_lazy("most found first")),
            ("total", gettext_lazy("largest total first")),
            ("profile", gettext_lazy("by name")),
        ],
    )


def _counted(rows: QuerySet[PreflightRow]) -> Iterable[tuple[list[str], int]]:
    # Few combinations of findings occur, whatever the number of profiles.
    return rows.order_by().values_list("findings").annotate(number=Count("pk"))


def csv_lines(rows: QuerySet[PreflightRow]) -> Iterator[bytes]:
    """A line per profile and month, as `csv_stream` writes them."""
    header = (
        *("month", "account", "profile", "profile_code", "currency"),
        *("net", "vat", "total", "usual", "findings", "detail"),
    )
    return csv_stream(header, map(_cells, rows.iterator(chunk_size=2000)))


def _cells(row: PreflightRow) -> list[Any]:
    total = None if row.total is None else row.total.minor
    return [
        f"{row.month:%Y-%m}",
        row.profile.account.name,
        row.profile.name,
        row.profile.code,
        row.currency,
        *(
            None if minor is None else Money(minor, row.currency).amount
            for minor in (row.net_minor, row.vat_minor, total, row.usual_minor)
        ),
        " ".join(row.findings),
        row.detail,
    ]
