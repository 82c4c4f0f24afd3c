"""What each profile of a chunk is billed for one month (domain §3.9): computed set-based, in temporary tables.

Nothing of this is visible to anybody else and nothing is numbered; a dry run stops here. These tables
live until the transaction ends:

- `billing_vat`: how each situation of a customer is taxed, by what is supplied and by the tax point;
- `billing_draft`: one row per profile of the chunk, with its sums once the lines are known;
- `billing_draft_charge`: the imported charges that it takes up, so that one that comes in meanwhile waits;
- `billing_draft_line`: its lines. `net` is in minor units and rounded; an amount given back is below zero;
- `billing_draft_group`: its VAT, once on the sum of each rate;
- `billing_draft_order`: the purchase orders that invoices and lines carry (`invoices.services.issuing`);
- `billing_draft_credit`: which credit pays how much of it (`invoices.services.crediting`).

`core.periods`, `core.money`, `subscriptions.proration`, `invoices.tax` and `invoices.calculation` are the
homes of the rules; the tests hold these statements against them, term by term and cent by cent.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext, override

from core.codes import new_code
from core.database import copy_rows
from core.money import exponent
from core.periods import Month
from invoices.exchange import Exchange
from invoices.services import crediting
from invoices.tax import Situation, UnknownRate, pieces, treatment
from subscriptions.models import ChangeKind
from subscriptions.supplies import Supply

# The largest total in minor units: ten trillion euro. Sums of such amounts still fit the columns.
LARGEST_MINOR = 10**15
# How far back a charge or a change may lie and still find its rate: as long as invoices are kept, and some.
YEARS_BACK = 8


class Problem(NamedTuple):
    """Why a profile cannot be billed: a reason of ParkReason, and what exactly, for whoever mends it."""

    profile_id: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile that is to be billed, with what was decided about it.

    `exchange` is how its VAT becomes an amount in the seller's currency, where that is another one; None where no
    rate is known. `taken_until` is empty, except in a dry run of a later month: the last day whose charges and
    one-offs an earlier month would have taken up.
    """

    profile_id: int
    currency: str
    language: str
    vat_id: str
    situation: Situation
    exchange: Exchange | None
    is_parked: bool = False
    taken_until: date | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The sums of one draft, in minor units; `number` once it is issued.

    `rounding` is what the imported charges came to beyond their lines.
    """

    profile_id: int
    invoice_id: int
    profile_name: str
    account_name: str
    kind: str
    currency: str
    net_minor: int
    # Promotional credit, before VAT, and what was paid in advance.
    credit_minor: int
    vat_minor: int
    prepaid_minor: int
    charges: int
    rounding: Decimal
    number: str | None = None


def compute_drafts(
    month: Month, candidates: Sequence[Candidate], *, on: date, home: str, spent: Mapping[str, int] | None = None
) -> list[Problem]:
    """Fill the temporary tables with what these profiles are billed for the month, issued on the day `on` by a
    seller whose currency is `home`. `spent` is what a dry run has taken of their credits for months before.

    Returns the profiles whose drafts break a bound (I31): one problem each. Their rows are still there;
    `forget_drafts` takes them out.
    """
    values: dict[str, Any] = {"first": month.first, "last": month.last, "next": month.next.first, "on": on}
    numbers = _numbered(candidates)
    values |= {"words": _words_of_changes(), "spent": json.dumps(spent or {})}
    with connection.cursor() as cursor:
        cursor.execute(_TABLES + crediting.TABLES)
        copy_rows("billing_vat", _VAT_COLUMNS, _vat_rows(numbers, date(on.year - YEARS_BACK, 1, 1), on))
        copy_rows("billing_draft", _COPIED, (_row(candidate, numbers) for candidate in candidates))
        cursor.execute(_CHARGES, values)
        cursor.execute(_LINES, values)
        cursor.execute(_GROUPS)
        has_credits = crediting.lower_by_promotions(cursor, values)
        cursor.execute(_SUMS)
        if has_credits:
            crediting.pay_in_advance(cursor, values)
        cursor.execute(_PROBLEMS, {"largest": LARGEST_MINOR, "home": home})
        problems = [Problem(*row) for row in cursor.fetchall()]
        if any(problem.reason == "vat_unknown" for problem in problems):
            problems = list(_naming_rates(cursor, problems, candidates))
        return problems


def _naming_rates(
    cursor: CursorWrapper, problems: Sequence[Problem], candidates: Sequence[Candidate]
) -> Iterator[Problem]:
    """Say of each problem with VAT which rate is missing, of which country and from which day on."""
    situations = {candidate.profile_id: candidate.situation for candidate in candidates}
    cursor.execute(_UNTAXED)
    missing = {pk: (supply, day) for pk, supply, day in cursor.fetchall()}
    for problem in problems:
        if problem.reason != "vat_unknown":
            yield problem
            continue
        try:
            treatment(situations[problem.profile_id], missing[problem.profile_id][1], missing[problem.profile_id][0])
        except UnknownRate as error:
            yield problem._replace(detail=f"{problem.detail} ({error})")


def forget_drafts(profile_ids: Iterable[int]) -> None:
    """Take these profiles out again."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"profiles": list(profile_ids)})


