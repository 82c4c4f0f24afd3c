"""What people see of collecting: the next charge, promises, the switch, banners with Pay (P2, P9, S3-16)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.models import CollectionCase, ProfileMethods
from payments.services.cases import stand
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def payer(profile, client):
    user = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    client.force_login(user)
    return user


@pytest.fixture
def late(profile):
    today = timezone.localdate()
    return InvoiceFactory(profile=profile, issue_date=today - timedelta(days=33))


def text(client, *route):
    return client.get(reverse(route[0], args=route[1:])).content.decode()


def test_P9_the_invoice_says_when_it_is_charged_and_with_what(client, payer, profile):
    card = PaymentMethodFactory(account=profile.account, default_for=[profile])
    invoice = InvoiceFactory(profile=profile, issue_date=timezone.localdate())
    words = text(client, "invoice", invoice.code)
    assert "Next charge on" in words
    assert str(card) in words


@pytest.mark.parametrize(("paid", "statements"), [(False, 14), (True, 11)])
def test_PR1_the_page_of_an_invoice_asks_for_nothing_that_is_not_there(
    client, payer, profile, paid, statements, django_assert_num_queries
):
    """Session, person, roles, invoice; lines, changes, VAT, payments, documents, mails, and what else there is. Of an
    open one how it stands, how the card did that may be charged, and whether the provider answers."""
    PaymentMethodFactory(account=profile.account, default_for=[profile])
    invoice = InvoiceFactory(profile=profile, issue_date=timezone.localdate())
    if paid:
        PaymentFactory(invoices=[invoice])
    text(client, "invoice", invoice.code)
    with django_assert_num_queries(statements):
        text(client, "invoice", invoice.code)


def test_P9_it_says_nothing_of_a_charge_where_somebody_has_to_pay(client, payer, late):
    words = text(client, "invoice", late.code)
    assert "Next charge on" not in words
    assert "somebody has to pay" in words


def test_3_9_the_switch_is_per_profile(client, payer, profile):
    PaymentMethodFactory(account=profile.account, default_for=[profile])
    address = reverse("profile_automatic_payment", args=[profile.code])
    assert client.get(address).status_code == 200
    client.post(address, {})
    assert not ProfileMethods.objects.get(profile=profile).charges_automatically
    assert "Nothing is charged by itself" in text(client, "profile_payment_methods", profile.code)
    client.post(address, {"is_on": "on"})
    assert ProfileMethods.objects.get(profile=profile).charges_automatically


def test_3_9_a_promise_is_made_on_the_page_of_the_invoice(client, payer, late):
    address = reverse("invoice_promise", args=[late.code])
    until = timezone.localdate() + timedelta(days=5)
    assert address in text(client, "invoice", late.code)
    client.post(address, {"until": until.isoformat()})
    assert CollectionCase.objects.get().promised_on == until
    words = text(client, "invoice", late.code)
    assert "Payment is promised by" in words
    assert address not in words


@pytest.mark.parametrize("until", ["", "2020-01-01", "tomorrow", "9999-12-31"])
def test_3_9_a_promise_for_another_day_is_refused_with_words(client, payer, late, until):
    page = client.post(reverse("invoice_promise", args=[late.code]), {"until": until})
    assert page.status_code == 200
    assert page.context["form"].errors
    assert not CollectionCase.objects.exists()


@pytest.mark.parametrize(("standing", "words"), [("past_due", "past due"), ("disabled", "active again at that moment")])
def test_P2_what_is_past_due_stands_above_the_subscription_with_pay(client, payer, profile, late, standing, words):
    subscription = SubscriptionFactory(profile=profile)
    case = CollectionCase.objects.create(invoice=late, day_zero=late.due_date, last_day=1)
    CollectionCase.objects.filter(pk=case.pk).update(standing=standing)
    page = text(client, "subscription", subscription.code)
    assert words in page
    assert reverse("invoice_payment", args=[late.code]) in page


def test_P2_who_may_not_pay_is_led_to_the_invoice(client, profile, late):
    client.force_login(ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user)
    subscription = SubscriptionFactory(profile=profile)
    case = CollectionCase.objects.create(invoice=late, day_zero=late.due_date, last_day=1)
    stand(case, "past_due")
    page = text(client, "subscription", subscription.code)
    assert reverse("invoice_payment", args=[late.code]) not in page
    assert late.get_absolute_url() in page
