"""Paying an invoice on its page: what it offers, what it says, and what a form sent twice does."""

from datetime import date

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.money import Money
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox.models import Charge
from payments.models import Payment, ProfileMethods
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def invoice(profile):
    return InvoiceFactory(profile=profile)


@pytest.fixture
def payer(profile, client):
    person = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    client.force_login(person)
    return person


def address(invoice):
    return f"/invoices/{invoice.code}/payment/"


def fields(client, invoice, card, **values):
    """What a browser would send from the page as it is."""
    form = client.get(address(invoice)).context["form"]
    return {
        "request_key": form.initial["request_key"],
        "shown": form.initial["shown"],
        "amount": str(form.initial["amount"].amount),
        "method": card.code,
        **values,
    }


def test_S2_6_the_invoice_is_paid_on_screen_in_the_same_second(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account)

    response = client.post(address(invoice), fields(client, invoice, method), follow=True)

    invoice.refresh_from_db()
    payment = Payment.objects.get()
    assert invoice.status == "paid"
    assert response.redirect_chain == [(payment.get_absolute_url(), 302)]
    assert "€121.00" in response.content.decode()


def test_the_default_is_chosen_and_named_and_an_expired_card_says_why_not(client, payer, invoice, profile):
    default = PaymentMethodFactory(account=invoice.account, specimen="amex")
    ProfileMethods.objects.create(profile=profile, default=default)
    expired = PaymentMethodFactory(account=invoice.account, valid_until=date(2020, 1, 31))

    response = client.get(address(invoice))

    form = response.context["form"]
    assert form["method"].value() == default.code
    assert form.fields["method"].refusals == {expired.code: "It has expired: add the new card, or choose another one."}
    assert "It has expired" in response.content.decode()


def test_T01_only_cards_of_this_profile_and_of_the_account_are_offered(client, payer, invoice, profile):
    own, shared = PaymentMethodFactory(profile=profile), PaymentMethodFactory(account=profile.account)
    sibling = PaymentMethodFactory(profile=BillingProfileFactory(account=profile.account), specimen="amex")
    foreign = PaymentMethodFactory(specimen="mastercard")

    response = client.get(address(invoice))
    refused = client.post(address(invoice), fields(client, invoice, sibling))

    offered = {code for code, _label in response.context["form"].fields["method"].choices}
    assert offered == {own.code, shared.code, "ideal"}
    assert refused.context["form"].errors["method"]
    assert foreign.code not in response.content.decode()
    assert not Payment.objects.exists()


def test_S3_17_a_decline_stays_on_the_page_with_reason_and_advice(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account, specimen="no_funds")
    sent = fields(client, invoice, method)

    response = client.post(address(invoice), sent)

    text = response.content.decode()
    assert response.status_code == 200
    assert "There is not enough balance on the account." in text
    assert "What you can do" in text
    assert response.context["form"].initial["request_key"] != sent["request_key"]


def test_S3_18_to_20_the_advice_names_balance_international_and_recurring(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account, specimen="refused")

    text = client.post(address(invoice), fields(client, invoice, method)).content.decode()

    for advice in ("Ask your bank", "international payments", "enough balance", "recurring payments"):
        assert advice in text


def test_I16_a_form_sent_again_shows_its_own_payment(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account)
    sent = fields(client, invoice, method)

    first = client.post(address(invoice), sent)
    again = client.post(address(invoice), sent)

    assert first.headers["Location"] == again.headers["Location"] == Payment.objects.get().get_absolute_url()
    assert Charge.objects.count() == 1


def test_I16_a_declined_form_sent_again_shows_the_same_decline(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account, specimen="no_funds")
    sent = fields(client, invoice, method)
    client.post(address(invoice), sent)

    again = client.post(address(invoice), sent)

    assert again.status_code == 200
    assert Payment.objects.count() == 1


def test_a_part_is_paid_after_its_total_was_shown(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account)
    sent = fields(client, invoice, method, amount="20.50")

    shown = client.post(address(invoice), sent)
    paid = client.post(address(invoice), {**sent, "shown": shown.context["form"]["shown"].value()})

    assert (shown.status_code, shown.context["total"], shown.context["left"]) == (
        200,
        Money(2_050, "EUR"),
        Money(10_050, "EUR"),
    )
    assert "You changed the amount to €20.50" in shown.content.decode()
    assert paid.status_code == 302
    assert Payment.objects.get().amount == Money(2_050, "EUR")


