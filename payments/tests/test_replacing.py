"""Replacing a method everywhere or in one place, a backup, leaving things without one, and removal by itself."""

import html
from datetime import date, timedelta

import pytest
from django.utils import timezone, translation

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.mail import write_mail
from core.messages import Verdict
from core.models import Message
from core.policy import Role
from core.testing import SECURITY_CODE
from invoices.tests.factories import InvoiceFactory
from payments.declines import DECLINES
from payments.gateways.sandbox.cards import SPECIMENS
from payments.jobs import remove_planned_methods, tell_of_expiring_cards
from payments.mail import expiry_still_counts
from payments.models import CardSetup, PaymentMethod, ProfileMethods
from payments.services.methods import (
    plan_removal,
    remove_as_planned,
    remove_method,
    replace_method,
    set_backup_method,
    set_default_method,
    withdraw_removal,
)
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 20)


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


def methods_of(profile):
    row = ProfileMethods.objects.get(profile=profile)
    return row.default, row.backup


def text_of(response):
    return response.content.decode().replace("&#x27;", "'")


# --- Replacing ----------------------------------------------------------------------------------


def test_S3_23_a_card_is_replaced_everywhere_also_as_backup_and_kept(account, profile, owner):
    old, new = PaymentMethodFactory(account=account), PaymentMethodFactory(account=account, specimen="amex")
    other, third = BillingProfileFactory(account=account), PaymentMethodFactory(account=account)
    ProfileMethods.objects.create(profile=profile, default=old)
    ProfileMethods.objects.create(profile=other, default=third, backup=old)

    replace_method(old, new, defaults=[profile], backups=[other], by=owner, on=TODAY)

    old.refresh_from_db()
    assert (methods_of(profile), methods_of(other), old.status) == ((new, None), (third, new), "active")
    assert Message.objects.get(template="method_default").context["profiles"] == ["Warehouse"]


def test_P5_one_thing_is_replaced_and_the_others_stay(account, profile, owner):
    old, new = PaymentMethodFactory(account=account), PaymentMethodFactory(account=account)
    sibling = BillingProfileFactory(account=account)
    for each in (profile, sibling):
        ProfileMethods.objects.create(profile=each, default=old)

    replace_method(old, new, defaults=[profile], by=owner, on=TODAY)

    assert (methods_of(profile)[0], methods_of(sibling)[0]) == (new, old)


@pytest.mark.parametrize("what", ["same_method", "nothing_chosen", "expired", "not_offered", "changed_meanwhile"])
def test_a_replacement_that_cannot_be_is_refused_and_nothing_moves(account, profile, owner, what):
    old, new = PaymentMethodFactory(account=account, default_for=[profile]), PaymentMethodFactory(account=account)
    sibling = BillingProfileFactory(account=account)
    values = {
        "same_method": (old, old, [profile]),
        "nothing_chosen": (old, new, []),
        "expired": (old, PaymentMethodFactory(account=account, valid_until=date(2026, 10, 31)), [profile]),
        "not_offered": (old, PaymentMethodFactory(profile=sibling), [profile]),
        "changed_meanwhile": (old, new, [profile, sibling]),
    }
    before, after, profiles = values[what]

    with pytest.raises(Refused) as refusal:
        replace_method(before, after, defaults=profiles, by=owner, on=TODAY)

    assert (refusal.value.code, methods_of(profile)[0]) == (what, old)


def test_who_may_not_choose_for_a_profile_moves_nothing(account, profile):
    contributor = ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user
    sibling = BillingProfileFactory(account=account)
    old = PaymentMethodFactory(account=account, default_for=[profile, sibling])

    with pytest.raises(Forbidden):
        replace_method(
            old, PaymentMethodFactory(account=account), defaults=[profile, sibling], by=contributor, on=TODAY
        )

    assert methods_of(profile)[0] == old


def test_S3_23_the_wizard_chooses_shows_it_all_confirms_and_says_what_it_did(client, account, profile):
    old, new = PaymentMethodFactory(account=account), PaymentMethodFactory(account=account, specimen="amex")
    sibling = BillingProfileFactory(account=account, name="Office")
    for each in (profile, sibling):
        ProfileMethods.objects.create(profile=each, default=old)
    invoice = InvoiceFactory(profile=profile)
    address = f"/payment-methods/{old.code}/replacement/"

    first = client.get(address)
    review = client.get(address, {"item": [profile.code], "method": new.code})
    done = client.post(address, {"item": [profile.code], "method": new.code}, follow=True)

    assert first.context["form"].fields["item"].choices == [
        (sibling.code, "Office · Pays its invoices"),
        (profile.code, "Warehouse · Pays its invoices"),
    ]
    assert "Step 2 of 2" in text_of(review)
    assert f"{invoice.number} is open now" in text_of(review)
    assert methods_of(sibling)[0] == old, "what was cleared stays"
    assert done.redirect_chain == [(f"/payment-methods/{new.code}/?replaced={old.code}", 302)]
    assert f"{new} took the place of {old}" in text_of(done)
    assert "next invoice on" in text_of(done)


