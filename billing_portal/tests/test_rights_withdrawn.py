"""A role that was taken away counts no more: at the next request, in waiting mail, in exports under way (I23)."""

import io
import zipfile

import pytest
from django.test import Client
from django.urls import reverse

from accounts.services.roles import remove_account_role
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from billing_portal.models import TakeOut
from billing_portal.take_outs import ask_for_take_out
from core.jobs import run_due
from core.models import Message
from core.policy import Action, Role, while_allowed
from invoices.models import Delivery
from invoices.tests.factories import InvoiceFactory
from payments.tests.factories import PaymentFactory
from profiles.models import ProfileRole
from profiles.services.profiles import set_email_preference
from profiles.services.roles import remove_profile_role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account, name="Operations")


@pytest.fixture
def tom(profile):
    user = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    return ProfileRoleFactory(profile=profile, user=user, role=Role.INVOICE_MANAGER)


def invoices(profile, number):
    made = [InvoiceFactory(profile=profile) for _each in range(number)]
    run_due(only=["invoices.make_documents"])
    return made


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def test_I23_at_the_next_request_everything_is_closed(profile, tom, owner):
    invoice = invoices(profile, 1)[0]
    client = signed_in(tom.user)
    addresses = [
        invoice.get_absolute_url(),
        reverse("invoice_pdf", args=[invoice.code]),
        reverse("invoice_csv", args=[invoice.code]),
        reverse("invoices_zip", args=[profile.account.code]),
        reverse("profile_permissions_export", args=[profile.code]),
        profile.get_absolute_url(),
    ]
    assert {client.get(address).status_code for address in addresses} == {200}

    remove_profile_role(tom, by=owner)

    assert {client.get(address).status_code for address in addresses} == {404}


def test_I23_a_mail_that_waits_does_not_go(profile, tom, owner):
    set_email_preference(profile, sends_invoices=True, attaches_pdf=True, by=owner)
    invoices(profile, 1)
    run_due(only=["invoices.address_dispatches"])
    waiting = Delivery.objects.filter(email=tom.user.email)
    before = [delivery.message.status for delivery in waiting.select_related("message")]

    remove_profile_role(tom, by=owner)
    run_due(only=["core.send_messages"])

    after = [delivery.message.status for delivery in waiting.select_related("message")]
    assert (before, after) == (["queued"], ["withdrawn"])


def test_I23_a_receipt_that_waits_does_not_go(profile, tom, owner):
    PaymentFactory(invoices=invoices(profile, 1), user=tom.user)
    run_due(only=["payments.make_papers"])
    waiting = Message.objects.get(template="payment_receipt", recipient=tom.user.email)

    remove_profile_role(tom, by=owner)
    run_due(only=["core.send_messages"])

    waiting.refresh_from_db()
    assert waiting.status == "withdrawn"


def test_I23_a_zip_under_way_gives_out_nothing_more(profile, tom, owner):
    for invoice in invoices(profile, 5):
        assert invoice.documents.filter(status="ready").exists()
    answer = signed_in(tom.user).get(reverse("invoices_zip", args=[profile.account.code]))
    pieces = iter(answer.streaming_content)

    written = [next(pieces) for _each in range(3)]
    remove_profile_role(tom, by=owner)
    written += pieces

    names = zipfile.ZipFile(io.BytesIO(b"".join(written))).namelist()
    assert len(names) == 5
    assert names[3:] == ["not complete.txt", "SHA256SUMS"]


def test_I23_a_zip_goes_on_with_what_the_person_may_still_have(profile, tom, owner):
    second = BillingProfileFactory(account=profile.account, name="Second")
    ProfileRoleFactory(profile=second, user=tom.user, role=Role.PROFILE_READER)
    invoices(profile, 2)
    kept = invoices(second, 2)
    answer = signed_in(tom.user).get(reverse("invoices_zip", args=[profile.account.code]))

    remove_profile_role(tom, by=owner)

    names = zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()
    wanted = {f"Invoice-{invoice.number}.{suffix}" for invoice in kept for suffix in ("pdf", "xml")}
    assert set(names) == {*wanted, "not complete.txt", "SHA256SUMS"}


def test_I23_somebody_deactivated_meanwhile_gets_no_more_either(profile, tom):
    invoices(profile, 2)
    answer = signed_in(tom.user).get(reverse("invoices_zip", args=[profile.account.code]))

    type(tom.user).objects.filter(pk=tom.user.pk).update(is_active=False)

    assert zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist() == ["not complete.txt", "SHA256SUMS"]


def test_I23_a_csv_under_way_ends_with_a_note(tom, owner, profile):
    def rows():
        for number in range(100):
            if number == 42:
                remove_profile_role(tom, by=owner)
            yield [number]

    sent = list(while_allowed(tom.user, Action.INVOICE_DOWNLOAD, profile, rows(), every=10, ending=[["note"]]))

    assert sent == [*([number] for number in range(50)), ["note"]]
    assert not ProfileRole.objects.filter(pk=tom.pk).exists()


def test_I23_a_take_out_under_way_stops(account, owner, profile):
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_OWNER)
    ask_for_take_out(account, by=second.user)
    run_due(only=["billing_portal.prepare_take_out"])
    take_out = TakeOut.objects.get()
    assert take_out.status == "ready"
    pieces = iter(signed_in(second.user).get(reverse("take_out_file", args=[take_out.code])).streaming_content)

    written = [next(pieces)]
    remove_account_role(second, by=owner)
    written += pieces

    names = zipfile.ZipFile(io.BytesIO(b"".join(written))).namelist()
    assert len(names) == 3
    assert names[1:] == ["not-complete.txt", "SHA256SUMS"]
