"""What each profile of a chunk is billed for one month (domain §3.9): computed set-based, in temporary tables.

Nothing of this is visible to anybody else and nothing is numbered; a dry run stops here. Three tables
live until the transaction ends:

- `billing_draft`: one row per profile of the chunk, with its VAT, and its sums once the lines are known;
- `billing_draft_charge`: the imported charges that it takes up, so that one that comes in meanwhile waits;
- `billing_draft_line`: its lines. `net` is in minor units and rounded; an amount given back is below zero.

`core.periods`, `core.money`, `subscriptions.proration` and `invoices.tax` are the homes of the rules;
the tests hold these statements against them, term by term and cent by cent.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext, override

from core.codes import new_code
from core.database import copy_rows
from core.money import exponent
from core.periods import Month
from invoices.tax import Treatment
from subscriptions.models import ChangeKind

# The largest total in minor units: ten trillion euro. Sums of such amounts still fit the columns.
LARGEST_MINOR = 10**15


class Problem(NamedTuple):
    """Why a profile cannot be billed: a reason of ParkReason, and what exactly, for whoever mends it."""

    profile_id: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile that is to be billed, with what was decided about it.

    `taken_until` is empty, except in a dry run of a later month: the last day whose charges and
    one-offs an earlier month would have taken up.
    """

    profile_id: int
    currency: str
    language: str
    vat_id: str
    treatment: Treatment
    is_parked: bool = False
    taken_until: date | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The sums of one draft, in minor units; `number` once it is issued.

    `rounding` is what the imported charges came to beyond their lines.
    """

    profile_id: int
    profile_name: str
    account_name: str
    number: str | None
    kind: str
    currency: str
    net_minor: int
    vat_minor: int
    charges: int
    rounding: Decimal


def compute_drafts(month: Month, candidates: Sequence[Candidate]) -> list[Problem]:
    """Fill the temporary tables with what these profiles are billed for the month.

    Returns the profiles whose drafts break a bound (I31): one problem each. Their rows are still there;
    `forget_drafts` takes them out.
    """
    values: dict[str, Any] = {"first": month.first, "last": month.last, "next": month.next.first}
    values["words"] = _words_of_changes()
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        copy_rows("billing_draft", _COPIED, (_row(candidate) for candidate in candidates))
        cursor.execute(_CHARGES, values)
        cursor.execute(_LINES, values)
        cursor.execute(_SUMS)
        cursor.execute(_PROBLEMS, {"largest": LARGEST_MINOR})
        return [Problem(*row) for row in cursor.fetchall()]


def forget_drafts(profile_ids: Iterable[int]) -> None:
    """Take these profiles out again."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"profiles": list(profile_ids)})


