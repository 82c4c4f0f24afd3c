"""The components on pages like the drawn ones, with invented figures and no database.

`?lang=nl&mode=dark` chooses the language and the colours.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path
from django.utils import translation

from accounts.models import Agreement, BillingAccount, User
from billing_portal import urls
from core.charts import Series, StackedBars, age_bars
from core.forms import ChoiceCardsField, Grid, MoneyField, PortalFormHelper, Section, posted
from core.money import Money
from core.periods import Month
from core.policy import PROFILE_ROLES, ROLE_DESCRIPTIONS, Role, RoleBook
from core.states import Status
from invoices.states import InvoiceStatus

HERE = Path(__file__).parent
# Pages of the product that are drawn with what `context` has.
PRODUCT = {
    "conflict": "errors/conflict.html",
    "bad-request": "400.html",
    "forbidden": "403.html",
    "csrf": "403_csrf.html",
    "not-found": "404.html",
    "broken": "500.html",
    "sign-out": "account/logout.html",
    "no-sign-up": "account/signup_closed.html",
    "inactive": "account/account_inactive.html",
    "reset-sent": "account/password_reset_done.html",
    "reset-done": "account/password_reset_from_key_done.html",
}
DRAWN = sorted(file.stem for file in HERE.glob("*.html"))


class Shown(Status):
    DUE = "due", "Due"
    PAST_DUE = "past_due", "Past due"
    PAID = "paid", "Paid"
    PROCESSING = "processing", "Processing"
    VOID = "void", "Void"
    LOCKED = "locked", "Locked"
    FAILED = "failed", "Failed"
    ACTIVE = "active", "Active"

    __tones__ = {
        "due": "warn",
        "past_due": "danger",
        "paid": "ok",
        "processing": "info",
        "void": "neutral",
        "locked": "neutral",
        "failed": "danger",
        "active": "ok",
    }


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


class AddressForm(forms.Form):
    company = forms.CharField(label="Company name")
    registration = forms.CharField(label="KvK number")
    vat_id = forms.CharField(label="VAT ID", help_text="With the country in front, like NL812345678B01")
    attention = forms.CharField(label="Attention of", required=False)
    country = forms.ChoiceField(label="Country", choices=[("NL", "Netherlands"), ("BE", "Belgium")])
    postcode = forms.RegexField(
        r"^\d{4} ?[A-Z]{2}$",
        label="Postcode",
        error_messages={"invalid": "Use four digits and two letters, like 3089 JH"},
    )
    number = forms.CharField(label="House number", error_messages={"required": "Enter a house number"})
    addition = forms.CharField(label="Addition", required=False)
    street = forms.CharField(label="Street")
    city = forms.CharField(label="City")
    email_invoice = forms.BooleanField(
        label="Invoice by e-mail", required=False, help_text="To the people with a role here"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = PortalFormHelper(
            Section("Company", Grid(("company", 4), ("registration", 2), ("vat_id", 3), ("attention", 3))),
            Section(
                "Address",
                Grid("country", ("postcode", 2), ("number", 2), ("addition", 2), ("street", 3), ("city", 3)),
            ),
            Section("E-mail", Grid("email_invoice")),
        )


class RoleForm(forms.Form):
    email = forms.EmailField(label="E-mail", help_text="Somebody who can sign in to this portal.")
    role = ChoiceCardsField(
        label="Role", rows=[(role.value, role.label, ROLE_DESCRIPTIONS[role]) for role in PROFILE_ROLES]
    )
    ends_on = forms.DateField(label="Ends on", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = PortalFormHelper()


class PayForm(forms.Form):
    amount = MoneyField(label="Amount", currency="EUR", minimum=1)
    method = ChoiceCardsField(
        label="Payment method",
        rows=[
            ("ideal", "iDEAL", "Approve in your bank app; booked at once"),
            ("sepa", "Direct debit NL•• INGB •••• ••32 10", "Booked in 2 to 5 business days"),
            ("card", "Mastercard ending 8210", ""),
            ("bank", "Bank transfer", "You get the IBAN and a reference"),
        ],
        marks={"ideal": "iD", "sepa": "SEPA", "card": "MC", "bank": "BANK"},
        refusals={"card": "Not for this amount: cards pay up to €10,000.00 at once. Choose another method."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = PortalFormHelper()


def chart() -> StackedBars:
    months = [Month(2025, 11).plus(place) for place in range(12)]
    grown = [100 + 3 * place for place in range(12)]
    series = [
        Series("Compute", [euro(5_400 * rate) for rate in grown]),
        Series("Storage and network", [euro(2_600 * rate) for rate in grown]),
        Series("Licences and support", [euro(1_750 * rate) for rate in grown]),
    ]
    earlier = [euro(7_500 * rate) for rate in grown]
    described = "Rising from €9,750.00 in November 2025 to €12,967.50 in October 2026."
    return StackedBars(
        "Invoiced per month by product", described, months, series, "EUR", earlier, "Total a year earlier"
    )


def invoices() -> list[SimpleNamespace]:
    rows = [
        ("G000118402", "", 5, "Operations NL", date(2026, 12, 5), Shown.DUE, 894012),
        ("G000118403", "Card declined", 5, "Warehouse Rotterdam", date(2026, 11, 15), Shown.PAST_DUE, 231644),
        ("G000118404", "", 5, "IT & Data", date(2026, 11, 15), Shown.PROCESSING, 120475),
        ("G000113341", "Rebill of G000108120", 12, "Operations NL", date(2026, 11, 11), Shown.PAID, 837735),
        ("G000113340", "Credit note for G000108120", 12, "Operations NL", None, Shown.PAID, -901744),
        ("G000112951", "", 5, "Operations NL", date(2026, 11, 4), Shown.PAST_DUE, 851289),
        ("G000108120", "Credited by G000113340", 5, "Operations NL", date(2026, 10, 5), Shown.VOID, 901744),
        ("G000108122", "Correction requested", 5, "IT & Data", date(2026, 9, 15), Shown.LOCKED, 117655),
    ]
    today = date(2026, 11, 20)
    return [
        SimpleNamespace(
            number=number,
            note=note,
            issued=date(2026, 11, day),
            profile=profile,
            due=due,
            status=status,
            total=euro(minor),
            minor=minor,
            days=(due - today).days if due else 0,
            is_open=status in {Shown.DUE, Shown.PAST_DUE},
            is_void=status == Shown.VOID,
            is_late=status == Shown.PAST_DUE,
        )
        for number, note, day, profile, due, status, minor in rows
    ]


def context() -> dict[str, Any]:
    bad = {
        "company": "Alfa Logistiek B.V.",
        "registration": "24381907",
        "vat_id": "NL812345678B01",
        "country": "NL",
        "postcode": "3089",
        "street": "Waalhaven Zuidzijde",
        "city": "Rotterdam",
    }
    return {
        "address_form": AddressForm(bad),
        "pay_form": PayForm(initial={"method": "ideal", "amount": euro(1082933)}),
        "chart": chart(),
        "age": age_bars(
            [
                ("Not yet due", euro(894012), "fill"),
                ("1–7 days late", euro(231644), "w"),
                ("8–30 days late", euro(851289), "d"),
                ("Over 30 days", euro(0), "fill"),
            ]
        ),
        "invoices": invoices(),
        "euro": {name: euro(minor) for name, minor in [("owed", 1082933), ("open", 1976945), ("small", 894012)]},
        "first": date(2026, 10, 1),
        "last": date(2026, 10, 31),
        "at": datetime(2026, 11, 5, 9, 14, tzinfo=UTC),
        "chain": [
            ("Role given on", "Alfa Logistiek B.V."),
            ("as", "Billing account contributor"),
            ("which means here", "Billing profile contributor"),
        ],
        "people": [User(pk=1, name="Marieke de Vries"), User(pk=2, name="Sanne Jansen")],
        "statuses": [*Shown, *InvoiceStatus],
        "steps": ["Warehouse Rotterdam moves to Mastercard 8210", "Visa 4242 is removed"],
        "kept": [("city", "Rotterdam")],
        "rows": [{"label": "City", "theirs": "Rotterdam", "yours": "Rotterdam-Zuid"}],
        "changed_by": "Sanne Jansen",
        "changed_at": datetime(2026, 11, 20, 14, 22, tzinfo=UTC),
        "href": "#now",
        "action": "#again",
        "roles": ["Billing account owner", "Billing profile owner"],
        "reference": "K7M2QX94TB",
        "segments": [
            ("All", 46, True),
            ("Open", 3, False),
            ("Past due", 2, False),
            ("Processing", 1, False),
            ("Paid", 39, False),
        ],
        "profiles": [("", "All profiles"), ("1", "Operations NL")],
        "periods": [("", "Last 6 months"), ("year", "Last year")],
        "long": "Koninklijke Nederlandsche Maatschappij tot Bevordering der Logistieke Wetenschappen " * 2,
    }


@login_not_required
def page(request: HttpRequest, name: str, code: str = "") -> HttpResponse:
    user = User(pk=1, name="Marieke de Vries", email="m.devries@alfalogistiek.nl")
    user._role_book = RoleBook(accounts={1: {Role[request.GET.get("role", "ACCOUNT_OWNER")]}})  # type: ignore[attr-defined]
    request.user = user
    request.color_mode = request.GET.get("mode", "light")  # type: ignore[attr-defined]
    request.todo_count = 5  # type: ignore[attr-defined]
    account = BillingAccount(
        pk=1,
        code="alfa0000000000000000",
        name=request.GET.get("name", "Alfa Logistiek B.V."),
        agreement=Agreement.CUSTOMER_AGREEMENT,
    )
    role_form = RoleForm(posted(request), initial={"role": "invoice_manager", "email": "k.dejong@alfalogistiek.nl"})
    if role_form.is_valid():
        messages.success(request, f"{role_form.cleaned_data['email']} has a role now.")
        return redirect("gallery", "permissions")
    if "toast" in request.GET:
        messages.success(request, "Mastercard ending 8210 is now the default.")
    with translation.override(request.GET.get("lang", "en")):
        engine = engines["django"]
        if name in PRODUCT:
            drawn = engine.get_template(PRODUCT[name])
        else:
            drawn = engine.from_string((HERE / f"{name}.html").read_text(encoding="utf-8"))
        if "scopeless" not in request.GET:
            request.billing_account = account  # type: ignore[attr-defined]
        return HttpResponse(drawn.render({**context(), "account": account, "role_form": role_form}, request))


# The frame is drawn with all its places, whichever rooms are built.
PLACES = [
    *("account_overview", "account_access", "account_properties", "invoices", "payments", "payment_methods"),
    *("profiles", "subscriptions"),
]

urlpatterns = [path("gallery/<slug:name>/", page, name="gallery"), *urls.urlpatterns]
urlpatterns += [path(f"places/<code:code>/{place}/", page, {"name": "home"}, name=place) for place in PLACES]
urlpatterns += [
    path(f"places/{place}/", page, {"name": "home"}, name=place) for place in ("home", "scopes", "search", "help")
]
