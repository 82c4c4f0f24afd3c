"""Pictures of the main pages for docs/screens, from the demo world:

SCREENS=1 python3 dev.py test billing_portal/tests/journeys/test_screens.py
"""

import os
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import BillingAccount, User
from billing_portal.tests.journeys.pictures import small_png
from billing_portal.tests.journeys.test_demo import make_demo
from core.policy import Role
from invoices.models import Invoice
from payments.models import Payment
from profiles.models import BillingProfile
from subscriptions.models import Price, Subscription

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "screens"
LIMIT = 150_000  # bytes of one picture
WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
ON_A_PHONE = ("overview", "invoices", "invoice", "permissions")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("billing_portal.tests.journeys.demo_urls"),
    pytest.mark.skipif(not os.environ.get("SCREENS"), reason="only where pictures are wanted: SCREENS=1"),
]


def test_pictures_of_the_main_pages(visit, settings, tmp_path: Path):
    make_demo(settings, tmp_path)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for color in ("light", "dark"):
        # One window a person: each holds connections of the server, and those of the database behind them.
        windows = {}
        for name, email, path in _pages():
            if email not in windows:
                # The language is the person's own, as in life.
                user = User.objects.filter(email=email).first()
                windows[email] = visit(user, language=user.language if user else "en", color=color)
                windows[email].open(path)  # the typeface comes with the second page that somebody opens
            window = windows[email]
            sizes = {"1440": WIDE, "390": PHONE} if name in ON_A_PHONE else {"1440": WIDE}
            for width, viewport in sizes.items():
                window.page.set_viewport_size(viewport)
                window.open(path)
                window.page.evaluate("document.fonts.ready")
                picture = small_png(window.page.screenshot(animations="disabled", caret="hide"))
                assert len(picture) < LIMIT, name
                window.check_quiet()
                (FOLDER / f"{name}-{color}-{width}.png").write_bytes(picture)


def _pages() -> list[tuple[str, str, str]]:
    """Name of the picture, who looks, and where."""
    account = BillingAccount.objects.get(name="Alfa Logistiek B.V.")
    online = BillingAccount.objects.get(name="Beta Bouw B.V.")
    operations = BillingProfile.objects.get(account=account, name="Operations NL")
    today = timezone.localdate()
    due = Invoice.objects.filter(profile=operations).open().latest("issue_date")
    late = Invoice.objects.filter(account=account).overdue(today).order_by("due_date").first() or due
    paid = Payment.objects.filter(profile=operations).settled().latest("created_at")
    declined = Payment.objects.filter(account=account).failed().latest("created_at")
    warehouse = BillingProfile.objects.get(account=account, name="Warehouse Rotterdam")
    price = Price.objects.get(product__code="office", term="monthly")
    owner, manager, administrator = "marieke@alfa.example", "tom@alfa.example", "inge@beta.example"
    return [
        ("sign-in", "", reverse("account_login")),
        ("overview", owner, account.get_absolute_url()),
        ("home", administrator, reverse("home")),
        ("scopes", administrator, reverse("scopes")),
        ("search", owner, reverse("search") + "?q=oper"),
        ("properties", owner, reverse("account_properties", args=[account.code])),
        ("addresses", owner, reverse("account_addresses", args=[account.code])),
        ("access", owner, reverse("account_access", args=[account.code])),
        ("profiles", owner, reverse("profiles", args=[account.code])),
        ("profile", owner, operations.get_absolute_url()),
        ("permissions", owner, _explained(operations, account)),
        ("assign-role", owner, reverse("profile_role_new", args=[operations.code])),
        ("email-preference", owner, reverse("profile_email_preference", args=[operations.code])),
        ("subscriptions", owner, reverse("subscriptions", args=[account.code])),
        ("subscription", owner, Subscription.objects.filter(profile=operations).earliest("pk").get_absolute_url()),
        ("purchase", owner, reverse("purchase", args=[account.code])),
        ("order", owner, reverse("purchase_order", args=[account.code, price.pk]) + _order(operations)),
        ("invoices", owner, reverse("invoices", args=[account.code])),
        ("invoice", manager, due.get_absolute_url()),
        ("invoice-late", owner, late.get_absolute_url()),
        ("pay", manager, reverse("invoice_payment", args=[due.code])),
        ("paid", manager, paid.get_absolute_url()),
        ("declined", owner, declined.get_absolute_url()),
        ("receipt", manager, reverse("payment_receipt", args=[paid.code])),
        ("payments", owner, reverse("payments", args=[account.code])),
        ("payment-methods", owner, reverse("payment_methods", args=[account.code])),
        ("default-method", owner, reverse("profile_default_method", args=[warehouse.code])),
        ("online-services", administrator, reverse("payment_methods", args=[online.code])),
        ("add-card", owner, reverse("profile_card_new", args=[operations.code])),
        ("help", owner, reverse("help")),
        ("preferences", owner, reverse("preferences")),
        ("mails", owner, reverse("demo_mails")),
    ]


def _order(profile: BillingProfile) -> str:
    return f"?quantity=3&profile={profile.code}"


def _explained(profile: BillingProfile, account: BillingAccount) -> str:
    """The Permissions tab with the reason why the account's owner may."""
    owner: Any = account.roles.get(role=Role.ACCOUNT_OWNER)
    return f"{reverse('profile_permissions', args=[profile.code])}?why={owner.user_id}"