def test_one_thing_can_be_asked_for_by_the_link_of_its_row(client, account, profile):
    old = PaymentMethodFactory(account=account, default_for=[profile])
    PaymentMethodFactory(account=account)
    ProfileMethods.objects.create(profile=BillingProfileFactory(account=account), default=old)

    form = client.get(f"/payment-methods/{old.code}/replacement/", {"only": profile.code}).context["form"]

    assert form.initial["item"] == [profile.code]


def test_a_card_added_for_a_replacement_comes_back_to_the_wizard(client, account, profile):
    old = PaymentMethodFactory(account=account, default_for=[profile])
    hosted = client.post(f"/billing-accounts/{account.code}/payment-methods/new/?replaces={old.code}").headers[
        "Location"
    ]
    card = {"number": "4242424242424242", "expiry": "12/99", "code": SECURITY_CODE, "holder": "T. Test"}
    back = client.get(client.post(hosted, card).headers["Location"]).headers["Location"]

    new = PaymentMethod.objects.exclude(pk=old.pk).get()
    assert back == f"/payment-methods/{old.code}/replacement/?method={new.code}"
    assert client.get(back).context["form"].initial["method"] == new.code


def test_T01_a_card_of_another_account_is_not_replaced_by_a_new_one(client, account):
    foreign = PaymentMethodFactory()

    client.post(f"/billing-accounts/{account.code}/payment-methods/new/?replaces={foreign.code}")

    assert CardSetup.objects.get().replaces is None


def test_S3_12_a_row_opens_the_card_with_what_uses_it_and_names_nobody_elses(client, account, profile):
    method = PaymentMethodFactory(account=account, default_for=[profile])
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user

    mine = text_of(client.get(f"/payment-methods/{method.code}/"))
    client.force_login(reader)
    theirs = text_of(client.get(f"/payment-methods/{method.code}/"))
    client.force_login(ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user)
    of_profile = client.get(f"/payment-methods/{method.code}/")

    assert "Replace everywhere" in mine
    assert "Warehouse" in mine
    assert "Warehouse" in theirs
    assert f"/payment-methods/{method.code}/replacement/?only" not in theirs
    assert of_profile.status_code == 404, "a card of the whole account is the account's to look into"


# --- Editing ------------------------------------------------------------------------------------


def test_S3_12_S3_13_a_card_is_edited_on_the_gateways_page_and_its_number_is_not_asked(client, account):
    method = PaymentMethodFactory(account=account)
    page = text_of(client.get(f"/payment-methods/{method.code}/edit/"))

    hosted = client.post(f"/payment-methods/{method.code}/edit/").headers["Location"]
    fields = client.get(hosted).context["form"].fields
    sent = {"expiry": "11/48", "holder": "New Name", **({"address": "Kade 1"} if "address" in fields else {})}
    back = client.get(client.post(hosted, sent).headers["Location"], follow=True)

    method.refresh_from_db()
    assert "The number stays what it is." in page
    assert "number" not in fields
    assert (method.holder, method.valid_until, method.last4) == ("New Name", date(2048, 11, 30), "4242")
    assert back.redirect_chain == [(f"/payment-methods/{method.code}/", 302)]
    assert f"{method} was brought up to date." in text_of(back)


def test_S3_12_leaving_the_gateways_page_changes_nothing(client, account):
    method = PaymentMethodFactory(account=account)
    hosted = client.post(f"/payment-methods/{method.code}/edit/").headers["Location"]

    back = client.get(client.post(f"{hosted}leave/").headers["Location"], follow=True)

    assert f"{method} is as it was." in text_of(back)


def test_S3_13_a_refused_change_keeps_the_panel_open_with_reason_and_advice(client, account):
    method = PaymentMethodFactory(account=account)
    setup = CardSetup.objects.create(
        account=account,
        changes=method,
        gateway="sandbox",
        idempotency_key="x",
        status="failed",
        decline_reason="another_card",
    )

    text = text_of(client.get(f"/payment-methods/{method.code}/edit/?refused={setup.code}"))

    assert "The card was not changed:" in text
    assert "/help/payment-problems/#another_card" in text


