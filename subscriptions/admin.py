"""What the vendor sells, kept by its staff; what was bought, to look at."""

from datetime import date
from itertools import pairwise
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from core.admin import ReadOnly
from core.staff import NamedInputs, Presented, PresentedRow
from subscriptions.models import Price, PriceTier, Product, Purchase, Subscription, Term


class PricesFormSet(forms.BaseInlineFormSet):
    """The prices of a product: of one currency and term, one at a time counts."""

    def clean(self) -> None:
        super().clean()
        rows = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        prices = [row for row in rows if {"currency", "term", "valid_from"} <= row.keys()]
        # Those that somebody else added since the page was opened stand in the database alone.
        shown = [form.instance.pk for form in self.initial_forms]
        others = Price.objects.filter(product_id=self.instance.pk).exclude(pk__in=shown)
        prices += others.values("currency", "term", "valid_from", "valid_until")
        prices.sort(key=lambda row: (row["currency"], row["term"], row["valid_from"]))
        for one, following in pairwise(prices):
            is_same = (one["currency"], one["term"]) == (following["currency"], following["term"])
            if is_same and (one.get("valid_until") or date.max) >= following["valid_from"]:
                raise ValidationError(
                    _("%(currency)s %(term)s: the price from %(one)s still counts on %(other)s. End it the day before.")
                    % {
                        "currency": one["currency"],
                        "term": Term(one["term"]).label,
                        "one": one["valid_from"],
                        "other": following["valid_from"],
                    },
                    "overlap",
                )


class PriceTierInline(NamedInputs):
    """Volume prices: whoever takes so many pays that for each."""

    model = PriceTier
    extra = 1


@admin.register(Price)
class PriceAdmin(PresentedRow, admin.ModelAdmin):
    """The tiers of one price. The price itself stands with the others of its product, where they are compared."""

    list_display = ("product", "currency", "term", "unit_price", "valid_from", "valid_until")
    list_filter = ("term", "currency")
    list_select_related = ("product",)
    search_fields = ("product__name__istartswith", "product__code__istartswith")
    fields = ("product", "currency", "term", "unit_price", "valid_from", "valid_until")
    readonly_fields = fields
    inlines = (PriceTierInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PriceInline(NamedInputs):
    """A price that was bought at stays on what was bought; a new one is a new row from a later day."""

    model = Price
    formset = PricesFormSet
    show_change_link = True
    extra = 1
    fields = ("currency", "term", "unit_price", "valid_from", "valid_until")


@admin.register(Product)
class ProductAdmin(Presented, admin.ModelAdmin):
    list_display = ("name", "code", "service_name", "kind", "supply", "is_offered")
    list_filter = ("is_offered", "kind")
    search_fields = ("name__istartswith", "code__istartswith")
    prepopulated_fields = {"code": ("name",)}
    inlines = (PriceInline,)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Product | None:
        """Locked to be changed: of two people who add a price, the second is checked against that of the first."""
        found = super().get_object(request, object_id, from_field)
        if found and request.method == "POST":
            Product.objects.select_for_update(no_key=True).get(pk=found.pk)
        return found


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly, admin.ModelAdmin):
    """Made and changed in the portal, where rights, mails and history are."""

    list_display = ("name", "account", "profile", "status", "quantity", "term", "started_on")
    list_filter = ("status", "term")
    list_select_related = ("account", "profile")
    search_fields = ("name__istartswith", "account__name__istartswith", "external_id__exact", "code__exact")


@admin.register(Purchase)
class PurchaseAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("product", "account", "profile", "quantity", "term", "bought_on", "bought_by")
    list_filter = ("term",)
    list_select_related = ("product", "account", "profile", "bought_by")
    search_fields = ("account__name__istartswith", "product__name__istartswith", "request_key__exact")
    date_hierarchy = "bought_on"
    ordering = ("-bought_on", "-pk")
