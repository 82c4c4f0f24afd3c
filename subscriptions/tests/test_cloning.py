"""Copying a billing profile to another account: how somebody moves to another country (P15)."""

import pytest
from django.urls import reverse

from accounts.models import Invitation
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import GRANTS, Action, Role
from profiles.models import BillingProfile, ExtraRecipient, InvoiceSection, ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.cloning import accounts_for_clones, clone_profile, roles_to_offer
from subscriptions.sections import add_section

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def profile(owner):
    account = BillingAccountFactory(owner=owner)
    profile = BillingProfileFactory(
        account=account,
        name="Operations",
        po_number="PO-1",
        sends_invoices=True,
        attaches_pdf=False,
        marketplace_policy="free",
        allows_reservations=False,
        payment_term_days=45,
    )
    add_section(profile, name="Warehouse", by=owner)
    return profile


@pytest.fixture
def belgian(owner, profile):
    return BillingAccountFactory(
        owner=owner, country="BE", name="Alfa Belgium", organisation=profile.account.organisation
    )


def clone(profile, to, by, **values):
    return clone_profile(profile, to=to, **{"name": "Operations", "po_number": "PO-1", **values}, by=by)


def test_P15_the_copy_has_policies_sections_and_the_way_of_mailing_and_the_new_countrys_address(
    profile, belgian, owner
):
    made = clone(profile, belgian, owner).profile

    assert (made.account, made.name, made.po_number, made.currency) == (belgian, "Operations", "PO-1", belgian.currency)
    assert (made.sends_invoices, made.attaches_pdf) == (True, False)
    assert (made.marketplace_policy, made.allows_reservations) == ("free", False)
    names = InvoiceSection.objects.filter(profile=made, is_default=False).values_list("name", flat=True)
    assert list(names) == ["Warehouse"]
    assert made.bill_to.line1 == belgian.sold_to.line1
    assert made.bill_to.country == "BE"
    assert made.payment_term_days != 45  # agreed with the vendor for the other one
    assert not hasattr(made, "methods") or made.methods.default is None


def test_P15_within_a_country_the_bill_to_comes_along(profile, owner):
    other = BillingAccountFactory(owner=owner, country="NL")
    type(profile.bill_to).objects.filter(pk=profile.bill_to_id).update(line1="Waalhaven 99")
    profile.bill_to.refresh_from_db()

    made = clone(profile, other, owner).profile

    assert made.bill_to_id != profile.bill_to_id
    assert made.bill_to.line1 == "Waalhaven 99"


def test_P15_recipients_are_asked_again_and_get_nothing_before(profile, belgian, owner):
    extra = ExtraRecipient.objects.create(
        profile=profile, email="books@bureau.example", language="nl", confirmed_at="2026-01-01T12:00Z"
    )
    ExtraRecipient.objects.create(profile=profile, email="not.ticked@bureau.example")

    made = clone(profile, belgian, owner, recipients=[extra]).profile

    [asked] = ExtraRecipient.objects.filter(profile=made)
    assert (asked.email, asked.language, asked.confirmed_at) == ("books@bureau.example", "nl", None)
    assert Message.objects.filter(recipient="books@bureau.example").exists()


def test_P15_roles_are_given_to_members_and_offered_to_others(profile, belgian, owner):
    member = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER)
    OrganisationMemberFactory.create(organisation=belgian.organisation, user=member.user)
    stranger = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    other = BillingAccountFactory(owner=owner, country="DE")

    here = clone(profile, belgian, owner, roles=[member]).profile
    there = clone(profile, other, owner, roles=[member, stranger])

    assert ProfileRole.objects.get(profile=here).role == Role.INVOICE_MANAGER
    invited = Invitation.objects.filter(scope_code=there.profile.code).values_list("email", flat=True)
    assert set(invited) == {member.user.email, stranger.user.email}
    assert there.left_out == []


