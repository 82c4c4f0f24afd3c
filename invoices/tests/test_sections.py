"""Invoice sections: made and moved by people, and the headings under which the run prints lines (§3.3)."""

from datetime import date

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, SellerFactory, UserFactory
from core.errors import Refused
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.documents.source import payload_of
from invoices.lines import grouped_lines
from invoices.models import Invoice
from invoices.services.run import run_billing
from profiles.models import BillingProfile, InvoiceSection
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.models import Subscription
from subscriptions.sections import add_section, move_to_section, remove_section, rename_section
from subscriptions.tests.factories import ProductFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db
OCTOBER, FIFTH = Month(2026, 10), date(2026, 11, 5)


@pytest.fixture
def owner():
    return UserFactory(name="Marieke")


@pytest.fixture
def profile(owner):
    SellerFactory()
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner), name="Operations")


def bought(profile, name, **values):
    return SubscriptionFactory(profile=profile, name=name, started_on=date(2026, 10, 1), **values)


def billed(profile):
    run_billing(OCTOBER, on=FIFTH)
    return Invoice.objects.get(profile=profile)


def headings(invoice):
    return [(section.name, [line.section for line in section.lines]) for section in grouped_lines(invoice)]


def test_lines_of_one_invoice_stand_under_their_sections_with_a_subtotal(profile, owner):
    fleet, office = (bought(profile, name, unit_price=10) for name in ("Fleet app", "Office"))
    bought(profile, "Loose", unit_price=10)
    teams = {name: add_section(profile, name=name, by=owner) for name in ("Warehouse", "Desk")}
    move_to_section(fleet, section=teams["Warehouse"], by=owner)
    move_to_section(office, section=teams["Desk"], by=owner)

    invoice = billed(profile)

    assert headings(invoice) == [("General", ["Loose"]), ("Desk", ["Office"]), ("Warehouse", ["Fleet app"])]
    assert [section.net for section in grouped_lines(invoice)] == [Money(1000, "EUR")] * 3
    assert invoice.net == Money(3000, "EUR")


def test_the_document_prints_the_same_headings_and_names_the_subscription(profile, owner):
    move_to_section(bought(profile, "Fleet app"), section=add_section(profile, name="Warehouse", by=owner), by=owner)
    bought(profile, "Loose")

    sections = payload_of(billed(profile)).sections

    assert [section.title for section in sections] == ["General", "Warehouse"]
    assert sections[1].lines[0].detail == "Fleet app"


def test_without_sections_lines_stand_under_their_subscription_as_ever(profile):
    bought(profile, "Fleet app")
    invoice = billed(profile)
    assert headings(invoice) == [("Fleet app", ["Fleet app"])]
    assert set(invoice.lines.values_list("invoice_section", flat=True)) == {""}


def test_a_one_off_and_what_was_moved_to_another_profile_stand_in_the_default_section(profile, owner):
    section = add_section(profile, name="Desk", by=owner)
    other = BillingProfileFactory(account=profile.account)
    foreign = add_section(other, name="Foreign", by=owner)
    Subscription.objects.filter(pk=bought(profile, "Came over").pk).update(section=foreign)
    PurchaseFactory(profile=profile, bought_on=date(2026, 10, 3))
    move_to_section(bought(profile, "Office"), section=section, by=owner)

    assert [name for name, _lines in headings(billed(profile))] == ["General", "Desk"]


def test_an_issued_invoice_keeps_its_headings(profile, owner):
    section = add_section(profile, name="Desk", by=owner)
    move_to_section(bought(profile, "Office"), section=section, by=owner)
    invoice = billed(profile)

    rename_section(section, name="Front desk", by=owner)
    remove_section(section, by=owner)

    assert [name for name, _lines in headings(invoice)] == ["Desk"]
    assert Subscription.objects.get().section is None


def test_the_rules_of_sections(profile, owner):
    section = add_section(profile, name="Desk", by=owner)
    default = InvoiceSection.objects.get(profile=profile, is_default=True)
    reserved = bought(profile, "Reserved", product=ProductFactory(kind="reservation"))
    foreign = add_section(BillingProfileFactory(account=profile.account), name="Foreign", by=owner)
    for code, act in (
        ("name_taken", lambda: add_section(profile, name="DESK", by=owner)),
        ("name_taken", lambda: rename_section(default, name="desk", by=owner)),
        ("default_section", lambda: remove_section(default, by=owner)),
        ("reservation", lambda: move_to_section(reserved, section=section, by=owner)),
        ("other_profile", lambda: move_to_section(reserved, section=foreign, by=owner)),
    ):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.code == code
    BillingProfile.objects.filter(pk=profile.pk).update(status="closed")
    with pytest.raises(Refused, match="is closed"):
        add_section(profile, name="Late", by=owner)


def test_sections_are_kept_on_their_pages(client, profile, owner):
    office = bought(profile, "Office")
    client.force_login(owner)
    page = reverse("profile_sections", args=[profile.code])
    assert "No sections yet" in client.get(page).content.decode()

    client.post(page + "new/", {"name": "Desk"})
    section = InvoiceSection.objects.get(name="Desk")
    client.post(reverse("subscription_section", args=[office.code]), {"section": section.pk})
    office.refresh_from_db()
    assert office.section == section
    text = client.get(page).content.decode()
    assert text.index("General") < text.index("Desk") < text.index("Move Office to another section")
    assert "name" in client.post(f"{page}{section.pk}/", {"name": "general"}).context["form"].errors
    client.post(f"{page}{section.pk}/", {"name": "Front"})
    client.post(f"{page}{section.pk}/removal/")
    assert not InvoiceSection.objects.filter(pk=section.pk).exists()


def test_readers_see_sections_and_change_none(client, profile, owner):
    section = add_section(profile, name="Desk", by=owner)
    office = bought(profile, "Office")
    page = reverse("profile_sections", args=[profile.code])
    for person in (
        ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user,
        AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER).user,
    ):
        client.force_login(person)
        assert "Desk" in client.get(page).content.decode()
        for address in (page + "new/", f"{page}{section.pk}/", f"{page}{section.pk}/removal/"):
            assert client.post(address, {"name": "x"}).status_code == 403
        assert client.post(reverse("subscription_section", args=[office.code]), {"section": 1}).status_code == 403
