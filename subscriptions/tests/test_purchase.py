"""Buying on the page: from the list of what is on offer to the thing itself."""

from datetime import date
from decimal import Decimal
from functools import partial

import pytest
import time_machine
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Refused
from core.money import Money
from core.policy import Role
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.models import Purchase, Subscription, Term
from subscriptions.services.purchasing import purchase_product
from subscriptions.tests.factories import PriceFactory, ProductFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.")


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


@pytest.fixture
def price():
    return PriceFactory(product=ProductFactory(name="Mailbox", description="50 GB each"))


def offers(account):
    return reverse("purchase", args=[account.code])


def order(account, price):
    return reverse("purchase_order", args=[account.code, price.pk])


def test_S2_7_offers_are_those_of_today_in_the_currency_of_the_account(browser, account, price):
    PriceFactory(product=price.product, currency="USD")
    PriceFactory(product__name="Not yet", valid_from=date(2099, 1, 1))
    PriceFactory(product__name="Withdrawn", product__is_offered=False)

    response = browser.get(offers(account))

    assert list(response.context["offers"]) == [price]
    text = response.content.decode()
    for words in ("Mailbox", "50 GB each", "€12.50", "per month"):
        assert words in text


def test_nothing_on_offer_is_said(browser, account):
    assert "The vendor has no product with a price in EUR today." in browser.get(offers(account)).content.decode()


@time_machine.travel("2026-01-31 12:00:00+00:00", tick=False)
def test_S2_7_order_is_summed_up_with_what_the_next_invoice_carries(browser, account, price):
    profile = BillingProfileFactory(account=account, name="Operations", invoice_day=10)

    response = browser.get(order(account, price), {"quantity": 3, "profile": profile.code})

    summary = response.context["summary"]
    assert (summary["profile"], summary["quantity"], summary["total"]) == (profile, 3, Money(3750, "EUR"))
    assert (summary["starts"], summary["ends"]) == (date(2026, 1, 31), date(2026, 2, 27))
    assert summary["invoiced_on"] == date(2026, 2, 10)
    text = response.content.decode()
    assert "That of January 2026, made on 10 Feb 2026." in text
    assert Purchase.objects.count() == 0


def test_change_leads_back_to_the_form_with_what_was_chosen(browser, account, price):
    profile = BillingProfileFactory(account=account)
    asked = {"quantity": 3, "profile": profile.code}
    assert "change=yes" in browser.get(order(account, price), asked).content.decode()

    response = browser.get(order(account, price), {**asked, "change": "yes"})

    form = response.context["form"]
    assert (form["quantity"].value(), form["profile"].value()) == ("3", profile.code)
    assert "summary" not in response.context


def test_S2_10_the_first_order_says_that_it_makes_a_profile(browser, account, price):
    text = browser.get(order(account, price), {"quantity": 1}).content.decode()

    assert "A new one, the first of this account: Alfa Logistiek B.V., invoiced to its sold-to address." in text
    assert BillingProfile.objects.count() == 0


def test_S2_7_T24_buying_leads_to_the_subscription_and_buys_once(browser, account, price):
    profile = BillingProfileFactory(account=account)
    summed = browser.get(order(account, price), {"quantity": 3, "profile": profile.code})
    sent = {"quantity": 3, "profile": profile.code, "request_key": summed.context["request_key"]}

    first = browser.post(order(account, price), sent)
    second = browser.post(order(account, price), sent)

    bought = Subscription.objects.get()
    assert first.url == second.url == bought.get_absolute_url()
    assert (bought.quantity, bought.profile, bought.unit_price) == (3, profile, Decimal("12.5"))


def test_a_one_off_leads_back_to_the_list(browser, account):
    price = PriceFactory(term=Term.ONE_OFF)

    response = browser.post(order(account, price), {"quantity": 1, "request_key": "k" * 20})

    assert response.url == reverse("subscriptions", args=[account.code])
    assert Purchase.objects.get().subscription is None


def test_T30_price_and_account_of_the_form_count_for_nothing(browser, account, price):
    sent = {"quantity": 1, "request_key": "k" * 20, "unit_price": "0.01", "currency": "USD", "bought_on": "2020-01-01"}

    browser.post(order(account, price), sent)

    bought = Purchase.objects.get()
    assert (bought.unit_price, bought.currency, bought.account) == (Decimal("12.5"), "EUR", account)
    assert bought.bought_on > date(2026, 1, 1)


@pytest.mark.parametrize("quantity", ["", "0", "-1", "1.5", "many", "9" * 40, "100001"])
def test_a_quantity_that_makes_no_sense_is_refused_where_it_stands(browser, account, price, quantity):
    asked = browser.get(order(account, price), {"quantity": quantity})
    sent = browser.post(order(account, price), {"quantity": quantity, "request_key": "k" * 20})

    assert list(asked.context["form"].errors) == ["quantity"]
    assert list(sent.context["form"].errors) == ["quantity"]
    assert Purchase.objects.count() == 0


@pytest.mark.parametrize("key", ["", "short", "k" * 33])
def test_T24_an_order_without_its_key_is_refused(browser, account, price, key):
    response = browser.post(order(account, price), {"quantity": 1, "request_key": key})

    assert response.status_code == 200
    assert Purchase.objects.count() == 0


