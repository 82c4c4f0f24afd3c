"""What the vendor sells, kept by its staff; what was bought, to look at."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from subscriptions.models import Price, Product, Purchase, Subscription


class PlainDecimalField(forms.DecimalField):
    """A decimal without the zeros that a numeric column adds: 12.5, not 12.500000000000000000."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize():f}" if isinstance(value, Decimal) else value


class PriceInline(admin.TabularInline):
    """A price that was bought at stays on what was bought; a new one is a new row from a later day."""

    model = Price
    extra = 1
    fields = ("currency", "term", "unit_price", "valid_from", "valid_until")
    formfield_overrides = {models.DecimalField: {"form_class": PlainDecimalField}}


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "code", "service_name", "kind", "is_offered")
    list_filter = ("is_offered", "kind")
    search_fields = ("name__istartswith", "code__istartswith")
    show_full_result_count = False
    prepopulated_fields = {"code": ("name",)}
    inlines = (PriceInline,)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Made and changed in the portal, where rights, mails and history are."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("name", "account", "profile", "status", "quantity", "term", "started_on")
    list_filter = ("status", "term")
    list_select_related = ("account", "profile")
    search_fields = ("name__istartswith", "account__name__istartswith", "external_id__exact", "code__exact")


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    list_display = ("product", "account", "profile", "quantity", "term", "bought_on", "bought_by")
    list_filter = ("term",)
    list_select_related = ("product", "account", "profile", "bought_by")
    search_fields = ("account__name__istartswith", "product__name__istartswith", "request_key__exact")
    date_hierarchy = "bought_on"
