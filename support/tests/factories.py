"""Rows for the tests of this app and of those above it."""

import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from profiles.tests.factories import BillingProfileFactory
from support.models import Category, SupportMessage, SupportRequest


class SupportRequestFactory(DjangoModelFactory):
    """A question about a profile, with its first message."""

    class Meta:
        model = SupportRequest
        skip_postgeneration_save = True

    profile = factory.SubFactory(BillingProfileFactory)
    account = factory.SelfAttribute("profile.account")
    category = Category.PROFILE
    subject = factory.Sequence(lambda n: f"Question {n}")
    opened_by = factory.SubFactory(UserFactory)

    @factory.post_generation
    def asked(self, create, extracted, **kwargs):
        SupportMessageFactory(request=self, author=self.opened_by)


class SupportMessageFactory(DjangoModelFactory):
    class Meta:
        model = SupportMessage

    author = factory.SubFactory(UserFactory)
    text = "Why is this so?"
