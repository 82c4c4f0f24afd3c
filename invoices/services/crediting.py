"""What credits pay of the drafts of a chunk, set-based, in the transaction that computes them (domain §3.8).

A promotional credit is an allowance before VAT: it takes at most the net, and is split over the rates in
proportion to their nets, by largest remainder. One that was paid in advance pays after VAT. Both take the lot
that expires first. `billing_draft_credit` says which lot pays what; `write_credits` turns it into transactions
once the invoices stand. A month in the customer's favour, or one in which some rate is, uses none.

Chunks without any credit, nearly all of them, pay one statement for it.

A dry run of several months writes nothing that the next month could see: `spent` says what the months before took
of each lot, in minor units by its id.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

Values = dict[str, Any]


def lower_by_promotions(cursor: CursorWrapper, values: Values) -> bool:
    """Lower the VAT groups of the drafts by promotional credits that are usable on the day `on`; the lots are
    locked. Returns whether there is any credit at all, of whatever sort."""
    cursor.execute(_LOCK, values)
    if not cursor.rowcount:
        return False
    cursor.execute(_PROMOTIONS, values)
    cursor.execute(_GROUPS)
    return True


def pay_in_advance(cursor: CursorWrapper, values: Values) -> None:
    """Let what was paid in advance pay the totals, and tell the drafts what their credits come to."""
    cursor.execute(_PREPAID, values)
    cursor.execute(_DRAFTS)


class Spent:
    """What drafts that are never written took of the credits, in minor units."""

    def __init__(self) -> None:
        self._by_profile: dict[int, Counter[str]] = {}

    def on(self, profile_ids: Iterable[int]) -> dict[str, int]:
        """Of the lots of these profiles, by the id of the lot."""
        found = (self._by_profile[pk] for pk in profile_ids if pk in self._by_profile)
        return {lot: minor for lots in found for lot, minor in lots.items()}

    def add(self) -> None:
        """Count what the drafts take that stand in the temporary tables now."""
        with connection.cursor() as cursor:
            cursor.execute(_SPENT)
            for pk, lots in cursor.fetchall():
                self._by_profile.setdefault(pk, Counter()).update(json.loads(lots))


def write_credits(cursor: CursorWrapper, values: Values) -> None:
    """Write the moves of the lots, in the order in which they are used; the invoices stand by now."""
    cursor.execute(_MOVES, values)


TABLES = """
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft_credit (
    lot_id bigint,
    profile_id bigint,
    place int,
    is_prepaid boolean,
    amount numeric
) ON COMMIT DROP;
TRUNCATE billing_draft_credit;
"""

_LOCK = """
SELECT 1 FROM invoices_creditlot
WHERE balance_minor > 0 AND profile_id = ANY(ARRAY(SELECT profile_id FROM billing_draft))
ORDER BY id FOR UPDATE
"""

# Lots in the order of use, each with what those before it hold: `wanted` is covered from the front.
_COVERED = """
INSERT INTO billing_draft_credit (lot_id, profile_id, place, is_prepaid, amount)
SELECT lot_id, profile_id, place, is_prepaid, least(balance, wanted - before)
FROM (
    SELECT l.id AS lot_id, l.profile_id, l.source IN ('prepaid', 'overpaid') AS is_prepaid,
        l.left_minor AS balance, w.wanted,
        row_number() OVER earlier AS place, sum(l.left_minor) OVER earlier - l.left_minor AS before
    FROM ({wanted}) AS w
    JOIN (
        SELECT *, balance_minor - coalesce((%(spent)s::jsonb ->> id::text)::bigint, 0) AS left_minor
        FROM invoices_creditlot WHERE balance_minor > 0
    ) AS l ON l.profile_id = w.profile_id
    WHERE l.left_minor > 0 AND l.source {sort} ('prepaid', 'overpaid')
        AND l.starts_on <= %(on)s AND coalesce(l.expires_on, 'infinity') >= %(on)s
    WINDOW earlier AS (PARTITION BY l.profile_id ORDER BY coalesce(l.expires_on, 'infinity'), l.id)
) AS lots
WHERE before < wanted
"""

_PROMOTIONS = _COVERED.format(
    sort="NOT IN",
    wanted="""
        SELECT profile_id, sum(base) AS wanted FROM billing_draft_group
        GROUP BY profile_id HAVING sum(base) > 0 AND min(base) >= 0
    """,
)

_PREPAID = _COVERED.format(
    sort="IN",
    wanted="SELECT profile_id, net - credit + vat AS wanted FROM billing_draft WHERE kind = 'invoice'",
)

_GROUPS = """
UPDATE billing_draft_group g
SET credit = share.credit, base = g.base - share.credit, vat = round((g.base - share.credit) * g.rate / 100)
FROM (
    SELECT profile_id, category, rate, wording,
        floor(exact) + CASE
            WHEN row_number() OVER (PARTITION BY profile_id ORDER BY exact - floor(exact) DESC, category, rate)
                <= given - sum(floor(exact)) OVER (PARTITION BY profile_id)
            THEN 1 ELSE 0 END AS credit
    FROM (
        SELECT g.profile_id, g.category, g.rate, g.wording, c.given,
            c.given * g.base / sum(g.base) OVER (PARTITION BY g.profile_id) AS exact
        FROM billing_draft_group g
        JOIN (SELECT profile_id, sum(amount) AS given FROM billing_draft_credit GROUP BY profile_id) AS c
            ON c.profile_id = g.profile_id
    ) AS weighed
) AS share
WHERE g.profile_id = share.profile_id AND g.category = share.category AND g.rate = share.rate
    AND g.wording = share.wording
"""

_DRAFTS = """
UPDATE billing_draft d SET prepaid = c.amount
FROM (SELECT profile_id, sum(amount) AS amount FROM billing_draft_credit WHERE is_prepaid GROUP BY profile_id) AS c
WHERE c.profile_id = d.profile_id
"""

_SPENT = """
SELECT profile_id, jsonb_object_agg(lot_id, amount::bigint) FROM billing_draft_credit GROUP BY profile_id
"""

_MOVES = """
INSERT INTO invoices_credittransaction (
    lot_id, account_id, profile_id, kind, amount_minor, currency, invoice_id, happened_on, note, created_at
)
SELECT c.lot_id, i.account_id, i.profile_id, 'used', -c.amount, i.currency, i.id, %(on)s, '', now()
FROM billing_draft_credit c
JOIN billing_draft d ON d.profile_id = c.profile_id
JOIN invoices_invoice i ON i.id = d.invoice_id
ORDER BY c.profile_id, c.is_prepaid, c.place
"""
