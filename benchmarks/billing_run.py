"""The billing run against one set-based INSERT … SELECT into the same tables with all their constraints.

The limit knows everything beforehand: it writes finished invoices with their lines, VAT, postings, credits,
documents and dispatches by one statement each, in one transaction, and asks nothing. Ours decides,
drafts, adds up anew, numbers, and keeps apart what is wrong. Invoices have five lines. Both bill
months of the same profiles in turn, so that they meet the same tables.

The profiles have all that costs a run something: home and abroad, reverse charge, one-stop shop, outside the
Union, two rates on one invoice, promotional and prepaid credits, purchase orders with and without a budget,
VAT in another currency.

    python benchmarks/run.py billing_run [--short] [--long] [--profiles 10000 100000]

Four workers over Redis against one are measured by `billing_workers`.

`--short` is for CI: it fails on results and on statements, never on time.
"""

import argparse
from datetime import date, timedelta
from statistics import median
from typing import Any

from common import Comparison, compare, counted, execute, expect, own_database, peak_megabytes, scalar, timed
from django.db import transaction

from core.periods import Month
from invoices.services.run import run_billing

LINES = 5
FIRST = Month(2026, 1)
STATEMENTS_PER_INVOICE = 0.02
# From so many on: below, the forty statements of a run itself are most of them.
MANY = 10_000
# From so many on one pair: four months of a million profiles take as much time and disk as a server has to spare.
HUGE = 1_000_000


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="billing_run", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="2,000 and 20,000 invoices, one pair")
    parser.add_argument("--profiles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--long", action="store_true", help="a million profiles too, in one pair")
    options = parser.parse_args(arguments)
    if options.long:
        options.profiles = [*options.profiles, 1_000_000]
    sizes, pairs = ([2_000, 20_000], 1) if options.short else (options.profiles, options.pairs)
    found = {size: measure(size, pairs if size < HUGE else 1) for size in sorted(sizes)}
    small = min(found)
    for large in sorted(found)[1:]:
        times = median(found[large].ours) / large / (median(found[small].ours) / small)
        # What the machine did meanwhile met both alike.
        beside = median(found[small].ratios) / median(found[large].ratios)
        print(f"time per invoice at {large:,}: {times:.2f}× that at {small:,}, {beside:.2f}× by the limit beside it")


def measure(profiles: int, pairs: int) -> Comparison:
    """Print how one size does, after its results and statements are checked."""
    months = iter(FIRST.plus(number) for number in range(10_000))
    with own_database():
        seed(profiles, FIRST)
        month = credited(next(months))
        with counted() as counter:
            into_empty = timed(lambda: ours(month))
        wanted = check(month, profiles)
        month = credited(next(months))
        limit(month)
        expect("the limit writes the same", check(month, profiles), wanted)
        each = counter.count / profiles
        if profiles >= MANY:
            expect(f"at most {STATEMENTS_PER_INVOICE} statements per invoice", each <= STATEMENTS_PER_INVOICE, True)
        print(
            f"{profiles:,} invoices of {LINES} lines: {counter.count} statements ({each:.4f} per invoice)", flush=True
        )
        found = compare("billing run", "invoices", ours, limit, pairs=pairs, before=lambda: credited(next(months)))
        for number in range(2, 2 + 2 * pairs):
            expect(f"month {number}", check(FIRST.plus(number), profiles), wanted)
        print(
            f"{found.line(profiles)}; into tables analysed while empty {median(found.limit) / into_empty:.2f} of it; "
            f"peak memory {peak_megabytes():.0f} MB",
            flush=True,
        )
        return found


def seed(profiles: int, first: Month) -> None:
    execute(_SEED, {"profiles": profiles, "lines": LINES, "first": first.first})


def credited(month: Month, *, on: date | None = None) -> Month:
    """Give the credits that the invoices of that month use up, dated as these, and tell the planner of what has grown
    in the month before, as the autovacuum of a server does: the limit has the plans that it can have."""
    execute(_CREDITS, {"on": on or issue_date(month)})
    execute("ANALYZE")
    return month


def ours(month: Month) -> None:
    run_billing(month, on=issue_date(month))


def limit(month: Month) -> None:
    values = {"first": month.first, "last": month.last, "on": issue_date(month)}
    with transaction.atomic():
        # As ours has it: compiling takes longer than doing.
        execute("SET LOCAL jit = off")
        execute("SET LOCAL pgtrigger.ignore = '{}'")
        for statement in _LIMIT:
            execute(statement, values)


