"""Access control of an account with many people and profiles against a bare Django page.

    python benchmarks/run.py access [--short] [--people 1000] [--profiles 500]

`--short` is for CI: it fails on results and on statements, never on time.
"""

import argparse
import logging
from statistics import median

import pages
from common import browser, counted, execute, expect, own_database
from django.test import override_settings

from accounts.models import AccountRole, User
from invoices.models import Invoice
from profiles.models import BillingProfile

STATEMENTS = 8
INVOICES = 100


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="access", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--profiles", type=int, default=500)
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)  # a line per answer, to a terminal, is not what is measured
    with override_settings(ROOT_URLCONF="pages"), own_database():
        measure(options.people, options.profiles, rounds=1 if options.short else pages.ROUNDS)


def measure(people: int, profiles: int, rounds: int) -> None:
    """Print how the page does, first and late, searched and filtered."""
    execute(pages._SEED, {"invoices": INVOICES})
    execute(_PEOPLE, {"people": people})
    execute(_PROFILES, {"profiles": profiles})
    execute(_ROLES)
    execute("ANALYZE")
    expect("people with a role on the account", AccountRole.objects.count(), people + 1)
    expect("billing profiles", BillingProfile.objects.count(), profiles + 1)
    user = User.objects.get(email="bench@alfa.example")
    portal, plain = browser(), pages.client_of_bare()
    for client in (portal, plain):
        pages.sign_in(client, user)
    code, account = Invoice.objects.values_list("account__code", "account_id")[0]
    address = f"/billing-accounts/{code}/access/"
    asked = {
        "bare": lambda: plain.get(f"/bare/{account}/"),
        "first page": lambda: portal.get(address),
        "search": lambda: portal.get(f"{address}?q=person"),
        "filter": lambda: portal.get(f"{address}?role=account_reader"),
    }
    statements = {}
    for name, ask in asked.items():
        expect(f"{name} answers", ask().status_code, 200)
        with counted() as counter:
            text = ask().content.decode()
        statements[name] = counter.count
        expect(f"rows of {name}", text.count("<tr") >= 25, True)
        expect(f"at most {STATEMENTS} statements for {name}", counter.count <= STATEMENTS, True)
    medians: dict[str, list[float]] = {name: [] for name in asked}
    for _round in range(rounds):
        for name, ask in asked.items():
            medians[name].append(median(pages.seconds(ask) for _ in range(pages.ASKED)))
    print(f"{people:,} people, {profiles:,} profiles; a bare page answers in {median(medians['bare']) * 1000:.1f} ms")
    for name in list(asked)[1:]:
        ratios = [ours / limit for ours, limit in zip(medians[name], medians["bare"], strict=True)]
        print(
            f"  {name}: {statements[name]} statements, {median(ratios):.2f}x a bare page "
            f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {rounds} rounds)"
        )


_PEOPLE = """
WITH person AS (
    INSERT INTO accounts_user (password, is_superuser, email, name, language, color_mode, contact_email,
                               alternate_email, phone, is_active, is_staff, date_joined)
    SELECT '!', false, 'person' || n || '@alfa.example', 'Person ' || n, 'en', 'auto', '', '', '', true, false, now()
    FROM generate_series(1, %(people)s) AS n RETURNING id)
INSERT INTO accounts_accountrole (role, assigned_at, account_id, user_id)
SELECT 'account_reader', now(), account.id, person.id FROM person, accounts_billingaccount AS account
"""

_PROFILES = """
WITH address AS (
    INSERT INTO accounts_address (kind, company_name, contact_name, email, phone, line1, line2, line3, district, city,
                                  region, postal_code, country, is_complete, version, updated_at)
    SELECT 'bill_to', 'Bench B.V.', '', '', '', 'Kade 1', '', '', '', 'Rotterdam', '', '3011 AA', 'NL', true, 1, now()
    FROM generate_series(1, %(profiles)s) RETURNING id)
INSERT INTO profiles_billingprofile (code, kind, name, currency, status, po_number, sends_invoices, attaches_pdf,
                                     invoice_day, payment_term_days, time_zone, version, created_at, account_id,
                                     bill_to_id)
SELECT 'bench' || lpad(address.id::text, 15, '0'), 'standard', 'Department ' || address.id, 'EUR', 'active', '', false,
       true, 5, 30, 'Europe/Amsterdam', 1, now(), account.id, address.id
FROM address, accounts_billingaccount AS account
"""

_ROLES = """
INSERT INTO profiles_profilerole (role, assigned_at, profile_id, user_id)
SELECT 'profile_reader', now(), profile.id, person.id
FROM profiles_billingprofile AS profile,
     LATERAL (SELECT id FROM accounts_user WHERE id % 50 = profile.id % 50) AS person
"""
