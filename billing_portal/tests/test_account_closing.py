"""Closing a billing account: the checklist, what a closed one does no more, what stays, and the vendor's way back
(domain §3.1, I36)."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.jobs import verify_vat_ids
from accounts.models import AccountRole, BillingAccount, Invitation, NameChange, PlannedChange, ServiceNotice, VatCheck
from accounts.services.closing import reopen_account
from accounts.services.handover import offer_administration
from accounts.services.invitations import accept_invitation, invite_to_account, renew_invitation
from accounts.services.joining import join_as_owner
from accounts.services.roles import ON_ACCOUNT, appoint_stand_in, assign_account_role, end_stand_in, remove_account_role
from accounts.services.service_notices import notice_people
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    NameChangeFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    PlannedChangeFactory,
    SellerFactory,
    UserFactory,
    VatCheckFactory,
)
from billing_portal.activity import Filters, all_activity
from billing_portal.invariants import INVARIANTS
from billing_portal.models import ReviewPlan
from billing_portal.reviews import remind_of_reviews
from billing_portal.staff.exceptions import exceptions_for
from billing_portal.todo import tasks
from core.errors import AccountClosed, Forbidden, Refused
from core.models import Message
from core.money import Money
from core.periods import Month
from core.policy import AFTER_CLOSING, Action, Role, demand, is_stopped, may, may_somewhere, read_roles
from invoices.models import CorrectionRequest, Dispute, Invoice, LedgerAccount
from invoices.services.credits import Overpaid, give_credit, keep_overpaid
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, InvoiceFactory, imported_subscription
from payments.closing import account_closing_conditions
from payments.models import CollectionCase, TransferRequest
from payments.services.closing import close_account, close_account_by_staff
from payments.services.collecting import open_cases
from payments.tests.factories import PaymentFactory, PaymentMethodFactory, TransferRequestFactory
from profiles.models import BillingProfile, ProfileRole
from profiles.services.profiles import create_profile
from profiles.services.roles import remove_profile_role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.models import Subscription
from subscriptions.services.purchasing import purchase_product
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 21)


@pytest.fixture
def owner():
    return UserFactory(name="Marieke", email="marieke@alfa.example")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.")


@pytest.fixture
def profile(account):
    """The only billing profile, on which nothing hangs."""
    return BillingProfileFactory(account=account, name="Operations")


@pytest.fixture
def staff():
    return UserFactory(staff=True, name="Vendor")


def standing(account):
    return [each.code for each in account_closing_conditions(account, on=TODAY) if not each.is_met]


def closed(account, owner):
    close_account(account, by=owner, on=TODAY)
    return BillingAccount.objects.get(pk=account.pk)


# --- The checklist ------------------------------------------------------------------------------


def other_profiles(profile):
    for number in range(5):
        BillingProfileFactory(account=profile.account, name=f"Stays {number}")


def subscription(profile):
    SubscriptionFactory(profile=profile, name="Office")


def scheduled(profile):
    SubscriptionFactory(profile=profile, name="Office", started_on=TODAY + timedelta(days=20))


def unpaid(profile):
    InvoiceFactory(profile=profile)


def unknown(profile):
    PaymentFactory(invoices=[InvoiceFactory(profile=profile)], status="unknown")


def credit(profile):
    give_credit(
        profile,
        source="promotion",
        amount=Money(100, profile.currency),
        starts_on=TODAY,
        expires_on=TODAY,
        description="Welcome",
        reason="As agreed",
        by=None,
        on=TODAY,
    )


def overpaid(profile):
    kept = Overpaid(profile.account_id, profile.pk, Money(250, "EUR"), "Transfer", "payment:x")
    keep_overpaid([kept], debit=LedgerAccount.BANK, on=TODAY)


def charge(profile):
    used = imported_subscription(profile)
    Subscription.objects.filter(pk=used.pk).update(status="cancelled")
    ChargeFactory(subscription=used)


def dispute(profile):
    invoice = InvoiceFactory(profile=profile, status="paid")
    Dispute.objects.create(
        account=profile.account,
        profile=profile,
        invoice=invoice,
        amount_minor=100,
        currency="EUR",
        opened_by=UserFactory(),
    )


def correction(profile):
    CorrectionRequest.objects.create(
        account=profile.account,
        profile=profile,
        invoice=InvoiceFactory(profile=profile, status="paid"),
        reason="po_number",
        proposed={"po_number": "PO-9"},
        requested_by=UserFactory(),
    )


def card(profile):
    PaymentMethodFactory(account=profile.account)


def default_card(profile):
    PaymentMethodFactory(account=profile.account, default_for=[profile])


def warned(profile):
    BillingProfile.objects.filter(pk=profile.pk).update(status="warned")


def past_due(profile):
    BillingAccount.objects.filter(pk=profile.account_id).update(status="past_due")
    profile.account.refresh_from_db()


BLOCKERS = [
    (other_profiles, "OpenBillingProfiles"),
    (subscription, "ActiveBillingSubscriptions"),
    (scheduled, "ActiveBillingSubscriptions"),
    (unpaid, "OutstandingCharges"),
    (unknown, "PendingPayments"),
    (credit, "ActiveCredits"),
    (overpaid, "OverpaidMoney"),
    (charge, "PendingCharges"),
    (dispute, "OpenDisputes"),
    (correction, "OpenDisputes"),
    (card, "ActiveCreditCard"),
    (default_card, "ActiveCreditCard"),
    (warned, "NotSupported"),
    (past_due, "NotSupported"),
]


@pytest.mark.parametrize(("hangs", "code"), BLOCKERS)
def test_P4_each_blocker_is_named_linked_and_refuses(client, time_machine, profile, owner, hangs, code):
    time_machine.move_to(f"{TODAY} 10:00")
    account = profile.account
    assert standing(account) == []
    hangs(profile)

    assert code in standing(account)
    with pytest.raises(Refused) as refusal:
        close_account(account, by=owner, on=TODAY)
    assert refusal.value.code == "not_eligible"
    assert BillingAccount.objects.get(pk=account.pk).status != "closed"
    client.force_login(owner)
    for each in account_closing_conditions(account, on=TODAY):
        assert each.is_met or client.get(each.href).status_code == 200, f"{each.title} leads somewhere"
    page = reverse("account_closing", args=[account.code])
    text = client.get(page).content.decode()
    assert "Not possible yet" in text
    assert 'name="name"' not in text
    assert client.post(page, {"name": account.name}).status_code == 200
    assert BillingAccount.objects.get(pk=account.pk).status != "closed"


def test_every_open_profile_leads_to_its_own_closing(client, profile, owner):
    other_profiles(profile)

    conditions = [each for each in account_closing_conditions(profile.account, on=TODAY) if not each.is_met]

    first = reverse("profile_closing", args=[profile.code])
    assert conditions[0].href == first
    assert conditions[-1].title == "3 more are open"
    client.force_login(owner)
    assert first in client.get(reverse("account_closing", args=[profile.account.code])).content.decode()


def test_the_checklist_takes_as_many_statements_whatever_hangs_there(profile):
    def statements():
        with CaptureQueriesContext(
            connection,
        ) as counted:
            account_closing_conditions(profile.account, on=TODAY)
        return len(counted)

    for hangs in (subscription, unpaid, card):
        hangs(profile)
    before = statements()
    for _number in range(12):
        BillingProfileFactory(account=profile.account)
        bought = SubscriptionFactory(profile=profile, started_on=date(2026, 9, 3))
        Subscription.objects.filter(pk=bought.pk).update(status="cancelled", ended_on=date(2026, 10, 2))
        unpaid(profile)
        card(profile)
    assert statements() <= before + 2  # the names of the profiles, and how many more there are


def test_online_services_close_with_what_hides_behind_their_subscriptions(owner):
    account = BillingAccountFactory(online_services=True, owner=owner)
    hidden = SubscriptionProfileFactory(account=account)
    running = SubscriptionFactory(profile=hidden)
    assert "ActiveBillingSubscriptions" in standing(account)

    Subscription.objects.filter(pk=running.pk).update(status="cancelled", ended_on=date(2026, 8, 1))
    InvoiceFactory(profile=hidden, month=Month(2026, 10), status="paid")
    closed(account, owner)

    assert [*BillingProfile.objects.filter(account=account).values_list("status", flat=True)] == ["closed"]


# --- The closing --------------------------------------------------------------------------------


def test_S2_closing_ends_what_waits_tells_the_owners_and_keeps_every_row(profile, owner):
    account = profile.account
    second = AccountRoleFactory(account=account).user
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    invite_to_account(account, email="new@x.example", role=Role.ACCOUNT_READER, by=owner)
    PlannedChangeFactory(account=account)
    NameChangeFactory(account=account)
    TransferRequestFactory(account=account, profile=profile)
    invoice = InvoiceFactory(profile=profile, status="paid")
    kept = {model: model.objects.count() for model in (Invitation, PlannedChange, NameChange, AccountRole, Invoice)}
    Message.objects.all().delete()

    stored = closed(account, owner)

    assert stored.status == "closed"
    assert BillingProfile.objects.get(pk=profile.pk).status == "closed"
    assert Invitation.objects.get().status == "revoked"
    assert PlannedChange.objects.get().status == "withdrawn"
    assert NameChange.objects.get().status == "withdrawn"
    assert TransferRequest.objects.get().status == "withdrawn"
    assert {model: model.objects.count() for model in kept} == kept
    mails = Message.objects.filter(template="account_closed")
    assert {mail.recipient for mail in mails} == {owner.email, second.email}
    assert may(reader, Action.INVOICE_DOWNLOAD, invoice)
    entries = [entry for entry in all_activity(stored, Filters()) if ("Status", "Active", "Closed") in entry.changes]
    assert {entry.who for entry in entries} == {"Marieke"}
    assert entries


def test_twice_is_once_and_the_second_is_told(profile, owner):
    stale = BillingAccount.objects.get(pk=profile.account_id)
    closed(profile.account, owner)
    with pytest.raises(Refused) as refusal:
        close_account(stale, by=owner, on=TODAY)
    assert refusal.value.code == "closed_already"
    assert Message.objects.filter(template="account_closed").count() == 1


def test_an_offer_of_the_administration_is_withdrawn_and_both_are_told(owner):
    account = BillingAccountFactory(online_services=True, owner=owner)
    offer_administration(account, email="next@x.example", by=owner)

    closed(account, owner)

    assert Invitation.objects.get().status == "revoked"
    told = Message.objects.filter(template="administration_withdrawn")
    assert {mail.recipient for mail in told} == {owner.email, "next@x.example"}


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ACCOUNT_OWNER])
def test_nobody_else_closes(client, profile, role):
    account = profile.account
    if role in (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR):
        person = OrganisationRoleFactory(organisation=account.organisation, role=role).user
    elif role.startswith("account") and role != Role.ACCOUNT_ADMINISTRATOR:
        person = AccountRoleFactory(account=account, role=role).user
    elif role == Role.ACCOUNT_ADMINISTRATOR:
        person = BillingAccountFactory(online_services=True, owner=UserFactory()).roles.get().user
    else:
        person = ProfileRoleFactory(profile=profile, role=role).user
    with pytest.raises(Forbidden):
        close_account(account, by=person, on=TODAY)
    client.force_login(person)
    assert client.post(reverse("account_closing", args=[account.code]), {"name": account.name}).status_code in (
        403,
        404,
    )
    assert BillingAccount.objects.get(pk=account.pk).status == "active"


@pytest.mark.parametrize(
    ("typed", "does"),
    [
        ("Alfa Logistiek B.V.", True),
        ("  alfa   logistiek b.v. ", True),
        ("", False),
        ("Alfa", False),
        ("Alfa Logistiek B.V.x", False),
        ("x" * 5000, False),
        ("Alfa\x00Logistiek B.V.", False),
    ],
)
def test_the_page_closes_when_the_name_is_typed(client, profile, owner, typed, does):
    client.force_login(owner)
    page = reverse("account_closing", args=[profile.account.code])
    text = client.get(page).content.decode()
    assert "Take-out" in text
    assert "10 years" in text

    response = client.post(page, {"name": typed})

    assert response.status_code == (302 if does else 200)
    assert (BillingAccount.objects.get().status == "closed") is does
    if does:
        assert client.get(page).status_code == 302
        assert "This billing account is closed." in client.get(response.url).content.decode()


@pytest.mark.step_up
def test_closing_asks_for_a_confirmation_first(client, profile, owner):
    client.force_login(owner)
    response = client.post(reverse("account_closing", args=[profile.account.code]), {"name": profile.account.name})
    assert response.status_code == 302
    assert "reauthenticate" in response.url
    assert BillingAccount.objects.get().status == "active"


def test_the_page_says_before_what_is_withdrawn(client, profile, owner):
    invite_to_account(profile.account, email="new@x.example", role=Role.ACCOUNT_READER, by=owner)
    PlannedChangeFactory(account=profile.account)
    client.force_login(owner)

    text = client.get(reverse("account_closing", args=[profile.account.code])).content.decode()

    assert "1 invitation that waits for an answer is withdrawn." in text
    assert "1 change of address or name" in text


# --- What a closed account does no more -----------------------------------------------------------


def test_may_and_allowing_agree_in_a_closed_account(profile, owner):
    """Whatever reads goes on, whatever else is refused; and the account beside it is as it was."""
    beside = BillingProfileFactory(
        account=BillingAccountFactory(owner=owner, organisation=profile.account.organisation)
    )
    head = OrganisationRoleFactory(organisation=profile.account.organisation, role=Role.ORGANISATION_ADMINISTRATOR).user
    on_profile = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    people = (owner, head, on_profile)

    def answers(row):
        books = [(person, read_roles(person)) for person in people]
        return {(person.pk, action): may(person, action, row, book) for person, book in books for action in Action}

    before = [(row, answers(row)) for row in (profile.account, profile, beside.account, beside)]
    closed(profile.account, owner)

    for row, could in before:
        row = type(row).objects.get(pk=row.pk)
        is_closed = row in (profile.account, profile)
        for person in people:
            person._role_book = read_roles(person)
            for action in Action:
                expected = could[person.pk, action] and (action in AFTER_CLOSING or not is_closed)
                listed = type(row).objects.allowing(person, action).filter(pk=row.pk).exists()
                assert (may(person, action, row), listed) == (expected, expected), (person, action, row)
    assert may_somewhere(on_profile, Action.INVOICE_VIEW, profile.account)
    assert not may_somewhere(on_profile, Action.PROFILE_PURCHASE, profile.account)
    assert not may(AnonymousUser(), Action.ACCOUNT_SEE, profile.account)


def test_demand_tells_a_closed_account_from_a_missing_right(profile, owner):
    reader = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER).user
    closed(profile.account, owner)

    with pytest.raises(AccountClosed):
        demand(owner, Action.ACCOUNT_EDIT_TAX_IDS, profile.account)
    with pytest.raises(Forbidden) as plain:
        demand(reader, Action.ACCOUNT_EDIT_TAX_IDS, profile.account)
    assert not isinstance(plain.value, AccountClosed)
    assert is_stopped(owner, Action.PROFILE_RENAME, profile)


@pytest.mark.parametrize(
    "name", ["account_tax_ids", "account_addresses", "profile_new", "card_new", "account_name_change", "purchase"]
)
def test_pages_that_change_say_that_it_is_closed_and_name_support(client, profile, owner, name):
    closed(profile.account, owner)
    client.force_login(owner)
    for answer in (client.get, client.post):
        response = answer(reverse(name, args=[profile.account.code]))
        text = response.content.decode()
        assert response.status_code == 403
        assert "This billing account is closed" in text
        assert reverse("support_request_new", args=[profile.account.code]) in text


@pytest.mark.parametrize(
    "name",
    [
        *("account_overview", "account_properties", "account_access", "account_activity", "invoices", "payments"),
        *("payment_methods", "profiles", "subscriptions", "support_requests", "support_request_new", "take_outs"),
        *("statements", "remittances", "account_closing"),
    ],
)
def test_pages_that_show_stay_and_say_that_it_is_closed(client, profile, owner, name):
    invoice = InvoiceFactory(profile=profile, status="paid")
    closed(profile.account, owner)
    client.force_login(owner)
    response = client.get(reverse(name, args=[profile.account.code]), follow=True)
    assert response.status_code == 200
    assert "This billing account is closed." in response.content.decode()
    assert client.get(invoice.get_absolute_url()).status_code == 200


def refused(verb):
    with pytest.raises((Refused, AccountClosed)) as refusal, transaction.atomic():
        verb()
    return getattr(refusal.value, "code", "account_closed")


def test_nobody_is_invited_given_a_role_or_made_owner(profile, owner):
    account = profile.account
    member = OrganisationMemberFactory(organisation=account.organisation).user
    head = OrganisationRoleFactory(organisation=account.organisation, role=Role.ORGANISATION_ADMINISTRATOR).user
    waiting = invite_to_account(account, email=member.email + "x", role=Role.ACCOUNT_READER, by=owner)
    held = AccountRole.objects.get(account=account, user=owner)
    stale = BillingAccount.objects.get(pk=account.pk)
    closed(account, owner)
    day = timezone.localdate() + timedelta(days=5)
    guest = UserFactory(email=waiting.email)

    verbs = [
        lambda: invite_to_account(stale, email="y@x.example", role=Role.ACCOUNT_READER, by=owner),
        lambda: renew_invitation(waiting, by=owner),
        lambda: assign_account_role(stale, user=member, role=Role.ACCOUNT_READER, by=owner),
        lambda: appoint_stand_in(ON_ACCOUNT, stale, held=held, user=member, expires_on=day, by=owner),
        lambda: join_as_owner(stale, by=head),
        lambda: create_profile(stale, name="New", by=owner),
        lambda: create_profile(stale, name="New", by=None),
    ]
    assert [refused(verb) for verb in verbs] == ["account_closed"] * len(verbs)
    with pytest.raises(Refused) as unusable:
        accept_invitation(waiting, by=guest)
    assert unusable.value.code == "revoked"


def test_nothing_is_bought(profile, owner):
    price = PriceFactory(currency="EUR", valid_from=date(2026, 1, 1))
    stale = BillingAccount.objects.get(pk=profile.account_id)
    closed(profile.account, owner)
    verb = lambda: purchase_product(  # noqa: E731
        stale, profile=None, price=price, quantity=1, by=owner, on=TODAY, request_key="k" * 32
    )
    assert refused(verb) == "account_closed"


def test_the_database_takes_nothing_new(profile, owner):
    """Whoever writes without a service: the console, another program, a hand (I36)."""
    stored = closed(profile.account, owner)
    for verb in (
        lambda: BillingProfileFactory(account=stored),
        lambda: NameChangeFactory(account=stored),
        lambda: PlannedChangeFactory(account=stored),
        lambda: TransferRequestFactory(account=stored, profile=profile),
        lambda: SubscriptionFactory(profile=profile),
    ):
        with pytest.raises(IntegrityError, match="is closed"), transaction.atomic():
            verb()


def test_roles_are_still_taken_away(client, profile, owner):
    """Somebody who left the company must not read invoices for years because nothing changes any more."""
    held = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER)
    below = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    closed(profile.account, owner)

    remove_account_role(AccountRole.objects.select_related("account").get(pk=held.pk), by=owner)
    remove_profile_role(ProfileRole.objects.select_related("profile__account").get(pk=below.pk), by=owner)

    assert not may(held.user, Action.ACCOUNT_SEE, profile.account, read_roles(held.user))
    client.force_login(owner)
    text = client.get(reverse("account_access", args=[profile.account.code])).content.decode()
    assert reverse("account_role_new", args=[profile.account.code]) not in text


def test_a_verb_that_nobody_may_says_why(client, profile, owner):
    closed(profile.account, owner)
    client.force_login(owner)
    text = client.get(reverse("account_properties", args=[profile.account.code])).content.decode()
    assert "This billing account is closed. Support can open it again." in text
    assert "Your role does not allow this." not in text
    assert f'href="{reverse("account_addresses", args=[profile.account.code])}"' not in text


# --- Jobs ---------------------------------------------------------------------------------------


def test_the_billing_run_leaves_it_alone(profile, owner):
    SellerFactory()
    closed(profile.account, owner)
    run_billing(Month(2026, 10), by=None, on=TODAY)
    assert not Invoice.objects.filter(account=profile.account).exists()


def test_what_a_bank_takes_back_afterwards_is_for_the_staff(client, profile, owner, staff):
    """Nobody is reminded by itself; the invoice can be paid, and staff read of it among today's exceptions."""
    invoice = InvoiceFactory(profile=profile, status="paid")
    closed(profile.account, owner)
    Invoice.objects.filter(pk=invoice.pk).update(status="due", amount_due_minor=invoice.total_minor, settled_minor=0)
    Message.objects.all().delete()

    assert open_cases(at=timezone.now() + timedelta(days=90)) == 0

    assert not Message.objects.exists()
    assert may(owner, Action.INVOICE_PAY, invoice)
    found = [each for each in exceptions_for(staff, at=timezone.now()) if "closed accounts" in str(each.label)]
    assert [each.number for each in found] == [1]
    client.force_login(staff)
    assert invoice.number in client.get(found[0].href).content.decode()


