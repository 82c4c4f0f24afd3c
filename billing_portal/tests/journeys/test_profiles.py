"""Step 3 of the thread: billing profiles, and who may do what on one."""

import pytest
from django.utils.translation import ngettext

from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from billing_portal.tests.journeys.person import KEYBOARD
from core.policy import PROFILE_ROLES, Role
from profiles.models import BillingProfile, ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROLE_NAMES = {
    Role.PROFILE_OWNER: "Billing profile owner",
    Role.PROFILE_CONTRIBUTOR: "Billing profile contributor",
    Role.PROFILE_READER: "Billing profile reader",
    Role.INVOICE_MANAGER: "Invoice manager",
}


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def account(marieke):
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)


def test_S2_11_a_profile_for_a_department_is_made_and_changed(person, marieke, account):
    owner = person(marieke)
    owner.opens(f"/billing-accounts/{account.code}/")
    owner.follows("Billing profiles")
    owner.reads("Billing profiles")
    owner.sees("No billing profile yet")
    owner.looks()
    owner.follows("Add a billing profile")
    owner.reads("Add a billing profile")
    owner.looks()
    owner.types("Name", "Warehouse Rotterdam")
    owner.types("PO number", "PO-2026-0417")
    owner.ticks("Send invoices by e-mail")
    owner.presses("Create")
    owner.reads("Warehouse Rotterdam")
    owner.sees("PO-2026-0417")
    owner.looks()

    owner.follows("Edit this billing profile")
    owner.sees("PO number")
    owner.looks()
    owner.types("PO number", "")
    owner.presses("Save")
    owner.sees("Saved.")
    owner.does_not_see("PO-2026-0417")

    owner.follows("Billing profiles")
    owner.reads("Billing profiles")
    owner.sees_in_row("Warehouse Rotterdam", "EUR")
    owner.looks()
    made = BillingProfile.objects.get()
    assert (made.name, made.po_number, made.sends_invoices) == ("Warehouse Rotterdam", "", True)


def test_S2_22_each_role_is_given_and_taken_away(person, marieke, account, long):
    profile = BillingProfileFactory(account=account, name="Operations NL")
    colleague = OrganisationMemberFactory(
        organisation=account.organisation, user=UserFactory(name="Tom Bakker", email="tom@alfa.example")
    ).user
    AccountRoleFactory(account=account, user=UserFactory(name="Lars Visser"), role=Role.ACCOUNT_READER)
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/")
    owner.page.set_viewport_size({"width": 1440, "height": 1000})
    follows_tab(owner, "Permissions")
    owner.sees_in_row("Lars Visser", "Inherited")
    owner.looks()
    for role in PROFILE_ROLES:
        owner.follows("Assign a role")
        owner.reads("Add role assignment")
        if role == PROFILE_ROLES[0]:
            owner.looks()
        owner.types("E-mail", "tom@alfa.example")
        owner.picks(ROLE_NAMES[role])
        owner.presses("Save")
        owner.sees_in_row("Tom Bakker", ROLE_NAMES[role])
        assert [held.role for held in ProfileRole.objects.filter(user=colleague)] == [role]
        owner.presses("Change or remove the role of %(name)s", name="Tom Bakker")
        owner.follows("Remove role")
        owner.reads("Remove role")
        if role == PROFILE_ROLES[0]:
            owner.looks()
        owner.presses("Remove role")
        owner.sees("%(person)s no longer has that role.", person="Tom Bakker")
        assert not ProfileRole.objects.filter(user=colleague).exists()
    owner.looks()


def test_S4_13_an_address_of_nobody_is_invited_and_the_invitation_revoked(person, marieke, account):
    profile = BillingProfileFactory(account=account, name="Operations NL")
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/permissions/")
    owner.follows("Assign a role")
    owner.reads("Add role assignment")
    owner.types("E-mail", "nobody@elsewhere.example")
    owner.presses("Save")
    owner.sees("%(email)s gets an invitation by e-mail.", email="nobody@elsewhere.example")
    owner.looks()
    owner.presses("More for %(email)s", email="nobody@elsewhere.example")
    owner.follows("Revoke")
    owner.reads("Revoke the invitation")
    owner.looks()
    owner.presses("Revoke")
    owner.sees("The invitation of %(email)s no longer works.", email="nobody@elsewhere.example")
    assert not ProfileRole.objects.exists()


def test_a_stand_in_is_appointed_and_several_roles_are_removed(person, marieke, account):
    profile = BillingProfileFactory(account=account, name="Operations NL")
    for name, email in (("Daan Vos", "daan@alfa.example"), ("Fatima El Amrani", "fatima@alfa.example")):
        ProfileRoleFactory(profile=profile, user=UserFactory(name=name, email=email), role=Role.INVOICE_MANAGER)
    owner = person(marieke)
    owner.opens(f"/billing-profiles/{profile.code}/permissions/")
    owner.presses("Change or remove the role of %(name)s", name="Daan Vos")
    owner.follows("Appoint a stand-in")
    owner.reads("Appoint a stand-in")
    owner.looks()
    owner.types("E-mail of the stand-in", "fatima@alfa.example")
    # A date field takes the digits of a day from the keyboard, in the order of the language.
    owner.types("Until", "04042099" if owner.way.means == KEYBOARD else "2099-04-04")
    owner.presses("Appoint")
    owner.sees("%(person)s stands in for %(whom)s now.", person="Fatima El Amrani", whom="Daan Vos")
    for name in ("Daan Vos", "Fatima El Amrani"):
        owner.ticks("Select the role of %(person)s", person=name)
    owner.looks()
    owner.presses("Remove selected")
    owner.reads("Remove roles")
    owner.looks()
    owner.presses("Remove roles")
    with owner.speaking():  # hers, his, and the one in which she stands in
        said = ngettext("%(number)d role was removed.", "%(number)d roles were removed.", 3) % {"number": 3}
    owner.sees(said)
    assert not ProfileRole.objects.filter(profile=profile).exists()


def test_S4_14b_the_last_owner_stays(person):
    """On a profile whose account has no owner of its own yet."""
    profile = BillingProfileFactory(account__name="Alfa Logistiek B.V.", name="Operations NL")
    noor = UserFactory(name="Noor Hendriks")
    held = ProfileRoleFactory(profile=profile, user=noor, role=Role.PROFILE_OWNER)
    owner = person(noor)
    owner.opens(f"/billing-profiles/{profile.code}/permissions/")
    owner.presses("Change or remove the role of %(name)s", name="Noor Hendriks")
    owner.follows("Remove role")
    owner.sees("Nobody else owns this profile without an end date")
    owner.looks()
    held.refresh_from_db()
    assert held.role == Role.PROFILE_OWNER


def follows_tab(somebody, text: str) -> None:
    """A tab carries the number of what is behind it."""
    somebody.press_on(somebody.page.locator("nav.tabs, .tabs").get_by_role("link", name=somebody.word(text)).first)
