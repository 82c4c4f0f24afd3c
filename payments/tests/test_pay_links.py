"""Links of mails that pay one invoice without signing in (P18)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.errors import Forbidden
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api as sandbox
from payments.models import PayLink, PayLinkUse, Payment
from payments.services.pay_links import make_link, revoke_links
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice():
    return InvoiceFactory()


@pytest.fixture
def path(invoice):
    return make_link(invoice, at=timezone.now())


def fields(response):
    form = response.context["form"]
    return {"request_key": form["request_key"].value(), "shown": form["shown"].value()}


def test_P18_the_link_shows_that_invoice_and_nothing_else(client, invoice, path):
    other = InvoiceFactory(profile=invoice.profile)
    page = client.get(path)
    words = page.content.decode()
    assert page.status_code == 200
    assert invoice.number in words
    assert other.number not in words
    assert invoice.profile.name not in words
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert PayLinkUse.objects.get().what == "opened"


def test_P18_it_pays_without_signing_in(client, invoice, path):
    answer = client.post(path, fields(client.get(path)))
    payment = Payment.objects.get()
    assert answer.status_code == 302
    assert (payment.initiated_by, payment.user, payment.method, payment.amount) == (
        "link",
        None,
        None,
        invoice.amount_due,
    )
    assert answer.url == payment.action_url
    client.post(payment.action_url, {"answer": "yes", "bank": "yes", "confirm": "1"})
    sandbox.Charge.objects.update(status="succeeded", captured_at=timezone.now(), due_at=None)
    result = client.get(path + "result/")
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert "Thank you" in result.content.decode()
    assert "is paid" in client.get(path).content.decode()


def test_I16_the_same_form_twice_is_one_attempt(client, path):
    sent = fields(client.get(path))
    first, second = client.post(path, sent), client.post(path, sent)
    assert first.url == second.url
    assert Payment.objects.count() == 1


def test_I12_what_is_under_way_is_not_paid_again(client, invoice, path):
    PaymentFactory(invoices=[invoice], status="unknown")
    page = client.get(path)
    assert "under way" in page.content.decode()
    client.post(path, fields(page))
    assert Payment.objects.count() == 1


def test_P18_an_amount_that_changed_is_looked_at_first(client, invoice, path):
    sent = fields(client.get(path)) | {"shown": "1"}
    page = client.post(path, sent)
    assert page.status_code == 200
    assert not Payment.objects.exists()


def test_P18_it_expires(client, path):
    PayLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    page = client.get(path)
    assert page.status_code == 410
    assert client.post(path, {"request_key": "0" * 32, "shown": "12100"}).status_code == 410
    assert not Payment.objects.exists()


def test_P18_it_can_be_revoked_by_who_may_pay(client, invoice, path):
    reader = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user
    payer = ProfileRoleFactory(profile=invoice.profile, role=Role.INVOICE_MANAGER).user
    with pytest.raises(Forbidden):
        revoke_links(invoice, by=reader)
    client.force_login(payer)
    client.post(reverse("invoice_links_revocation", args=[invoice.code]))
    client.logout()
    assert client.get(path).status_code == 410
    assert PayLink.objects.get().revoked_by == payer


@pytest.mark.parametrize("token", ["nonsense", "a:b", "%00", "0" * 300, "abc:ABCDEFGH"])
def test_P18_what_was_never_made_shows_nothing(client, token):
    assert client.get(f"/pay/{token}/").status_code in {400, 404}


def test_P18_a_token_is_bound_to_its_code(client, invoice, path):
    _code, signature = path.split("/")[2].rsplit(":", 1)
    make_link(InvoiceFactory(), at=timezone.now())
    other = PayLink.objects.exclude(invoice=invoice).get()
    assert client.get(f"/pay/{other.code}:{signature}/").status_code == 404


def test_Q12_guessing_is_limited(client):
    answers = [client.get(f"/pay/guess-{number}/").status_code for number in range(32)]
    assert answers.count(404) == 30
    assert answers[-1] == 429


@pytest.mark.parametrize("status", ["paid", "void", "locked"])
def test_P18_what_asks_for_no_money_says_so(client, path, invoice, status):
    settled = invoice.total_minor if status == "paid" else 0
    type(invoice).objects.filter(pk=invoice.pk).update(status="due")
    type(invoice).objects.filter(pk=invoice.pk).update(
        status=status if status != "void" else "void", settled_minor=settled
    )
    page = client.get(path)
    assert page.status_code == 200
    assert "iDEAL" not in page.content.decode()


def test_Q2_the_pages_of_a_link_take_no_rights_from_a_session(client, path):
    stranger = ProfileRoleFactory(profile=BillingProfileFactory(), role=Role.PROFILE_READER).user
    client.force_login(stranger)
    assert client.get(path).status_code == 200
