"""Who has a role on one profile of an account reads nothing of the one beside it, on no page (T01, I22)."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from invoices.tests.factories import InvoiceFactory, PurchaseOrderFactory
from payments.shown import uses_of
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
HIDDEN = "Quite another profile"


@pytest.fixture
def account():
    """An account with two profiles, each with an invoice, an order and a subscription."""
    account = BillingAccountFactory(owner=UserFactory())
    for name in ("Own", HIDDEN):
        profile = BillingProfileFactory(account=account, name=name)
        InvoiceFactory(profile=profile)
        PurchaseOrderFactory(profile=profile, number=f"PO {name}")
        SubscriptionFactory(profile=profile, name=f"Mailbox {name}")
    return account


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


PAGES = {
    "invoices": lambda account: reverse("invoices", args=[account.code]),
    "purchase orders": lambda account: reverse("purchase_orders", args=[account.code]),
    "statement": lambda account: reverse("statement_new", args=[account.code]),
    "move": lambda account: reverse("subscription_move", args=[account.subscriptions.get(profile__name="Own").code]),
}


@pytest.mark.parametrize("page", PAGES)
def test_T01_a_page_of_the_account_tells_nothing_of_a_sibling_profile(page, account):
    own = account.profiles.get(name="Own")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user
    owner = account.roles.get().user
    address = PAGES[page](account)

    assert HIDDEN in signed_in(owner).get(address).content.decode()
    told = signed_in(stranger).get(address).content.decode()

    assert "Own" in told
    assert HIDDEN not in told
    assert account.invoices.get(profile__name=HIDDEN).number not in told


def test_T01_nobody_asks_about_an_invoice_that_they_do_not_see(account):
    stranger = ProfileRoleFactory(profile=account.profiles.get(name="Own"), role=Role.PROFILE_OWNER).user
    invoice = account.invoices.get(profile__name=HIDDEN)
    address = reverse("support_request_new", args=[account.code])
    assert signed_in(stranger).get(address, {"invoice": invoice.code}).status_code == 404


def test_I22_what_a_method_pays_for_elsewhere_is_counted_and_not_named(account):
    own = account.profiles.get(name="Own")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user
    method = PaymentMethodFactory(account=account, default_for=list(account.profiles.all()))

    uses, unseen = uses_of(method, to=stranger, on=timezone.localdate())

    assert (len(uses), unseen) == (1, 1)
