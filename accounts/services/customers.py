"""Making customers: an organisation, its account of either agreement, and the offer to its first owner."""

from collections.abc import Mapping
from typing import Any

from babel.numbers import get_territory_currencies
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import AccountRole, AddressKind, Agreement, BillingAccount, Organisation, OrganisationMember, User
from accounts.services.addresses import create_address
from accounts.services.invitations import is_customer_staff, write_invitation
from accounts.services.tax_ids import begin_vat_check
from accounts.validators import clean_registration_number, clean_vat_id
from core.errors import Refused
from core.history import acting
from core.policy import Role


@transaction.atomic
def create_customer(
    *,
    organisation: Organisation | str,
    name: str,
    agreement: Agreement,
    country: str,
    sold_to: Mapping[str, str],
    owner_email: str,
    bill_to: Mapping[str, str] | None = None,
    vat_id: str = "",
    registration_number: str = "",
    language: str = "en",
    by: User | None,
) -> BillingAccount:
    """Make a customer, and invite its first owner or administrator by mail (7 days, single use).

    `organisation` is one that exists, or the name of a new one. `by` is one of the vendor's staff who
    may, or None for a command. The addresses are values as `AddressForm.values()` gives them; the
    bill-to of an online-services account is the sold-to where none is given. Refuses `name_taken` for a
    second account of that name in the organisation, and what the validators refuse.
    """
    if isinstance(organisation, str):
        with acting(by, "organisation.created"):
            organisation = Organisation.objects.create(name=organisation.strip(), preferred_language=language)
    account = open_account(
        organisation=organisation,
        name=name,
        agreement=agreement,
        country=country,
        sold_to=sold_to,
        bill_to=bill_to,
        vat_id=vat_id,
        registration_number=registration_number,
        by=by,
    )
    write_invitation(account, email=owner_email, role=owner_role(agreement), by=by, language=language)
    return account


@transaction.atomic
def create_customer_once(*, organisation: str, name: str, **values: Any) -> tuple[BillingAccount, bool]:
    """`create_customer` by names: the organisation of that name if there is one, and nothing where it has an
    account of that name already. Returns the account, and whether it was made now. Two at once make one.

    Refuses `another_customer` where the account of that name is of another agreement or country.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"customer {organisation.lower()}"])
    known = Organisation.objects.filter(name__iexact=organisation.strip()).order_by("pk").first()
    account = BillingAccount.objects.filter(organisation=known, name__iexact=name.strip()).first() if known else None
    if account is None:
        return create_customer(organisation=known or organisation, name=name, **values), True
    if (account.agreement, account.country.code) != (values["agreement"], values["country"]):
        raise Refused(
            _("%(organisation)s has an account called %(name)s of another agreement or country.")
            % {"organisation": known, "name": account.name},
            code="another_customer",
        )
    return account, False


def open_account(
    *,
    organisation: Organisation,
    name: str,
    agreement: Agreement,
    country: str,
    sold_to: Mapping[str, str],
    bill_to: Mapping[str, str] | None = None,
    vat_id: str = "",
    registration_number: str = "",
    external_id: str | None = None,
    owner: User | None = None,
    by: User | None,
) -> BillingAccount:
    """Make an account in an organisation, in the caller's transaction; the currency follows the country.

    An address that lacks what its country demands is kept as incomplete: nothing is issued to it until
    somebody fills it in. `owner` gets the owner's role at once. Refuses `name_taken`.
    """
    if not is_customer_staff(by):
        raise PermissionDenied("only the staff of the vendor makes customers")
    Organisation.objects.select_for_update(no_key=True).only("pk").get(pk=organisation.pk)
    if BillingAccount.objects.filter(organisation=organisation, name__iexact=name.strip()).exists():
        raise Refused(
            _("%(organisation)s has an account called %(name)s already.")
            % {"organisation": organisation, "name": name.strip()},
            code="name_taken",
        )
    with acting(by, "account.opened"):
        is_online_services = agreement == Agreement.ONLINE_SERVICES
        account = BillingAccount.objects.create(
            organisation=organisation,
            name=name.strip(),
            agreement=agreement,
            country=country,
            currency=currency_of(country),
            sold_to=create_address(AddressKind.SOLD_TO, country, sold_to),
            bill_to=create_address(AddressKind.BILL_TO, country, bill_to or sold_to) if is_online_services else None,
            vat_id=clean_vat_id(vat_id, country),
            registration_number=clean_registration_number(registration_number, country),
            external_id=external_id,
            created_by=by,
        )
        begin_vat_check(account)
        if owner is not None:
            OrganisationMember.objects.get_or_create(organisation=organisation, user=owner)
            AccountRole.objects.create(account=account, user=owner, role=owner_role(agreement), assigned_by=by)
    return account


def owner_role(agreement: str) -> Role:
    """The role of whoever answers for an account of that agreement."""
    return Role.ACCOUNT_ADMINISTRATOR if agreement == Agreement.ONLINE_SERVICES else Role.ACCOUNT_OWNER


def currency_of(country: str) -> str:
    """The currency of an account in that country (S2-5a): EUR for NL, USD for US; USD where it has none."""
    return str(next(iter(get_territory_currencies(country)), "USD"))