def test_T01_only_profiles_that_the_person_may_use_are_offered_and_taken(client, account, price):
    own, read_only = BillingProfileFactory(account=account, name="Own"), BillingProfileFactory(account=account)
    unseen, foreign = BillingProfileFactory(account=account), BillingProfileFactory()
    person = ProfileRoleFactory(profile=own, role=Role.PROFILE_CONTRIBUTOR).user
    ProfileRoleFactory(profile=read_only, user=person, role=Role.PROFILE_READER)
    client.force_login(person)

    form = client.get(order(account, price)).context["form"]
    refused = [
        client.post(order(account, price), {"quantity": 1, "profile": code, "request_key": "k" * 20}).status_code
        for code in (read_only.code, unseen.code, foreign.code, "nonsense")
    ]

    assert list(form.profiles) == [own.code]
    assert form["profile"].value() == own.code
    assert refused == [200] * 4
    assert Purchase.objects.count() == 0


def test_S2_7_a_stopped_profile_is_shown_with_its_reason_and_not_taken(browser, account, price):
    stopped = BillingProfileFactory(account=account, name="Stopped", status="disabled")
    BillingProfileFactory(account=account, name="Good")

    text = browser.get(order(account, price)).content.decode()
    sent = browser.post(order(account, price), {"quantity": 1, "profile": stopped.code, "request_key": "k" * 20})

    assert "Paying it makes it usable again." in text
    assert list(sent.context["form"].errors) == ["profile"]


def test_S2_7_when_every_profile_is_stopped_the_page_says_which_and_why(browser, account, price):
    BillingProfileFactory(account=account, name="Stopped", status="disabled")

    response = browser.get(offers(account))

    assert "None of the billing profiles on which you may buy can be used at the moment" in response.content.decode()
    assert order(account, price) not in response.content.decode()
    assert browser.get(order(account, price)).url == offers(account)


def test_S2_10_the_first_order_takes_a_role_on_the_account(client, account, price):
    closed = BillingProfileFactory(account=account, name="Closed", status="closed")
    client.force_login(ProfileRoleFactory(profile=closed, role=Role.PROFILE_CONTRIBUTOR).user)

    shown, sent = client.get(offers(account)), client.post(order(account, price), {"quantity": 1})

    assert "takes a role on the account" in shown.content.decode()
    assert sent.url == offers(account)
    assert Purchase.objects.count() == 0


def test_an_offer_that_ended_meanwhile_leads_back_to_the_list(browser, account, price):
    price.valid_until = date(2025, 1, 1)
    price.save()

    assert browser.get(order(account, price)).url == offers(account)
    assert browser.post(order(account, price), {"quantity": 1, "request_key": "k" * 20}).url == offers(account)
    assert Purchase.objects.count() == 0


@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S2_7_who_may_not_buy_is_told_which_role_is_missing_and_who_has_it(client, account, price, role):
    if role == Role.ACCOUNT_READER:
        person = AccountRoleFactory(account=account, role=role).user
    else:
        person = ProfileRoleFactory(profile=BillingProfileFactory(account=account), role=role).user
    client.force_login(person)

    for response in (client.get(offers(account)), client.post(order(account, price), {"quantity": 1})):
        assert response.status_code == 403
        text = response.content.decode()
        assert "Billing profile contributor" in text
        assert "Marieke de Vries" in text


def test_an_outsider_gets_404(client, account, price):
    client.force_login(BillingAccountFactory(owner=UserFactory()).roles.get().user)

    assert client.get(offers(account)).status_code == 404
    assert client.get(order(account, price)).status_code == 404


@pytest.mark.parametrize(
    ("kind", "cost", "policies", "refused"),
    [
        ("own", "12.5", {"marketplace_policy": "none", "allows_reservations": False}, False),
        ("marketplace", "12.5", {"marketplace_policy": "all"}, False),
        ("marketplace", "12.5", {"marketplace_policy": "free"}, True),
        ("marketplace", "0", {"marketplace_policy": "free"}, False),
        ("marketplace", "0", {"marketplace_policy": "none"}, True),
        ("reservation", "12.5", {"allows_reservations": False}, True),
        ("reservation", "12.5", {"allows_reservations": True}, False),
    ],
)
def test_S2_7_a_policy_forbids_a_kind_of_purchase_and_is_named(owner, account, kind, cost, policies, refused):
    profile = BillingProfileFactory(account=account, name="Operations", **policies)
    offer = PriceFactory(product=ProductFactory(kind=kind), unit_price=Decimal(cost))
    bought = partial(
        purchase_product,
        account,
        price=offer,
        quantity=1,
        profile=profile,
        by=owner,
        on=date(2026, 11, 21),
        request_key="k" * 20,
    )
    if not refused:
        assert bought().profile == profile
        return
    with pytest.raises(Refused, match="Its policy") as refusal:
        bought()
    assert refusal.value.code == "policy"
    assert not Subscription.objects.exists()


def test_S2_7_the_order_form_shows_the_policy_and_takes_no_such_choice(browser, account):
    profile = BillingProfileFactory(account=account, name="Operations", marketplace_policy="none")
    offer = PriceFactory(product=ProductFactory(kind="marketplace"))
    assert "set to “None”" in browser.get(order(account, offer)).content.decode()
    sent = {"quantity": "1", "profile": profile.code, "request_key": "k" * 20}
    assert "set to “None”" in browser.post(order(account, offer), sent).content.decode()
    assert not Purchase.objects.exists()
