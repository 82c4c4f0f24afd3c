"""The invoice list and the invoice page against a bare Django page: session, user, one indexed query, a template.

Both are asked in this process through Django's test client, in turn. The list is asked for its first
page, a late one, a filter and a search, at several sizes; the invoice page with five and with a thousand lines.

    python benchmarks/run.py pages [--short] [--invoices 10000 1000000]

`--short` is for CI: it fails on results and on statements, never on time.
"""

import argparse
import logging
from collections.abc import Callable
from statistics import median
from time import perf_counter, time

from common import browser, counted, execute, expect, own_database
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client, override_settings
from django.urls import include, path

from accounts.models import User
from core.lists import key_of
from invoices.models import Invoice

STATEMENTS = 8
ROUNDS, ASKED = 5, 20

BARE = engines["django"].from_string(
    "<!doctype html><title>Invoices</title><p>{{ request.user.email }}</p><table>{% for invoice in rows %}"
    "<tr><td>{{ invoice.number }}<td>{{ invoice.issue_date }}<td>{{ invoice.total_minor }}</tr>{% endfor %}</table>"
)


@login_required
def bare(request: HttpRequest, account: int) -> HttpResponse:
    rows = Invoice.objects.issued().filter(account_id=account).order_by("-issue_date", "-id")[:25]
    return HttpResponse(BARE.render({"rows": rows}, request))


urlpatterns = [path("bare/<int:account>/", bare), path("", include("billing_portal.urls"))]

# The least that a signed-in page needs.
BARE_MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="pages", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="2,000 and 20,000 invoices, fewer rounds")
    parser.add_argument("--invoices", type=int, nargs="+", default=[10_000, 1_000_000])
    options = parser.parse_args(arguments)
    sizes = [2_000, 20_000] if options.short else options.invoices
    logging.disable(logging.INFO)  # a line per answer, to a terminal, is not what is measured
    with override_settings(ROOT_URLCONF=__name__):
        firsts = {size: measure(size, rounds=1 if options.short else ROUNDS) for size in sizes}
    small, large = min(sizes), max(sizes)
    print(f"invoice list at {large:,}: {firsts[large] / firsts[small]:.2f}x that at {small:,} (bare pages taken out)")


def measure(invoices: int, rounds: int) -> float:
    """Print how one size does; returns the list's first page in bare pages."""
    with own_database():
        execute(_SEED, {"invoices": invoices})
        execute("ANALYZE")
        user = User.objects.get()
        portal, plain = browser(), client_of_bare()
        for client in (portal, plain):
            sign_in(client, user)
        code, account = Invoice.objects.values_list("account__code", "account_id")[0]
        address, bare_address = f"/billing-accounts/{code}/invoices/", f"/bare/{account}/"
        late = Invoice.objects.order_by("-issue_date", "-id")[invoices * 9 // 10]
        few, many = (Invoice.objects.get(number=f"G{number:09}").code for number in (1, 3))
        pages = {
            "first page": address,
            "late page": address + late_key(late),
            "filter": address + "?status=paid",
            "search": address + f"?number={late.number[:9]}",
            "invoice, 5 lines": f"/invoices/{few}/",
            "invoice, 1,000 lines": f"/invoices/{many}/",
        }
        asks: dict[str, Callable[[], HttpResponse]] = {
            name: lambda address=address: portal.get(address) for name, address in pages.items()
        }
        asks["bare"] = lambda: plain.get(bare_address)
        statements = check(asks)
        medians = {name: [] for name in asks}
        for _round in range(rounds):
            for name, ask in asks.items():
                medians[name].append(median(seconds(ask) for _ in range(ASKED)))
        print(f"{invoices:,} invoices; a bare page answers in {median(medians['bare']) * 1000:.1f} ms here")
        for name in pages:
            ratios = [ours / limit for ours, limit in zip(medians[name], medians["bare"], strict=True)]
            print(
                f"  {name}: {statements[name]} statements, {median(ratios):.2f}x a bare page "
                f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {rounds} rounds)",
                flush=True,
            )
        return median(ours / limit for ours, limit in zip(medians["first page"], medians["bare"], strict=True))


def client_of_bare() -> Client:
    """A client whose handler loads the bare middleware, and keeps it."""
    with override_settings(MIDDLEWARE=BARE_MIDDLEWARE):
        client = browser()
        client.handler.load_middleware()
    return client


def sign_in(client: Client, user: User) -> None:
    """As somebody who pays invoices is signed in: with a second factor."""
    client.force_login(user)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": time(), "type": "totp"}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


def check(asks: dict[str, Callable[[], HttpResponse]]) -> dict[str, int]:
    """Every page answers with what it should, in at most as many statements as it may."""
    counts = {}
    for name, ask in asks.items():
        expect(f"{name} answers", ask().status_code, 200)
        with counted() as counter:
            text = ask().content.decode()
        counts[name] = counter.count
        rows = text.count("<tr")
        if name in {"first page", "late page", "filter", "bare"}:
            expect(f"rows of {name}", rows >= 25, True)
    for name in ("first page", "late page", "filter", "search"):
        expect(f"at most {STATEMENTS} statements for {name}", counts[name] <= STATEMENTS, True)
    # Lines on several pages take the sums of their sections, and their number, from all of them.
    # It says what changed since the one before, which has as many.
    expect("the changes are told", "Line 1000" in asks["invoice, 1,000 lines"]().text, True)
    beyond = counts["invoice, 1,000 lines"] - counts["invoice, 5 lines"]
    expect("statements of 1,000 lines beyond those of 5", beyond, 1)
    return counts