def issue_date(month: Month) -> date:
    return month.last + timedelta(days=5)


def check(month: Month, profiles: int) -> dict[str, Any]:
    """What a month comes to, whoever billed it: fails where it does not fit what was sold, and returns the facts."""
    facts = {name: scalar(sql, {"first": month.first}) for name, sql in _FACTS.items()}
    sold = scalar("SELECT sum(round(quantity * unit_price * 100)) FROM subscriptions_subscription")
    expect(
        f"{month}",
        facts,
        facts
        | {
            "invoices": profiles,
            "numbers": profiles,
            "span of the numbers": profiles,
            "net": sold,
            "net of lines": sold,
            "lines": profiles * LINES,
            "VAT": facts["VAT by its groups"],
            "documents": profiles,
            "dispatches": profiles,
            "credits": f"{scalar('SELECT count(DISTINCT (profile_id, source)) FROM invoices_creditlot')} moves",
            "lines of orders": scalar("SELECT count(*) FROM invoices_purchaseorder") * LINES,
            "unused credits": 0,
        },
    )
    return facts


_OF_MONTH = "JOIN invoices_invoice i ON i.id = x.invoice_id AND i.period_start = %(first)s"
_INVOICES = "FROM invoices_invoice i WHERE i.period_start = %(first)s AND i.status = 'due'"
_FACTS = {
    "invoices": f"SELECT count(*) {_INVOICES}",
    "numbers": f"SELECT count(DISTINCT i.number) {_INVOICES}",
    "span of the numbers": "SELECT max(right(i.number, 9)::bigint) - min(right(i.number, 9)::bigint) + 1 " + _INVOICES,
    "net": f"SELECT sum(i.net_minor) {_INVOICES}",
    "net of lines": f"SELECT sum(x.net_minor) FROM invoices_invoiceline x {_OF_MONTH}",
    "lines": f"SELECT count(*) FROM invoices_invoiceline x {_OF_MONTH}",
    "lines of orders": f"SELECT count(x.purchase_order_id) FROM invoices_invoiceline x {_OF_MONTH}",
    "VAT": f"SELECT sum(i.vat_minor) {_INVOICES}",
    "VAT by its groups": f"SELECT sum(round(x.base_minor * x.rate / 100)) FROM invoices_vatgroup x {_OF_MONTH}",
    "VAT by rate": "SELECT string_agg(format('%%s %%s: %%s × %%s', category, rate, number, vat), ', ') FROM ("
    "SELECT x.category, x.rate, count(*) AS number, sum(x.vat_minor) AS vat "
    f"FROM invoices_vatgroup x {_OF_MONTH} GROUP BY x.category, x.rate ORDER BY x.category, x.rate) AS rates",
    "VAT in the seller's currency": f"SELECT sum(i.vat_exchanged_minor) {_INVOICES}",
    "postings": "SELECT string_agg(format('%%s %%s: %%s × %%s', debit, credit, number, amount), ', ') FROM ("
    "SELECT x.debit, x.credit, count(*) AS number, sum(x.amount_minor) AS amount "
    f"FROM invoices_posting x {_OF_MONTH} GROUP BY x.debit, x.credit ORDER BY x.debit, x.credit) AS moves",
    "promotional and prepaid": f"SELECT sum(i.credit_minor) || ' ' || sum(i.prepaid_minor) {_INVOICES}",
    "credits": f"SELECT count(*) || ' moves' FROM invoices_credittransaction x {_OF_MONTH} WHERE x.kind = 'used'",
    "unused credits": "SELECT count(*) FROM invoices_creditlot WHERE balance_minor > 0 AND %(first)s IS NOT NULL",
    "documents": f"SELECT count(*) FROM invoices_document x {_OF_MONTH}",
    "dispatches": f"SELECT count(*) FROM invoices_dispatch x {_OF_MONTH}",
}

