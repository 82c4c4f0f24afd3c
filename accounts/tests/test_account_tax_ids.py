"""VAT ID and registration number: checked offline, asked for in their register, and what that does to VAT (§3.1)."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from stdnum.eu import vat as eu_vat

from accounts import services
from accounts.jobs import verify_vat_ids
from accounts.models import BillingAccount, VatCheck
from accounts.services.tax_ids import PAUSES, verify_vat_id
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    SellerFactory,
    UserFactory,
    VatCheckFactory,
)
from accounts.validators import clean_registration_number, clean_vat_id
from accounts.verifiers import VerifierUnavailable
from accounts.verifiers.fake import REFUSED, SILENT, FakeVerifier
from accounts.verifiers.fake_server import FakeVies
from accounts.verifiers.vies import ViesVerifier
from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import Message
from core.policy import Role

pytestmark = pytest.mark.django_db

# One number per member state whose form and check digits fit, as the states publish them for examples.
UNION = {
    "AT": "ATU13585627", "BE": "BE0428759497", "BG": "BG175074752", "CY": "CY10259033P", "CZ": "CZ25123891",
    "DE": "DE136695976", "DK": "DK13585628", "EE": "EE100931558", "ES": "ESB58378431", "FI": "FI20774740",
    "FR": "FR83404833048", "GR": "EL094259216", "HR": "HR33392005961", "HU": "HU12892312", "IE": "IE6433435F",
    "IT": "IT00743110157", "LT": "LT119511515", "LU": "LU15027442", "LV": "LV40003521600", "MT": "MT11679112",
    "NL": "NL000099998B57", "PL": "PL8567346215", "PT": "PT501964843", "RO": "RO18547290", "SE": "SE123456789701",
    "SI": "SI50223054", "SK": "SK2022749619",
}  # fmt: skip


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner, vat_id="", vat_check="none")


@pytest.fixture
def vies_server(settings):
    with FakeVies() as server:
        settings.VAT_VERIFIER, settings.VIES_URL = "vies", server.url
        yield server


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def sent(account, **more):
    seen = {"seen_vat_id": account.vat_id, "seen_registration_number": account.registration_number}
    return {"vat_id": account.vat_id, "registration_number": account.registration_number, **seen, **more}


def page_of(account, name="account_tax_ids"):
    return reverse(name, args=[account.code])


# --- Form and check digits ------------------------------------------------------------------------


@pytest.mark.parametrize(("country", "number"), UNION.items())
def test_every_member_state_has_its_numbers_taken_and_a_wrong_digit_refused(country, number):
    assert clean_vat_id(f" {number[:2]} {number[2:]} ".lower(), country) == number
    wrong = [
        f"{number[:at]}{(int(digit) + 1) % 10}{number[at + 1 :]}" for at, digit in enumerate(number) if digit.isdigit()
    ]
    refused = [each for each in wrong if not eu_vat.is_valid(each)]
    assert refused
    for each in (*refused, f"{number}00", "NL000099998B57" if country != "NL" else "DE136695976"):
        with pytest.raises(ValidationError) as error:
            clean_vat_id(each, country)
        assert error.value.code == "vat_id"


def test_all_member_states_have_a_sample():
    assert {country.lower() for country in UNION} == set(eu_vat.MEMBER_STATES) - {"xi"}


@pytest.mark.parametrize(
    ("country", "right", "wrong"),
    [
        ("NL", "24381907", "2438190"),
        ("BE", "0428759497", "0428759498"),
        ("FR", "404833048", "404833049"),
        ("FR", "73282932000074", "73282932000075"),
        ("GB", "SC123456", "123"),
        ("BR", "16.727.230/0001-97", "16.727.230/0001-98"),
        ("JP", "5835678256246", "5835678256247"),
        ("US", "anything goes", None),
    ],
)
def test_register_numbers_follow_their_country(country, right, wrong):
    assert clean_registration_number(right, country) == right
    if wrong:
        with pytest.raises(ValidationError) as error:
            clean_registration_number(wrong, country)
        assert error.value.code == "registration_number"


# --- The page -------------------------------------------------------------------------------------


def test_the_numbers_are_saved_and_the_register_is_asked(account, owner):
    response = signed_in(owner).post(page_of(account), sent(account, vat_id="nl 0000.9999.8b57"))

    assert response.url == page_of(account, "account_properties")
    assert BillingAccount.objects.get(pk=account.pk).vat_id == "NL000099998B57"
    check = VatCheck.objects.get()
    assert (check.number, check.status, check.verified_at) == ("NL000099998B57", "format_valid", None)
    assert Message.objects.get().template == "tax_ids_changed"

    run_due(only=["accounts.verify_vat_ids"])

    check.refresh_from_db()
    assert (check.status, check.counts(timezone.now())) == ("verified", True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("vat_id", "NL123456789B01"), ("vat_id", "DE136695976"), ("registration_number", "1234567")],
)
def test_a_wrong_number_is_an_error_at_its_field_and_saves_nothing(account, owner, field, value):
    response = signed_in(owner).post(page_of(account), sent(account) | {field: value})

    assert set(response.context["form"].errors) == {field}
    assert BillingAccount.objects.get(pk=account.pk).vat_id == ""


def test_two_people_who_edit_the_numbers_find_out(account, owner):
    browser = signed_in(owner)
    opened = sent(account)
    browser.post(page_of(account), opened | {"registration_number": "12345678"})

    response = browser.post(page_of(account), opened | {"registration_number": "87654321"})

    assert [(row["theirs"], row["yours"]) for row in response.context["rows"]] == [("12345678", "87654321")]
    browser.post(page_of(account), dict(response.context["kept"]))
    assert BillingAccount.objects.get(pk=account.pk).registration_number == "87654321"


def test_saving_the_same_numbers_changes_nothing(account, owner):
    signed_in(owner).post(page_of(account), sent(account))

    assert not Message.objects.exists()


@pytest.mark.parametrize(("role", "status"), [(Role.ACCOUNT_CONTRIBUTOR, 302), (Role.ACCOUNT_READER, 403)])
def test_who_may_change_the_numbers(account, role, status):
    person = AccountRoleFactory(account=account, role=role).user

    assert signed_in(person).post(page_of(account), sent(account, vat_id="NL000099998B57")).status_code == status


def test_I24_the_service_asks_for_the_right_itself(account):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user

    with pytest.raises(Forbidden):
        services.save_tax_ids(account, vat_id="", registration_number="", seen=("", "24381907"), by=reader)
    with pytest.raises(Forbidden):
        services.ask_again(account, by=reader)


@pytest.mark.parametrize(
    ("seller", "country", "vat_id", "check", "said"),
    [
        ("NL", "NL", "NL000099998B57", "verified", "carry 21 % VAT, since buyer and seller are both in Netherlands"),
        ("NL", "DE", "DE136695976", "verified", "no VAT: the VAT ID is verified"),
        ("NL", "DE", "DE136695976", "none", "With a verified VAT ID of Germany they carry none"),
        ("NL", "DE", "DE136695976", "refused", "Until the VAT ID is verified, invoices carry 21 % VAT of Netherlands"),
        ("NL", "US", "", "none", "United States of America is outside the European Union"),
    ],
)
def test_the_properties_say_what_the_number_does_to_vat(owner, seller, country, vat_id, check, said):
    SellerFactory(country=seller)
    account = BillingAccountFactory(owner=owner, country=country, vat_id=vat_id, vat_check="none")
    if check != "none":
        yes = timezone.now() if check == "verified" else None
        VatCheckFactory(account=account, number=vat_id, status=check, verified_at=yes, asked_at=timezone.now())

    assert said in signed_in(owner).get(page_of(account, "account_properties")).content.decode()


@pytest.mark.parametrize("status", ["format_valid", "verifying", "verified", "refused", "unreachable"])
def test_every_state_is_said_on_the_page(account, owner, status):
    BillingAccount.objects.filter(pk=account.pk).update(vat_id="NL000099998B57")
    VatCheckFactory(account=account, status=status, asked_at=timezone.now(), verified_at=timezone.now())

    page = signed_in(owner).get(page_of(account, "account_properties"))

    assert str(page.context["vat_status"].label) in page.content.decode()
    assert ("Verify again" in page.content.decode()) == (status not in {"format_valid", "verifying"})


# --- Asking the register --------------------------------------------------------------------------


def check_of(account, number="NL000099998B57", **more):
    BillingAccount.objects.filter(pk=account.pk).update(vat_id=number)
    account.refresh_from_db()
    return VatCheckFactory(account=account, number=number, status="format_valid", next_check_at=timezone.now(), **more)


def asked(check, verifier=None, at=None):
    verify_vat_id(check, verifier or ViesVerifier(), at=at or timezone.now())
    check.refresh_from_db()
    return check


def test_vies_is_asked_in_its_own_words_with_the_sellers_number(account, vies_server):
    SellerFactory()
    check = asked(check_of(account))

    assert vies_server.asked == [
        {
            "countryCode": "NL",
            "vatNumber": "000099998B57",
            "requesterMemberStateCode": "NL",
            "requesterNumber": "000099998B57",
        }
    ]
    assert (check.status, check.consultation, check.holder) == ("verified", "FAKE-NL000099998B57", "")


def test_a_no_is_told_to_the_owners_once_a_month(account, vies_server):
    number = min(REFUSED)
    account.country = number[:2]
    account.save()
    check = asked(check_of(account, number, verified_at=timezone.now()))

    assert (check.status, check.verified_at) == ("refused", None)
    assert check.next_check_at > timezone.now() + timedelta(days=29)
    asked(check)
    assert [mail.template for mail in Message.objects.all()] == ["vat_id_refused"]


@pytest.mark.parametrize(
    "trouble", ["down", "busy", "html", "list", "text_yes", "other_number", "endless", "redirect", "slow", "drip"]
)
def test_a_register_in_trouble_is_no_answer_and_is_asked_again(account, vies_server, trouble):
    hasty = ViesVerifier(read_seconds=0.2, whole_seconds=0.3)
    vies_server.behaviour.extend([trouble, trouble])
    yes = timezone.now() - timedelta(days=1)
    check = check_of(account, verified_at=yes)

    asked(check, hasty)

    assert (check.status, check.failures, check.verified_at) == ("unreachable", 1, yes)
    assert check.trouble
    assert PAUSES[0] - timedelta(seconds=5) < check.next_check_at - timezone.now() <= PAUSES[0]
    assert check.counts(timezone.now())

    vies_server.behaviour.clear()
    vies_server.release.set()
    asked(check)

    assert (check.status, check.failures, check.trouble) == ("verified", 0, "")


def test_a_register_that_is_gone_is_asked_less_and_less_often(account, settings):
    settings.VIES_URL = "http://127.0.0.1:9/rest-api"
    check = check_of(account)
    pauses = []
    for _try in range(len(PAUSES) + 1):
        now = timezone.now()
        asked(check, at=now)
        pauses.append(check.next_check_at - now)

    assert pauses == [*PAUSES, PAUSES[-1]]


def test_an_old_yes_counts_no_more_where_nobody_answers(account):
    check = check_of(account, verified_at=timezone.now() - VatCheck.TRUSTED)

    assert not check.counts(timezone.now())
    assert check.counts(timezone.now() - timedelta(days=1))


def test_an_answer_about_a_number_that_was_replaced_is_thrown_away(account, owner):
    class SlowVerifier:
        def verify(self, number, *, requester):
            services.save_tax_ids(
                account, vat_id="", registration_number="24381907", seen=(number, "24381907"), by=owner
            )
            return FakeVerifier().verify(number, requester=requester)

    check = asked(check_of(account), SlowVerifier())

    assert (check.number, check.status, check.verified_at) == ("", "format_valid", None)


def test_the_job_asks_only_what_is_due_and_is_safe_to_repeat(account, vies_server):
    check = check_of(account)

    verify_vat_ids(check.pk)
    verify_vat_ids(check.pk)

    assert len(vies_server.asked) == 1


def test_no_register_is_asked_where_that_is_switched_off(account, settings):
    settings.VAT_VERIFIER = "off"
    check = check_of(account)

    assert run_due(only=["accounts.verify_vat_ids"]) == 0
    check.refresh_from_db()
    assert check.status == "format_valid"


def test_a_process_that_died_while_asking_is_taken_up_again(account):
    check = check_of(account)
    VatCheck.objects.filter(pk=check.pk).update(status="verifying")

    verify_vat_ids(check.pk)

    check.refresh_from_db()
    assert check.status == "verified"


def test_asking_again_by_hand_waits_a_minute(account, owner):
    check = asked(check_of(account), FakeVerifier())
    browser = signed_in(owner)
    VatCheck.objects.update(asked_at=timezone.now() - timedelta(minutes=2))

    browser.post(page_of(account, "account_vat_check"))
    check.refresh_from_db()
    assert check.next_check_at <= timezone.now()

    asked(check, FakeVerifier())
    with pytest.raises(Refused) as refusal:
        services.ask_again(account, by=owner)
    assert refusal.value.code == "asked_just_now"


def test_without_a_number_there_is_nothing_to_ask(account, owner):
    with pytest.raises(Refused) as refusal:
        services.ask_again(account, by=owner)

    assert refusal.value.code == "no_vat_id"


def test_the_fake_register_knows_all_but_a_few():
    fake = FakeVerifier()
    assert all(eu_vat.is_valid(number) for number in REFUSED | SILENT)
    assert fake.verify("NL000099998B57", requester="").is_registered
    assert not any(fake.verify(number, requester="").is_registered for number in REFUSED)
    for number in SILENT:
        with pytest.raises(VerifierUnavailable):
            fake.verify(number, requester="")


def test_the_server_answers_many_at_once(vies_server):
    threads = [threading.Thread(target=lambda: ViesVerifier().verify("NL000099998B57", requester="")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(vies_server.asked) == 4