def read_drafts() -> list[Draft]:
    """Those that have lines, by profile. A profile without any is billed nothing and gets no document."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAFTS)
        return [Draft(*row) for row in cursor.fetchall()]


def _row(candidate: Candidate) -> tuple[object, ...]:
    treatment = candidate.treatment
    one_offs, wording = _words(candidate.language, treatment)
    return (
        candidate.profile_id,
        new_code(),
        candidate.currency,
        10 ** exponent(candidate.currency),
        candidate.language,
        one_offs,
        candidate.vat_id,
        treatment.category,
        treatment.rate,
        wording,
        candidate.taken_until,
    )


@cache
def _words(language: str, treatment: Treatment) -> tuple[str, str]:
    with override(language):
        return gettext("One-off purchases"), treatment.wording(language)


@cache
def _words_of_changes() -> str:
    """What a line says of a change, per language and kind, as formats of the database."""
    places = {"before": "%1$s", "after": "%2$s", "days": "%3$s", "term": "%4$s", "product": "%5$s", "other": "%6$s"}
    found = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            found[language] = {
                ChangeKind.QUANTITY: gettext(
                    "%(product)s: from %(before)s to %(after)s, %(days)s of %(term)s days of the term"
                ),
                ChangeKind.PLAN: gettext(
                    "%(other)s × %(before)s becomes %(product)s × %(after)s, %(days)s of %(term)s days of the term"
                ),
                ChangeKind.CANCELLED: gettext(
                    "%(product)s: cancelled, %(days)s of %(term)s days of the term given back"
                ),
                ChangeKind.REACTIVATED: gettext("%(product)s: reactivated, %(days)s of %(term)s days of the term"),
                # One that ends with its term has nothing to give back; its row is there all the same.
                ChangeKind.ENDED: gettext("%(product)s: ended, %(days)s of %(term)s days of the term"),
            }
    formats = {language: {kind: text % places for kind, text in words.items()} for language, words in found.items()}
    return json.dumps(formats)


_COPIED = (
    "profile_id",
    "code",
    "currency",
    "scale",
    "language",
    "one_offs",
    "vat_id",
    "category",
    "rate",
    "wording",
    "taken_until",
)

_TABLES = """
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft (
    profile_id bigint PRIMARY KEY,
    code text,
    currency text,
    scale numeric,  -- minor units in a major one
    language text,
    one_offs text,  -- the heading of one-off purchases, in that language
    vat_id text,
    category text,
    rate numeric,
    wording text,
    taken_until date,
    -- From here on known with the lines; empty where there are none.
    invoice_id bigint,
    kind text,
    sign int,
    net numeric,
    vat numeric,
    charges int,
    rounding numeric
) ON COMMIT DROP;
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft_charge (
    charge_id bigint,
    profile_id bigint,
    subscription_id bigint,
    section text,
    service_name text,
    cost numeric,
    currency text,
    started_on date,
    ended_on date
) ON COMMIT DROP;
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft_line (
    line_id bigint,
    profile_id bigint,
    position int,
    subscription_id bigint,
    purchase_id bigint,
    invoice_section text,
    change_id bigint,
    section text,
    description text,
    service_name text,
    quantity numeric,
    unit_price numeric,
    service_start date,
    service_end date,
    term_start date,
    net numeric,
    charges int,
    rounding numeric,
    other_currency text
) ON COMMIT DROP;
TRUNCATE billing_draft, billing_draft_charge, billing_draft_line;
"""

# OFFSET keeps the planner to one look into an index per profile or subscription: whatever it guesses
# of a chunk, it must never walk the whole of a table that grows with the customers.

# A subscription is billed with the profile that it is on in that month: that of the latest move until then, or
# the one that the next move takes it from. Few have ever moved, and only those are asked.
_OWNER = """
CASE WHEN x.last_move_on IS NULL THEN x.profile_id ELSE coalesce(
    (SELECT to_profile_id FROM subscriptions_subscriptionmove
     WHERE subscription_id = x.id AND withdrawn_at IS NULL AND starts_on <= %(first)s
     ORDER BY starts_on DESC LIMIT 1),
    (SELECT from_profile_id FROM subscriptions_subscriptionmove
     WHERE subscription_id = x.id AND withdrawn_at IS NULL AND starts_on > %(first)s
     ORDER BY starts_on LIMIT 1),
    x.profile_id
) END
"""
_OWNED = f"""
    SELECT x.* FROM subscriptions_subscription x
    WHERE x.profile_id = d.profile_id AND {_OWNER} = d.profile_id
    UNION ALL
    SELECT x.* FROM subscriptions_subscription x
    WHERE x.id IN (
        SELECT subscription_id FROM subscriptions_subscriptionmove WHERE from_profile_id = d.profile_id
        UNION ALL
        SELECT subscription_id FROM subscriptions_subscriptionmove WHERE to_profile_id = d.profile_id
    ) AND x.profile_id <> d.profile_id AND {_OWNER} = d.profile_id
    OFFSET 0
"""  # noqa: S608 no values in it

# The month of a charge is that of its billing period as delivered; imported times are UTC, their end excluded.
_CHARGES = f"""
INSERT INTO billing_draft_charge
SELECT c.id, d.profile_id, s.id, s.name, c.service_name, c.cost, c.currency,
    (c.started_at AT TIME ZONE 'UTC')::date,
    greatest(c.started_at AT TIME ZONE 'UTC', c.ended_at AT TIME ZONE 'UTC' - interval '1 microsecond')::date
FROM billing_draft d
CROSS JOIN LATERAL ({_OWNED}) AS s
CROSS JOIN LATERAL (
    SELECT * FROM invoices_charge
    WHERE subscription_id = s.id AND line_id IS NULL AND month <= %(first)s
        AND (d.taken_until IS NULL OR month > d.taken_until)
    OFFSET 0
) AS c
"""  # noqa: S608 no values in it

# A term is charged once and whole in the month in which it starts: on the day of the purchase, or on
# the last day of a month that is too short for it. Half a cent rounds away from zero. It is charged as it stood on
# its first day, which the first change after that day remembers; what was changed within it is a line of its own.
_LINES = f"""
INSERT INTO billing_draft_line
SELECT nextval('invoices_invoiceline_id_seq'), found.profile_id,
    row_number() OVER (
        PARTITION BY found.profile_id
        ORDER BY found.is_elsewhere, found.invoice_section, found.purchase_id IS NOT NULL, found.section,
            found.subscription_id, found.source, found.change_id, found.description, found.purchase_id
    ),
    found.subscription_id, found.purchase_id, found.invoice_section, found.change_id, found.section, found.description,
    found.service_name, found.quantity, found.unit_price,
    found.service_start, found.service_end, found.term_start, found.net, found.charges,
    found.rounding, found.other_currency
