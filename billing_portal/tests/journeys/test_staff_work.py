"""The vendor's staff at their lists: a question answered, a parked profile released, stopped work tried again."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext

from accounts.tests.factories import UserFactory
from core.models import JobClaim, Message
from invoices.models import ParkedProfile
from invoices.tests.factories import ParkedProfileFactory
from profiles.tests.factories import BillingProfileFactory
from support.tests.factories import SupportRequestFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def joris(person):
    return person(UserFactory(name="Joris Postma", staff=True))


def test_S2_26_a_question_is_answered_and_closed(joris):
    profile = BillingProfileFactory(account__owner=UserFactory())
    owner = profile.account.roles.get().user
    asked = SupportRequestFactory(profile=profile, opened_by=owner, subject="Why was October billed twice?")
    joris.opens(reverse("admin:index"))
    joris.follows("Support requests")
    joris.looks()
    joris.press_on(joris.row("Why was October billed twice?").get_by_role("link").first)
    joris.sees("Why was October billed twice?")
    joris.presses("Send the answer")
    joris.sees("This field is required.")
    joris.looks()
    joris.types("Answer", "It was billed once: the second is a credit note.")
    joris.ticks("This settles it")
    joris.presses("Send the answer")

    joris.sees_in_row("Why was October billed twice?", "Closed")
    joris.looks()
    asked.refresh_from_db()
    assert asked.status == "closed"
    assert Message.objects.filter(template="support_answer", recipient=owner.email).count() == 1


def test_PR6_a_parked_profile_is_released_from_the_list(joris):
    ParkedProfileFactory(profile__name="Warehouse Rotterdam")
    ParkedProfileFactory(profile__name="Operations NL")
    joris.opens(reverse("admin:exceptions"))
    joris.follows("Billing profiles that were parked")
    joris.ticks_row("Warehouse Rotterdam")
    joris.selects_in(
        joris.page.get_by_role("combobox", name=joris.word("Action:")), "Release: let the next run bill them again"
    )
    joris.presses("Go")

    joris.sees(said(joris, "%(count)s profile was released.", "%(count)s profiles were released.") % {"count": 1})
    joris.does_not_see("Warehouse Rotterdam")
    joris.looks()
    assert list(ParkedProfile.objects.unreleased().values_list("profile__name", flat=True)) == ["Operations NL"]


def test_work_that_stopped_for_good_is_tried_again(joris):
    now = timezone.now()
    usual = {"job": "core.send_messages", "started_at": now, "last_error": "The server hung up"}
    JobClaim.objects.create(row_id=1, token=uuid4(), until=now, tries_left=0, **usual)
    held = JobClaim.objects.create(row_id=2, token=uuid4(), until=now + timedelta(hours=1), tries_left=3, **usual)
    joris.opens(reverse("admin:exceptions"))
    joris.follows("Jobs that failed for good")
    joris.ticks_row("The server hung up")
    joris.selects_in(joris.page.get_by_role("combobox", name=joris.word("Action:")), "Try again")
    joris.presses("Go")

    joris.sees(said(joris, "%d row is tried again.", "%d rows are tried again.") % 1)
    joris.looks()
    assert list(JobClaim.objects.all()) == [held]


def test_on_a_phone_without_scripts_a_row_is_a_card_that_can_be_ticked(visit):
    parked = ParkedProfileFactory(profile__name="Warehouse Rotterdam")
    window = visit(UserFactory(staff=True), language="nl", scripts=False, color="dark", width=360, by_axe=False)
    page = window.page
    window.open(reverse("admin:invoices_parkedprofile_changelist"))
    assert page.locator(".results").evaluate("node => node.scrollWidth - node.clientWidth") == 0
    card = page.get_by_role("row").filter(has_text="Warehouse Rotterdam")
    assert card.get_by_role("rowheader").inner_text() == "Warehouse Rotterdam"
    named = "node => getComputedStyle(node, '::before').content"
    assert card.locator(".field-reason").evaluate(named) == '"Reden"'
    page.get_by_text("Sorteren", exact=False).first.click()
    page.get_by_role("link", name="Maand").first.click()
    assert "o=" in page.url
    window.check()
    page.get_by_role("button", name="Menu").click()
    assert page.get_by_role("link", name="Uitzonderingen van vandaag").is_visible()
    page.keyboard.press("Escape")
    card.get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option("release")
    page.get_by_role("button", name="Uitvoeren").click()
    parked.refresh_from_db()
    assert parked.released_at is not None


def said(somebody, one: str, more: str) -> str:
    """Of one, in the language of that person."""
    with somebody.speaking():
        return ngettext(one, more, 1)


def test_PR7_an_address_of_staff_that_leads_nowhere_leads_back(joris):
    joris.opens(reverse("admin:index") + "nothing/here/")
    joris.sees("There is nothing here")
    joris.looks()
    joris.follows("To the start page of staff")
    joris.sees("Support requests")