def test_a_case_of_collecting_stops_and_goes_on_when_it_is_opened_again(profile, owner, staff):
    case = CollectionCase.objects.create(
        invoice=InvoiceFactory(profile=profile), day_zero=TODAY, next_at=timezone.now() - timedelta(days=1)
    )
    BillingAccount.objects.filter(pk=profile.account_id).update(status="closed")
    assert not CollectionCase.objects.due(timezone.now()).exists()
    BillingAccount.objects.filter(pk=profile.account_id).update(status="active")
    assert CollectionCase.objects.due(timezone.now()).get() == case


def test_stand_ins_end_without_a_mail(profile, owner):
    account = profile.account
    stand_in = AccountRoleFactory(
        account=account,
        role=Role.ACCOUNT_READER,
        stands_in_for=AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user,
        expires_on=timezone.localdate() - timedelta(days=1),
    )
    closed(account, owner)
    Message.objects.all().delete()

    end_stand_in(ON_ACCOUNT, AccountRole.objects.select_related("account").get(pk=stand_in.pk))

    assert not AccountRole.objects.filter(pk=stand_in.pk).exists()
    assert not Message.objects.exists()


def test_registers_reviews_and_notices_leave_it_alone(profile, owner):
    account = profile.account
    VatCheck.objects.filter(account=account).delete()
    check = VatCheckFactory(account=account, next_check_at=timezone.now() - timedelta(days=1))
    ReviewPlan.objects.create(account=account, every_months=3)
    BillingAccount.objects.filter(pk=account.pk).update(created_at=timezone.now() - timedelta(days=900))
    notice = ServiceNotice(audience="owners", mail_class="service")
    now = timezone.now()
    assert VatCheck.objects.due(now).exists()
    assert owner in notice_people(notice)
    assert remind_of_reviews(now) == 1

    stored = closed(account, owner)
    Message.objects.all().delete()

    verify_vat_ids(check.pk)
    assert not VatCheck.objects.due(now).exists()
    assert VatCheck.objects.get().asked_at == check.asked_at
    assert owner not in notice_people(notice)
    assert remind_of_reviews(now) == 0
    assert tasks(owner, stored, TODAY) == []
    assert not Message.objects.exists()