# Half are Dutch, one in ten is a French consumer by the one-stop shop, two are German with a VAT id, two American;
# one in fifty pays in dollars. History triggers are for what people do.
_SEED = """
SET session_replication_role = replica;
INSERT INTO accounts_seller (id, legal_name, line1, line2, postal_code, city, country, vat_id, registration_number,
    iban, bic, email, phone, logo, accent, time_zone, number_prefix, payment_term_days, one_stop_shop_from, updated_at)
VALUES (1, 'Vendor Cloud B.V.', 'Stationsplein 45', '', '3013 AK', 'Rotterdam', 'NL', 'NL000099998B57', '24381907',
    'NL91ABNA0417164300', 'ABNANL2A', 'billing@vendor.example', '', '', '', 'Europe/Amsterdam', 'G', 30, '2021-07-01',
    now());
INSERT INTO accounts_organisation (id, code, name, preferred_language, phone, technical_contact_name,
    technical_contact_email, technical_contact_phone, version, created_at)
SELECT n, 'org' || n, 'Organisation ' || n, CASE n %% 2 WHEN 0 THEN 'nl' ELSE 'en' END, '', '', '', '', 1, now()
FROM generate_series(1, 100) n;
INSERT INTO accounts_address (id, kind, company_name, contact_name, email, phone, line1, line2, line3, district, city,
    region, postal_code, country, is_complete, version, updated_at)
SELECT n, CASE n %% 2 WHEN 1 THEN 'sold_to' ELSE 'bill_to' END, 'Company ' || n, 'Accounts payable',
    'facturen@company.example', '+31 10 200 30 40', 'Waalhaven Zuidzijde 21', '', '', '', 'Rotterdam', '', '3089 JH',
    (ARRAY['NL', 'NL', 'NL', 'NL', 'NL', 'FR', 'DE', 'DE', 'US', 'US'])[(n - 1) / 2 %% 10 + 1], true, 1, now()
FROM generate_series(1, %(profiles)s * 2) n;
INSERT INTO accounts_billingaccount (id, code, organisation_id, name, agreement, status, status_note, country, currency,
    sold_to_id, vat_id, registration_number, created_at)
SELECT n, 'account' || n, n %% 100 + 1, 'Account ' || n, 'customer_agreement', 'active', '', a.country,
    CASE n %% 50 WHEN 32 THEN 'USD' ELSE 'EUR' END, a.id,
    CASE a.country WHEN 'DE' THEN 'DE136695976' WHEN 'NL' THEN 'NL000099998B57' ELSE '' END, '', now()
FROM generate_series(1, %(profiles)s) n JOIN accounts_address a ON a.id = n * 2 - 1;
INSERT INTO accounts_vatcheck (account_id, number, status, verified_at, next_check_at, failures, holder, consultation,
    trouble)
SELECT id, vat_id, 'verified', %(first)s::date + 3650, now() + interval '30 days', 0, '', '', ''
FROM accounts_billingaccount WHERE vat_id <> '';
INSERT INTO profiles_billingprofile (id, code, account_id, kind, name, currency, status, bill_to_id, po_number,
    sends_invoices, attaches_pdf, invoice_day, payment_term_days, time_zone, version, created_at)
SELECT n, 'profile' || n, n, 'standard', 'Department ' || n, CASE n %% 50 WHEN 32 THEN 'USD' ELSE 'EUR' END, 'active',
    n * 2, 'PO-' || n, true, true, 5, 30, 'Europe/Amsterdam', 1, %(first)s
FROM generate_series(1, %(profiles)s) n;
INSERT INTO subscriptions_product (id, code, name, name_nl, description, description_nl, service_name, kind, supply,
    is_offered)
SELECT n, 'product' || n, 'Product ' || n, 'Produkt ' || n, '', '', 'Service ' || n, 'own',
    CASE WHEN n IN (46, 47) THEN 'reduced' ELSE 'electronic' END, true
FROM generate_series(1, 50) n;
INSERT INTO subscriptions_subscription (code, account_id, profile_id, name, product_id, term, quantity, unit_price,
    currency, status, started_on, created_at)
SELECT 'subscription' || n || '-' || line, n, n, 'Subscription ' || line, (n + line) %% 50 + 1, 'monthly', n %% 20 + 1,
    (n %% 1000 + line) / 37.0 + 0.0001, CASE n %% 50 WHEN 32 THEN 'USD' ELSE 'EUR' END, 'active',
    least(%(first)s::date + (n %% 31)::int, (%(first)s::date + interval '1 month')::date - 1), now()
FROM generate_series(1, %(profiles)s) n, generate_series(1, %(lines)s) line
ORDER BY n, line;
INSERT INTO invoices_purchaseorder (code, profile_id, number, budget_minor, valid_from, version, created_at)
SELECT 'order' || n, n, 'ORDER-' || n, CASE n %% 12 WHEN 0 THEN 10 ^ 12 END, %(first)s, 1, now()
FROM generate_series(6, %(profiles)s, 6) n;
INSERT INTO invoices_exchangerate (currency, day, rate) SELECT 'USD', %(first)s::date + n, 1.1
FROM generate_series(0, 3650) n;
SET session_replication_role = origin;
ANALYZE accounts_address, accounts_billingaccount, profiles_billingprofile, subscriptions_subscription,
    invoices_purchaseorder;
"""

