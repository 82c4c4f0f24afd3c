"""The pages of payment methods: of an account, of a billing profile, and adding, choosing, removing one."""

from datetime import date

import pytest

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from core.testing import SECURITY_CODE
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import SPECIMENS
from payments.models import CardSetup, PaymentMethod, ProfileMethods
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    person = UserFactory()
    client.force_login(person)
    return person


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account, name="Warehouse")


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


# --- Lists --------------------------------------------------------------------------------------


def test_S3_1_the_account_page_shows_state_expiry_and_use_of_each_card(client, account, profile, time_machine):
    time_machine.move_to(date(2026, 11, 20))
    PaymentMethodFactory(account=account, valid_until=date(2029, 8, 31), default_for=[profile])
    PaymentMethodFactory(account=account, valid_until=date(2026, 11, 30))
    PaymentMethodFactory(account=account, valid_until=date(2026, 6, 30))
    PaymentMethodFactory(account=account, status="declined", last_decline_reason="card_blocked")
    PaymentMethodFactory(account=account, status="detached")

    response = client.get(f"/billing-accounts/{account.code}/payment-methods/")

    shown = [(row.state, row.tone, row.line) for row in response.context["methods"]]
    assert shown == [
        ("Declined", "danger", "Expires 12/2099 · not in use · last charge refused: card blocked by the bank"),
        ("Expired", "neutral", "Expired 06/2026 · not in use"),
        ("Expires in 10 days", "warn", "Expires 11/2026 · not in use"),
        ("Active", "ok", "Expires 08/2029 · Warehouse"),
    ]
    assert "4 on file" in text_of(response)


def test_a_card_in_use_that_expires_stands_above_the_list(client, account, profile, time_machine):
    time_machine.move_to(date(2026, 11, 20))
    method = PaymentMethodFactory(account=account, valid_until=date(2026, 11, 30), default_for=[profile])

    text = text_of(client.get(f"/billing-accounts/{account.code}/payment-methods/"))

    assert "expires on 30 Nov 2026" in text
    assert f'href="/payment-methods/{method.code}/replacement/"' in text


def test_T01_I22_people_see_the_cards_of_their_profiles_and_of_the_account_and_no_names_of_others(client, account):
    own, sibling = (
        BillingProfileFactory(account=account, name="Own"),
        BillingProfileFactory(account=account, name="CANARY"),
    )
    reader = ProfileRoleFactory(profile=own, role=Role.PROFILE_READER).user
    shared = PaymentMethodFactory(account=account, default_for=[sibling])
    mine, hidden = PaymentMethodFactory(profile=own), PaymentMethodFactory(profile=sibling, specimen="amex")
    client.force_login(reader)

    of_account = client.get(f"/billing-accounts/{account.code}/payment-methods/")
    of_profile = client.get(f"/billing-profiles/{own.code}/payment-methods/")

    for response in (of_account, of_profile):
        assert [row.method for row in response.context["methods"]] == [mine, shared]
        assert "CANARY" not in text_of(response)
        assert "other billing profiles" in text_of(response)
        assert hidden.code not in text_of(response)


def test_S3_2_the_profile_page_has_the_default_and_the_cards(client, profile):
    default = PaymentMethodFactory(account=profile.account, default_for=[profile])
    other = PaymentMethodFactory(profile=profile, specimen="amex")

    response = client.get(f"/billing-profiles/{profile.code}/payment-methods/")

    text = text_of(response)
    assert response.context["default"].method == default
    assert [row.method for row in response.context["methods"]] == [other, default]
    assert f"/billing-profiles/{profile.code}/payment-methods/default/?method={other.code}" in text


def test_an_empty_page_says_what_fills_it(client, account, profile):
    assert "No cards yet" in text_of(client.get(f"/billing-accounts/{account.code}/payment-methods/"))
    assert "No default yet" in text_of(client.get(f"/billing-profiles/{profile.code}/payment-methods/"))


def test_the_lists_cost_the_same_whatever_they_hold(client, account, profile, django_assert_num_queries):
    PaymentMethodFactory(account=account, default_for=[profile])
    addresses = {
        f"/billing-accounts/{account.code}/payment-methods/": 7,
        f"/billing-profiles/{profile.code}/payment-methods/": 13,
    }
    for address, queries in addresses.items():
        client.get(address)
        with django_assert_num_queries(queries):
            client.get(address)
    for _number in range(3):
        PaymentMethodFactory(account=account, default_for=[BillingProfileFactory(account=account)])
    for address, queries in addresses.items():
        with django_assert_num_queries(queries):
            client.get(address)


