"""Making customers, by the service, by the command and by the staff's page."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import services
from accounts.models import Agreement, BillingAccount, Invitation, Organisation
from accounts.tests.factories import PASSWORD, OrganisationFactory, UserFactory
from core.errors import Refused
from core.models import Message
from core.policy import Role

pytestmark = pytest.mark.django_db

ADDRESS = {
    "company_name": "Gamma Bouw B.V.",
    "contact_name": "Inkoop",
    "email": "inkoop@gamma.example",
    "phone": "",
    "line1": "Coolsingel 40",
    "line2": "",
    "postal_code": "3011 AD",
    "city": "Rotterdam",
}
OPTIONS = {
    "organisation": "Gamma Bouw",
    "country": "NL",
    "owner": "owner@gamma.example",
    "company": "Gamma Bouw B.V.",
    "email": "inkoop@gamma.example",
    "street": "Coolsingel 40",
    "postal-code": "3011 AD",
    "city": "Rotterdam",
}


def make(**changed):
    values = {
        "organisation": "Gamma Bouw",
        "name": "Gamma Bouw B.V.",
        "agreement": Agreement.CUSTOMER_AGREEMENT,
        "country": "NL",
        "sold_to": ADDRESS,
        "owner_email": "Owner@gamma.example",
        "by": None,
    }
    return services.create_customer(**{**values, **changed})


def run(**changed):
    out = StringIO()
    options = {**OPTIONS, **changed}
    arguments = [f"--{name}={value}" for name, value in options.items() if value not in (None, True)]
    arguments += [f"--{name}" for name, value in options.items() if value is True]
    call_command("create_customer", *arguments, stdout=out)
    return out.getvalue()


def everything():
    return (
        Organisation.objects.count(),
        BillingAccount.objects.count(),
        Invitation.objects.count(),
        Message.objects.count(),
    )


def test_a_customer_agreement_has_a_sold_to_and_invites_an_owner():
    account = make(vat_id="nl000099998b57", registration_number="24381907", language="nl")

    assert (account.organisation.name, account.currency, account.status) == ("Gamma Bouw", "EUR", "active")
    assert account.sold_to.snapshot() | {"country": ""} == {
        **ADDRESS,
        "country": "",
        "line3": "",
        "district": "",
        "region": "",
    }
    assert (account.bill_to, account.vat_id, account.sold_to.is_complete) == (None, "NL000099998B57", True)
    invitation = account.invitations.get()
    assert (invitation.email, invitation.role, invitation.language) == (
        "owner@gamma.example",
        Role.ACCOUNT_OWNER,
        "nl",
    )
    mail = Message.objects.get()
    assert (mail.recipient, mail.template, mail.language) == ("owner@gamma.example", "account_invitation", "nl")


def test_online_services_have_a_bill_to_too_and_invite_an_administrator():
    account = make(agreement=Agreement.ONLINE_SERVICES, bill_to={**ADDRESS, "line1": "Weena 10"})

    assert (account.sold_to.line1, account.bill_to.line1) == ("Coolsingel 40", "Weena 10")
    assert account.invitations.get().role == Role.ACCOUNT_ADMINISTRATOR


def test_without_a_bill_to_the_sold_to_is_copied():
    account = make(agreement=Agreement.ONLINE_SERVICES)

    assert account.bill_to.pk != account.sold_to.pk
    assert account.bill_to.snapshot() == account.sold_to.snapshot()


def test_the_first_owner_takes_the_invitation_and_owns_the_account():
    account = make(agreement=Agreement.ONLINE_SERVICES)

    person = services.accept_as_new_person(account.invitations.get(), name="Eva", password=PASSWORD)

    assert [(held.user, held.role) for held in account.roles.all()] == [(person, Role.ACCOUNT_ADMINISTRATOR)]
    assert services.owners_of(account) == [person]


def test_there_is_one_administrator_whoever_else_is_invited():
    account = make(agreement=Agreement.ONLINE_SERVICES)
    second = services.write_invitation(account, email="two@gamma.example", role=Role.ACCOUNT_ADMINISTRATOR, by=None)
    services.accept_as_new_person(account.invitations.get(email="owner@gamma.example"), name="Eva", password=PASSWORD)

    with pytest.raises(Refused) as refusal:
        services.accept_as_new_person(second, name="Two", password=PASSWORD)

    assert refusal.value.code == "has_administrator"
    assert account.roles.count() == 1


@pytest.mark.parametrize(
    ("country", "currency"), [("NL", "EUR"), ("US", "USD"), ("JP", "JPY"), ("KW", "KWD"), ("CH", "CHF"), ("AQ", "USD")]
)
def test_S2_5a_the_currency_follows_the_country(country, currency):
    assert services.currency_of(country) == currency


def test_an_address_that_lacks_what_the_country_demands_is_kept_as_incomplete():
    account = services.open_account(
        organisation=OrganisationFactory(),
        name="Imported",
        agreement=Agreement.CUSTOMER_AGREEMENT,
        country="US",
        sold_to={"company_name": "Imported"},
        external_id="BA-1",
        owner=UserFactory(),
        by=None,
    )

    assert (account.sold_to.is_complete, account.external_id, account.currency) == (False, "BA-1", "USD")
    assert account.roles.get().role == Role.ACCOUNT_OWNER


def test_an_organisation_can_have_accounts_of_both_agreements():
    organisation = OrganisationFactory(name="Gamma Bouw")

    make(organisation=organisation)
    make(organisation=organisation, name="Gamma Cloud", agreement=Agreement.ONLINE_SERVICES)

    assert everything()[:2] == (1, 2)


def test_two_accounts_of_one_name_in_an_organisation_are_refused():
    organisation = OrganisationFactory()
    make(organisation=organisation)

    with pytest.raises(Refused) as refusal:
        make(organisation=organisation, name="gamma bouw b.v.")

    assert refusal.value.code == "name_taken"


def test_a_wrong_vat_id_makes_nothing():
    with pytest.raises(ValidationError):
        make(vat_id="NL123456789B01")

    assert everything() == (0, 0, 0, 0)


@pytest.mark.parametrize("person", [{}, {"is_staff": True}, {"staff": True, "is_active": False}])
def test_I24_only_staff_who_may_make_customers(person):
    with pytest.raises(PermissionDenied):
        make(by=UserFactory(**person))

    assert everything() == (0, 0, 0, 0)


def test_the_command_makes_a_customer_and_says_its_id():
    said = run()

    account = BillingAccount.objects.get()
    assert said == f"Made Gamma Bouw: {account.code}. owner@gamma.example is invited.\n"
    assert everything() == (1, 1, 1, 1)


def test_the_command_is_safe_to_repeat():
    run()

    said = run(owner="another@gamma.example")

    assert said.endswith("Nothing was changed.\n")
    assert everything() == (1, 1, 1, 1)


def test_a_dry_run_does_nothing():
    assert run(**{"dry-run": True}) == "Would make Gamma Bouw in EUR and invite owner@gamma.example.\n"
    assert everything() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"country": "QQ"}, "There is no country QQ"),
        ({"owner": "no address"}, "Enter a valid email address"),
        ({"postal-code": "3011"}, "--postal-code: Use four digits and two letters, like 1234 AB."),
        ({"city": None}, "--city: Enter the city."),
        ({"vat-id": "NL1"}, "This is no VAT ID of this account's country; one starts with NL."),
        ({"registration-number": "7"}, "A KvK number has eight digits."),
        ({"bill-street": "Weena 10"}, "each billing profile has a bill-to of its own"),
        (
            {
                "agreement": "online-services",
                "bill-company": "G",
                "bill-email": "a@g.example",
                "bill-street": "Weena 1",
            },
            "--bill-postal-code: Enter the postal code, like 1234 AB.",
        ),
    ],
)
def test_the_command_refuses_with_one_clear_sentence(changed, said):
    with pytest.raises(CommandError, match=said) as refusal:
        run(**changed)

    assert refusal.value.returncode == 1
    assert everything() == (0, 0, 0, 0)


def test_the_command_refuses_to_take_one_customer_for_another():
    run()

    with pytest.raises(CommandError, match="of another agreement or country"):
        run(agreement="online-services")


@pytest.mark.django_db(transaction=True)
def test_two_commands_at_once_make_one_customer():
    def once(_number):
        try:
            return run()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(once, range(4)))

    assert sum(line.startswith("Made") for line in said) == 1
    assert everything() == (1, 1, 1, 1)
