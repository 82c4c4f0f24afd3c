"""Making and changing billing profiles."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.tests.factories import (
    AccountRoleFactory,
    AddressFactory,
    BillingAccountFactory,
    SellerFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from profiles.models import BillingProfile, ProfileRole
from profiles.services.profiles import (
    create_profile,
    create_subscription_profile,
    set_email_preference,
    update_profile,
)
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

BILL_TO = {
    "company_name": "Alfa Logistiek B.V.",
    "contact_name": "",
    "line1": "Coolsingel 40",
    "line2": "",
    "postal_code": "3011 AD",
    "city": "Rotterdam",
    "email": "inkoop@alfa.example",
    "phone": "",
}


def changed(profile, **values):
    """What `update_profile` gets when a person sends the form with those fields changed."""
    stored = BillingProfile.objects.select_related("bill_to").get(pk=profile.pk)
    address = {name: getattr(stored.bill_to, name) for name in BILL_TO} | values.pop("bill_to", {})
    return {
        "name": stored.name,
        "po_number": stored.po_number,
        "version": stored.version,
        "bill_to": address,
        "bill_to_version": stored.bill_to.version,
        **values,
    }


# --- Creating -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_S2_11_profile_carries_what_was_typed():
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)

    profile = create_profile(account, name="Fleet", po_number="PO-1", bill_to=BILL_TO, sends_invoices=True, by=owner)

    profile.refresh_from_db()
    assert (profile.name, profile.po_number, profile.sends_invoices) == ("Fleet", "PO-1", True)
    assert (profile.status, profile.kind, profile.created_by) == ("active", "standard", owner)
    assert (profile.bill_to.line1, profile.bill_to.country.code) == ("Coolsingel 40", "NL")


@pytest.mark.django_db
def test_S2_5a_currency_and_term_follow_from_account_and_seller():
    SellerFactory(payment_term_days=14)
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner, american=True)

    profile = create_profile(account, name="Fleet", by=owner)

    assert (profile.currency, profile.payment_term_days, profile.time_zone) == ("USD", 14, "America/New_York")


@pytest.mark.django_db
def test_S2_11_without_an_address_the_sold_to_is_copied_and_then_separate():
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)

    profile = create_profile(account, name="Fleet", by=owner)

    assert profile.bill_to.pk != account.sold_to.pk
    assert profile.bill_to.snapshot() == account.sold_to.snapshot()


@pytest.mark.django_db
def test_an_incomplete_sold_to_makes_an_incomplete_bill_to():
    account = BillingAccountFactory(sold_to=AddressFactory(is_complete=False, line1="", city="", postal_code=""))

    profile = create_profile(account, name="Imported", by=None)

    profile.bill_to.refresh_from_db()
    assert profile.bill_to.is_complete is False


@pytest.mark.django_db
def test_creator_becomes_owner_unless_the_account_makes_them_one():
    owner, account = UserFactory(), BillingAccountFactory()
    AccountRoleFactory(account=account, user=owner)
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user

    create_profile(account, name="By the owner", by=owner)
    create_profile(account, name="By the contributor", by=contributor)

    held = [(row.profile.name, row.user, row.role, row.assigned_by) for row in ProfileRole.objects.all()]
    assert held == [("By the contributor", contributor, Role.PROFILE_OWNER, contributor)]


@pytest.mark.django_db
def test_creation_stands_in_the_history_with_its_actor():
    owner = UserFactory(name="Marieke de Vries")
    account = BillingAccountFactory(owner=owner)

    profile = create_profile(account, name="Fleet", by=owner)

    entry = profile.events.get()
    assert entry.pgh_context.metadata["actor_name"] == "Marieke de Vries"
    assert entry.pgh_context.metadata["action"] == "profile.created"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["fleet", "FLEET", "Fleet"])
def test_S2_11_name_is_taken_whatever_its_capitals(name):
    owner = UserFactory()
    profile = BillingProfileFactory(account=BillingAccountFactory(owner=owner), name="Fleet")

    with pytest.raises(Refused) as refusal:
        create_profile(profile.account, name=name, by=owner)

    assert refusal.value.code == "name_taken"
    assert BillingProfile.objects.count() == 1


@pytest.mark.django_db
def test_the_name_of_a_closed_or_of_a_foreign_profile_is_free():
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)
    BillingProfileFactory(account=account, name="Fleet", status="closed")
    BillingProfileFactory(name="Fleet")

    create_profile(account, name="Fleet", by=owner)

    assert BillingProfile.objects.filter(account=account, name="Fleet").open().count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.ACCOUNT_CONTRIBUTOR])
def test_T04_creating_takes_more_than_reading(role):
    account = BillingAccountFactory()
    person = AccountRoleFactory(account=account, role=role).user

    if role == Role.ACCOUNT_READER:
        with pytest.raises(Forbidden):
            create_profile(account, name="Fleet", by=person)
    else:
        create_profile(account, name="Fleet", by=person)

    assert BillingProfile.objects.count() == (role == Role.ACCOUNT_CONTRIBUTOR)


@pytest.mark.django_db
def test_a_closed_account_gets_no_profile():
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner, status="closed")

    with pytest.raises(Refused) as refusal:
        create_profile(account, name="Fleet", by=owner)

    assert refusal.value.code == "account_closed"


@pytest.mark.django_db
def test_an_online_services_account_has_no_profile_that_people_make():
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)

    with pytest.raises(Forbidden):
        create_profile(account, name="Fleet", by=administrator)
    with pytest.raises(Refused) as refusal:
        create_profile(account, name="Fleet", by=None)

    assert refusal.value.code == "no_profiles_here"


@pytest.mark.django_db
def test_a_subscription_of_an_online_services_account_brings_a_hidden_profile():
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)

    profile = create_subscription_profile(account, name="x" * 200, by=administrator)

    assert (profile.kind, profile.bill_to, profile.currency, len(profile.name)) == ("subscription", None, "EUR", 100)
    assert profile.invoice_address == account.bill_to
    assert list(BillingProfile.objects.shown()) == []


@pytest.mark.django_db
def test_a_hidden_profile_belongs_to_an_online_services_account():
    with pytest.raises(ValueError, match="customer agreement"):
        create_subscription_profile(BillingAccountFactory(), name="Mail", by=None)


@pytest.mark.django_db(transaction=True)
def test_S2_11_one_name_for_two_who_create_at_once(long):
    for _repeat in range(50 if long else 5):
        owner = UserFactory()
        account = BillingAccountFactory(owner=owner)
        start = threading.Barrier(2)

        def create(account=account, owner=owner, start=start):
            start.wait()
            try:
                create_profile(account, name="Fleet", by=owner)
            except Refused as refusal:
                return refusal.code
            finally:
                connection.close()
            return "created"

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(future.result() for future in [pool.submit(create), pool.submit(create)])

        assert outcomes == ["created", "name_taken"]


# --- Changing -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_S2_5b_po_number_is_set_and_emptied():
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner, po_number="PO-1")

    assert update_profile(profile, **changed(profile, po_number="PO-2"), by=owner) is True
    assert BillingProfile.objects.get().po_number == "PO-2"
    assert update_profile(profile, **changed(profile, po_number=""), by=owner) is True

    assert (BillingProfile.objects.get().po_number, BillingProfile.objects.get().version) == ("", 3)


@pytest.mark.django_db
def test_S2_4_bill_to_is_changed_and_every_owner_is_told():
    owner, above = UserFactory(), UserFactory()
    profile = BillingProfileFactory(owner=owner)
    AccountRoleFactory(account=profile.account, user=above)
    ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)

    assert update_profile(profile, **changed(profile, bill_to={"line1": "Coolsingel 40"}), by=owner) is True

    profile.bill_to.refresh_from_db()
    assert (profile.bill_to.line1, profile.bill_to.version) == ("Coolsingel 40", 2)
    assert BillingProfile.objects.get().version == 1
    told = Message.objects.filter(template="address_changed").values_list("recipient", flat=True)
    assert sorted(told) == sorted([owner.email, above.email])


@pytest.mark.django_db
def test_saving_what_is_there_changes_nothing_and_tells_nobody():
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner)

    assert update_profile(profile, **changed(profile), by=owner) is False

    assert BillingProfile.objects.get().version == 1
    assert Message.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["version", "bill_to_version"])
def test_S0_16_the_second_of_two_editors_is_refused(field):
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner, po_number="PO-1")
    second = changed(profile, po_number="mine", bill_to={"city": "Delft"})
    update_profile(profile, **changed(profile, po_number="first", bill_to={"city": "Gouda"}), by=owner)
    other = "bill_to_version" if field == "version" else "version"
    second[other] += 1

    with pytest.raises(Refused) as refusal:
        update_profile(profile, **second, by=owner)

    assert refusal.value.code == "changed_meanwhile"
    assert BillingProfile.objects.get().po_number == "first"
    assert BillingProfile.objects.get().bill_to.city == "Gouda"


@pytest.mark.django_db
def test_S2_11_renaming_to_a_taken_name_writes_nothing():
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner, name="Fleet")
    BillingProfileFactory(account=profile.account, name="Marketing")

    with pytest.raises(Refused) as refusal:
        update_profile(profile, **changed(profile, name="MARKETING", bill_to={"city": "Delft"}), by=owner)

    assert refusal.value.code == "name_taken"
    assert BillingProfile.objects.get(pk=profile.pk).name == "Fleet"


@pytest.mark.django_db
def test_a_profile_may_change_the_capitals_of_its_own_name():
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner, name="fleet")

    update_profile(profile, **changed(profile, name="Fleet"), by=owner)

    assert BillingProfile.objects.get().name == "Fleet"


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_T04_who_reads_or_pays_does_not_edit(role):
    profile = BillingProfileFactory(po_number="PO-1")
    person = ProfileRoleFactory(profile=profile, role=role).user

    with pytest.raises(Forbidden):
        update_profile(profile, **changed(profile, po_number="PO-2"), by=person)

    assert BillingProfile.objects.get().po_number == "PO-1"


@pytest.mark.django_db
def test_an_outsider_edits_nothing():
    profile = BillingProfileFactory(po_number="PO-1")
    outsider = BillingProfileFactory(owner=UserFactory()).roles.get().user

    with pytest.raises(Forbidden):
        update_profile(profile, **changed(profile, po_number="PO-2"), by=outsider)


# --- Invoices by e-mail ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_S4_6_opting_in_and_out_is_one_switch_with_its_history():
    contributor = UserFactory()
    profile = BillingProfileFactory()
    ProfileRoleFactory(profile=profile, user=contributor, role=Role.PROFILE_CONTRIBUTOR)

    assert set_email_preference(profile, sends_invoices=True, attaches_pdf=False, by=contributor) is True
    assert set_email_preference(profile, sends_invoices=True, attaches_pdf=False, by=contributor) is False

    stored = BillingProfile.objects.get()
    assert (stored.sends_invoices, stored.attaches_pdf) == (True, False)
    assert [entry.pgh_context.metadata["action"] for entry in stored.events.filter(pgh_label="update")] == [
        "profile.email_preference"
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S4_1_readers_and_invoice_managers_do_not_switch(role):
    profile = BillingProfileFactory()
    person = ProfileRoleFactory(profile=profile, role=role).user

    with pytest.raises(Forbidden):
        set_email_preference(profile, sends_invoices=True, attaches_pdf=True, by=person)

    assert BillingProfile.objects.get().sends_invoices is False


@pytest.mark.django_db
def test_S4_8a_the_administrator_switches_for_a_subscription():
    profile = SubscriptionProfileFactory()
    administrator = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_ADMINISTRATOR).user

    set_email_preference(profile, sends_invoices=True, attaches_pdf=True, by=administrator)

    assert BillingProfile.objects.get().sends_invoices is True
