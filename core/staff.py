"""How lists and rows look to the vendor's staff: a status with its tone, money with its currency, keys at the end."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.figures import quantity, unit_price
from core.templatetags.ui import money, status_chip

MINOR = "_minor"
EMPTY = "–"
# What is asked for when something is searched in logs or at a gateway, and by nobody else.
KEYS = {
    *("code", "key", "entry_key", "idempotency_key", "request_key", "request_hash", "sha256", "version", "payload"),
    *("message_id", "event_id", "mail_id", "session_id", "object_id", "gateway_reference", "consultation", "context"),
    *("lookups", "next_lookup_at", "size_bytes", "action_url", "scope_code", "end_to_end", "refused_file", "file"),
    *("attachments", "is_by_command", "day_come_by", "tries", "next_at", "totals", "problems", "tiers"),
}

# The browser's own calendar: it needs no script, and fits a phone.
DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

Column = str | Callable[[Any], Any]


@cache  # Django compares the columns that it asks for twice
def column(model: type[models.Model], name: Column) -> Column:
    """What stands for a field: itself, or what shows it as every other page of the portal does."""
    if not isinstance(name, str):
        return name
    fields = {field.name: field for field in model._meta.fields}
    if name + MINOR in fields:
        name += MINOR
    field = fields.get(name)
    if field is None:
        return name
    short = name.removesuffix(MINOR)
    if hasattr(getattr(field, "default", None), "tone"):
        statuses = type(field.default)
        return _made(name, field, lambda row: status_chip(statuses(getattr(row, name))))
    if short != name and isinstance(getattr(model, short, None), property):
        return _made(short, field, lambda row: _or_dash(getattr(row, short), money))
    if isinstance(field, models.DecimalField) and name.endswith("price"):
        return _made(name, field, lambda row: _or_dash(getattr(row, name), unit_price, row.currency))
    if isinstance(field, models.DecimalField):
        return _made(name, field, lambda row: _or_dash(getattr(row, name), quantity))
    if isinstance(field, models.BooleanField):
        return _made(name, field, lambda row: _or_dash(getattr(row, name), yes_or_no))
    return name


def _made(name: str, field: Any, show: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def shown(row: Any) -> Any:
        return show(row)

    shown.__name__ = name
    shown.short_description = field.verbose_name  # type: ignore[attr-defined]
    shown.admin_order_field = field.name  # type: ignore[attr-defined]
    return shown


def _or_dash(value: Any, show: Callable[..., str], *more: Any) -> str:
    return EMPTY if value is None else show(value, *more)


def yes_or_no(value: bool) -> str:
    return _("Yes") if value else _("No")


def render_page(
    of: "admin.ModelAdmin[Any] | admin.AdminSite", request: HttpRequest, template: str, /, *, title: str, **context: Any
) -> HttpResponse:
    """A page of staff's own making, in the frame of the admin: its menus, its trail and its signed-in person.

    It belongs to a model, or to the site.
    """
    site = of if isinstance(of, admin.AdminSite) else of.admin_site
    belongs = {} if isinstance(of, admin.AdminSite) else {"opts": of.opts}
    return render(request, template, {**site.each_context(request), **belongs, "title": title, **context})


class PlainDecimalField(forms.DecimalField):
    """A decimal without the zeros that a numeric column adds: 12.5, not 12.500000000000000000."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class Presented:
    """A mixin of admins, before `ModelAdmin`."""

    empty_value_display = EMPTY
    show_full_result_count = False
    list_per_page = 50
    # Pages of customers are open to those with a role there.
    view_on_site: Any = False
    model: Any

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Days by the browser's calendar, figures without zeros, and no icons that open windows of their own."""
        if type(db_field) is models.DateField:
            kwargs["widget"] = DAY
        if isinstance(db_field, models.DecimalField):
            kwargs["form_class"] = PlainDecimalField
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        context["adminform"].form.label_suffix = ""
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def get_list_display(self, request: HttpRequest) -> Any:
        return [self.column(name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def column(self, name: Column) -> Column:
        """What stands for a field, unless this admin says so itself."""
        return name if isinstance(name, str) and hasattr(self, name) else column(self.model, name)


class PresentedRow(Presented):
    """Of a row that nobody edits: what staff read first, then the keys, folded away."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [self.column(name) for name in super().get_readonly_fields(request, obj)]  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        given = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if len(given) != 1 or obj is None:
            return list(given)
        names, shown = given[0][1]["fields"], self.get_readonly_fields(request, obj)
        if not self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            shown = [self.column(name) for name in names]
        read: list[Column] = []
        keys: list[Column] = []
        for name in names:
            as_shown = self.column(name)
            (keys if name in KEYS else read).append(as_shown if as_shown in shown else name)
        folded = (gettext_lazy("Keys and technical details"), {"fields": keys, "classes": ["collapse"]})
        return [(None, {"fields": read}), *([folded] if keys else [])]


class NamedInputs(Presented, admin.TabularInline):
    """Rows within a page: each input has the name of its column, which stands in the head of the table alone."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = str(db_field.verbose_name).capitalize()
        return field