def read_drafts() -> list[Draft]:
    """Those that have lines, by profile. A profile without any is billed nothing and gets no document."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAFTS)
        return [Draft(*row) for row in cursor.fetchall()]


# A situation and the language in which it is worded, by its number in the tables.
Numbers = dict[tuple[Situation, str], int]


def _numbered(candidates: Iterable[Candidate]) -> Numbers:
    numbers: Numbers = {}
    for candidate in candidates:
        numbers.setdefault((candidate.situation, candidate.language), len(numbers))
    return numbers


def _vat_rows(numbers: Numbers, since: date, until: date) -> Iterator[tuple[object, ...]]:
    for (situation, language), number in numbers.items():
        for supply in Supply.values:
            for piece in pieces(situation, supply, since, until):
                decided = piece.treatment
                wording = decided.wording(language)
                yield number, supply, piece.first, piece.last, decided.category, decided.rate, wording


def _row(candidate: Candidate, numbers: Numbers) -> tuple[object, ...]:
    exchange = candidate.exchange
    return (
        candidate.profile_id,
        new_code(),
        candidate.currency,
        10 ** exponent(candidate.currency),
        candidate.language,
        _one_offs(candidate.language),
        candidate.vat_id,
        numbers[candidate.situation, candidate.language],
        exchange.currency if exchange else None,
        10 ** exponent(exchange.currency) if exchange else None,
        exchange.rate if exchange else None,
        exchange.day if exchange else None,
        candidate.taken_until,
    )


@cache
def _one_offs(language: str) -> str:
    with override(language):
        return gettext("One-off purchases")


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
    "situation",
    "vat_currency",
    "vat_scale",
    "exchange_rate",
    "exchange_day",
    "taken_until",
)
_VAT_COLUMNS = ("situation", "supply", "first", "last", "category", "rate", "wording")

_TABLES = """
CREATE TEMPORARY TABLE IF NOT EXISTS billing_vat (
    situation int,
    supply text,
    first date,
    last date,
    category text,
    rate numeric,
    wording text,
    PRIMARY KEY (situation, supply, first)
) ON COMMIT DROP;
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft (
    profile_id bigint PRIMARY KEY,
    code text,
    currency text,
    scale numeric,  -- minor units in a major one
    language text,
    one_offs text,  -- the heading of one-off purchases, in that language
    vat_id text,
    situation int,
    vat_currency text,  -- the seller's, where it is another one and the rate of exchange is known
    vat_scale numeric,
    exchange_rate numeric,  -- units of `currency` in one of `vat_currency`
    exchange_day date,
    taken_until date,
    -- From here on known with the lines; empty where there are none.
    invoice_id bigint,
    kind text,
    sign int,
    net numeric,
    credit numeric NOT NULL DEFAULT 0,  -- promotional, off the net before VAT
    vat numeric,
    prepaid numeric NOT NULL DEFAULT 0,  -- paid in advance, off the total
    vat_exchanged numeric,
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
    ended_on date,
    vat_from date  -- the first day of the rate that it is taxed at
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
    other_currency text,
    vat_from date,
    category text,
    rate numeric,
    wording text,
    supply text,
    tax_point date
) ON COMMIT DROP;
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft_group (
    profile_id bigint,
    category text,
    rate numeric,
    wording text,
    base numeric,  -- what is taxed: less the credit
    vat numeric,
    charges int,
    rounding numeric,
    credit numeric NOT NULL DEFAULT 0
) ON COMMIT DROP;
CREATE TEMPORARY TABLE IF NOT EXISTS billing_draft_order (
    profile_id bigint,
    subscription_id bigint,
    order_id bigint,
    number text
) ON COMMIT DROP;
TRUNCATE billing_vat, billing_draft, billing_draft_charge, billing_draft_line, billing_draft_group, billing_draft_order;
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
    (c.started_at AT TIME ZONE 'UTC')::date, c.ended_on, v.first