def test_the_hidden_profile_of_a_subscription_has_no_pages(client, owner):
    hidden = SubscriptionProfileFactory(account=BillingAccountFactory(online_services=True, owner=owner))

    statuses = [
        client.get(f"/billing-profiles/{hidden.code}/payment-methods/{page}").status_code
        for page in ("", "new/", "default/")
    ]

    assert statuses == [404, 404, 404]


# --- Adding -------------------------------------------------------------------------------------


def test_S3_6_the_page_says_what_happens_and_takes_no_number(client, profile):
    text = text_of(client.get(f"/billing-profiles/{profile.code}/payment-methods/new/"))

    assert "Its number never reaches this portal." in text
    assert f"Use this card as the default of {profile}" in text
    assert 'type="text"' not in text.split('id="page-form"')[1]


def test_S3_8_a_card_is_added_and_made_the_default_on_the_way_back(client, profile):
    address = f"/billing-profiles/{profile.code}/payment-methods/new/"

    hosted = client.post(address, {"default_for": [profile.code]}).headers["Location"]
    back = client.post(
        hosted, {"number": SPECIMENS["visa"].number, "expiry": "12/99", "code": SECURITY_CODE, "holder": "T. Test"}
    ).headers["Location"]
    response = client.get(back, follow=True)

    method = PaymentMethod.objects.get()
    assert back == f"/card-setups/{CardSetup.objects.get().code}/return/"
    assert response.redirect_chain == [
        (f"/billing-profiles/{profile.code}/payment-methods/?changed={method.code}", 302)
    ]
    assert ProfileMethods.objects.get(profile=profile).default == method
    assert "Visa ending 4242 was added, and pays for Warehouse from now on." in text_of(response)
    assert 'class="pm pm--used is-changed"' in text_of(response)


def test_S3_10_a_refused_card_comes_back_with_reason_and_advice(client, profile):
    hosted = client.post(f"/billing-profiles/{profile.code}/payment-methods/new/").headers["Location"]
    back = client.post(
        hosted, {"number": SPECIMENS["prepaid"].number, "expiry": "12/99", "code": SECURITY_CODE, "holder": "T. Test"}
    ).headers["Location"]

    text = text_of(client.get(back, follow=True))

    assert "<b>The card was not added:</b> kind of card not accepted." in text
    assert "Add another card." in text


def test_coming_back_without_a_card_says_so(client, profile):
    hosted = client.post(f"/billing-profiles/{profile.code}/payment-methods/new/").headers["Location"]
    back = client.post(f"{hosted}leave/").headers["Location"]

    response = client.get(back, follow=True)

    assert "Nothing was added." in text_of(response)
    assert response.redirect_chain == [(f"/billing-profiles/{profile.code}/payment-methods/", 302)]


def test_T33_opening_the_way_back_before_a_card_was_entered_adds_nothing(client, profile):
    client.post(f"/billing-profiles/{profile.code}/payment-methods/new/")
    setup = CardSetup.objects.get()

    client.get(f"/card-setups/{setup.code}/return/?status=completed")

    setup.refresh_from_db()
    assert (setup.status, PaymentMethod.objects.exists()) == ("started", False)


def test_adding_a_card_while_paying_leads_back_to_the_payment(client, profile):
    invoice = InvoiceFactory(profile=profile)
    hosted = client.post(f"/billing-profiles/{profile.code}/payment-methods/new/?invoice={invoice.code}").headers[
        "Location"
    ]
    back = client.post(
        hosted, {"number": SPECIMENS["amex"].number, "expiry": "12/99", "code": SECURITY_CODE, "holder": "T. Test"}
    ).headers["Location"]

    response = client.get(back)

    assert (
        response.headers["Location"] == f"/invoices/{invoice.code}/payment/?method={PaymentMethod.objects.get().code}"
    )


def test_T01_an_invoice_of_another_account_is_not_led_back_to(client, profile):
    foreign = InvoiceFactory()

    client.post(f"/billing-profiles/{profile.code}/payment-methods/new/?invoice={foreign.code}")

    assert CardSetup.objects.get().invoice is None