def test_a_direct_debit_is_offered_in_euros_and_its_mandate_is_shown(client, account):
    address = f"/billing-accounts/{account.code}/payment-methods/new/"
    panel = text_of(client.get(address, {"family": "direct_debit"}))
    hosted = client.post(f"{address}?family=direct_debit").headers["Location"]
    specimen = next(each for each in SPECIMENS.values() if each.is_account and not each.refused)
    sent = {"number": specimen.number, "holder": "Alfa B.V.", "agreed": "on"}
    client.get(client.post(hosted, sent).headers["Location"])

    method = PaymentMethod.objects.get()
    shown = text_of(client.get(f"/payment-methods/{method.code}/"))
    type(account).objects.filter(pk=account.pk).update(currency="USD")
    elsewhere = client.get(address, {"family": "direct_debit"}).context

    assert "sign a mandate" in panel
    assert (method.family, method.mandate.reference in shown, method.mandate.iban_masked in shown) == (
        "direct_debit",
        True,
        True,
    )
    assert specimen.number not in shown
    assert (elsewhere["is_debit"], elsewhere["offers_debit"]) == (False, False)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_S3_16_S3_22_the_page_of_payment_problems_has_every_reason_with_its_advice(client, owner, language):
    type(owner).objects.filter(pk=owner.pk).update(language=language)

    text = html.unescape(client.get("/help/payment-problems/").content.decode())

    with translation.override(language):
        for reason, decline in DECLINES.items():
            assert f'id="{reason}"' in text
            assert str(decline.sentence) in text
            for step in decline.advice:
                assert str(step) in text


def test_S3_16_every_advice_has_dutch_of_its_own():
    said = {text for decline in DECLINES.values() for text in (decline.short, decline.sentence, *decline.advice)}
    with translation.override("en"):
        english = {str(text) for text in said}
    with translation.override("nl"):
        dutch = {str(text) for text in said}

    assert not english & dutch


# --- Backup -------------------------------------------------------------------------------------


def test_P19_a_backup_is_chosen_shown_and_taken_back(client, account, profile):
    PaymentMethodFactory(account=account, default_for=[profile])
    backup = PaymentMethodFactory(account=account, specimen="amex")
    address = f"/billing-profiles/{profile.code}/payment-methods/backup/"

    client.post(address, {"method": backup.code})
    shown = client.get(f"/billing-profiles/{profile.code}/payment-methods/")
    assert (methods_of(profile)[1], shown.context["backup"].method) == (backup, backup)
    client.post(address, {"method": "none"})

    assert methods_of(profile)[1] is None


def test_P19_the_default_is_no_backup_of_itself(account, profile, owner):
    method = PaymentMethodFactory(account=account, default_for=[profile])

    with pytest.raises(Refused) as refusal:
        set_backup_method(profile, method, by=owner, on=TODAY)

    assert refusal.value.code == "is_default"


# --- Leaving without ----------------------------------------------------------------------------


def test_S3_15_an_idle_profile_is_left_without_a_method_where_that_is_chosen(client, account, profile):
    method = PaymentMethodFactory(account=account, default_for=[profile])

    client.post(f"/payment-methods/{method.code}/removal/", {"replacement": "none"})

    method.refresh_from_db()
    assert (method.status, methods_of(profile)) == ("detached", (None, None))
    assert "No default yet" in text_of(client.get(f"/billing-profiles/{profile.code}/payment-methods/"))


def test_S3_15_what_pays_for_a_subscription_is_not_detached(account, profile, owner):
    method = PaymentMethodFactory(account=account, default_for=[profile])
    SubscriptionFactory(profile=profile)

    with pytest.raises(Refused) as refusal:
        remove_method(method, detach=True, by=owner, on=TODAY)

    assert (refusal.value.code, methods_of(profile)[0]) == ("in_use", method)


# --- By itself ----------------------------------------------------------------------------------


