"""What is looked at before a billing run, profile by profile (§3.9). Changes nothing that is billed.

A check is a function of the ids of at most a chunk of profiles that answers which of them it found, in
a few statements whatever their number:

    @preflight_check(Finding.NO_METHOD)
    def without_method(profile_ids, on): ...

Apps above this one register theirs in `<app>/preflight.py`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time
from statistics import median_low

from django.db import connection
from django.utils.module_loading import autodiscover_modules

from accounts.models import Seller, VatCheck
from core.models import MessageStatus
from invoices.models import Delivery, Finding, PurchaseOrder
from invoices.tax import UNION
from profiles.models import BillingProfile
from profiles.recipients import mailed_on_each

# From so many times the usual total on it is looked at.
MUCH_MORE = 3
# How many invoices tell what is usual.
LOOKED_BACK = 3

Check = Callable[[Sequence[int], date], Iterable[int]]

_checks: dict[Finding, Check] = {}


def preflight_check(finding: Finding) -> Callable[[Check], Check]:
    """Register what finds that."""

    def register(function: Check) -> Check:
        if finding in _checks:
            raise ValueError(f"two checks find {finding}")
        _checks[finding] = function
        return function

    return register


def check_profiles(profile_ids: Sequence[int], on: date) -> dict[int, list[Finding]]:
    """What the checks find, by profile, in the order of `Finding`."""
    autodiscover_modules("preflight")
    found: dict[int, list[Finding]] = {pk: [] for pk in profile_ids}
    for finding in Finding:
        if finding in _checks:
            for pk in _checks[finding](profile_ids, on):
                found[pk].append(finding)
    return found


def usual_totals(profile_ids: Sequence[int]) -> dict[int, int]:
    """The middle one of the last three totals of each, in minor units; none for who has no invoice yet. One
    statement."""
    totals: dict[int, list[int]] = {}
    for pk, total, _number in _last_invoices(profile_ids):
        totals.setdefault(pk, []).append(total)
    return {pk: median_low(found) for pk, found in totals.items()}


def compare_totals(total: int, usual: int | None) -> list[Finding]:
    """What is the matter with a total, against the usual one; both in minor units."""
    if usual is None or usual <= 0:
        return []
    if total == 0:
        return [Finding.NOTHING]
    return [Finding.MUCH_MORE] if total >= MUCH_MORE * usual else []


@preflight_check(Finding.NO_PO_NUMBER)
def without_po_number(profile_ids: Sequence[int], on: date) -> set[int]:
    """Who sends its suppliers a PO number with every invoice, and has forgotten the next one: none of its own is in
    force, and no order of the profile that is valid and not used up (P17)."""
    last: dict[int, str] = {}
    for pk, _total, number in _last_invoices(profile_ids):
        last.setdefault(pk, number)
    rows = BillingProfile.objects.filter(pk__in=[pk for pk, number in last.items() if number])
    rows = rows.only("po_number", "coming_po_number", "coming_po_from")
    without = {profile.pk for profile in rows if not profile.po_number_on(on)}
    orders = PurchaseOrder.objects.valid(on).with_anything_left().filter(profile__in=without, subscription=None)
    return without - set(orders.values_list("profile", flat=True))


@preflight_check(Finding.VAT_ID_UNVERIFIED)
def with_unverified_vat_id(profile_ids: Sequence[int], on: date) -> set[int]:
    """Elsewhere in the Union, where a verified number would take the VAT away."""
    seller = Seller.objects.first()
    if seller is None:
        return set()
    abroad = UNION - {str(seller.country)}
    rows = BillingProfile.objects.filter(pk__in=profile_ids).exclude(account__vat_id="")
    facts = rows.values_list(
        "pk",
        "account__vat_id",
        "account__vat_check__number",
        "account__vat_check__verified_at",
        "account__sold_to__country",
        "ship_to__country",
    )
    at = datetime.combine(on, time.max, UTC)
    return {
        pk
        for pk, number, checked, verified_at, country, used_in in facts
        if (used_in or country) in abroad and not (checked == number and VatCheck.holds(verified_at, at=at))
    }


@preflight_check(Finding.MAIL_CAME_BACK)
def with_a_dead_mailbox(profile_ids: Sequence[int], on: date) -> Collection[int]:
    """Whose last invoice did not reach somebody."""
    lost = Delivery.objects.filter(
        message__status__in=(MessageStatus.BOUNCED, MessageStatus.GIVEN_UP),
        invoice__profile__in=profile_ids,
        invoice__profile__sends_invoices=True,
    )
    found = set(lost.values_list("invoice__profile", "invoice"))
    if not found:
        return []
    newest = dict(_newest(sorted({pk for pk, _invoice in found})))
    return {pk for pk, invoice in found if newest[pk] == invoice}


@preflight_check(Finding.NO_RECIPIENT)
def without_recipient(profile_ids: Sequence[int], on: date) -> list[int]:
    """Who wants invoices by mail, and nobody gets them."""
    profiles = list(BillingProfile.objects.filter(pk__in=profile_ids, sends_invoices=True).select_related("account"))
    recipients = mailed_on_each(profiles, on=on)
    return [profile.pk for profile in profiles if not recipients[profile.pk]]


def _last_invoices(profile_ids: Sequence[int]) -> list[tuple[int, int, str]]:
    """Profile, total and PO number of the last invoices of each, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_INVOICES, {"profiles": list(profile_ids), "number": LOOKED_BACK})
        return cursor.fetchall()


def _newest(profile_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Profile and id of the newest document of each."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"profiles": list(profile_ids)})
        return cursor.fetchall()


# A look into an index for each profile, however many invoices there are.
_LAST_INVOICES = """
SELECT p.id, i.total_minor, i.po_number
FROM unnest(%(profiles)s::bigint[]) AS p (id)
CROSS JOIN LATERAL (
    SELECT total_minor, po_number, issue_date, id FROM invoices_invoice
    WHERE profile_id = p.id AND status <> 'draft' AND kind = 'invoice'
    ORDER BY issue_date DESC, id DESC LIMIT %(number)s
) AS i
ORDER BY p.id, i.issue_date DESC, i.id DESC
"""

_NEWEST = """
SELECT p.id, i.id
FROM unnest(%(profiles)s::bigint[]) AS p (id)
CROSS JOIN LATERAL (
    SELECT id FROM invoices_invoice
    WHERE profile_id = p.id AND status <> 'draft' ORDER BY issue_date DESC, id DESC LIMIT 1
) AS i
"""