def test_Q12_the_eleventh_card_in_an_hour_is_refused_on_the_page(client, profile):
    address = f"/billing-profiles/{profile.code}/payment-methods/new/"
    for _time in range(10):
        client.post(address)

    assert "Wait an hour and try again; the ones you have keep paying." in text_of(client.post(address))


def test_T01_a_profile_that_is_not_offered_becomes_no_default(client, profile):
    sibling = BillingProfileFactory(account=profile.account)

    response = client.post(f"/billing-profiles/{profile.code}/payment-methods/new/", {"default_for": [sibling.code]})

    assert response.status_code == 200
    assert not CardSetup.objects.exists()


# --- Choosing -----------------------------------------------------------------------------------


def test_S3_23_replacing_the_default_shows_what_changes_and_then_does_it(client, profile):
    old = PaymentMethodFactory(account=profile.account, default_for=[profile])
    new = PaymentMethodFactory(account=profile.account, specimen="amex")
    SubscriptionFactory(profile=profile, name="WMS Rotterdam")
    address = f"/billing-profiles/{profile.code}/payment-methods/default/"

    before = text_of(client.get(address, {"method": new.code}))
    response = client.post(address, {"method": new.code}, follow=True)

    assert "WMS Rotterdam is on these invoices" in before
    assert f"{old} is kept, and not removed" in before
    assert ProfileMethods.objects.get(profile=profile).default == new
    assert "is now the default of Warehouse." in text_of(response)


def test_S3_11_an_expired_card_cannot_be_chosen(client, profile):
    expired = PaymentMethodFactory(account=profile.account, valid_until=date(2020, 1, 31))

    response = client.post(f"/billing-profiles/{profile.code}/payment-methods/default/", {"method": expired.code})

    assert response.context["form"].errors["method"] == ["It has expired: add the new card, or choose another one."]
    assert not ProfileMethods.objects.exists()


@pytest.fixture
def online(owner):
    """An online-services account with two subscriptions on one card, and a second card."""
    account = BillingAccountFactory(online_services=True, owner=owner)
    card, other = PaymentMethodFactory(account=account), PaymentMethodFactory(account=account, specimen="amex")
    subscriptions = []
    for name in ("Compute", "Mail"):
        hidden = SubscriptionProfileFactory(account=account, name=name)
        ProfileMethods.objects.create(profile=hidden, default=card)
        subscriptions.append(SubscriptionFactory(profile=hidden, name=name))
    return account, subscriptions, card, other


def test_S3_5_the_account_page_shows_what_each_subscription_is_paid_with(client, online):
    account, subscriptions, card, _other = online

    response = client.get(f"/billing-accounts/{account.code}/payment-methods/")

    assert response.context["subscriptions"] == [(subscription, card) for subscription in subscriptions]
    assert "2 subscriptions" in text_of(response)


def test_P5_S3_9_make_active_lists_what_moves_and_leaves_what_was_cleared(client, online):
    _account, (compute, mail), card, other = online
    address = f"/subscriptions/{compute.code}/payment-method/"

    choices = client.get(address).context["form"].fields["subscriptions"].choices
    client.post(address, {"method": other.code, "subscriptions": [compute.code]})

    assert [code for code, _label in choices] == [compute.code, mail.code]
    assert ProfileMethods.objects.get(profile=compute.profile).default == other
    assert ProfileMethods.objects.get(profile=mail.profile).default == card


def test_S3_8_a_new_card_becomes_active_for_the_ticked_subscriptions(client, online):
    _account, (compute, mail), card, _other = online
    hosted = client.post(
        f"/subscriptions/{compute.code}/payment-method/new/", {"is_active": "on", "default_for": [mail.profile.code]}
    ).headers["Location"]
    back = client.post(
        hosted,
        {"number": SPECIMENS["mastercard"].number, "expiry": "12/99", "code": SECURITY_CODE, "holder": "T. Test"},
    ).headers["Location"]

    client.get(back)

    assert ProfileMethods.objects.get(profile=mail.profile).default.brand == "mastercard"
    assert ProfileMethods.objects.get(profile=compute.profile).default == card


# --- Removing -----------------------------------------------------------------------------------


