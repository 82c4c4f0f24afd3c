"""What owners read of what happened on their account and profiles."""

import csv
from io import StringIO

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from billing_portal import activity
from core.history import acting
from core.policy import Role
from core.seals import event_models
from invoices.tests.factories import PurchaseOrderFactory
from payments.tests.factories import PaymentMethodFactory
from profiles.models import BillingProfile
from profiles.services.profiles import set_email_preference
from profiles.services.roles import assign_profile_role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def profile(account, owner):
    profile = BillingProfileFactory(account=account, name="Operations")
    set_email_preference(profile, sends_invoices=True, attaches_pdf=True, by=owner)
    return profile


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def entries(response):
    return [(entry.who, entry.what, entry.name, entry.word, entry.changes) for entry in response.context["page"].rows]


def test_who_changed_what_from_what_to_what(browser, account, profile):
    response = browser.get(reverse("account_activity", args=[account.code]))

    assert entries(response)[0] == (
        "Marieke de Vries",
        "Billing profile",
        "Operations",
        "Changed",
        [("Send invoices by e-mail", "no", "yes")],
    )
    assert "no → yes" in response.content.decode()


def test_roles_are_told_by_the_names_of_people(browser, owner, account, profile):
    tom = ProfileRoleFactory(profile=profile, user=UserFactory(name="Tom Bakker"), role=Role.PROFILE_READER).user
    assign_profile_role(profile, user=tom, role=Role.INVOICE_MANAGER, by=owner)

    first = entries(browser.get(reverse("profile_activity", args=[profile.code])))[0]

    assert first[2:4] == ("Tom Bakker", "Changed")
    assert ("Role", "Billing profile reader", "Invoice manager") in first[4]


def test_the_budget_of_a_purchase_order_is_told_as_an_amount(browser, profile):
    PurchaseOrderFactory(profile=profile, number="4500017", budget_minor=100_000)

    shown = entries(browser.get(reverse("profile_activity", args=[profile.code])))

    [order] = [entry for entry in shown if entry[2] == "4500017"]
    assert ("Budget", "—", "€1,000.00") in order[4]


def test_T01_a_profile_tells_of_itself_and_of_no_sibling(client, account, profile, owner):
    other = BillingProfileFactory(account=account, name="Sibling")
    SubscriptionFactory(profile=other, name="Secret")
    BillingProfileFactory(name="Foreign")
    boss = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    client.force_login(boss)

    text = client.get(reverse("profile_activity", args=[profile.code])).content.decode()

    assert "Operations" in text
    assert "Sibling" not in text
    assert "Secret" not in text
    assert client.get(reverse("account_activity", args=[account.code])).status_code == 403
    assert client.get(reverse("profile_activity", args=[other.code])).status_code == 404


def test_readers_and_contributors_do_not_read_it(client, account, profile):
    for role in (Role.ACCOUNT_READER, Role.ACCOUNT_CONTRIBUTOR):
        client.force_login(AccountRoleFactory(account=account, role=role).user)
        assert client.get(reverse("account_activity", args=[account.code])).status_code == 403
        assert client.get(reverse("profile_activity_export", args=[profile.code])).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=Marieke", 1),
        ("q=marie", 1),
        ("q=Oper", 2),
        ("q=%25", 0),
        ("kind=profiles.billingprofileevent", 2),
        ("kind=payments.paymentmethodevent", 0),
        ("days=7&q=Operations", 2),
        ("days=never&q=Operations", 2),
    ],
)
def test_it_is_filtered_and_searched(browser, account, profile, query, found):
    response = browser.get(reverse("account_activity", args=[account.code]) + f"?{query}")
    assert len(response.context["page"].rows) == found


def test_pages_follow_each_other_without_gap_or_double(browser, account, profile):
    for number in range(60):
        BillingProfile.objects.filter(pk=profile.pk).update(po_number=f"PO-{number}")
    address, seen = reverse("profile_activity", args=[profile.code]), []
    query = ""
    while True:
        page = browser.get(address + query).context["page"]
        seen += [(entry.table, entry.entry) for entry in page.rows]
        if not page.older:
            break
        query = page.older
    # Address, profile, preference and sixty changes.
    assert len(seen) == len(set(seen)) == 63
    back = browser.get(address + page.newer).context["page"]
    assert [(entry.table, entry.entry) for entry in back.rows] == seen[-len(page.rows) - 25 : -len(page.rows)]
    assert browser.get(address + "?after=WyJ4IiwieSIsInoiXQ").status_code == 200


def test_the_statements_do_not_grow_with_the_entries(browser, account, profile):
    address = reverse("account_activity", args=[account.code])
    with CaptureQueriesContext(connection) as few:
        browser.get(address)
    for number in range(20):
        BillingProfile.objects.filter(pk=profile.pk).update(po_number=f"PO-{number}")
    with CaptureQueriesContext(connection) as many:
        browser.get(address)
    assert len(many) <= len(few) < 12


def test_T38_the_export_says_the_same_and_is_no_formula(browser, owner, account, profile):
    with acting(owner, "profile.changed"):
        BillingProfile.objects.filter(pk=profile.pk).update(name="=1+1")

    response = browser.get(
        reverse("account_activity_export", args=[account.code]) + "?kind=profiles.billingprofileevent"
    )

    rows = list(csv.reader(StringIO(response.content.decode("utf-8-sig"))))
    assert rows[0][1:8] == ["Who", "What happened", "To what", "Name", "Field", "Before", "After"]
    assert rows[1][1:8] == ["Marieke de Vries", "Changed", "Billing profile", "'=1+1", "Name", "Operations", "'=1+1"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ("Reason of the last decline", "—", "not enough balance")),
        ("nl", ("Reden van de laatste weigering", "—", "onvoldoende saldo")),
    ],
)
def test_a_decline_is_told_in_words(browser, owner, profile, language, told):
    type(owner).objects.filter(pk=owner.pk).update(language=language)
    card = PaymentMethodFactory(account=profile.account, profile=profile)
    type(card).objects.filter(pk=card.pk).update(last_decline_reason="insufficient_funds")

    page = browser.get(reverse("account_activity", args=[profile.account.code]))

    assert [told] in [entry[-1] for entry in entries(page)]


def test_no_label_or_kind_of_the_history_lacks_dutch_words():
    """What is the same in both languages, or is a column's name, is listed here."""
    with translation.override("nl"):
        dutch = {(event, each.column): activity._label(each) for event in event_models() for each in shown(event)}
        kinds = {event: activity._kind_name(event) for event in event_models()}
    with translation.override("en"):
        same = {label for (event, column), label in dutch.items() if label == label_in_english(event, column)}
        same |= {kind for event, kind in kinds.items() if kind == activity._kind_name(event)}
    assert same <= {"Status", "District", "IBAN", "BIC", "Logo", "Manager", "Budget", "Product"}


def shown(event):
    return [each for each in activity._fields(event) if each.column not in activity._SILENT]


def label_in_english(event, column):
    return next(activity._label(each) for each in shown(event) if each.column == column)


def test_every_entry_is_told_in_dutch(browser, owner, account, profile):
    """A model whose name stays English shows in the list of kinds."""
    owner.language = "nl"
    owner.save()
    kinds = dict(browser.get(reverse("account_activity", args=[account.code])).context["kinds"])
    assert kinds["profiles.profileroleevent"] == "Rol op een factureringsprofiel"