def test_P15_who_cannot_be_taken_over_is_named_and_the_rest_is_made(profile, belgian, owner):
    gone = ProfileRoleFactory(profile=profile, user=UserFactory(is_active=False), role=Role.PROFILE_READER)
    OrganisationMemberFactory(organisation=belgian.organisation, user=gone.user)

    cloned = clone(profile, belgian, owner, roles=[gone])

    assert [who for who, _refusal in cloned.left_out] == [str(gone.user)]
    assert BillingProfile.objects.filter(account=belgian, name="Operations").exists()


def test_P15_a_name_that_is_taken_makes_nothing(profile, belgian, owner):
    BillingProfileFactory(account=belgian, name="Operations")

    with pytest.raises(Refused) as refusal:
        clone(profile, belgian, owner)

    assert refusal.value.code == "name_taken"
    assert BillingProfile.objects.filter(account=belgian).count() == 1


def test_P15_it_takes_the_right_on_both_sides(profile, belgian):
    here, there = UserFactory(), UserFactory()
    ProfileRoleFactory(profile=profile, user=here, role=Role.PROFILE_OWNER)
    AccountRoleFactory(account=belgian, user=there, role=Role.ACCOUNT_OWNER)

    for person in (here, there):
        with pytest.raises(Forbidden):
            clone(profile, belgian, person)
        assert BillingProfile.objects.filter(account=belgian).count() == 0
    assert list(accounts_for_clones(there)) == [belgian]
    assert list(accounts_for_clones(here)) == []


def test_P15_the_page_copies_and_says_so(client, profile, belgian, owner):
    held = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER)
    client.force_login(owner)
    address = reverse("profile_cloning", args=[profile.code])

    page = client.get(address).content.decode()
    answer = client.post(
        address, {"to": belgian.code, "name": "Operations BE", "po_number": "", "roles": [held.pk]}, follow=True
    )

    assert "Alfa Belgium · Belgium" in page
    assert f"{held.user}, Invoice manager" in page
    made = BillingProfile.objects.get(account=belgian)
    assert answer.redirect_chain[-1][0] == made.get_absolute_url()
    assert (made.name, made.po_number) == ("Operations BE", "")


def test_P15_an_account_or_a_role_that_was_not_offered_is_refused(client, profile, owner):
    foreign = BillingAccountFactory()
    elsewhere = ProfileRoleFactory(role=Role.INVOICE_MANAGER)
    client.force_login(owner)

    answer = client.post(
        reverse("profile_cloning", args=[profile.code]), {"to": foreign.code, "name": "X", "roles": [elsewhere.pk]}
    )

    assert answer.status_code == 200
    assert set(answer.context["form"].errors) >= {"to"}
    assert not BillingProfile.objects.filter(account=foreign).exists()


def test_P15_readers_do_not_copy(client, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)

    assert client.get(reverse("profile_cloning", args=[profile.code])).status_code == 403


@pytest.mark.parametrize("name", ["account_addresses", "profile_addresses"])
def test_P15_the_pages_of_addresses_say_what_to_do_instead_of_changing_the_country(client, profile, owner, name):
    client.force_login(owner)
    code = profile.account.code if name == "account_addresses" else profile.code

    page = client.get(reverse(name, args=[code])).content.decode()

    assert "The country stays" in page
    assert "account in the new country" in page or "account there" in page


def test_Q1_policies_are_copied_only_by_who_may_set_them(profile, belgian, owner, monkeypatch):
    monkeypatch.setitem(GRANTS, Action.PROFILE_APPLY_POLICIES, frozenset())
    made = clone(profile, belgian, owner).profile
    assert (made.marketplace_policy, made.allows_reservations) == ("all", True)


def test_Q1_only_who_gives_roles_is_offered_those_of_the_profile(profile, owner):
    contributor = ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR)
    assert list(roles_to_offer(profile, owner)) == [contributor]
    ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    assert list(roles_to_offer(profile, contributor.user)) == []