FROM billing_draft d
CROSS JOIN LATERAL ({_OWNED}) AS s
CROSS JOIN LATERAL (
    SELECT *, greatest(started_at AT TIME ZONE 'UTC', ended_at AT TIME ZONE 'UTC' - interval '1 microsecond')::date
        AS ended_on
    FROM invoices_charge
    WHERE subscription_id = s.id AND line_id IS NULL AND month <= %(first)s
        AND (d.taken_until IS NULL OR month > d.taken_until)
    OFFSET 0
) AS c
LEFT JOIN billing_vat v ON v.situation = d.situation AND v.supply = 'electronic'
    AND least(c.ended_on, %(on)s) BETWEEN v.first AND v.last
"""  # noqa: S608 no values in it

# Taxed is what is complete, or invoiced before it is, by the rate of that day (`tax.tax_point`); what is given back, by
# that of the day on which it had been invoiced. So a change of a rate divides the lines, and charges by their days.
#
# A term is charged once and whole in the month in which it starts: on the day of the purchase, or on
# the last day of a month that is too short for it. Half a cent rounds away from zero. It is charged as it stood on
# its first day, which the first change after that day remembers; what was changed within it is a line of its own.
_LINES = f"""
INSERT INTO billing_draft_line
SELECT nextval('invoices_invoiceline_id_seq'), found.profile_id,
    row_number() OVER (
        PARTITION BY found.profile_id
        ORDER BY found.is_elsewhere, found.invoice_section, found.purchase_id IS NOT NULL, found.section,
            found.subscription_id, found.source, found.change_id, found.description, found.purchase_id, found.tax_point
    ),
    found.subscription_id, found.purchase_id, found.invoice_section, found.change_id, found.section, found.description,
    found.service_name, found.quantity, found.unit_price,
    found.service_start, found.service_end, found.term_start, found.net, found.charges,
    found.rounding, found.other_currency, v.first, v.category, v.rate, v.wording, found.supply, found.tax_point
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
        nullif(s.currency, d.currency) AS other_currency, d.situation, p.supply,
        least(term.ends, %(on)s) AS tax_point
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
        c.net_minor, 0, 0, nullif(c.currency, d.currency), d.situation, p.supply,
        least(c.term_end, CASE WHEN c.net_minor < 0 THEN (
            SELECT i.issue_date FROM invoices_invoiceline l JOIN invoices_invoice i ON i.id = l.invoice_id
            WHERE l.subscription_id = s.id AND l.term_start = c.term_start
        ) END, %(on)s)
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
        c.exact - c.net, c.other_currency, c.situation, 'electronic', c.tax_point
    FROM (
        SELECT b.profile_id, b.subscription_id, b.section, b.service_name, min(b.started_on) AS started_on,
            max(b.ended_on) AS ended_on, count(*) AS charges, sum(b.cost) * min(d.scale) AS exact,
            round(sum(b.cost) * min(d.scale)) AS net, min(nullif(b.currency, d.currency)) AS other_currency,
            min(d.situation) AS situation, least(max(b.ended_on), %(on)s) AS tax_point
        FROM billing_draft_charge b JOIN billing_draft d ON d.profile_id = b.profile_id
        GROUP BY b.profile_id, b.subscription_id, b.section, b.service_name, b.vat_from
    ) AS c

    UNION ALL
    SELECT 4, d.profile_id, NULL, b.id, NULL, d.one_offs,
        CASE WHEN d.language = 'nl' AND p.name_nl <> '' THEN p.name_nl ELSE p.name END,
        p.service_name, b.quantity, b.unit_price, b.bought_on, b.bought_on, NULL,
        round(b.quantity * b.unit_price * d.scale), 0, 0, nullif(b.currency, d.currency), d.situation, p.supply,
        least(b.bought_on, %(on)s)
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
LEFT JOIN billing_vat v ON v.situation = found.situation AND v.supply = found.supply
    AND found.tax_point BETWEEN v.first AND v.last