FROM (SELECT grouped.*, grouped.chosen IS NOT NULL AS is_elsewhere, coalesce(grouped.chosen, grouped.main, '')
    AS invoice_section
FROM (SELECT sold.*,
    -- Sections show from the second one on; the first look ends it for most profiles.
    CASE WHEN (SELECT true FROM profiles_invoicesection x WHERE x.profile_id = sold.profile_id AND NOT x.is_default
        LIMIT 1) THEN (SELECT name FROM profiles_invoicesection x WHERE x.profile_id = sold.profile_id AND x.is_default)
    END AS main,
    (SELECT name FROM profiles_invoicesection x WHERE x.profile_id = sold.profile_id AND NOT x.is_default AND x.id = (
        SELECT section_id FROM subscriptions_subscription WHERE id = sold.subscription_id)) AS chosen
FROM (
    SELECT 1 AS source, d.profile_id, s.id AS subscription_id, NULL::bigint AS purchase_id, NULL::bigint AS change_id,
        s.name AS section,
        CASE WHEN d.language = 'nl' AND p.name_nl <> '' THEN p.name_nl ELSE p.name END AS description,
        p.service_name, stood.quantity::numeric AS quantity, stood.unit_price,
        term.starts AS service_start, term.ends AS service_end, term.starts AS term_start,
        round(stood.quantity * stood.unit_price * d.scale) AS net, 0 AS charges, 0 AS rounding,
        nullif(s.currency, d.currency) AS other_currency
    FROM billing_draft d
    CROSS JOIN LATERAL ({_OWNED}) AS s
    CROSS JOIN LATERAL (
        SELECT CASE s.term WHEN 'monthly' THEN 1 WHEN 'quarterly' THEN 3 WHEN 'half_yearly' THEN 6
            WHEN 'yearly' THEN 12 END AS months,
            extract(day FROM s.started_on)::int AS anchor,
            (extract(year FROM %(first)s::date) - extract(year FROM s.started_on))::int * 12
            + (extract(month FROM %(first)s::date) - extract(month FROM s.started_on))::int AS distance
    ) AS rule
    CROSS JOIN LATERAL (SELECT (%(first)s::date + make_interval(months => rule.months))::date AS following) AS later
    CROSS JOIN LATERAL (
        SELECT least(%(first)s::date + rule.anchor - 1, %(last)s::date) AS starts,
            least(
                later.following + rule.anchor - 1,
                (later.following + interval '1 month')::date - 1
            ) - 1 AS ends
    ) AS term
    LEFT JOIN LATERAL (
        SELECT product_before_id, quantity_before, unit_price_before FROM subscriptions_subscriptionchange
        WHERE s.last_change_from > term.starts AND subscription_id = s.id AND counts_from > term.starts
        ORDER BY counts_from, id LIMIT 1
    ) AS since ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(since.product_before_id, s.product_id) AS product_id,
            coalesce(since.unit_price_before, s.unit_price) AS unit_price,
            coalesce(
                since.quantity_before,
                CASE WHEN s.ended_on IS NULL OR s.ended_on >= term.starts THEN s.quantity ELSE 0 END
            ) AS quantity
    ) AS stood
    JOIN subscriptions_product p ON p.id = stood.product_id
    WHERE s.started_on < %(next)s AND rule.distance %% rule.months = 0 AND stood.quantity > 0

    UNION ALL
    SELECT 2, d.profile_id, s.id, NULL, c.id, s.name,
        format(
            %(words)s::jsonb -> d.language ->> c.kind, c.quantity_before, c.quantity_after,
            c.term_end - c.counts_from + 1, c.term_end - c.term_start + 1,
            CASE WHEN d.language = 'nl' AND p.name_nl <> '' THEN p.name_nl ELSE p.name END,
            CASE WHEN d.language = 'nl' AND o.name_nl <> '' THEN o.name_nl ELSE o.name END
        ),
        p.service_name, sign(c.net_minor), abs(c.net_minor) / d.scale, c.counts_from, c.term_end, NULL,
        c.net_minor, 0, 0, nullif(c.currency, d.currency)
    FROM billing_draft d
    CROSS JOIN LATERAL ({_OWNED}) AS s
    CROSS JOIN LATERAL (
        SELECT * FROM subscriptions_subscriptionchange
        WHERE s.last_change_from IS NOT NULL AND subscription_id = s.id AND net_minor <> 0
            AND counts_from < %(next)s AND (d.taken_until IS NULL OR counts_from > d.taken_until)
        OFFSET 0
    ) AS c
    JOIN subscriptions_product p ON p.id = c.product_after_id
    JOIN subscriptions_product o ON o.id = c.product_before_id
    WHERE (SELECT true FROM invoices_invoiceline WHERE change_id = c.id) IS NULL

    UNION ALL
    SELECT 3, c.profile_id, c.subscription_id, NULL, NULL, c.section, c.service_name, c.service_name,
        CASE WHEN c.net < 0 THEN -1 ELSE 1 END, NULL, c.started_on, c.ended_on, NULL, c.net, c.charges,
        c.exact - c.net, c.other_currency
    FROM (
        SELECT b.profile_id, b.subscription_id, b.section, b.service_name, min(b.started_on) AS started_on,
            max(b.ended_on) AS ended_on, count(*) AS charges, sum(b.cost) * min(d.scale) AS exact,
            round(sum(b.cost) * min(d.scale)) AS net, min(nullif(b.currency, d.currency)) AS other_currency
        FROM billing_draft_charge b JOIN billing_draft d ON d.profile_id = b.profile_id
        GROUP BY b.profile_id, b.subscription_id, b.section, b.service_name
    ) AS c

    UNION ALL
    SELECT 4, d.profile_id, NULL, b.id, NULL, d.one_offs,
        CASE WHEN d.language = 'nl' AND p.name_nl <> '' THEN p.name_nl ELSE p.name END,
        p.service_name, b.quantity, b.unit_price, b.bought_on, b.bought_on, NULL,
        round(b.quantity * b.unit_price * d.scale), 0, 0, nullif(b.currency, d.currency)
    FROM billing_draft d
    CROSS JOIN LATERAL (
        SELECT * FROM subscriptions_purchase
        WHERE profile_id = d.profile_id AND term = 'one_off' AND bought_on < %(next)s
            AND (d.taken_until IS NULL OR bought_on > d.taken_until)
        OFFSET 0
    ) AS b
    JOIN subscriptions_product p ON p.id = b.product_id
    WHERE (SELECT true FROM invoices_invoiceline WHERE purchase_id = b.id) IS NULL
) AS sold) AS grouped) AS found
"""  # noqa: S608 no values in it

# A month that comes out below zero is a credit note: the kind gives the sign, the amounts are not negative.
_SUMS = """
UPDATE billing_draft d
SET invoice_id = nextval('invoices_invoice_id_seq'),
    kind = CASE WHEN l.net < 0 THEN 'credit_note' ELSE 'invoice' END,
    sign = CASE WHEN l.net < 0 THEN -1 ELSE 1 END,
    net = abs(l.net), vat = round(abs(l.net) * d.rate / 100), charges = l.charges, rounding = l.rounding
