"""Reviews of access: everybody is looked at, nobody loses a role before the end, what was decided is kept."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.db import InternalError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountRole, BillingAccount
from accounts.services.roles import assign_account_role, remove_account_role
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from billing_portal import reviews, todo
from billing_portal.activity import Filters, all_activity
from billing_portal.jobs import ask_for_reviews
from billing_portal.models import AccessReview, ReviewedRole, ReviewPlan
from billing_portal.reviews import (
    bring_up_to_date,
    finish_review,
    save_choices,
    set_review_interval,
    start_review,
    with_review_due,
)
from core.errors import Forbidden, Refused
from core.mail import write_mail
from core.models import Message
from core.policy import Role
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek", owner=owner)


@pytest.fixture
def tom(account):
    person = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    ProfileRoleFactory(
        profile=BillingProfileFactory(account=account, name="Warehouse"), user=person, role="invoice_manager"
    )
    return person


@pytest.fixture
def reader(account):
    return AccountRoleFactory(account=account, role=Role.ACCOUNT_READER, user__name="Rob Reader").user


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def text_of(response):
    return response.content.decode()


def choose(review, owner, **by_name):
    """`choose(review, owner, Tom="remove", Rob="keep")`, by first names."""
    rows = {row.user.name.split()[0]: row.pk for row in review.roles.select_related("user")}
    return save_choices(review, {rows[name]: choice for name, choice in by_name.items()}, by=owner)


def outcomes(review):
    return {row.user.name.split()[0]: row.outcome for row in review.roles.select_related("user")}


# --- A review -----------------------------------------------------------------------------------------


def test_S4_12_a_review_lists_every_role_with_scope_giver_end_and_last_sign_in(account, owner, tom, reader):
    signed_in = timezone.now() - timedelta(days=40)
    type(tom).objects.filter(pk=tom.pk).update(last_login=signed_in)
    ends = timezone.localdate() + timedelta(days=5)
    ProfileRole.objects.filter(user=tom).update(expires_on=ends, assigned_by=owner)
    administrator = OrganisationRoleFactory(
        organisation=account.organisation, role=Role.ORGANISATION_ADMINISTRATOR, user__name="Olga"
    )
    AccountRoleFactory(account=account, expires_on=timezone.localdate() - timedelta(days=1))

    review = start_review(account, by=owner)

    rows = review.roles.select_related("user").order_by("held_on", "user__name")
    assert [(row.user, row.role, row.scope_name) for row in rows] == [
        (administrator.user, Role.ORGANISATION_ADMINISTRATOR, account.organisation.name),
        (owner, Role.ACCOUNT_OWNER, "Alfa Logistiek"),
        (reader, Role.ACCOUNT_READER, "Alfa Logistiek"),
        (tom, Role.INVOICE_MANAGER, "Warehouse"),
    ]
    assert (rows[3].given_by, rows[3].last_sign_in, rows[3].expires_on) == (
        "Marieke de Vries",
        signed_in,
        ends,
    )


def test_choices_are_kept_and_nobody_loses_a_role_before_the_end(account, owner, tom, reader):
    review = start_review(account, by=owner)
    choose(review, owner, Tom="remove", Rob="keep", Marieke="keep")

    assert ProfileRole.objects.filter(user=tom).exists()
    assert finish_review(review, by=owner) == []

    assert outcomes(review) == {"Tom": "removed", "Rob": "confirmed", "Marieke": "confirmed"}
    assert not ProfileRole.objects.filter(user=tom).exists()
    assert AccountRole.objects.filter(user=reader).exists()
    review.refresh_from_db()
    assert (review.status, review.finished_by) == ("finished", owner)
    assert [mail.recipient for mail in Message.objects.filter(template="role_removed").order_by("pk")] == [
        tom.email,
        owner.email,
    ]


def test_I26_a_review_is_in_the_activity_of_the_account(account, owner):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="keep")
    finish_review(review, by=owner)

    entries = all_activity(account, Filters(kind="portal.accessreviewevent"))

    assert [(entry.who, entry.word) for entry in entries] == [
        ("Marieke de Vries", "Changed"),
        ("Marieke de Vries", "Added"),
    ]


def test_who_chose_is_kept_row_by_row(account, owner, tom):
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER, user__name="Sanne").user
    review = start_review(account, by=owner)
    choose(review, owner, Tom="remove", Marieke="keep")
    choose(review, second, Tom="keep", Sanne="keep")
    finish_review(review, by=second)

    assert {row.user.name: row.chosen_by for row in review.roles.select_related("user", "chosen_by")} == {
        "Tom Bakker": second,
        "Sanne": second,
        "Marieke de Vries": owner,
    }


@pytest.mark.parametrize("values", [{"choice": "keep"}, {"outcome": "removed"}, {"given_by": "x"}])
def test_I27_what_was_decided_is_final(account, owner, values):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="keep")
    finish_review(review, by=owner)

    with pytest.raises(InternalError), transaction.atomic():
        review.roles.update(**values)
    with pytest.raises(InternalError), transaction.atomic():
        review.roles.all().delete()


def test_one_review_at_a_time(account, owner):
    start_review(account, by=owner)

    with pytest.raises(Refused) as refused:
        start_review(account, by=owner)

    assert refused.value.code == "open_already"
    assert AccessReview.objects.count() == 1


def test_a_finished_review_takes_no_more_choices(account, owner):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="keep")
    finish_review(review, by=owner)

    for act in (lambda: choose(review, owner, Marieke="remove"), lambda: finish_review(review, by=owner)):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "finished"


def test_a_review_with_an_undecided_role_is_not_finished(account, owner, tom):
    review = start_review(account, by=owner)
    choose(review, owner, Tom="remove")

    with pytest.raises(Refused) as refused:
        finish_review(review, by=owner)

    assert refused.value.code == "undecided"
    assert ProfileRole.objects.filter(user=tom).exists()


def test_a_role_on_the_organisation_can_only_be_kept(account, owner):
    OrganisationRoleFactory(organisation=account.organisation, role=Role.ORGANISATION_ADMINISTRATOR, user__name="Olga")
    review = start_review(account, by=owner)

    choose(review, owner, Olga="remove")

    assert review.roles.get(user__name="Olga").choice == ""


def test_Q5_only_owners_of_the_account_review_it(account, owner, tom):
    review = start_review(account, by=owner)
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user
    row = review.roles.get(user=tom).pk

    for act in (
        lambda: start_review(account, by=contributor),
        lambda: save_choices(review, {row: "remove"}, by=contributor),
        lambda: bring_up_to_date(review, by=contributor),
        lambda: finish_review(review, by=contributor),
        lambda: set_review_interval(account, every_months=3, by=contributor),
    ):
        with pytest.raises(Forbidden):
            act()


def test_T01_rows_of_another_review_are_left_alone(account, owner, tom):
    review = start_review(account, by=owner)
    other_owner = UserFactory()
    other = start_review(BillingAccountFactory(owner=other_owner), by=other_owner)

    save_choices(other, {review.roles.get(user=tom).pk: "remove"}, by=other_owner)

    assert set(ReviewedRole.objects.values_list("choice", flat=True)) == {""}


# --- What changes meanwhile ---------------------------------------------------------------------------


def test_a_role_changed_meanwhile_is_told_and_decided_again(account, owner, tom, reader):
    review = start_review(account, by=owner)
    OrganisationMemberFactory(organisation=account.organisation, user=reader)
    assign_account_role(account, user=reader, role=Role.ACCOUNT_CONTRIBUTOR, by=owner)

    [changed] = choose(review, owner, Rob="keep", Tom="keep", Marieke="keep")

    assert (changed.user, changed.role, changed.choice, changed.is_news) == (reader, Role.ACCOUNT_CONTRIBUTOR, "", True)
    assert review.roles.get(user=tom).choice == "keep"
    with pytest.raises(Refused):
        finish_review(review, by=owner)
    choose(review, owner, Rob="remove")
    assert finish_review(review, by=owner) == []
    assert not AccountRole.objects.filter(user=reader).exists()


def test_a_role_changed_after_the_choice_is_not_taken_away_unseen(account, owner, reader):
    review = start_review(account, by=owner)
    choose(review, owner, Rob="remove", Marieke="keep")
    OrganisationMemberFactory(organisation=account.organisation, user=reader)
    assign_account_role(account, user=reader, role=Role.ACCOUNT_OWNER, by=owner)

    with pytest.raises(Refused) as refused:
        finish_review(review, by=owner)

    assert refused.value.code == "changed_meanwhile"
    assert AccountRole.objects.get(user=reader).role == Role.ACCOUNT_OWNER
    assert [row.user for row in bring_up_to_date(review, by=owner)] == [reader]


def test_a_role_given_meanwhile_comes_into_the_review(account, owner, tom):
    review = start_review(account, by=owner)
    choose(review, owner, Tom="keep", Marieke="keep")
    new = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER, user__name="Nina").user

    assert [row.user for row in bring_up_to_date(review, by=owner)] == [new]
    assert bring_up_to_date(review, by=owner) == []
    with pytest.raises(Refused):
        finish_review(review, by=owner)


def test_a_role_taken_away_meanwhile_is_over_and_needs_no_choice(account, owner, reader):
    review = start_review(account, by=owner)
    choose(review, owner, Rob="keep", Marieke="keep")
    remove_account_role(AccountRole.objects.get(user=reader), by=owner)

    assert bring_up_to_date(review, by=owner) == []
    assert finish_review(review, by=owner) == []

    assert outcomes(review) == {"Rob": "gone", "Marieke": "confirmed"}


def test_I20_the_last_owner_stays_and_the_review_stays_open(account, owner, tom):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="remove", Tom="remove")

    [(row, refusal)] = finish_review(review, by=owner)

    assert (row.user, refusal.code) == (owner, "last_owner")
    assert AccountRole.objects.filter(user=owner).exists()
    assert outcomes(review) == {"Marieke": "", "Tom": "removed"}
    assert review.roles.get(user=owner).choice == ""
    review.refresh_from_db()
    assert review.status == "open"


def test_an_owner_may_go_with_the_end_of_the_review(browser, account, owner, tom):
    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER, user__name="Sanne")
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="remove", Sanne="keep", Tom="remove")

    response = browser.post(reverse("access_review_end", args=[review.code]))

    assert response.url == reverse("home")
    assert outcomes(review) == {"Marieke": "removed", "Sanne": "confirmed", "Tom": "removed"}


# --- The pages ----------------------------------------------------------------------------------------


def test_a_review_is_begun_decided_page_by_page_and_finished(browser, account, owner, monkeypatch):
    monkeypatch.setattr("billing_portal.views_reviews.PAGE_SIZE", 2)
    for name in ("Anna", "Bob", "Carl"):
        AccountRoleFactory(account=account, role=Role.ACCOUNT_READER, user__name=name)
    review = AccessReview.objects.get(code=browser.post(reverse("account_review_new", args=[account.code])).url[16:-1])

    first = browser.get(review.get_absolute_url())
    rows = [row.pk for row in first.context["page"].rows]
    assert [text_of(first).count(f'name="choice-{row}"') for row in rows] == [2, 2]
    action = re.search(r'id="choices" action="([^"]+)"', text_of(first))[1]
    second = browser.post(action, {f"choice-{rows[0]}": "keep", f"choice-{rows[1]}": "remove", "go": "older"})

    assert re.search(r"\?after=\w+", second.url)
    page = browser.get(second.url)
    assert [row.user.name for row in page.context["page"].rows] == ["Carl", "Marieke de Vries"]
    action = re.search(r'id="choices" action="([^"]+)"', text_of(page))[1].replace("&amp;", "&")
    assert browser.post(action, {"go": "keep"}).url.startswith(review.get_absolute_url())
    assert browser.post(action, {"go": "end"}).url == reverse("access_review_end", args=[review.code])
    asked = text_of(browser.get(reverse("access_review_end", args=[review.code])))
    assert "Bob: Billing account reader on Alfa Logistiek" in asked
    done = browser.post(reverse("access_review_end", args=[review.code]), follow=True)

    assert "Finished by Marieke de Vries" in text_of(done)
    assert outcomes(review) == {"Anna": "confirmed", "Bob": "removed", "Carl": "confirmed", "Marieke": "confirmed"}


def test_a_change_meanwhile_is_said_on_the_page(browser, account, owner, reader):
    review = start_review(account, by=owner)
    AccountRole.objects.filter(user=reader).update(role=Role.ACCOUNT_CONTRIBUTOR)
    row = review.roles.get(user=reader)

    response = browser.post(
        reverse("access_review_choices", args=[review.code]), {f"choice-{row.pk}": "keep", "go": "end"}, follow=True
    )

    assert "The role of Rob Reader was given or changed meanwhile. Look at it again." in text_of(response)
    assert "New or changed" in text_of(response)


def test_at_the_end_a_role_given_meanwhile_is_shown_first(browser, account, owner):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="keep")
    AccountRoleFactory(account=account, user__name="Nina")

    response = browser.post(reverse("access_review_end", args=[review.code]), follow=True)

    assert "The role of Nina was given or changed meanwhile. Look at it again." in text_of(response)
    assert [row.user.name for row in response.context["page"].rows] == ["Nina"]


def test_I20_the_end_says_why_the_last_owner_stays(browser, account, owner):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="remove")

    text = text_of(browser.post(reverse("access_review_end", args=[review.code])))

    assert "Marieke de Vries keeps the role Billing account owner for now" in text
    assert "needs at least one owner without an end date" in text


def test_what_was_decided_comes_as_csv(browser, account, owner, tom):
    review = start_review(account, by=owner)
    choose(review, owner, Marieke="keep", Tom="remove")
    finish_review(review, by=owner)

    response = browser.get(reverse("access_review_export", args=[review.code]))

    _head, *rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(row[0], row[2], row[3], row[8], row[9], row[10]) for row in rows] == [
        ("Marieke de Vries", "Billing account owner", "Alfa Logistiek", "Keep", "Confirmed", "Marieke de Vries"),
        ("Tom Bakker", "Invoice manager", "Warehouse", "Remove", "Removed", "Marieke de Vries"),
    ]
    assert all(row[11] for row in rows)


def test_a_reader_sees_the_review_and_decides_nothing(client, account, owner, reader):
    review = start_review(account, by=owner)
    client.force_login(reader)

    text = text_of(client.get(review.get_absolute_url()))

    assert 'type="radio"' not in text
    assert "Undecided" in text


@pytest.mark.parametrize(
    "sent", [{"choice-0": "keep"}, {"choice-": "keep"}, {"choice-999999999999999999999": "keep"}, {"choice-1\x00": "x"}]
)
def test_Q10_choices_that_make_no_sense_change_nothing(browser, account, owner, sent):
    review = start_review(account, by=owner)

    response = browser.post(reverse("access_review_choices", args=[review.code]), {**sent, "go": "\x00"})

    assert response.url == review.get_absolute_url()
    assert review.roles.get().choice == ""


def test_the_statements_of_the_list_do_not_grow_with_its_rows(browser, account, owner, django_assert_num_queries):
    def more(count):
        for _each in range(count):
            AccountRoleFactory(account=account, role=Role.ACCOUNT_READER)

    for count in (1, 5):
        more(count)
        AccessReview.objects.filter(account=account).update(status="finished", finished_at=timezone.now())
        review = start_review(account, by=owner)
        with django_assert_num_queries(7):
            browser.get(review.get_absolute_url())


# --- When it is due -----------------------------------------------------------------------------------


def due_at(account):
    return with_review_due(BillingAccount.objects.filter(pk=account.pk)).get().review_due_at


def test_the_next_review_is_due_a_year_after_the_last_one_unless_the_owners_choose_otherwise(account, owner, settings):
    began = timezone.now() - timedelta(days=1000)
    BillingAccount.objects.filter(pk=account.pk).update(created_at=began)
    assert due_at(account).date() == began.replace(year=began.year + 1).date()

    review = start_review(account, by=owner)
    choose(review, owner, Marieke="keep")
    finish_review(review, by=owner)
    finished = AccessReview.objects.get().finished_at
    assert due_at(account).date() == finished.replace(year=finished.year + 1).date()

    assert set_review_interval(account, every_months=3, by=owner) is True
    assert set_review_interval(account, every_months=3, by=owner) is False
    assert 89 <= (due_at(account) - finished).days <= 92
    set_review_interval(account, every_months=0, by=owner)
    assert due_at(account) is None
    settings.ACCESS_REVIEW_MONTHS = 0
    ReviewPlan.objects.all().delete()
    assert due_at(account) is None


def test_owners_are_reminded_on_the_day_and_every_two_weeks(account, owner, reader, time_machine):
    BillingAccount.objects.filter(pk=account.pk).update(created_at="2025-11-20T10:00:00Z")
    sent = []
    for moment in ("2026-11-20 06:00", "2026-11-20 12:00", "2026-11-21 06:00", "2026-11-21 07:00", "2026-12-03 06:00"):
        time_machine.move_to(moment, tick=False)
        ask_for_reviews(timezone.now())
        sent.append(Message.objects.filter(template="review_due").count())
    time_machine.move_to("2026-12-05 06:00", tick=False)
    ask_for_reviews(timezone.now())

    assert sent == [0, 1, 1, 1, 1]
    mails = Message.objects.filter(template="review_due").order_by("pk")
    assert [mail.recipient for mail in mails] == [owner.email, owner.email]
    first, second = (write_mail(mail) for mail in mails)
    assert "It is time to review who has access to Alfa Logistiek." in first.body
    assert "Since 20 Nov 2026 it is time" in second.body
    assert reverse("account_reviews", args=[account.code]) in second.body


@pytest.mark.parametrize("kind", ["online services", "closed", "never", "not yet"])
def test_nobody_is_reminded_without_need(kind):
    account = BillingAccountFactory(online_services=kind == "online services", owner=UserFactory())
    old = timezone.now() - timedelta(days=10 if kind == "not yet" else 500)
    BillingAccount.objects.filter(pk=account.pk).update(created_at=old)
    if kind == "closed":
        BillingAccount.objects.filter(pk=account.pk).update(status="closed")
    if kind == "never":
        ReviewPlan.objects.create(account=account, every_months=0)

    assert reviews.remind_of_reviews(timezone.now()) == 0
    assert not Message.objects.exists()


def test_home_says_that_a_review_is_due_or_under_way(account, owner, reader):
    def titles(user):
        return [task.title for task in todo.tasks(user, account, timezone.localdate())]

    AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)
    assert titles(owner) == []
    BillingAccount.objects.filter(pk=account.pk).update(created_at=timezone.now() - timedelta(days=500))
    assert titles(owner) == ["It is time to review who has access"]
    start_review(account, by=owner)
    assert titles(owner) == ["A review of access is under way"]
    assert titles(reader) == []


def test_how_often_is_chosen_on_its_page(browser, account):
    address = reverse("account_review_interval", args=[account.code])
    assert browser.post(address, {"every_months": "4"}).status_code == 200
    assert not ReviewPlan.objects.exists()

    assert browser.post(address, {"every_months": "6"}).url == reverse("account_reviews", args=[account.code])

    assert ReviewPlan.objects.get().every_months == 6
