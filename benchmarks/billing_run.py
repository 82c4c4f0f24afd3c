"""The billing run against one set-based INSERT … SELECT into the same tables with all their constraints.

The limit knows everything beforehand: it writes finished invoices with their lines, VAT, postings,
documents and dispatches by one statement each, in one transaction, and asks nothing. Ours decides,
drafts, adds up anew, numbers, and keeps apart what is wrong. Invoices have five lines. Both bill
months of the same profiles in turn, so that they meet the same tables.

    python benchmarks/run.py billing_run [--short] [--long] [--profiles 10000 100000]

Four workers over Redis against one are measured by `billing_workers`.

`--short` is for CI: it fails on results and on statements, never on time.
"""

import argparse
from datetime import date, timedelta
from statistics import median

from common import compare, counted, execute, expect, own_database, peak_megabytes, scalar, timed
from django.db import transaction

from core.periods import Month
from invoices.services.run import run_billing

LINES = 5
FIRST = Month(2026, 1)
STATEMENTS_PER_INVOICE = 0.02
# From so many on: below, the forty statements of a run itself are most of them.
MANY = 10_000


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="billing_run", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="2,000 and 20,000 invoices, one pair")
    parser.add_argument("--profiles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--long", action="store_true", help="a million profiles too")
    options = parser.parse_args(arguments)
    if options.long:
        options.profiles = [*options.profiles, 1_000_000]
    sizes, pairs = ([2_000, 20_000], 1) if options.short else (options.profiles, options.pairs)
    seconds = {size: measure(size, pairs) for size in sorted(sizes)}
    small = min(seconds)
    for large in sorted(seconds)[1:]:
        print(f"time per invoice at {large:,}: {seconds[large] / seconds[small]:.2f}× that at {small:,}")


def measure(profiles: int, pairs: int) -> float:
    """Print how one size does, after its results and statements are checked; returns our median seconds per invoice."""
    months = iter(FIRST.plus(number) for number in range(10_000))
    with own_database():
        execute(_SEED, {"profiles": profiles, "lines": LINES, "first": FIRST.first})
        month = next(months)
        with counted() as counter:
            into_empty = timed(lambda: ours(month))
        check(month, profiles)
        month = next(months)
        limit(month)
        check(month, profiles)
        each = counter.count / profiles
        if profiles >= MANY:
            expect(f"at most {STATEMENTS_PER_INVOICE} statements per invoice", each <= STATEMENTS_PER_INVOICE, True)
        print(
            f"{profiles:,} invoices of {LINES} lines: {counter.count} statements ({each:.4f} per invoice); "
            f"into empty tables {profiles / into_empty:,.0f}/s"
        )
        found = compare("billing run", "invoices", lambda: ours(next(months)), lambda: limit(next(months)), pairs=pairs)
        print(f"{found.line(profiles)}; peak memory {peak_megabytes():.0f} MB", flush=True)
        return median(found.ours) / profiles


def ours(month: Month) -> None:
    run_billing(month, on=issue_date(month))


def limit(month: Month) -> None:
    values = {"first": month.first, "last": month.last, "on": issue_date(month)}
    with transaction.atomic():
        for statement in _LIMIT:
            execute(statement, values)


def issue_date(month: Month) -> date:
    return month.last + timedelta(days=5)


def check(month: Month, profiles: int) -> None:
    """What a month comes to, whoever billed it."""
    facts = {name: scalar(sql, {"first": month.first}) for name, sql in _FACTS.items()}
    wanted = scalar("SELECT sum(round(quantity * unit_price * 100)) FROM subscriptions_subscription")
    expect(
        f"{month}",
        facts,
        {
            "invoices": profiles,
            "numbers": profiles,
            "span of the numbers": profiles,
            "net": wanted,
            "net of lines": wanted,
            "lines": profiles * LINES,
            "VAT": facts["VAT by its groups"],
            "VAT by its groups": facts["VAT by its groups"],
            "posted": wanted + facts["VAT"],
            "documents and dispatches": profiles * 2,
        },
    )


_OF_MONTH = "JOIN invoices_invoice i ON i.id = x.invoice_id AND i.period_start = %(first)s"
_INVOICES = "FROM invoices_invoice i WHERE i.period_start = %(first)s AND i.status = 'due'"
_FACTS = {
    "invoices": f"SELECT count(*) {_INVOICES}",
    "numbers": f"SELECT count(DISTINCT i.number) {_INVOICES}",
    "span of the numbers": "SELECT max(right(i.number, 9)::bigint) - min(right(i.number, 9)::bigint) + 1 " + _INVOICES,
    "net": f"SELECT sum(i.net_minor) {_INVOICES}",
    "net of lines": f"SELECT sum(x.net_minor) FROM invoices_invoiceline x {_OF_MONTH}",
    "lines": f"SELECT count(*) FROM invoices_invoiceline x {_OF_MONTH}",
    "VAT": f"SELECT sum(i.vat_minor) {_INVOICES}",
    "VAT by its groups": f"SELECT sum(round(x.base_minor * x.rate / 100)) FROM invoices_vatgroup x {_OF_MONTH}",
    "posted": f"SELECT sum(x.amount_minor) FROM invoices_posting x {_OF_MONTH} WHERE x.debit = 'receivable'",
    "documents and dispatches": f"SELECT (SELECT count(*) FROM invoices_document x {_OF_MONTH})"
    f" + (SELECT count(*) FROM invoices_dispatch x {_OF_MONTH})",
}

