"""Rows for the tests of every app. A factory makes what a person would have made by the portal: valid and complete."""

from datetime import timedelta
from functools import cache

import factory
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from factory.django import DjangoModelFactory

from accounts.models import (
    AccountRole,
    Address,
    AddressKind,
    Agreement,
    BillingAccount,
    NameChange,
    Organisation,
    OrganisationMember,
    OrganisationRole,
    PlannedChange,
    Seller,
    User,
    VatCheck,
)
from accounts.validators import is_union_vat_id
from core.policy import Role

PASSWORD = "correct horse battery staple"


@cache
def _hashed_password(hashers: tuple[str, ...]) -> str:
    """Once for each setting: a hash of another one would be renewed at its first use, which ends the session."""
    return make_password(PASSWORD)


class UserFactory(DjangoModelFactory):
    """A person who can sign in with `PASSWORD`. `UserFactory(staff=True)` is the vendor's staff, all of it allowed."""

    class Meta:
        model = User

    class Params:
        staff = factory.Trait(is_staff=True, is_superuser=True)

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@alfa.example")
    password = factory.LazyFunction(lambda: _hashed_password(tuple(settings.PASSWORD_HASHERS)))


class OrganisationFactory(DjangoModelFactory):
    class Meta:
        model = Organisation

    name = factory.Sequence(lambda n: f"Organisation {n}")


class OrganisationMemberFactory(DjangoModelFactory):
    class Meta:
        model = OrganisationMember
        django_get_or_create = ("organisation", "user")

    organisation = factory.SubFactory(OrganisationFactory)
    user = factory.SubFactory(UserFactory)


class OrganisationRoleFactory(DjangoModelFactory):
    class Meta:
        model = OrganisationRole

    organisation = factory.SubFactory(OrganisationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.USER_ADMINISTRATOR


class AddressFactory(DjangoModelFactory):
    """A valid Dutch address; the traits `american` and `german` give one of those countries."""

    class Meta:
        model = Address

    class Params:
        american = factory.Trait(
            line1="350 5th Ave",
            postal_code="10118",
            city="New York",
            region="NY",
            country="US",
            phone="+1 212 736 3100",
        )
        german = factory.Trait(
            line1="Friedrichstraße 43", postal_code="10117", city="Berlin", country="DE", phone="+49 30 901820"
        )

    kind = AddressKind.SOLD_TO
    company_name = factory.Sequence(lambda n: f"Company {n} B.V.")
    contact_name = "Crediteurenadministratie"
    email = "facturen@alfa.example"
    phone = "+31 10 428 50 00"
    line1 = "Waalhaven Zuidzijde 21"
    postal_code = "3089 JH"
    city = "Rotterdam"
    country = "NL"


class BillingAccountFactory(DjangoModelFactory):
    """An open customer-agreement account in the Netherlands; `online_services=True` is the other agreement.

    `owner=user` makes that person its owner or administrator, and a member of the organisation.
    """

    class Meta:
        model = BillingAccount
        skip_postgeneration_save = True

    class Params:
        online_services = factory.Trait(
            agreement=Agreement.ONLINE_SERVICES,
            bill_to=factory.SubFactory(
                AddressFactory, kind=AddressKind.BILL_TO, company_name=factory.SelfAttribute("..name")
            ),
        )
        american = factory.Trait(
            country="US",
            currency="USD",
            vat_id="",
            registration_number="",
            sold_to=factory.SubFactory(AddressFactory, american=True, company_name=factory.SelfAttribute("..name")),
        )

    organisation = factory.SubFactory(OrganisationFactory)
    name = factory.Sequence(lambda n: f"Account {n} B.V.")
    agreement = Agreement.CUSTOMER_AGREEMENT
    country = "NL"
    currency = "EUR"
    sold_to = factory.SubFactory(AddressFactory, company_name=factory.SelfAttribute("..name"))
    vat_id = "NL000099998B57"
    registration_number = "24381907"

    @factory.post_generation
    def owner(self, create, extracted, **kwargs):
        if extracted:
            role = Role.ACCOUNT_ADMINISTRATOR if self.is_online_services else Role.ACCOUNT_OWNER
            AccountRoleFactory(account=self, user=extracted, role=role)

    @factory.post_generation
    def vat_check(self, create, extracted, **kwargs):
        """The register has said yes of a VAT ID of the Union; `vat_check="none"` leaves it unasked."""
        if extracted != "none" and is_union_vat_id(self.vat_id, str(self.country)):
            VatCheckFactory(account=self, number=self.vat_id, verified_at=timezone.now())


class NameChangeFactory(DjangoModelFactory):
    """A request that waits, with a document that is named and not there."""

    class Meta:
        model = NameChange

    account = factory.SubFactory("accounts.tests.factories.BillingAccountFactory")
    old_name = "Alfa Logistiek B.V."
    new_name = "Alfa Groep N.V."
    document = "name-changes/none.pdf"
    document_name = "extract.pdf"
    document_type = "application/pdf"
    requested_by = factory.SubFactory(UserFactory)


class PlannedChangeFactory(DjangoModelFactory):
    """A change of these addresses that waits for its day; `parts` maps an address to its new values."""

    class Meta:
        model = PlannedChange
        skip_postgeneration_save = True

    account = factory.SubFactory("accounts.tests.factories.BillingAccountFactory")
    takes_effect_on = factory.LazyFunction(lambda: timezone.localdate() + timedelta(days=20))
    planned_by = factory.SubFactory(UserFactory)

    @factory.post_generation
    def parts(self, create, extracted, **kwargs):
        for address, values in extracted or ():
            self.parts.create(address=address, values=values)


class VatCheckFactory(DjangoModelFactory):
    """What the register said: by default yes, a moment ago."""

    class Meta:
        model = VatCheck

    account = factory.SubFactory(BillingAccountFactory, vat_check="none")
    number = "NL000099998B57"
    status = "verified"
    next_check_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=30))


class AccountRoleFactory(DjangoModelFactory):
    """A role on an account, of a person who belongs to its organisation."""

    class Meta:
        model = AccountRole
        skip_postgeneration_save = True

    account = factory.SubFactory(BillingAccountFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.ACCOUNT_OWNER

    @factory.post_generation
    def member(self, create, extracted, **kwargs):
        OrganisationMemberFactory(organisation=self.account.organisation, user=self.user)


class SellerFactory(DjangoModelFactory):
    """The vendor with everything that an invoice needs."""

    class Meta:
        model = Seller

    legal_name = "Vendor Cloud B.V."
    line1 = "Stationsplein 45"
    postal_code = "3013 AK"
    city = "Rotterdam"
    country = "NL"
    vat_id = "NL000099998B57"
    registration_number = "24381907"
    iban = "NL91ABNA0417164300"
    bic = "ABNANL2A"
    email = "billing@vendor.example"
    phone = "+31 10 200 30 40"