# --- The vendor ---------------------------------------------------------------------------------


def test_staff_close_and_open_again_and_say_why(client, profile, owner, staff):
    client.force_login(staff)
    account = profile.account
    page = reverse("admin:account_closing", args=[account.pk])
    assert page in client.get(reverse("admin:accounts_billingaccount_change", args=[account.pk])).content.decode()

    assert client.post(page, {"reason": "   "}).status_code == 200
    assert BillingAccount.objects.get().status == "active"
    assert client.post(page, {"reason": "The company ended."}).status_code == 302
    stored = BillingAccount.objects.get()
    assert (stored.status, stored.status_note) == ("closed", "The company ended.")
    mail = Message.objects.get(template="account_closed")
    assert (mail.recipient, mail.context["note"], mail.context["by"]) == (owner.email, "The company ended.", "")

    assert client.post(page, {"reason": "Closed by mistake."}).status_code == 302
    stored.refresh_from_db()
    assert (stored.status, stored.status_note) == ("active", "Closed by mistake.")
    assert Message.objects.get(template="account_reopened").recipient == owner.email
    assert VatCheck.objects.due(timezone.now()).filter(account=stored).exists()
    assert may(owner, Action.PROFILE_CREATE, stored, read_roles(owner))
    create_profile(stored, name="Operations", by=owner)  # the name is free again
    assert BillingProfile.objects.get(pk=profile.pk).status == "closed"