@pytest.mark.parametrize(
    "amount", ["0", "-1", "121.01", "1e9", "NaN", "abc", "12.345", "", "1" * 40, "١٢", "\x00", "12;DROP"]
)
def test_T28_an_amount_that_cannot_be_paid_is_an_error_at_its_field(client, payer, invoice, amount):
    method = PaymentMethodFactory(account=invoice.account)

    response = client.post(address(invoice), fields(client, invoice, method, amount=amount))

    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["amount"]
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    "broken", [{"request_key": ""}, {"request_key": "\x00"}, {"shown": "x"}, {"method": ""}, {"method": "nonsense"}]
)
def test_Q10_a_broken_form_pays_nothing(client, payer, invoice, broken):
    method = PaymentMethodFactory(account=invoice.account)

    response = client.post(address(invoice), fields(client, invoice, method, **broken))

    assert response.status_code == 200
    assert response.context["form"].errors
    assert not Payment.objects.exists()


def test_the_banks_check_is_gone_to_and_come_back_from(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account, specimen="checked")

    to_bank = client.post(address(invoice), fields(client, invoice, method)).headers["Location"]
    back = client.post(to_bank, {"answer": "yes"}).headers["Location"]
    response = client.get(back, follow=True)

    payment = Payment.objects.get()
    assert (payment.status, back) == ("succeeded", f"/payments/{payment.code}/return/")
    assert response.redirect_chain == [(payment.get_absolute_url(), 302)]


def test_T24_an_open_attempt_is_shown_instead_of_the_form(client, payer, invoice):
    payment = PaymentFactory(invoices=[invoice], status="unknown")

    response = client.get(address(invoice))

    text = response.content.decode()
    assert "cannot be paid again, so that nothing is paid twice" in text
    assert payment.get_absolute_url() in text
    assert 'name="request_key"' not in text


def test_an_unknown_outcome_says_so_and_when_it_is_asked_again(client, payer, invoice):
    method = PaymentMethodFactory(account=invoice.account, specimen="cut_before")

    response = client.post(address(invoice), fields(client, invoice, method), follow=True)

    text = response.content.decode()
    assert "Not known yet" in text
    assert "Do not pay again" in text
    assert "We ask the payment provider again at" in text


def test_a_paid_invoice_says_that_there_is_nothing_to_pay(client, payer, profile):
    response = client.get(address(InvoiceFactory(profile=profile, status="paid")))

    assert "This invoice is paid already." in response.content.decode()


def test_P2_P19_without_a_card_ideal_pays_and_the_page_says_who_may_add_one(client, payer, invoice, profile):
    ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER, user=UserFactory(name="Olga Owner"))

    response = client.get(address(invoice))
    asked = client.post(
        address(invoice), {"request_key": "0123456789", "shown": "12100", "amount": "121.00", "method": "ideal"}
    )

    payment = Payment.objects.get()
    assert response.context["form"]["method"].value() == "ideal"
    assert "Olga Owner" in response.content.decode()
    assert (payment.family, payment.method, asked.headers["Location"]) == ("wallet", None, payment.action_url)


def test_P2_in_another_currency_and_without_a_card_the_page_says_what_is_left(client, payer, profile):
    type(profile.account).objects.filter(pk=profile.account_id).update(currency="USD")
    type(profile).objects.filter(pk=profile.pk).update(currency="USD")
    profile.refresh_from_db()

    text = client.get(address(InvoiceFactory(profile=profile, currency="USD"))).content.decode()

    assert "This billing profile has no card." in text


def test_on_online_services_the_administrator_pays_with_a_card_of_the_account(client):
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    invoice = InvoiceFactory(profile=SubscriptionProfileFactory(account=account))
    client.force_login(administrator)
    without = client.get(address(invoice)).content.decode()
    method = PaymentMethodFactory(account=account)

    response = client.post(address(invoice), fields(client, invoice, method), follow=True)

    invoice.refresh_from_db()
    assert f"/billing-accounts/{account.code}/payment-methods/new/?invoice={invoice.code}" in without
    assert (response.status_code, invoice.status) == (200, "paid")


def test_a_card_added_on_the_way_is_chosen_on_the_page(client, payer, invoice):
    PaymentMethodFactory(account=invoice.account)
    new = PaymentMethodFactory(account=invoice.account, specimen="amex")

    response = client.get(address(invoice), {"method": new.code})

    assert response.context["form"]["method"].value() == new.code


def test_the_page_costs_the_same_whatever_the_number_of_cards(client, payer, invoice, django_assert_num_queries):
    PaymentMethodFactory(account=invoice.account)
    client.get(address(invoice))
    with django_assert_num_queries(15):
        client.get(address(invoice))
    for _number in range(3):
        PaymentMethodFactory(account=invoice.account)
    with django_assert_num_queries(15):
        client.get(address(invoice))


def test_a_reader_may_not_and_an_outsider_finds_nothing(client, invoice, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    outsider = ProfileRoleFactory(profile=BillingProfileFactory(account=profile.account)).user

    answers = []
    for person in (reader, outsider):
        client.force_login(person)
        answers += [client.get(address(invoice)).status_code, client.post(address(invoice), {}).status_code]

    assert answers == [403, 403, 404, 404]
