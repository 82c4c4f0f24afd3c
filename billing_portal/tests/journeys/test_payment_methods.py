"""Step 4 of the thread: a card is entered on the gateway's own page, and a profile pays with it from then on."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.tests.journeys.person import PATIENCE
from core.periods import Month
from core.testing import SECURITY_CODE
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox.cards import SPECIMENS
from payments.models import PaymentMethod, ProfileMethods, TransferRequest
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def profile(marieke):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    return BillingProfileFactory(account=account, name="Operations NL")


def test_S3_6_a_card_is_added_on_the_gateways_page_and_pays_from_then_on(person, marieke, profile, mailbox):
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/payment-methods/")
    owner.sees("No default yet")
    owner.looks()
    asks_for_a_card(owner, "Operations NL")

    enters_a_card(owner, "4242 4242 4242 4241")  # one digit off: nobody's card, and not ours to keep
    owner.sees("This test gateway takes only the numbers below. What you typed was not kept.")
    owner.looks()
    enters_a_card(owner, SPECIMENS["visa"].shown)
    owner.sees("Default payment method")
    owner.sees("4242")
    owner.looks()

    card = PaymentMethod.objects.get()
    assert (card.brand, card.last4, card.profile) == ("visa", "4242", profile)
    assert ProfileMethods.objects.get(profile=profile).default == card
    assert "4242" in str(mailbox(marieke.email))


def test_S3_17_a_refused_card_is_not_added_and_the_page_says_what_helps(person, marieke, profile):
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/payment-methods/")
    asks_for_a_card(owner, "Operations NL")
    enters_a_card(owner, SPECIMENS["never"].shown)
    owner.sees("refused by the bank")
    owner.sees("Ask your bank why it refused: we are not told more than this.")
    owner.looks()
    assert not PaymentMethod.objects.exists()


def test_S3_7_a_bank_that_asks_is_answered_before_the_card_is_kept(person, marieke, profile):
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/payment-methods/")
    asks_for_a_card(owner, "Operations NL")
    enters_a_card(owner, SPECIMENS["checked_once"].shown)
    owner.reads("Check by your bank")
    owner.looks()
    owner.presses("Confirm")
    owner.sees("Default payment method")
    owner.sees(SPECIMENS["checked_once"].last4)
    assert PaymentMethod.objects.get().last4 == SPECIMENS["checked_once"].last4


def test_S3_23_another_card_becomes_the_default_and_the_old_one_goes(person, marieke, profile):
    old = PaymentMethodFactory(profile=profile, default_for=[profile])
    new = PaymentMethodFactory(profile=profile, specimen="mastercard")
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/payment-methods/")
    owner.follows("Make %(method)s the default", method=said(owner, new))
    owner.reads("Replace default")
    owner.looks()
    owner.picks(said(owner, new))
    owner.presses("Use this one")
    owner.sees("%(method)s is now the default of %(profile)s.", method=said(owner, new), profile="Operations NL")
    owner.looks()
    assert ProfileMethods.objects.get(profile=profile).default == new

    owner.follows("Remove %(method)s", method=said(owner, old))
    owner.sees("The payment provider forgets the card. It cannot be charged any more.")
    owner.looks()
    owner.presses("Remove card")
    owner.sees("%(method)s was removed.", method=said(owner, old))
    assert [method.pk for method in PaymentMethod.objects.kept()] == [new.pk]


def test_S3_15_a_card_in_use_lists_what_stands_in_the_way(person, marieke, profile):
    card = PaymentMethodFactory(profile=profile, default_for=[profile])
    PaymentMethodFactory(profile=profile, specimen="mastercard")
    owner = person(marieke)
    owner.opens(profile.account.get_absolute_url())
    owner.follows("Payment methods")
    owner.reads("Payment methods")
    owner.looks()
    owner.follows("Remove %(method)s", method=said(owner, card))
    owner.reads("What stands in the way")
    owner.sees("Operations NL")
    owner.looks()
    card.refresh_from_db()
    assert card.is_kept


def test_S3_12_S3_15_S3_23_P4_a_card_is_edited_replaced_refused_and_deleted_when_nothing_uses_it(
    person, marieke, profile
):
    old = PaymentMethodFactory(profile=profile, default_for=[profile])
    new = PaymentMethodFactory(profile=profile, specimen="mastercard")
    SubscriptionFactory(profile=profile, name="Office licence", status="active")
    owner = person(marieke)
    owner.opens(f"/billing-accounts/{profile.account.code}/payment-methods/")
    owner.follows(said(owner, old))
    owner.reads(said(owner, old))
    owner.looks()
    owner.follows("Edit")
    owner.sees("Your bank may ask whether it is you.")
    owner.looks()
    owner.presses("Continue to the payment provider")
    owner.types("Expiry date (MM/YY)", "11/48")
    owner.types("Name on card", "M. de Vries-Smit")
    owner.presses("Save")
    owner.sees("%(method)s was brought up to date.", method=said(owner, old))
    owner.sees("M. de Vries-Smit")

    owner.follows("Remove")
    owner.reads("What stands in the way")
    owner.sees("Default of %(profile)s", profile="Operations NL")
    owner.sees("Office licence")
    owner.looks()
    owner.opens(f"/payment-methods/{old.code}/replacement/")
    owner.sees("Step 1 of 2: what changes, and what pays instead")
    owner.looks()
    owner.picks(said(owner, new))
    owner.presses("Continue")
    owner.sees("Step 2 of 2: look at it all, and confirm")
    owner.looks()
    owner.presses("Replace")
    owner.sees("%(new)s took the place of %(old)s.", new=said(owner, new), old=said(owner, old))
    owner.looks()
    assert ProfileMethods.objects.get(profile=profile).default == new

    owner.follows("Remove the old one")
    owner.sees("The payment provider forgets the card. It cannot be charged any more.")
    owner.presses("Remove card")
    owner.sees("%(method)s was removed.", method=said(owner, old))
    old.refresh_from_db()
    assert (old.is_kept, old.valid_until.year) == (False, 2048)


def test_S3_5_S3_8_S3_9_S3_11_P5_a_card_becomes_active_for_some_subscriptions_of_online_services(person, marieke):
    account = BillingAccountFactory(name="Beta Bouw B.V.", owner=marieke, online_services=True)
    card = PaymentMethodFactory(account=account)
    subscriptions = []
    for name in ("Compute", "Mail", "Storage"):
        hidden = SubscriptionProfileFactory(account=account, name=name)
        ProfileMethods.objects.create(profile=hidden, default=card)
        subscriptions.append(SubscriptionFactory(profile=hidden, name=name))
    owner = person(marieke)
    owner.opens(f"/billing-accounts/{account.code}/payment-methods/")
    owner.follows("Compute")
    owner.reads("Payment methods of %(subscription)s", subscription="Compute")
    owner.looks()
    owner.follows("Add")
    owner.reads("Add a card")
    owner.ticks("Use this card as my active payment method")
    owner.ticks("Storage")
    owner.looks()
    owner.presses("Continue to the payment provider")
    enters_a_card(owner, SPECIMENS["mastercard"].shown)
    owner.reads("Payment methods of %(subscription)s", subscription="Compute")
    new = PaymentMethod.objects.exclude(pk=card.pk).get()
    assert [active_of(each) for each in subscriptions] == [new, new, card]

    owner.follows("Make %(method)s active", method=said(owner, card))
    owner.reads("Active payment method")
    owner.ticks("Mail")
    owner.looks()
    owner.presses("Make active")
    button = owner.page.get_by_role("button", name=owner.word("Make active"), exact=True)
    expect(button).to_have_count(0, timeout=PATIENCE)  # the panel is gone: what stood behind it is drawn anew
    owner.sees("What it was paid with")
    owner.looks()
    assert [active_of(each) for each in subscriptions] == [card, new, card]

    owner.follows("Remove %(method)s", method=said(owner, new))
    owner.sees("Mail")
    owner.looks()
    owner.presses("Replace and remove")
    owner.sees("%(method)s was removed.", method=said(owner, new))
    assert [active_of(each) for each in subscriptions] == [card, card, card]


def test_S3_21_P16_a_request_to_pay_by_transfer_is_sent_and_stands_on_its_page(person, marieke, profile):
    this = Month.of(timezone.localdate())
    for back in range(8, 0, -1):
        InvoiceFactory(profile=profile, month=this.plus(-back), status="paid", lines=[100_000])
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/payment-methods/")
    owner.follows("Pay by bank transfer")
    owner.reads("Who may pay by transfer")
    owner.looks()
    owner.types_into(owner.page.locator("[name=monthly]"), "1500")
    owner.presses("Send the request")
    owner.sees("Your request was sent. We answer within two working days.")
    owner.looks()
    assert TransferRequest.objects.get().profile == profile


def active_of(subscription):
    return ProfileMethods.objects.get(profile=subscription.profile_id).default


def asks_for_a_card(somebody, profile: str) -> None:
    """The panel says what will happen, and leads to the gateway."""
    somebody.follows("Add")
    somebody.reads("Add a card")
    somebody.ticks("Use this card as the default of %(profile)s", profile=profile)
    somebody.looks()
    somebody.presses("Continue to the payment provider")
    somebody.reads("Test cards")
    somebody.looks()


def enters_a_card(somebody, number: str) -> None:
    somebody.types("Card number", number)
    somebody.types("Expiry date (MM/YY)", "12/49")
    somebody.types("Security code", SECURITY_CODE)
    somebody.types("Name on card", "M. de Vries")
    somebody.presses("Add this card")


def said(somebody, method: PaymentMethod) -> str:
    """The name of a card as this person's page has it."""
    with somebody.speaking():
        return str(method)