# Six in ten are Dutch, two German with a VAT id, two American. History triggers are for what people do.
_SEED = """
SET session_replication_role = replica;
INSERT INTO accounts_seller (id, legal_name, line1, line2, postal_code, city, country, vat_id, registration_number,
    iban, bic, email, phone, logo, accent, time_zone, number_prefix, payment_term_days, updated_at)
VALUES (1, 'Vendor Cloud B.V.', 'Stationsplein 45', '', '3013 AK', 'Rotterdam', 'NL', 'NL000099998B57', '24381907',
    'NL91ABNA0417164300', 'ABNANL2A', 'billing@vendor.example', '', '', '', 'Europe/Amsterdam', 'G', 30, now());
INSERT INTO accounts_organisation (id, code, name, preferred_language, phone, technical_contact_name,
    technical_contact_email, technical_contact_phone, version, created_at)
SELECT n, 'org' || n, 'Organisation ' || n, CASE n %% 2 WHEN 0 THEN 'nl' ELSE 'en' END, '', '', '', '', 1, now()
FROM generate_series(1, 100) n;
INSERT INTO accounts_address (id, kind, company_name, contact_name, email, phone, line1, line2, line3, district, city,
    region, postal_code, country, is_complete, version, updated_at)
SELECT n, CASE n %% 2 WHEN 1 THEN 'sold_to' ELSE 'bill_to' END, 'Company ' || n, 'Accounts payable',
    'facturen@company.example', '+31 10 200 30 40', 'Waalhaven Zuidzijde 21', '', '', '', 'Rotterdam', '', '3089 JH',
    (ARRAY['NL', 'NL', 'NL', 'NL', 'NL', 'NL', 'DE', 'DE', 'US', 'US'])[(n - 1) / 2 %% 10 + 1], true, 1, now()
FROM generate_series(1, %(profiles)s * 2) n;
INSERT INTO accounts_billingaccount (id, code, organisation_id, name, agreement, status, country, currency, sold_to_id,
    vat_id, registration_number, created_at)
SELECT n, 'account' || n, n %% 100 + 1, 'Account ' || n, 'customer_agreement', 'active', a.country, 'EUR', a.id,
    CASE a.country WHEN 'DE' THEN 'DE136695976' WHEN 'NL' THEN 'NL000099998B57' ELSE '' END, '', now()
FROM generate_series(1, %(profiles)s) n JOIN accounts_address a ON a.id = n * 2 - 1;
INSERT INTO accounts_vatcheck (account_id, number, status, verified_at, next_check_at, failures, holder, consultation,
    trouble)
SELECT id, vat_id, 'verified', %(first)s::date + 3650, now() + interval '30 days', 0, '', '', ''
FROM accounts_billingaccount WHERE vat_id <> '';
INSERT INTO profiles_billingprofile (id, code, account_id, kind, name, currency, status, bill_to_id, po_number,
    sends_invoices, attaches_pdf, invoice_day, payment_term_days, time_zone, version, created_at)
SELECT n, 'profile' || n, n, 'standard', 'Department ' || n, 'EUR', 'active', n * 2, 'PO-' || n, true, true, 5, 30,
    'Europe/Amsterdam', 1, %(first)s
FROM generate_series(1, %(profiles)s) n;
INSERT INTO subscriptions_product (id, code, name, name_nl, description, description_nl, service_name, kind,
    is_offered)
SELECT n, 'product' || n, 'Product ' || n, 'Produkt ' || n, '', '', 'Service ' || n, 'own', true
FROM generate_series(1, 50) n;
INSERT INTO subscriptions_subscription (code, account_id, profile_id, name, product_id, term, quantity, unit_price,
    currency, status, started_on, created_at)
SELECT 'subscription' || n || '-' || line, n, n, 'Subscription ' || line, (n + line) %% 50 + 1, 'monthly', n %% 20 + 1,
    (n %% 1000 + line) / 37.0 + 0.0001, 'EUR', 'active', %(first)s::date + (n %% 31)::int, now()
FROM generate_series(1, %(profiles)s) n, generate_series(1, %(lines)s) line
ORDER BY n, line;
SET session_replication_role = origin;
ANALYZE accounts_address, accounts_billingaccount, profiles_billingprofile, subscriptions_subscription;
"""

