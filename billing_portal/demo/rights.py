"""Who may what in the demo world, beyond the roles everybody has: away, invited, waiting, viewed as and reviewed."""

from collections.abc import Mapping
from datetime import date, timedelta

from accounts.models import Agreement, BillingAccount, User
from accounts.services.roles import appoint_stand_in
from billing_portal.models import Choice, ReviewInterval
from billing_portal.reviews import finish_review, save_choices, set_review_interval, start_review
from billing_portal.viewing import end_viewing, start_viewing
from core.policy import Role
from profiles.models import BillingProfile, ProfileRole
from profiles.services.roles import ON_PROFILE, invite_to_profile
from subscriptions.models import Subscription
from subscriptions.services.viewers import add_viewer, share_invoices


def away_and_invited(warehouse: BillingProfile, people: Mapping[str, User], today: date) -> None:
    """Daan is on holiday, and Fatima pays for the warehouse meanwhile; a freelancer was invited to the same profile."""
    marieke, fatima = people["marieke@alfa.example"], people["fatima@alfa.example"]
    daan = ProfileRole.objects.get(profile=warehouse, user=people["daan@alfa.example"])
    until = today + timedelta(days=16)
    appoint_stand_in(ON_PROFILE, warehouse, held=daan, user=fatima, expires_on=until, by=marieke)
    invite_to_profile(
        warehouse, email="freelancer@zelfstandig.example", role=Role.INVOICE_MANAGER, language="nl", by=marieke
    )


def invoice_viewers(people: Mapping[str, User]) -> None:
    """Inge lets Eva see the invoices of the backups; those of the other subscription Eva waits for, since access to
    invoice is not on there yet."""
    inge, eva = people["inge@beta.example"], people["eva@beta.example"]
    own = Subscription.objects.filter(account__agreement=Agreement.ONLINE_SERVICES)
    closed, opened = own.select_related("profile", "account").order_by("pk")[:2]
    add_viewer(closed, user=eva, by=inge)
    add_viewer(opened, user=eva, by=inge)
    share_invoices(opened, is_on=True, by=inge)


def viewed_as(account: BillingAccount, people: Mapping[str, User]) -> None:
    """Marieke looked at what Tom sees, and came back."""
    end_viewing(start_viewing(account, user=people["tom@alfa.example"], by=people["marieke@alfa.example"]))


def reviewed(account: BillingAccount, people: Mapping[str, User]) -> None:
    """Marieke goes through everybody with access, keeps them all, and wants to do so every quarter."""
    marieke = people["marieke@alfa.example"]
    set_review_interval(account, every_months=ReviewInterval.QUARTER, by=marieke)
    review = start_review(account, by=marieke)
    save_choices(review, dict.fromkeys(review.roles.values_list("pk", flat=True), Choice.KEEP), by=marieke)
    finish_review(review, by=marieke)