"""  # noqa: S608 no values in it

# VAT is rounded once for each rate, half away from zero.
_GROUPS = """
INSERT INTO billing_draft_group
SELECT profile_id, category, rate, wording, sum(net), round(sum(net) * rate / 100), sum(charges), sum(rounding)
FROM billing_draft_line
GROUP BY profile_id, category, rate, wording
"""

# A month that comes out below zero is a credit note: the kind gives the sign, the amounts are not negative.
_SUMS = """
UPDATE billing_draft d
SET invoice_id = nextval('invoices_invoice_id_seq'),
    kind = CASE WHEN g.net + g.vat < 0 THEN 'credit_note' ELSE 'invoice' END,
    sign = CASE WHEN g.net + g.vat < 0 THEN -1 ELSE 1 END,
    net = CASE WHEN g.net + g.vat < 0 THEN -g.net ELSE g.net END,
    credit = g.credit, vat = CASE WHEN g.net + g.vat < 0 THEN -g.vat ELSE g.vat END,
    vat_exchanged = round(abs(g.vat) / d.scale / d.exchange_rate * d.vat_scale),
    charges = g.charges, rounding = g.rounding
FROM (
    SELECT profile_id, sum(base + credit) AS net, sum(credit) AS credit, sum(vat) AS vat,
        sum(charges) AS charges, sum(rounding) AS rounding
    FROM billing_draft_group GROUP BY profile_id
) AS g
WHERE g.profile_id = d.profile_id
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
    SELECT profile_id, 'vat_unknown', section || ': ' || description
    FROM billing_draft_line WHERE category IS NULL
    UNION ALL
    SELECT profile_id, 'no_exchange_rate', currency FROM billing_draft
    WHERE vat <> 0 AND vat_currency IS NULL AND currency <> %(home)s
    UNION ALL
    -- At several rates, net and VAT may come out on either side of zero: there is no such document (I4).
    SELECT profile_id, 'signs_differ', '' FROM billing_draft WHERE net < 0 OR vat < 0
    UNION ALL
    SELECT profile_id, 'too_large', section || ': ' || description
    FROM billing_draft_line WHERE abs(net) > %(largest)s
    UNION ALL
    SELECT profile_id, 'too_large', '' FROM billing_draft WHERE net + vat > %(largest)s
) AS found
ORDER BY profile_id, reason, detail
"""

# As the first of the problems: by what it is called.
_UNTAXED = """
SELECT DISTINCT ON (profile_id) profile_id, supply, tax_point FROM billing_draft_line
WHERE category IS NULL ORDER BY profile_id, section || ': ' || description
"""

_DRAFTS = """
SELECT d.profile_id, d.invoice_id, p.name, a.name, d.kind, d.currency, d.net::bigint, d.credit::bigint, d.vat::bigint,
    d.prepaid::bigint, d.charges, d.rounding
FROM billing_draft d
JOIN profiles_billingprofile p ON p.id = d.profile_id
JOIN accounts_billingaccount a ON a.id = p.account_id
WHERE d.kind IS NOT NULL
ORDER BY d.profile_id
"""

_FORGET = """
DELETE FROM billing_draft WHERE profile_id = ANY(%(profiles)s);
DELETE FROM billing_draft_charge WHERE profile_id = ANY(%(profiles)s);
DELETE FROM billing_draft_line WHERE profile_id = ANY(%(profiles)s);
DELETE FROM billing_draft_group WHERE profile_id = ANY(%(profiles)s);
DELETE FROM billing_draft_credit WHERE profile_id = ANY(%(profiles)s);
"""