# One in eight gets a promotional credit each month, one in twelve has paid something in advance; some have both.
# What is sold at two rates gets none, so that the limit needs not divide it.
_CREDITS = """
SET session_replication_role = replica;
WITH lots AS (
    INSERT INTO invoices_creditlot (code, account_id, profile_id, source, currency, original_minor, balance_minor,
        starts_on, expires_on, description, reason, given_at)
    SELECT md5(source || p.id || %(on)s || random()), p.account_id, p.id, source, p.currency, minor, minor, %(on)s,
        CASE source WHEN 'promotion' THEN %(on)s::date END, 'Credit', '', now()
    FROM profiles_billingprofile p, (VALUES
        ('promotion', 10, '{4, 7, 9, 14, 24, 29}'::int[]), ('prepaid', 20, '{1, 4, 12, 27}'::int[])
    ) AS given (source, minor, places)
    WHERE p.id %% 50 = ANY(places)
    RETURNING *
)
INSERT INTO invoices_credittransaction (lot_id, account_id, profile_id, kind, amount_minor, currency, happened_on,
    note, created_at)
SELECT id, account_id, profile_id, 'given', original_minor, currency, starts_on, '', now() FROM lots;
SET session_replication_role = origin;
"""

_SOLD = """jsonb_build_object('company_name', s.company_name, 'contact_name', s.contact_name, 'email', s.email,
    'phone', s.phone, 'line1', s.line1, 'line2', s.line2, 'line3', s.line3, 'district', s.district, 'city', s.city,
    'region', s.region, 'postal_code', s.postal_code, 'country', s.country)"""
_BILL = _SOLD.replace("s.", "b.")
_RATE = """CASE a.country WHEN 'NL' THEN CASE p.supply WHEN 'reduced' THEN 9 ELSE 21 END WHEN 'FR' THEN 20
    ELSE 0 END"""
_CATEGORY = "CASE WHEN a.country IN ('NL', 'FR') THEN 'S' WHEN a.country = 'DE' THEN 'AE' ELSE 'O' END"
_STARTS = "least(%(first)s::date + extract(day FROM s.started_on)::int - 1, %(last)s::date)"
_GIVEN = """SELECT profile_id, sum(balance_minor) FILTER (WHERE source <> 'prepaid') AS credit,
        sum(balance_minor) FILTER (WHERE source = 'prepaid') AS prepaid
    FROM invoices_creditlot WHERE balance_minor > 0 GROUP BY profile_id"""

