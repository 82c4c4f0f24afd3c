"""Who gets the next invoice and why: roles, extra addresses, mutes, a test mail (P10, S4-2, S4-2b)."""

import re
from datetime import date, timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, UserFactory
from core.errors import Refused
from core.models import Message
from core.policy import Role
from profiles.models import ExtraRecipient, ExtraRecipientEvent, InvoiceMute
from profiles.recipients import mailed_recipients, not_mailed, recipients_on, still_wanted
from profiles.services import recipients as services
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 21)


@pytest.fixture
def owner():
    return UserFactory(name="Marieke", email="marieke@alfa.example")


@pytest.fixture
def profile(owner):
    profile = BillingProfileFactory(name="Operations", sends_invoices=True)
    AccountRoleFactory(account=profile.account, user=owner)
    AccountRoleFactory(account=profile.account, user=UserFactory(name="Lars"), role=Role.ACCOUNT_READER)
    ProfileRoleFactory(profile=profile, user=UserFactory(name="Tom", email="tom@alfa.example"), role="invoice_manager")
    ProfileRoleFactory(profile=profile, user=UserFactory(name="Gone"), role="profile_reader").delete()
    return profile


@pytest.fixture
def extra(profile, owner):
    return services.add_recipient(profile, email="books@bureau.example", language="nl", by=owner)


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def page(profile):
    return reverse("profile_recipients", args=[profile.code])


def token():
    """The link of the latest question."""
    message = Message.objects.filter(template="recipient_question").latest("pk")
    return re.fullmatch(r"/recipients/(.+)/", message.secret_context["path"])[1]


def emails(recipients):
    return [recipient.email for recipient in recipients]


def test_S4_2_invoices_go_to_people_with_a_role_on_the_profile_itself(profile):
    expired = ProfileRoleFactory(profile=profile, role="profile_reader", expires_on=TODAY - timedelta(days=1))

    found = recipients_on(profile, on=TODAY)

    assert emails(found) == ["tom@alfa.example"]
    assert found[0].role == Role.INVOICE_MANAGER
    assert {here.user.name for here, _why in not_mailed(profile, found, on=TODAY)} == {"Marieke", "Lars"}
    assert expired.user.email not in emails(found)


def test_S4_8a_invoices_of_a_subscription_go_to_the_administrator():
    profile = SubscriptionProfileFactory()
    administrator = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_ADMINISTRATOR).user

    assert [recipient.user for recipient in recipients_on(profile, on=TODAY)] == [administrator]


def test_S4_2b_an_extra_address_counts_once_its_holder_has_said_yes(profile, extra, client):
    assert emails(mailed_recipients(profile, on=TODAY)) == ["tom@alfa.example"]
    assert Message.objects.filter(template="recipient_added").count() == 1
    question = Message.objects.get(template="recipient_question")
    assert (question.recipient, question.language) == ("books@bureau.example", "nl")

    link = reverse("recipient", args=[token()])
    assert "Yes, send them" in client.get(link).content.decode()
    assert not ExtraRecipient.objects.get().is_confirmed, "looking at the page uses nothing up"
    client.post(link + "confirmation/")

    assert emails(mailed_recipients(profile, on=TODAY)) == ["tom@alfa.example", "books@bureau.example"]
    assert "You get these invoices" in client.get(link).content.decode()
    assert Message.objects.filter(template="recipient_confirmed").count() == 1
    client.post(link + "confirmation/")
    assert Message.objects.filter(template="recipient_confirmed").count() == 1


def test_S4_2b_the_holder_says_no_and_is_erased(profile, extra, client):
    link = reverse("recipient", args=[token()])
    client.post(link + "refusal/")
    client.post(link + "refusal/")

    assert not ExtraRecipient.objects.exists()
    assert client.get(link).status_code == 410
    assert client.post(link + "confirmation/", follow=True).status_code == 410


def test_S4_2b_a_link_is_good_for_seven_days_and_for_one_address(profile, extra, client):
    sent = token()
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        with pytest.raises(Refused, match="expired"):
            services.confirm_recipient(sent)
        assert "This link has expired" in client.get(reverse("recipient", args=[sent])).content.decode()
    assert client.get(reverse("recipient", args=[sent[:-1] + ("A" if sent[-1] != "A" else "B")])).status_code == 410
    ExtraRecipient.objects.update(email="other@bureau.example")
    assert services.recipient_with(sent) is None


def test_S4_2b_a_removed_address_is_erased_from_the_history_too(profile, extra, owner):
    services.remove_recipient(extra, by=owner)

    assert set(ExtraRecipientEvent.objects.values_list("email", flat=True)) == {""}
    assert not still_wanted(profile, email="books@bureau.example", user_id=None)
    assert Message.objects.filter(template="recipient_removed").count() == 1


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("books@bureau.example", "already_there"),
        ("BOOKS@bureau.example", "already_there"),
        ("Tom@alfa.example", "already_there"),
        ("nobody", "not_an_address"),
        ("a@b.example\r\nBcc: x@y.example", "not_an_address"),
    ],
)
def test_S4_2b_an_address_that_is_none_or_there_already_is_refused(profile, extra, owner, email, code):
    with pytest.raises(Refused) as refusal:
        services.add_recipient(profile, email=email, language="en", by=owner)
    assert refusal.value.code == code
    assert ExtraRecipient.objects.count() == 1