FROM (
    SELECT profile_id, sum(net) AS net, sum(charges) AS charges, sum(rounding) AS rounding
    FROM billing_draft_line GROUP BY profile_id
) AS l
WHERE l.profile_id = d.profile_id
"""

_PROBLEMS = """
SELECT DISTINCT ON (profile_id) profile_id, reason, detail
FROM (
    SELECT profile_id, 'currency_differs' AS reason, section || ': ' || other_currency AS detail
    FROM billing_draft_line WHERE other_currency IS NOT NULL
    UNION ALL
    SELECT d.profile_id, 'term_billed', d.section || ': ' || d.term_start
    FROM billing_draft_line d
    -- One look into the index for each, however many lines there are by now.
    WHERE (
        SELECT true FROM invoices_invoiceline l
        WHERE l.subscription_id = d.subscription_id AND l.term_start = d.term_start
    )
    UNION ALL
    SELECT profile_id, 'too_large', section || ': ' || description
    FROM billing_draft_line WHERE abs(net) > %(largest)s
    UNION ALL
    SELECT profile_id, 'too_large', '' FROM billing_draft WHERE net + vat > %(largest)s
) AS found
ORDER BY profile_id, reason, detail
"""

_DRAFTS = """
SELECT d.profile_id, p.name, a.name, i.number, d.kind, d.currency, d.net::bigint, d.vat::bigint, d.charges, d.rounding
FROM billing_draft d
JOIN profiles_billingprofile p ON p.id = d.profile_id
JOIN accounts_billingaccount a ON a.id = p.account_id
LEFT JOIN invoices_invoice i ON i.id = d.invoice_id
WHERE d.kind IS NOT NULL
ORDER BY d.profile_id
"""

_FORGET = """
DELETE FROM billing_draft WHERE profile_id = ANY(%(profiles)s);
DELETE FROM billing_draft_charge WHERE profile_id = ANY(%(profiles)s);
DELETE FROM billing_draft_line WHERE profile_id = ANY(%(profiles)s);
"""