_LIMIT = [
    "INSERT INTO invoices_billingperiod (profile_id, month) SELECT id, %(first)s FROM profiles_billingprofile",
    # Of a month that was not there before the planner expects one row, and joins the others row by row.
    "ANALYZE invoices_billingperiod",
    f"""INSERT INTO invoices_invoice (code, kind, number, account_id, profile_id, period_id, period_start, period_end,
        issue_date, due_date, currency, status, net_minor, credit_minor, vat_minor, total_minor, prepaid_minor,
        settled_minor, seller, sold_to, bill_to, account_name, profile_name, customer_vat_id, po_number,
        payment_term_days, language, vat_currency, vat_exchanged_minor, exchange_rate, exchange_day)
    SELECT md5(p.id::text || %(first)s), 'invoice',
        n.prefix || lpad((n.next_number + row_number() OVER (ORDER BY p.id) - 1)::text, 9, '0'), a.id, p.id, period.id,
        %(first)s, %(last)s, %(on)s, %(on)s::date + p.payment_term_days, p.currency, 'due', sums.net, sums.credit,
        sums.vat, sums.net - sums.credit + sums.vat, sums.prepaid, 0, '{{}}'::jsonb,
        {_SOLD}, {_BILL}, a.name, p.name, a.vat_id, coalesce(o.number, p.po_number), p.payment_term_days, 'en',
        CASE p.currency WHEN 'EUR' THEN '' ELSE 'EUR' END,
        CASE p.currency WHEN 'USD' THEN round(sums.vat / 1.1) END,
        CASE p.currency WHEN 'USD' THEN 1.1 END, CASE p.currency WHEN 'USD' THEN %(on)s::date END
    FROM profiles_billingprofile p
    JOIN accounts_billingaccount a ON a.id = p.account_id
    JOIN accounts_address s ON s.id = a.sold_to_id
    JOIN accounts_address b ON b.id = p.bill_to_id
    JOIN invoices_billingperiod period ON period.profile_id = p.id AND period.month = %(first)s
    JOIN (
        SELECT g.profile_id, sum(g.net) AS net, max(coalesce(c.credit, 0)) AS credit,
            max(coalesce(c.prepaid, 0)) AS prepaid, sum(round((g.net - coalesce(c.credit, 0)) * g.rate / 100.0)) AS vat
        FROM (
            SELECT s.profile_id, {_RATE} AS rate, sum(round(s.quantity * s.unit_price * 100)) AS net
            FROM subscriptions_subscription s
            JOIN subscriptions_product p ON p.id = s.product_id
            JOIN accounts_billingaccount a ON a.id = s.account_id
            GROUP BY 1, 2
        ) AS g LEFT JOIN ({_GIVEN}) AS c ON c.profile_id = g.profile_id
        GROUP BY g.profile_id
    ) sums ON sums.profile_id = p.id
    LEFT JOIN invoices_purchaseorder o ON o.profile_id = p.id
    CROSS JOIN (SELECT * FROM invoices_numberseries WHERE kind = 'invoice') n""",
    "ANALYZE invoices_invoice (profile_id, period_start)",
    f"""INSERT INTO invoices_invoiceline (invoice_id, position, subscription_id, section, description, service_name,
        quantity, unit, unit_price, service_start, service_end, term_start, net_minor, vat_category, vat_rate,
        purchase_order_id)
    SELECT i.id, row_number() OVER (PARTITION BY i.id ORDER BY s.name), s.id, s.name, p.name, p.service_name,
        s.quantity, '', s.unit_price, {_STARTS}, ({_STARTS} + interval '1 month')::date - 1, {_STARTS},
        round(s.quantity * s.unit_price * 100), {_CATEGORY}, {_RATE}, o.id
    FROM invoices_invoice i
    JOIN accounts_billingaccount a ON a.id = i.account_id
    JOIN subscriptions_subscription s ON s.profile_id = i.profile_id
    JOIN subscriptions_product p ON p.id = s.product_id
    LEFT JOIN invoices_purchaseorder o ON o.profile_id = i.profile_id
    WHERE i.period_start = %(first)s""",
    """INSERT INTO invoices_vatgroup (invoice_id, category, rate, base_minor, credit_minor, vat_minor, wording)
    SELECT i.id, l.vat_category, l.vat_rate, sum(l.net_minor) - i.credit_minor, i.credit_minor,
        round((sum(l.net_minor) - i.credit_minor) * l.vat_rate / 100), ''
    FROM invoices_invoice i JOIN invoices_invoiceline l ON l.invoice_id = i.id
    WHERE i.period_start = %(first)s GROUP BY i.id, l.vat_category, l.vat_rate""",
    """INSERT INTO invoices_posting (account_id, profile_id, invoice_id, reference, debit, credit, amount_minor,
        currency, posted_on)
    SELECT i.account_id, i.profile_id, i.id, 'invoice:' || i.code, part.debit, part.credit, part.amount, i.currency,
        %(on)s
    FROM invoices_invoice i
    CROSS JOIN LATERAL (VALUES
        ('receivable', 'revenue', i.net_minor - i.credit_minor), ('receivable', 'vat', i.vat_minor),
        ('credits', 'revenue', i.credit_minor), ('credits', 'receivable', i.prepaid_minor)
    ) part (debit, credit, amount)
    WHERE i.period_start = %(first)s AND part.amount > 0""",
    """INSERT INTO invoices_credittransaction (lot_id, account_id, profile_id, kind, amount_minor, currency,
        invoice_id, happened_on, note, created_at)
    SELECT l.id, l.account_id, l.profile_id, 'used', -l.balance_minor, l.currency, i.id, %(on)s, '', now()
    FROM invoices_creditlot l JOIN invoices_invoice i ON i.profile_id = l.profile_id
    WHERE l.balance_minor > 0 AND i.period_start = %(first)s""",
    """INSERT INTO invoices_document (invoice_id, kind, status, file, sha256, replaced_characters, last_error)
    SELECT id, 'pdf', 'pending', '', '', '', '' FROM invoices_invoice WHERE period_start = %(first)s""",
    """INSERT INTO invoices_dispatch (invoice_id, status)
    SELECT id, 'pending' FROM invoices_invoice WHERE period_start = %(first)s""",
    """UPDATE invoices_numberseries SET last_issue_date = %(on)s,
        next_number = next_number + (SELECT count(*) FROM invoices_invoice WHERE period_start = %(first)s)
    WHERE kind = 'invoice'""",
]