def test_P4_a_card_goes_by_itself_on_the_first_night_on_which_nothing_uses_it(account, profile, owner):
    method = PaymentMethodFactory(account=account, default_for=[profile])
    start = TODAY + timedelta(days=3)
    plan_removal(method, start=start, by=owner, on=TODAY)

    early = remove_as_planned(method, on=start - timedelta(days=1))
    in_use = remove_as_planned(method, on=start)
    ProfileMethods.objects.update(default=None)
    free = remove_as_planned(method, on=start + timedelta(days=1))

    method.refresh_from_db()
    assert (early, in_use, free) == (False, False, True)
    assert (method.status, method.remove_from) == ("detached", None)
    assert Message.objects.get(template="method_removed").recipient == owner.email
    assert not remove_as_planned(method, on=start + timedelta(days=2)), "twice is once"


def test_P4_the_plan_is_made_and_withdrawn_on_its_page(client, account, profile):
    method = PaymentMethodFactory(account=account, default_for=[profile])
    start = timezone.localdate() + timedelta(days=30)

    planned = client.post(f"/payment-methods/{method.code}/removal/plan/", {"start": f"{start}"}, follow=True)
    method.refresh_from_db()
    kept = client.post(f"/payment-methods/{method.code}/removal/withdrawal/", follow=True)

    assert method.remove_from == start
    assert "This payment method deletes itself on" in text_of(planned)
    method.refresh_from_db()
    assert method.remove_from is None
    assert f"{method} is kept." in text_of(kept)


def test_P4_a_day_that_has_come_is_refused_at_its_field(client, account):
    method = PaymentMethodFactory(account=account)

    response = client.post(f"/payment-methods/{method.code}/removal/plan/", {"start": f"{timezone.localdate()}"})

    assert response.context["form"].errors["start"] == ["Choose a day after today, and within two years."]


def test_P4_choosing_a_card_keeps_it(account, profile, owner):
    method = PaymentMethodFactory(account=account)
    plan_removal(method, start=TODAY + timedelta(days=1), by=owner, on=TODAY)

    set_default_method(method, profiles=[profile], by=owner, on=TODAY)

    method.refresh_from_db()
    assert method.remove_from is None


def test_I23_the_plan_of_somebody_who_lost_the_right_is_dropped(account):
    person = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR)
    method = PaymentMethodFactory(account=account)
    plan_removal(method, start=TODAY + timedelta(days=1), by=person.user, on=TODAY)
    person.delete()

    remove_planned_methods(timezone.now() + timedelta(days=700))

    method.refresh_from_db()
    assert (method.status, method.remove_from) == ("active", None)


def test_withdrawing_is_for_who_may_delete(account):
    method = PaymentMethodFactory(account=account, remove_from=TODAY)

    with pytest.raises(Forbidden):
        withdraw_removal(method, by=AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user)


# --- Expiring -----------------------------------------------------------------------------------


def at(day):
    return timezone.make_aware(timezone.datetime(day.year, day.month, day.day, 6))


def test_a_card_that_expires_is_mailed_30_and_7_days_before_once_each(account, profile):
    keeper = ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user
    ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    last = date(2026, 12, 31)
    method = PaymentMethodFactory(account=account, valid_until=last, default_for=[profile])
    PaymentMethodFactory(account=account, valid_until=last)

    counts = []
    for days in (31, 30, 29, 8, 7, 6, 0, -1):
        tell_of_expiring_cards(at(last - timedelta(days=days)))
        counts.append(Message.objects.filter(template="card_expiring").count())

    assert counts == [0, 1, 1, 1, 2, 2, 2, 2]
    mail = Message.objects.filter(template="card_expiring").first()
    assert (mail.recipient, mail.context["profiles"], mail.context["days"]) == (keeper.email, ["Warehouse"], 30)
    assert f"/payment-methods/{method.code}/replacement/" in write_mail(mail).body


def test_without_somebody_on_the_profile_the_account_is_told_and_online_its_administrator(account, profile, owner):
    online_owner = UserFactory()
    online = BillingAccountFactory(online_services=True, owner=online_owner)
    hidden = SubscriptionProfileFactory(account=online)
    last = TODAY + timedelta(days=5)
    PaymentMethodFactory(account=account, valid_until=last, default_for=[profile])
    PaymentMethodFactory(account=online, valid_until=last, default_for=[hidden])
    AccountRoleFactory(account=account, role=Role.ACCOUNT_READER)

    tell_of_expiring_cards(at(TODAY))

    told = Message.objects.filter(template="card_expiring").values_list("recipient", flat=True)
    assert sorted(told) == sorted([owner.email, online_owner.email])


