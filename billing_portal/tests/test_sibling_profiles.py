"""Who has a role on one profile of an account reads nothing of the one beside it, on no page (T01, I22)."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.todo import tasks
from core.errors import Forbidden
from core.jobs import run_due
from core.mail_classes import MailClass
from core.messages import queue_message
from core.models import MailComplaint
from core.money import Money
from core.policy import Role
from invoices.deliveries import Verdict, resend_delivery, verdicts_on_deliveries
from invoices.models import Delivery, LedgerAccount, ParkReason
from invoices.services.credits import Overpaid, keep_overpaid
from invoices.services.sending import repair_delivery, send_invoice_to
from invoices.tests.factories import OCTOBER, InvoiceFactory, ParkedProfileFactory, PurchaseOrderFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import SPECIMENS
from payments.models import CardSetup
from payments.services.cards import finish_card_setup, start_card_setup
from payments.services.overpaid import balances_seen
from payments.shown import uses_of
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
HIDDEN = "Quite another profile"


@pytest.fixture
def account():
    """An account with two profiles, each with an invoice, an order and a subscription."""
    account = BillingAccountFactory(owner=UserFactory())
    for name in ("Own", HIDDEN):
        profile = BillingProfileFactory(account=account, name=name)
        InvoiceFactory(profile=profile)
        PurchaseOrderFactory(profile=profile, number=f"PO {name}")
        SubscriptionFactory(profile=profile, name=f"Mailbox {name}")
    return account


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


PAGES = {
    "invoices": lambda account: reverse("invoices", args=[account.code]),
    "purchase orders": lambda account: reverse("purchase_orders", args=[account.code]),
    "statement": lambda account: reverse("statement_new", args=[account.code]),
    "move": lambda account: reverse("subscription_move", args=[account.subscriptions.get(profile__name="Own").code]),
}


@pytest.mark.parametrize("page", PAGES)
def test_T01_a_page_of_the_account_tells_nothing_of_a_sibling_profile(page, account):
    own = account.profiles.get(name="Own")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user
    owner = account.roles.get().user
    address = PAGES[page](account)

    assert HIDDEN in signed_in(owner).get(address).content.decode()
    told = signed_in(stranger).get(address).content.decode()

    assert "Own" in told
    assert HIDDEN not in told
    assert account.invoices.get(profile__name=HIDDEN).number not in told


def test_T01_nobody_asks_about_an_invoice_that_they_do_not_see(account):
    stranger = ProfileRoleFactory(profile=account.profiles.get(name="Own"), role=Role.PROFILE_OWNER).user
    invoice = account.invoices.get(profile__name=HIDDEN)
    address = reverse("support_request_new", args=[account.code])
    assert signed_in(stranger).get(address, {"invoice": invoice.code}).status_code == 404


def test_I22_what_a_method_pays_for_elsewhere_is_counted_and_not_named(account):
    own = account.profiles.get(name="Own")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user
    method = PaymentMethodFactory(account=account, default_for=list(account.profiles.all()))

    uses, unseen = uses_of(method, to=stranger, on=timezone.localdate())

    assert (len(uses), unseen) == (1, 1)


def test_T01_what_was_overpaid_is_told_of_the_profiles_whose_invoices_one_sees(account):
    stranger = ProfileRoleFactory(profile=account.profiles.get(name="Own"), role=Role.PROFILE_OWNER).user
    for profile in account.profiles.all():
        rest = Money(500, profile.currency)
        kept = Overpaid(account.pk, profile.pk, rest, description="", reference=profile.code)
        keep_overpaid([kept], debit=LedgerAccount.BANK, on=OCTOBER.first)

    def told(user):
        return [profile.name for profile, _money in balances_seen(account, to=user)]

    assert told(account.roles.get().user) == ["Own", HIDDEN]
    assert told(stranger) == ["Own"]


# --- A code of the other profile in the address ----------------------------------------------------------


@pytest.fixture
def stranger(account):
    """Owner of the one profile, and nobody on the other."""
    return ProfileRoleFactory(profile=account.profiles.get(name="Own"), role=Role.PROFILE_OWNER).user


def test_T01_an_archive_takes_the_code_of_a_sibling_profile_for_that_of_none(account, stranger, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    run_due(only=["invoices.make_documents"])
    address = reverse("invoices_zip", args=[account.code])

    def names(code):
        answer = signed_in(stranger).get(address, {"profile": code})
        return sorted(zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist())

    codes = (account.profiles.get(name=HIDDEN).code, "no-such-profile")
    of_sibling, of_none = (names(code) for code in codes)
    assert of_sibling == of_none
    assert len(of_none) > 1


def _invoice_elsewhere(account):
    return "invoice", account.invoices.get(profile__name=HIDDEN).code


def _card_elsewhere(account):
    return "replaces", PaymentMethodFactory(profile=account.profiles.get(name=HIDDEN)).code


@pytest.mark.parametrize("asked_for", [_invoice_elsewhere, _card_elsewhere])
def test_T01_a_new_card_is_not_for_what_lies_on_a_sibling_profile(asked_for, account, stranger):
    own = account.profiles.get(name="Own")
    name, code = asked_for(account)
    address = reverse("profile_card_new", args=[own.code])

    for user in (stranger, account.roles.get().user):
        assert signed_in(user).post(f"{address}?{name}={code}").status_code == 302

    mine, of_owner = CardSetup.objects.order_by("pk")
    assert getattr(mine, name) is None
    assert getattr(of_owner, name).code == code


def test_T01_nobody_reads_why_a_card_of_a_sibling_profile_was_refused(account, stranger):
    own, owner = account.profiles.get(name="Own"), account.roles.get().user
    setup, _address = start_card_setup(account, profile=account.profiles.get(name=HIDDEN), by=owner)
    CardSetup.objects.filter(pk=setup.pk).update(
        status="failed", decline_reason="insufficient_funds", next_lookup_at=None
    )
    address, query = reverse("profile_card_new", args=[own.code]), {"refused": setup.code}

    assert signed_in(owner).get(address, query).context["decline"]
    assert signed_in(stranger).get(address, query).context["decline"] is None


def test_T01_a_card_of_a_sibling_profile_is_not_named_as_the_one_replaced(account, stranger):
    own, owner = account.profiles.get(name="Own"), account.roles.get().user
    method, other = PaymentMethodFactory(profile=own), PaymentMethodFactory(profile=account.profiles.get(name=HIDDEN))
    address, query = reverse("payment_method", args=[method.code]), {"replaced": other.code}

    assert signed_in(owner).get(address, query).context["replaced"] == other
    assert signed_in(stranger).get(address, query).context["replaced"] is None


def test_T01_a_card_that_comes_back_pays_for_no_profile_that_was_lost_meanwhile(account, stranger):
    own, other = account.profiles.get(name="Own"), account.profiles.get(name=HIDDEN)
    lost = ProfileRoleFactory(profile=other, user=stranger, role=Role.PROFILE_CONTRIBUTOR)
    setup, _address = start_card_setup(account, profile=own, default_for=[own, other], by=stranger)
    api.enter_card(setup.session_id, number=SPECIMENS["visa"].number, expiry_year=2029, expiry_month=8, holder="T")

    lost.delete()
    method = finish_card_setup(setup).method

    assert [row.profile for row in method.default_of.all()] == [own]


def test_T01_a_statement_of_the_whole_account_is_offered_to_who_reads_all_of_it(account, stranger):
    address = reverse("statement_new", args=[account.code])
    whole = "The whole account"
    assert whole in signed_in(account.roles.get().user).get(address).content.decode()
    assert whole not in signed_in(stranger).get(address).content.decode()


def test_T01_a_viewer_of_one_subscription_sees_with_what_that_one_is_paid():
    account = BillingAccountFactory(online_services=True, owner=UserFactory())
    for name in ("Own", HIDDEN):
        SubscriptionFactory(
            profile=SubscriptionProfileFactory(account=account, name=name, shares_invoices=True), name=name
        )
    viewer = ProfileRoleFactory(profile=account.profiles.get(name="Own"), role=Role.INVOICE_MANAGER).user
    address = reverse("payment_methods", args=[account.code])

    assert HIDDEN in signed_in(account.roles.get().user).get(address).content.decode()
    told = signed_in(viewer).get(address).content.decode()
    assert "Own" in told
    assert HIDDEN not in told


def _checked_by_the_vendor(profile, _stranger):
    ParkedProfileFactory(profile=profile, reason=ParkReason.VAT_UNKNOWN)
    return f"The invoice of {HIDDEN}"


def _complaint(profile, stranger):
    """A mail to the stranger, from when there was a role there too."""
    mail = queue_message(
        to=stranger.email, template="test_mail", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    Delivery.objects.create(invoice=profile.invoices.get(), email=mail.recipient, reason="extra", message=mail)
    MailComplaint.objects.create(recipient=mail.recipient, message=mail)
    return "marked "


@pytest.mark.parametrize("happens", [_checked_by_the_vendor, _complaint])
def test_T01_no_task_tells_of_a_sibling_profile(happens, account, stranger):
    profile = account.profiles.get(name=HIDDEN)
    type(profile).objects.filter(pk=profile.pk).update(created_at=timezone.now() - timedelta(days=90))
    words = happens(profile, stranger)

    def told(user):
        return " | ".join(task.title for task in tasks(user, account, timezone.localdate() + timedelta(days=62)))

    assert words in told(account.roles.get().user)
    assert words not in told(stranger)


def test_Q5_nobody_sends_an_invoice_that_they_do_not_see(account):
    """The pages are shut; here the services are asked past them."""
    own, hidden = account.profiles.order_by("pk")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user
    invoice = hidden.invoices.get()
    message = queue_message(
        to="a@b.example", template="invoice_bounced", mail_class=MailClass.SERVICE, language="en", context={}
    )
    delivery = Delivery.objects.create(invoice=invoice, email="a@b.example", reason="extra", message=message)
    with pytest.raises(Forbidden):
        send_invoice_to(invoice, email="new@b.example", by=stranger)
    with pytest.raises(Forbidden):
        repair_delivery(delivery, email="c@d.example", by=stranger)
    with pytest.raises(Forbidden):
        resend_delivery(delivery, by=stranger)


def test_Q5_what_somebody_sent_who_sees_it_no_more_does_not_leave(account):
    own, hidden = account.profiles.order_by("pk")
    stranger = ProfileRoleFactory(profile=own, role=Role.PROFILE_OWNER).user
    message = queue_message(
        to="a@b.example", template="invoice_bounced", mail_class=MailClass.SERVICE, language="en", context={}
    )
    delivery = Delivery.objects.create(
        invoice=hidden.invoices.get(), email="a@b.example", reason="sent", message=message, sent_by=stranger
    )
    assert verdicts_on_deliveries([delivery]) == {delivery.pk: Verdict.WITHDRAW}