def seconds(ask: Callable[[], HttpResponse]) -> float:
    began = perf_counter()
    ask()
    return perf_counter() - began


def late_key(invoice: Invoice) -> str:
    """The address of the page after that invoice, as the list itself writes it."""

    return f"?after={key_of(invoice, ['-issue_date', '-id'])}"


_SEED = """
WITH organisation AS (
    INSERT INTO accounts_organisation (code, name, preferred_language, phone, technical_contact_name,
                                       technical_contact_email, technical_contact_phone, version, created_at)
    VALUES ('benchorganisation', 'Bench', 'en', '', '', '', '', 1, now()) RETURNING id),
person AS (
    INSERT INTO accounts_user (password, is_superuser, email, name, language, color_mode, contact_email,
                               alternate_email, phone, is_active, is_staff, date_joined)
    VALUES ('!', false, 'bench@alfa.example', 'Bench', 'en', 'auto', '', '', '', true, false, now()) RETURNING id),
address AS (
    INSERT INTO accounts_address (kind, company_name, contact_name, email, phone, line1, line2, line3, district, city,
                                  region, postal_code, country, is_complete, version, updated_at)
    SELECT kind, 'Bench B.V.', '', '', '', 'Kade 1', '', '', '', 'Rotterdam', '', '3011 AA', 'NL', true, 1, now()
    FROM unnest(ARRAY['sold_to', 'bill_to']) AS kind RETURNING id, kind),
account AS (
    INSERT INTO accounts_billingaccount (code, name, agreement, status, status_note, country, currency, vat_id,
                                         registration_number, created_at, organisation_id, sold_to_id)
    SELECT 'benchaccount00000001', 'Bench B.V.', 'customer_agreement', 'active', '', 'NL', 'EUR', '', '', now(),
           organisation.id, address.id
    FROM organisation, address WHERE address.kind = 'sold_to' RETURNING id),
role AS (
    INSERT INTO accounts_accountrole (role, assigned_at, account_id, user_id)
    SELECT 'account_owner', now(), account.id, person.id FROM account, person),
profile AS (
    INSERT INTO profiles_billingprofile (code, kind, name, currency, status, po_number, sends_invoices, attaches_pdf,
                                         invoice_day, payment_term_days, time_zone, version, created_at, account_id,
                                         bill_to_id)
    SELECT 'benchprofile00000001', 'standard', 'Bench', 'EUR', 'active', '', false, true, 5, 30, 'Europe/Amsterdam', 1,
           now(), account.id, address.id
    FROM account, address WHERE address.kind = 'bill_to' RETURNING id, account_id),
period AS (
    INSERT INTO invoices_billingperiod (profile_id, month)
    SELECT profile.id, date '2010-01-01' + make_interval(months => n) FROM profile, generate_series(1, 3) AS n
    RETURNING id, month),
invoice AS (
    INSERT INTO invoices_invoice (code, kind, number, period_id, period_start, period_end, issue_date, due_date,
                                  currency, status, net_minor, vat_minor, total_minor, prepaid_minor, settled_minor,
                                  seller, sold_to, bill_to, account_name, profile_name, customer_vat_id, po_number,
                                  payment_term_days, language, account_id, profile_id)
    SELECT md5(n::text), 'invoice', 'G' || lpad(n::text, 9, '0'), period.id, day, day, day, day + 30, 'EUR',
           CASE WHEN n > %(invoices)s - 40 THEN 'due' ELSE 'paid' END,
           10000, 2100, 12100, 0, CASE WHEN n > %(invoices)s - 40 THEN 0 ELSE 12100 END,
           '{"legal_name": "Vendor", "iban": "NL91ABNA0417164300"}', '{}', '{"company_name": "Bench B.V."}',
           'Bench B.V.', 'Bench', '', '', 30, 'en', profile.account_id, profile.id
    FROM generate_series(1, %(invoices)s) AS n CROSS JOIN profile
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n <= 3 THEN date '2010-01-01' + make_interval(months => n)
            ELSE date '2026-11-01' - ((%(invoices)s - n) * 3650 / %(invoices)s)::int END::date AS day) AS dated
    LEFT JOIN period ON period.month = day AND n <= 3
    RETURNING id, number)
INSERT INTO invoices_invoiceline (position, section, description, service_name, quantity, unit, unit_price,
                                  service_start, service_end, net_minor, vat_category, vat_rate, invoice_id)
SELECT place, 'Production', 'Line ' || place, 'Compute', 1, '', 1, '2026-10-01', '2026-10-31',
    CASE WHEN invoice.number = 'G000000003' AND place %% 5 = 0 THEN 150 ELSE 100 END, 'S', 21, invoice.id
FROM invoice, LATERAL generate_series(1, CASE invoice.number WHEN 'G000000001' THEN 5 ELSE 1000 END) AS place
WHERE invoice.number IN ('G000000001', 'G000000002', 'G000000003')
"""