_SOLD = """jsonb_build_object('company_name', s.company_name, 'contact_name', s.contact_name, 'email', s.email,
    'phone', s.phone, 'line1', s.line1, 'line2', s.line2, 'line3', s.line3, 'district', s.district, 'city', s.city,
    'region', s.region, 'postal_code', s.postal_code, 'country', s.country)"""
_BILL = _SOLD.replace("s.", "b.")
_RATE = "CASE a.country WHEN 'NL' THEN 21 ELSE 0 END"
_CATEGORY = "CASE a.country WHEN 'NL' THEN 'S' WHEN 'DE' THEN 'AE' ELSE 'O' END"
_STARTS = "least(%(first)s::date + extract(day FROM s.started_on)::int - 1, %(last)s::date)"

_LIMIT = [
    "INSERT INTO invoices_billingperiod (profile_id, month) SELECT id, %(first)s FROM profiles_billingprofile",
    f"""INSERT INTO invoices_invoice (code, kind, number, account_id, profile_id, period_id, period_start, period_end,
        issue_date, due_date, currency, status, net_minor, vat_minor, total_minor, prepaid_minor, settled_minor, seller,
        sold_to, bill_to, account_name, profile_name, customer_vat_id, po_number, payment_term_days, language)
    SELECT md5(p.id::text || %(first)s), 'invoice',
        n.prefix || lpad((n.next_number + row_number() OVER (ORDER BY p.id) - 1)::text, 9, '0'), a.id, p.id, period.id,
        %(first)s, %(last)s, %(on)s, %(on)s::date + p.payment_term_days, p.currency, 'due', sums.net,
        round(sums.net * {_RATE} / 100.0), sums.net + round(sums.net * {_RATE} / 100.0), 0, 0, '{{}}'::jsonb,
        {_SOLD}, {_BILL}, a.name, p.name, a.vat_id, p.po_number, p.payment_term_days, 'en'
    FROM profiles_billingprofile p
    JOIN accounts_billingaccount a ON a.id = p.account_id
    JOIN accounts_address s ON s.id = a.sold_to_id
    JOIN accounts_address b ON b.id = p.bill_to_id
    JOIN invoices_billingperiod period ON period.profile_id = p.id AND period.month = %(first)s
    JOIN (
        SELECT profile_id, sum(round(quantity * unit_price * 100)) AS net FROM subscriptions_subscription
        GROUP BY profile_id
    ) sums ON sums.profile_id = p.id
    CROSS JOIN (SELECT * FROM invoices_numberseries WHERE kind = 'invoice') n""",
    f"""INSERT INTO invoices_invoiceline (invoice_id, position, subscription_id, section, description, service_name,
        quantity, unit, unit_price, service_start, service_end, term_start, net_minor, vat_category, vat_rate)
    SELECT i.id, row_number() OVER (PARTITION BY i.id ORDER BY s.name), s.id, s.name, p.name, p.service_name,
        s.quantity, '', s.unit_price, {_STARTS}, ({_STARTS} + interval '1 month')::date - 1, {_STARTS},
        round(s.quantity * s.unit_price * 100), {_CATEGORY}, {_RATE}
    FROM invoices_invoice i
    JOIN accounts_billingaccount a ON a.id = i.account_id
    JOIN subscriptions_subscription s ON s.profile_id = i.profile_id
    JOIN subscriptions_product p ON p.id = s.product_id
    WHERE i.period_start = %(first)s""",
    f"""INSERT INTO invoices_vatgroup (invoice_id, category, rate, base_minor, vat_minor, wording)
    SELECT i.id, {_CATEGORY}, {_RATE}, i.net_minor, i.vat_minor, '' FROM invoices_invoice i
    JOIN accounts_billingaccount a ON a.id = i.account_id WHERE i.period_start = %(first)s""",
    """INSERT INTO invoices_posting (account_id, profile_id, invoice_id, reference, debit, credit, amount_minor,
        currency, posted_on)
    SELECT i.account_id, i.profile_id, i.id, 'invoice:' || i.code, 'receivable', part.account, part.amount, i.currency,
        %(on)s
    FROM invoices_invoice i
    CROSS JOIN LATERAL (VALUES ('revenue', i.net_minor), ('vat', i.vat_minor)) part (account, amount)
    WHERE i.period_start = %(first)s AND part.amount > 0""",
    """INSERT INTO invoices_document (invoice_id, kind, status, file, sha256, replaced_characters, last_error)
    SELECT id, 'pdf', 'pending', '', '', '', '' FROM invoices_invoice WHERE period_start = %(first)s""",
    """INSERT INTO invoices_dispatch (invoice_id, status)
    SELECT id, 'pending' FROM invoices_invoice WHERE period_start = %(first)s""",
    """UPDATE invoices_numberseries SET last_issue_date = %(on)s,
        next_number = next_number + (SELECT count(*) FROM invoices_invoice WHERE period_start = %(first)s)
    WHERE kind = 'invoice'""",
]
