"""Invoice sections: headings on the invoices of a profile, and which subscription stands under which (§3.3).

They stand in this app, since moving something between sections needs to know what was bought.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from core.errors import Refused
from core.history import acting
from core.policy import Action, demand
from profiles.models import BillingProfile, InvoiceSection
from subscriptions.models import ProductKind, Subscription

SECTIONS_PER_PROFILE = 50


@transaction.atomic
def add_section(profile: BillingProfile, *, name: str, by: Any) -> InvoiceSection:
    """Make a section; the default one is made with the first. Counts from the next invoice.

    Refuses `name_taken`, `profile_closed`, `no_sections_here` on the hidden profile of a subscription,
    and `too_many_sections` beyond 50.
    """
    demand(by, Action.SECTION_CREATE, profile)
    if not profile.is_shown:
        raise Refused(_("The invoice of a single subscription has no sections."), "no_sections_here")
    _lock(profile)
    if InvoiceSection.objects.filter(profile=profile).count() >= SECTIONS_PER_PROFILE:
        raise Refused(
            _("A billing profile has at most %(most)d sections.") % {"most": SECTIONS_PER_PROFILE}, "too_many_sections"
        )
    with acting(by, "section.added"):
        _ensure_default(profile, by)
        _refuse_taken_name(profile, name)
        return InvoiceSection.objects.create(profile=profile, name=name, created_by=by)


@transaction.atomic
def rename_section(section: InvoiceSection, *, name: str, by: Any) -> None:
    """Give it another name, from the next invoice on. Refuses `name_taken` and `profile_closed`."""
    demand(by, Action.SECTION_CREATE, section.profile)
    _lock(section.profile)
    if section.name == name:
        return
    _refuse_taken_name(section.profile, name, but=section)
    with acting(by, "section.renamed"):
        section.name = name
        section.save(update_fields=["name"])


@transaction.atomic
def remove_section(section: InvoiceSection, *, by: Any) -> None:
    """Take it away; what stands in it goes to the default one. Refuses `default_section` and `profile_closed`."""
    demand(by, Action.SECTION_CREATE, section.profile)
    _lock(section.profile)
    if section.is_default:
        raise Refused(_("The default section stays: what is in no other one stands there."), "default_section")
    with acting(by, "section.removed"):
        Subscription.objects.filter(section=section).update(section=None)
        InvoiceSection.objects.filter(pk=section.pk).delete()


@transaction.atomic
def move_to_section(subscription: Subscription, *, section: InvoiceSection | None, by: Any) -> bool:
    """Let the subscription stand under that heading from the next invoice on; None is the default one.

    Returns whether anything changed. Refuses `reservation`, `profile_closed`, and `other_profile` for a
    section of another billing profile.
    """
    demand(by, Action.SUBSCRIPTION_MOVE, subscription)
    _lock(subscription.profile)
    stored = Subscription.objects.select_for_update(of=("self",)).select_related("product").get(pk=subscription.pk)
    if section is not None and (section.is_default or section.profile_id != stored.profile_id):
        if section.profile_id != stored.profile_id:
            raise Refused(_("This section belongs to another billing profile."), "other_profile")
        section = None
    if stored.product and stored.product.kind == ProductKind.RESERVATION:
        raise Refused(_("A reservation stays in the section that it was bought in."), "reservation")
    if stored.section_id == (section.pk if section else None):
        return False
    with acting(by, "subscription.section"):
        Subscription.objects.filter(pk=stored.pk).update(section=section)
    return True


def _lock(profile: BillingProfile) -> None:
    stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if stored.status == "closed":
        raise Refused(_("This billing profile is closed, so nothing on it changes any more."), "profile_closed")


def _ensure_default(profile: BillingProfile, by: Any) -> None:
    if not InvoiceSection.objects.filter(profile=profile, is_default=True).exists():
        # Its name stands on invoices, so it is in the language of those.
        with override(profile.account.organisation.preferred_language):
            name = _("General")
        InvoiceSection.objects.create(profile=profile, name=name, is_default=True, created_by=by)


def _refuse_taken_name(profile: BillingProfile, name: str, but: InvoiceSection | None = None) -> None:
    others = InvoiceSection.objects.filter(profile=profile, name__iexact=name)
    if but is not None:
        others = others.exclude(pk=but.pk)
    if others.exists():
        raise Refused(
            _("This billing profile has a section called “%(name)s” already. Choose another name.") % {"name": name},
            "name_taken",
        )
