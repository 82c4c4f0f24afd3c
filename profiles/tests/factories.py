"""Rows for the tests of this app and of those above it: valid and complete, as a person would have made them."""

import factory
from factory.django import DjangoModelFactory

from accounts.models import AddressKind
from accounts.tests.factories import AddressFactory, BillingAccountFactory, OrganisationMemberFactory, UserFactory
from core.policy import Role
from profiles.models import BillingProfile, ProfileKind, ProfileRole


class BillingProfileFactory(DjangoModelFactory):
    """A profile that people know as one, in a customer-agreement account of its own.

    `owner=user` makes that person its owner and a member of the organisation. The other statuses:
    `BillingProfileFactory(status="disabled")`.
    """

    class Meta:
        model = BillingProfile
        skip_postgeneration_save = True

    account = factory.SubFactory(BillingAccountFactory)
    kind = ProfileKind.STANDARD
    name = factory.Sequence(lambda n: f"Department {n}")
    currency = factory.SelfAttribute("account.currency")
    bill_to = factory.SubFactory(
        AddressFactory, kind=AddressKind.BILL_TO, company_name=factory.SelfAttribute("..account.name")
    )

    @factory.post_generation
    def owner(self, create, extracted, **kwargs):
        if extracted:
            ProfileRoleFactory(profile=self, user=extracted, role=Role.PROFILE_OWNER)


class SubscriptionProfileFactory(BillingProfileFactory):
    """The hidden profile of one subscription, in an online-services account of its own."""

    account = factory.SubFactory(BillingAccountFactory, online_services=True)
    kind = ProfileKind.SUBSCRIPTION
    name = factory.Sequence(lambda n: f"Subscription {n}")
    bill_to = None


class ProfileRoleFactory(DjangoModelFactory):
    """A role on a profile, of a person who belongs to the organisation of its account."""

    class Meta:
        model = ProfileRole
        skip_postgeneration_save = True

    profile = factory.SubFactory(BillingProfileFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.PROFILE_OWNER

    @factory.post_generation
    def member(self, create, extracted, **kwargs):
        OrganisationMemberFactory(organisation=self.profile.account.organisation, user=self.user)
