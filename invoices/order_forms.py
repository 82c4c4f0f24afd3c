"""The form of a purchase order."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms import Grid, MoneyField, PortalFormHelper
from invoices.models import PurchaseOrder
from invoices.services.purchase_orders import OrderValues
from profiles.models import BillingProfile
from subscriptions.models import Subscription


def _day(label: Any, **options: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), **options)


class PurchaseOrderForm(forms.Form):
    """Number, budget, validity, and for what it is."""

    number = forms.CharField(label=_("PO number"), max_length=50)
    valid_from = _day(_("Valid from"))
    valid_until = _day(_("Valid until"), required=False, help_text=_("Empty: until it is closed."))
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        profile: BillingProfile,
        subscriptions: Iterable[Subscription],
        order: PurchaseOrder | None = None,
        **kwargs: Any,
    ) -> None:
        if order is not None:
            kwargs["initial"] = {
                "number": order.number,
                "budget": order.budget,
                "valid_from": order.valid_from,
                "valid_until": order.valid_until,
                "subscription": order.subscription.code if order.subscription else "",
                "version": order.version,
            }
        super().__init__(data, **kwargs)
        self.subscriptions = {subscription.code: subscription for subscription in subscriptions}
        self.fields["budget"] = MoneyField(
            currency=profile.currency,
            minimum=1,
            required=False,
            label=_("Budget excl. VAT (%(currency)s)") % {"currency": profile.currency},
            help_text=_("Empty: without a limit."),
        )
        self.fields["subscription"] = forms.ChoiceField(
            label=_("For"),
            required=False,
            choices=[
                ("", _("Everything on this billing profile")),
                *((code, subscription.name) for code, subscription in self.subscriptions.items()),
            ],
        )
        self.helper = PortalFormHelper(
            Grid(("number", 3), ("budget", 3)), Grid(("valid_from", 3), ("valid_until", 3)), "subscription", "version"
        )

    def values(self) -> OrderValues:
        cleaned = self.cleaned_data
        return OrderValues(
            cleaned["number"],
            cleaned["valid_from"],
            cleaned["valid_until"],
            cleaned["budget"],
            self.subscriptions.get(cleaned["subscription"]),
        )