def test_S4_2b_twenty_addresses_and_twenty_questions_an_hour_are_the_most(profile, owner):
    for number in range(20):
        services.add_recipient(profile, email=f"a{number}@x.example", language="en", by=owner)
    with pytest.raises(Refused) as refusal:
        services.add_recipient(profile, email="one@more.example", language="en", by=owner)
    assert refusal.value.code == "too_many_addresses"
    with pytest.raises(Refused) as refusal:
        services.ask_again(ExtraRecipient.objects.first(), by=owner)
    assert refusal.value.code == "too_many"


def test_S4_2b_the_database_holds_an_address_once(profile, extra):
    with pytest.raises(IntegrityError), transaction.atomic():
        ExtraRecipient.objects.create(profile=profile, email="Books@Bureau.example")


def test_S4_1_readers_and_invoice_managers_add_and_remove_none(profile, extra, client):
    client.force_login(profile.roles.get(user__name="Tom").user)
    assert "books@bureau.example" in client.get(page(profile)).content.decode()
    for address in ("new/", f"{extra.pk}/removal/", f"{extra.pk}/question/", "test/"):
        assert client.post(page(profile) + address, {"email": "x@x.example"}).status_code == 403
    assert ExtraRecipient.objects.get() == extra


def test_S4_2a_a_person_mutes_and_unmutes_themselves_alone(profile, client, owner):
    tom = profile.roles.get(user__name="Tom").user
    client.force_login(tom)
    client.post(page(profile) + "mute/", {"muted": "1"})

    assert mailed_recipients(profile, on=TODAY) == []
    assert not still_wanted(profile, email=tom.email, user_id=tom.pk)
    assert "Does not want it" in client.get(page(profile)).content.decode()
    client.post(page(profile) + "mute/", {"muted": "0"})
    assert emails(mailed_recipients(profile, on=TODAY)) == ["tom@alfa.example"]

    client.force_login(owner)
    client.post(page(profile) + "mute/", {"muted": "1"})
    assert not InvoiceMute.objects.exists(), "who gets none cannot mute"


def test_P10_a_test_mail_goes_where_the_invoices_will(browser, profile, extra):
    browser.post(page(profile) + "test/", {"email": "tom@alfa.example"})
    browser.post(page(profile) + "test/", {"email": "books@bureau.example"})
    browser.post(page(profile) + "test/", {"email": "stranger@x.example"})

    sent = Message.objects.filter(template="recipient_test")
    assert [message.recipient for message in sent] == ["tom@alfa.example"], "nothing before the holder said yes"


def test_P10_the_page_says_who_and_why_in_a_fixed_number_of_statements(
    browser, profile, extra, django_assert_num_queries
):
    text = browser.get(page(profile)).content.decode()
    assert "Role given on this profile" in text
    assert "Not confirmed yet" in text
    assert "Role given on" in text
    with django_assert_num_queries(STATEMENTS):
        browser.get(page(profile))
    for number in range(4):
        ProfileRoleFactory(profile=profile, role="profile_reader")
        ExtraRecipient.objects.create(profile=profile, email=f"{number}@x.example", added_by=profile.roles.first().user)
    with django_assert_num_queries(STATEMENTS):
        browser.get(page(profile))


STATEMENTS = 12


def test_S4_2b_from_the_page_an_address_is_added_asked_again_and_removed(browser, profile):
    response = browser.post(page(profile) + "new/", {"email": "books@bureau.example", "language": "nl"}, follow=True)
    assert "was asked by mail" in response.content.decode()
    extra = ExtraRecipient.objects.get()
    browser.post(page(profile) + f"{extra.pk}/question/")
    assert Message.objects.filter(template="recipient_question").count() == 2
    assert "erased" in browser.get(page(profile) + f"{extra.pk}/removal/").content.decode()
    browser.post(page(profile) + f"{extra.pk}/removal/")
    assert not ExtraRecipient.objects.exists()
    again = browser.post(page(profile) + "new/", {"email": "nothing", "language": "xx"})
    assert set(again.context["form"].errors) == {"email", "language"}


def test_T01_an_address_of_another_profile_is_not_found(browser, profile):
    foreign = ExtraRecipient.objects.create(profile=BillingProfileFactory(), email="x@x.example")
    assert browser.post(page(profile) + f"{foreign.pk}/removal/").status_code == 404
    assert ExtraRecipient.objects.filter(pk=foreign.pk).exists()