def test_a_notice_of_a_card_that_was_replaced_meanwhile_is_withdrawn(account, profile, owner):
    method = PaymentMethodFactory(account=account, valid_until=TODAY + timedelta(days=5), default_for=[profile])
    tell_of_expiring_cards(at(TODAY))
    mail = Message.objects.get(template="card_expiring")
    before = expiry_still_counts(mail)

    set_default_method(PaymentMethodFactory(account=account), profiles=[profile], by=owner, on=TODAY)

    assert (before, expiry_still_counts(mail)) == (Verdict.SEND, Verdict.WITHDRAW)
    assert method.is_kept


# --- A subscription -----------------------------------------------------------------------------


@pytest.fixture
def online(owner):
    account = BillingAccountFactory(online_services=True, owner=owner)
    card = PaymentMethodFactory(account=account)
    subscriptions = []
    for name in ("Compute", "Mail"):
        hidden = SubscriptionProfileFactory(account=account, name=name)
        set_default_method(card, profiles=[hidden], by=owner, on=TODAY)
        subscriptions.append(SubscriptionFactory(profile=hidden, name=name))
    return account, subscriptions, card


def test_S3_5_the_page_of_a_subscription_has_its_active_card_the_others_and_who_changed_it(client, online, owner):
    account, (compute, _mail), card = online
    other = PaymentMethodFactory(account=account, specimen="amex")
    set_default_method(other, profiles=[compute.profile], by=owner, on=TODAY)

    response = client.get(f"/subscriptions/{compute.code}/payment-methods/")

    assert response.context["default"].method == other
    assert [row.method for row in response.context["methods"]] == [other, card]
    assert f"{other} instead of {card}, by {owner}" in text_of(response)
    assert f'href="/subscriptions/{compute.code}/payment-method/?method={card.code}"' in text_of(response)


def test_S3_8_the_box_is_off_and_without_it_nothing_changes(client, online):
    _account, (compute, mail), card = online
    address = f"/subscriptions/{compute.code}/payment-method/new/"

    form = client.get(address).context["form"]
    hosted = client.post(address, {"default_for": [compute.profile.code, mail.profile.code]}).headers["Location"]
    client.get(
        client.post(
            hosted, {"number": "4242424242424242", "expiry": "12/99", "code": SECURITY_CODE, "holder": "T"}
        ).headers["Location"]
    )

    assert not form["is_active"].value()
    assert form.fields["default_for"].choices == [(compute.profile.code, "Compute"), (mail.profile.code, "Mail")]
    assert {methods_of(each.profile)[0] for each in (compute, mail)} == {card}
    assert PaymentMethod.objects.count() == 2


def test_S3_8_the_box_with_nothing_chosen_is_an_error_and_asks_no_gateway(client, online):
    _account, (compute, _mail), _card = online

    response = client.post(f"/subscriptions/{compute.code}/payment-method/new/", {"is_active": "on"})

    assert "Choose at least one subscription" in text_of(response)
    assert not CardSetup.objects.exists()


def test_S3_10_a_card_refused_for_a_subscription_keeps_its_panel_open_with_the_advice(client, online):
    _account, (compute, _mail), _card = online
    hosted = client.post(f"/subscriptions/{compute.code}/payment-method/new/").headers["Location"]
    prepaid = {"number": "4000000000015182", "expiry": "12/99", "code": SECURITY_CODE, "holder": "T"}
    back = client.post(hosted, prepaid).headers["Location"]

    response = client.get(back, follow=True)

    assert response.redirect_chain[-1][0].startswith(f"/subscriptions/{compute.code}/payment-method/new/?refused=")


def test_the_page_of_a_subscription_on_a_profile_is_that_of_the_profile(client, profile):
    subscription = SubscriptionFactory(profile=profile)

    response = client.get(f"/subscriptions/{subscription.code}/payment-methods/")

    assert response.headers["Location"] == f"/billing-profiles/{profile.code}/payment-methods/"


def test_lists_of_cards_are_narrowed_and_sorted(client, account, profile):
    gone = PaymentMethodFactory(account=account, valid_until=date(2020, 1, 31))
    used = PaymentMethodFactory(account=account, specimen="amex", default_for=[profile])
    bad = PaymentMethodFactory(account=account, status="declined", holder="Karel")
    address = f"/billing-accounts/{account.code}/payment-methods/"

    def found(**query):
        return [row.method for row in client.get(address, query).context["methods"]]

    assert (found(status="expiring"), found(status="in_use"), found(status="declined")) == ([gone], [used], [bad])
    assert (found(card="karel"), found(card="1000\x00"), found(sort="last4")[0]) == ([bad], [], used)
    assert "No card fits" in text_of(client.get(address, {"card": "nobody"}))