def test_S3_15_P4_the_page_lists_each_blocker_with_its_link(client, profile):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])
    payment = PaymentFactory(invoices=[InvoiceFactory(profile=profile)], method=method, status="processing")

    response = client.get(f"/payment-methods/{method.code}/removal/")

    text = text_of(response)
    assert "Not possible yet: 3 things still use it" in text
    for blocker in response.context["blockers"]:
        assert f'href="{blocker.href}"' in text
    assert payment.get_absolute_url() in text
    assert "Remove card" not in text


def test_S3_14_a_free_card_is_removed_after_saying_what_happens(client, account):
    method = PaymentMethodFactory(account=account)

    before = text_of(client.get(f"/payment-methods/{method.code}/removal/"))
    response = client.post(f"/payment-methods/{method.code}/removal/", follow=True)

    method.refresh_from_db()
    assert "The payment provider forgets the card." in before
    assert method.status == "detached"
    assert "Visa ending 4242 was removed." in text_of(response)
    assert client.get(f"/payment-methods/{method.code}/removal/").status_code == 404


def test_S3_15_posting_the_removal_of_a_card_in_use_changes_nothing(client, profile):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])
    SubscriptionFactory(profile=profile)

    text = text_of(client.post(f"/payment-methods/{method.code}/removal/"))

    method.refresh_from_db()
    assert method.status == "active"
    assert f"is still in use: Default of {profile}" in text.replace("&#x27;", "'")


def test_P4_replace_and_remove_on_the_page(client, profile):
    old = PaymentMethodFactory(account=profile.account, default_for=[profile])
    new = PaymentMethodFactory(account=profile.account, specimen="amex")

    client.post(f"/payment-methods/{old.code}/removal/", {"replacement": new.code})

    old.refresh_from_db()
    assert (old.status, ProfileMethods.objects.get(profile=profile).default) == ("detached", new)


# --- Who ----------------------------------------------------------------------------------------


def test_weaker_roles_see_the_verbs_locked_with_who_may(client, profile, owner):
    PaymentMethodFactory(account=profile.account)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)

    text = text_of(client.get(f"/billing-profiles/{profile.code}/payment-methods/"))

    assert "Your role does not allow this." in text
    assert f"/billing-profiles/{profile.code}/payment-methods/new/" not in text


def test_every_page_is_404_for_outsiders_and_403_for_readers(client, account, profile):
    method = PaymentMethodFactory(account=account, default_for=[profile])
    setup = CardSetup.objects.create(account=account, gateway="sandbox", idempotency_key="x")
    reader, outsider = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user, UserFactory()
    subscription = SubscriptionFactory(profile=profile)
    changing = [
        f"/billing-accounts/{account.code}/payment-methods/new/",
        f"/billing-profiles/{profile.code}/payment-methods/new/",
        f"/billing-profiles/{profile.code}/payment-methods/default/",
        f"/subscriptions/{subscription.code}/payment-method/",
        f"/subscriptions/{subscription.code}/payment-method/new/",
        f"/payment-methods/{method.code}/removal/",
    ]
    reading = [
        f"/billing-accounts/{account.code}/payment-methods/",
        f"/billing-profiles/{profile.code}/payment-methods/",
    ]

    client.force_login(reader)
    as_reader = [client.get(address).status_code for address in [*reading, *changing]]
    as_reader += [client.post(address).status_code for address in changing]
    client.force_login(outsider)
    as_outsider = [client.get(address).status_code for address in [*reading, *changing]]
    returns = client.get(f"/card-setups/{setup.code}/return/").status_code

    assert as_reader == [200] * len(reading) + [403] * len(changing) * 2
    assert as_outsider == [404] * (len(reading) + len(changing))
    assert returns == 404
    method.refresh_from_db()
    assert method.status == "active"


def test_a_set_up_of_a_colleague_can_be_finished_by_who_may_add_cards(client, profile):
    colleague = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    client.post(f"/billing-profiles/{profile.code}/payment-methods/new/")
    setup = CardSetup.objects.get()
    api.enter_card(setup.session_id, number="4242424242424242", expiry_year=2099, expiry_month=1, holder="T. Test")
    client.force_login(colleague)

    client.get(f"/card-setups/{setup.code}/return/")

    setup.refresh_from_db()
    assert setup.status == "completed"
