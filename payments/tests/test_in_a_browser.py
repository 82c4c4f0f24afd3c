"""The pages of cards and payments in a real browser: accessible, quiet, on every width, with and without scripts."""

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as project
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.sessions import SessionStore
from core.testing import SECURITY_CODE
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.models import Family, Payment, PaymentMethod, ProfileMethods
from payments.services.cards import start_card_setup, start_card_update
from payments.services.pay import pay_invoices, pay_once
from payments.services.pay_links import make_link
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [("en", "light", 1440), ("nl", "dark", 360)]


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner), name="Warehouse")


@pytest.fixture
def visit(chromium, live_server, settings, owner):
    """`visit(path)` opens a page as the owner; what the browser complains about fails the test at its end."""
    settings.BASE_URL = live_server.url
    contexts, complaints = [], []

    def open_page(path, *, language="en", color="light", width=1440, scripts=True):
        User.objects.filter(pk=owner.pk).update(language=language, color_mode=color)
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts, reduced_motion="reduce"
        )
        contexts.append(context)
        context.add_cookies([_session(owner, live_server.url)])
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 500 else None)
        page.goto(live_server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _session(user, url):
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), project.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    # As everywhere in tests: whoever is signed in has also confirmed who they are.
    confirmed = {"method": "mfa", "at": time.time(), "reauthenticated": True}
    session["account_authentication_methods"] = [confirmed]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return {"name": project.SESSION_COOKIE_NAME, "value": session.session_key, "url": url}


def pages(profile, owner):
    """Every page of this app and of the sandbox, with something on it."""
    account = profile.account
    card = PaymentMethodFactory(account=account, default_for=[profile])
    old = PaymentMethodFactory(profile=profile, specimen="amex", status="declined", last_decline_reason="card_blocked")
    asking = PaymentMethodFactory(account=account, specimen="checked")
    due, paid, declined, unknown, waiting = (InvoiceFactory(profile=profile) for _number in range(5))
    receipt = PaymentFactory(invoices=[paid], method=card, user=owner)
    refused = PaymentFactory(invoices=[declined], method=old, status="failed", user=owner)
    lost = PaymentFactory(invoices=[unknown], method=card, status="unknown", user=owner)
    asked = pay_invoices([waiting], method=asking, by=owner, request_key="0123456789")
    _setup, hosted = start_card_setup(account, profile=profile, by=owner)
    checking, _address = start_card_setup(account, by=owner)
    api.enter_card(checking.session_id, number="4000000000014441", expiry_year=2099, expiry_month=1, holder="T. Test")
    _setup, debit = start_card_setup(account, profile=profile, family=Family.DIRECT_DEBIT, by=owner)
    _setup, change = start_card_update(card, by=owner)
    at_bank = pay_once([InvoiceFactory(profile=profile)], by=owner, request_key="at-the-bank")
    online = BillingAccountFactory(online_services=True, owner=owner)
    hidden = SubscriptionProfileFactory(account=online)
    PaymentMethodFactory(account=online, default_for=[hidden])
    subscription = SubscriptionFactory(profile=hidden)
    return [
        f"/billing-accounts/{account.code}/payment-methods/",
        f"/billing-accounts/{account.code}/payment-methods/new/",
        f"/billing-accounts/{account.code}/payments/",
        f"/billing-accounts/{online.code}/payment-methods/",
        f"/billing-profiles/{profile.code}/payment-methods/",
        f"/billing-profiles/{profile.code}/payment-methods/new/",
        f"/billing-profiles/{profile.code}/payment-methods/default/",
        f"/subscriptions/{subscription.code}/payment-method/",
        f"/subscriptions/{subscription.code}/payment-method/new/",
        f"/payment-methods/{card.code}/removal/",
        f"/payment-methods/{asking.code}/removal/",
        f"/billing-profiles/{profile.code}/payment-methods/automatic/",
        f"/billing-profiles/{profile.code}/payment/",
        f"/billing-accounts/{online.code}/balance/",
        f"/invoices/{due.code}/promise/",
        make_link(due, at=timezone.now()),
        f"/invoices/{due.code}/payment/",
        f"/invoices/{unknown.code}/payment/",
        f"/invoices/{paid.code}/payment/",
        *(payment.get_absolute_url() for payment in (receipt, refused, lost, asked)),
        f"/payments/{receipt.code}/receipt/",
        hosted,
        debit,
        change,
        at_bank.action_url,
        f"/sandbox/cards/{checking.session_id}/check/",
        asked.action_url,
    ]


@pytest.mark.long(sample=1)
@pytest.mark.parametrize(("language", "color", "width"), LOOKS)
def test_every_page_is_accessible_and_fits(visit, live_server, profile, owner, language, color, width):
    first, *others = pages(profile, owner)
    page = visit(first, language=language, color=color, width=width)

    for path in [first, *others]:
        page.goto(live_server.url + path)
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response["violations"]
        assert [(rule["id"], node["html"][:150]) for rule in found for node in rule["nodes"]] == [], path
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_S3_4_to_S3_10_a_card_is_added_refused_and_added(visit, profile, scripts):
    page = visit(f"/billing-profiles/{profile.code}/payment-methods/", scripts=scripts)

    page.get_by_role("link", name="Add", exact=True).click()
    page.get_by_role("button", name="Continue to the payment provider").click()
    page.get_by_role("link", name=re.compile("Prepaid, not accepted")).click()
    page.get_by_role("button", name="Add this card").click()
    expect(page.get_by_text("kind of card not accepted")).to_be_visible()

    page.get_by_role("checkbox", name="Use this card as the default of Warehouse").check()
    page.get_by_role("button", name="Continue to the payment provider").click()
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_label("Expiry date").fill("12/99")
    page.get_by_label("Security code").fill(SECURITY_CODE)
    page.get_by_label("Name on card").fill("Marieke de Vries")
    page.get_by_role("button", name="Add this card").click()

    expect(page.get_by_text("Visa ending 4242 was added, and pays for Warehouse from now on.")).to_be_visible()
    assert ProfileMethods.objects.get(profile=profile).default == PaymentMethod.objects.kept().get()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_S2_6_S3_17_an_invoice_is_declined_then_paid_after_the_banks_check(visit, profile, scripts):
    PaymentMethodFactory(account=profile.account, specimen="no_funds", default_for=[profile])
    PaymentMethodFactory(account=profile.account, specimen="checked")
    invoice = InvoiceFactory(profile=profile)
    page = visit(f"/invoices/{invoice.code}/payment/", scripts=scripts)

    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_text("Visa 0001 was declined.")).to_be_visible()
    page.get_by_role("radio", name="Visa ending 3708").check()
    page.get_by_role("button", name="Pay now").click()
    page.get_by_role("button", name="Confirm").click()

    expect(page.get_by_role("heading", name="Payment of €121.00")).to_be_visible()
    expect(page.get_by_text("was paid on")).to_be_visible()
    page.get_by_role("link", name="Receipt", exact=True).click()
    expect(page.get_by_role("heading", name="Receipt R000000001")).to_be_visible()
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_an_unknown_outcome_shows_itself_when_it_is_known(visit, profile, owner):
    invoice = InvoiceFactory(profile=profile)
    method = PaymentMethodFactory(account=profile.account, specimen="cut_after")
    payment = pay_invoices([invoice], method=method, by=owner, request_key="0123456789")
    page = visit(payment.get_absolute_url())
    expect(page.get_by_role("heading", name="Not known yet")).to_be_visible()

    Payment.objects.filter(pk=payment.pk).update(status="processing")

    expect(page.get_by_role("heading", name="Under way")).to_be_visible(timeout=15_000)