def test_staff_meet_the_same_checklist(client, profile, staff):
    unpaid(profile)
    client.force_login(staff)
    page = reverse("admin:account_closing", args=[profile.account_id])
    text = client.get(page).content.decode()
    assert "1 invoice is not paid" in text
    assert 'name="reason"' not in text
    client.post(page, {"reason": "The company ended."})
    assert BillingAccount.objects.get().status == "active"


def test_others_of_the_staff_and_customers_cannot(client, profile, owner):
    other = UserFactory(is_staff=True)
    page = reverse("admin:account_closing", args=[profile.account_id])
    for person in (other, owner):
        with pytest.raises(PermissionDenied):
            close_account_by_staff(profile.account, note="Why not", by=person, on=TODAY)
        with pytest.raises(PermissionDenied):
            reopen_account(profile.account, note="Why not", by=person)
    client.force_login(other)
    assert client.post(page, {"reason": "Why not"}).status_code == 403


def test_an_open_account_is_not_opened_again(profile, staff):
    with pytest.raises(Refused) as refusal:
        reopen_account(profile.account, note="Why not", by=staff)
    assert refusal.value.code == "no_such_edge"


def test_I36_a_live_database_is_asked_what_goes_on_in_closed_accounts(profile, owner):
    asked = next(each for each in INVARIANTS if each.id == "I36")

    def found():
        with connection.cursor() as cursor:
            cursor.execute(asked.sql)
            return [row[0] for row in cursor.fetchall()]

    assert found() == []
    BillingAccount.objects.filter(pk=profile.account_id).update(status="closed")
    assert found() == [f"{profile.account.code}: billing profile {profile.code}"]
