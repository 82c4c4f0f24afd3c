"""From drafts to issued documents, a chunk at a time: written, posted, checked, and last of all numbered.

Everything here runs in the caller's transaction, and the statements do not grow with the drafts. What
is slow comes first. The row of the number series is locked by the last statements, when every other
row stands and every foreign key has been checked, so that runs side by side wait for one another for
the numbering alone; the commit ends it. A process that dies anywhere leaves nothing (I8, F01).
"""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _

from accounts.models import Address, Seller
from core.errors import Refused
from core.money import exponent
from core.periods import Month
from invoices.models import InvoiceKind, NumberSeries
from invoices.services.crediting import write_credits

# Credit notes are numbered apart (L3); their numbers never look like those of invoices.
_CREDIT_NOTE_LETTER = "C"

Values = dict[str, Any]


class SumsDiffer(Exception):
    """What was written is not what it should come to; carries the profiles (PR6). The transaction must not commit."""

    def __init__(self, profile_ids: Sequence[int]) -> None:
        super().__init__(f"sums differ on profiles {list(profile_ids)}")
        self.profile_ids = list(profile_ids)


def ensure_series(seller: Seller) -> None:
    """Make the two number series, with the seller's prefix of today; the numbers themselves go on."""
    wanted = {
        InvoiceKind.INVOICE: seller.number_prefix,
        InvoiceKind.CREDIT_NOTE: seller.number_prefix + _CREDIT_NOTE_LETTER,
    }
    # Only a change writes: the rows are locked while another run numbers.
    stored = NumberSeries.objects.filter(kind__in=wanted)
    if dict(stored.values_list("kind", "prefix")) != wanted:
        series = [NumberSeries(kind=kind, prefix=prefix) for kind, prefix in wanted.items()]
        NumberSeries.objects.bulk_create(
            series, update_conflicts=True, unique_fields=["kind"], update_fields=["prefix"]
        )


def write_drafts(month: Month, seller: Seller, *, on: date) -> list[int]:
    """Write the drafts that `compute_drafts` left in its tables; returns the ids of the invoices.

    They carry the purchase order, or else the PO number, that is in force on the day `on`; a subscription with an
    order of its own draws from that (P17).
    Every profile gets its billing period, also one without lines, which gets no document (I7). Addresses are
    those in force on the day of issue, `on`.
    """
    values: Values = {"first": month.first, "last": month.last, "on": on, "seller": json.dumps(seller.snapshot())}
    with connection.cursor() as cursor:
        cursor.execute(_PERIODS, values)
        cursor.execute(_ORDERS, values)
        cursor.execute(_INVOICES, values)
        written = cursor.fetchall()
        ids = [row[0] for row in written]
        if ids:
            cursor.execute(_LINES)
            cursor.execute(_VAT_GROUPS)
            cursor.execute(_CHARGES)
            if any(credits for _id, credits in written):
                write_credits(cursor, values)
        return ids


def issue_drafts(invoice_ids: Sequence[int], *, on: date) -> dict[int, str]:
    """Issue these drafts on that day: postings, document, dispatch, number and dates, all or none. Returns their
    numbers, by their ids; the series are locked from then on, to the end of the caller's transaction.

    Raises SumsDiffer where lines, VAT, postings or charges do not come to what the invoice says, and
    Refused `date_runs_backwards` where the series has a later document already.
    """
    values: Values = {"ids": list(invoice_ids), "on": on}
    with connection.cursor() as cursor:
        cursor.execute(_KINDS, values)
        kinds = cursor.fetchall()
        cursor.execute(_POSTINGS, values)
        if any(row[2] for row in kinds):
            cursor.execute(_CREDIT_POSTINGS, values)
        cursor.execute(_DOCUMENTS, values)
        cursor.execute(_DISPATCHES, values)
        scales = {currency: 10 ** exponent(currency) for _kind, currency, *_rest in kinds}
        cursor.execute(_DIFFERING, {**values, "scales": json.dumps(scales)})
        if differing := [row[0] for row in cursor.fetchall()]:
            raise SumsDiffer(differing)
        # The checks of foreign keys wait for the commit otherwise, when the number series is locked.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        numbers: dict[int, str] = {}
        # In one order everywhere, so that two runs never wait for each other.
        for kind in sorted({kind for kind, *_rest in kinds}):
            # By profile, then by id.
            placed = sorted(pair for row in kinds if row[0] == kind for pair in zip(row[3], row[4], strict=True))
            ids = [invoice_id for _profile_id, invoice_id in placed]
            numbers |= _number(cursor, {"on": on, "kind": kind, "ids": ids, "count": len(ids)})
        return numbers


def _number(cursor: CursorWrapper, values: Values) -> dict[int, str]:
    cursor.execute(_TAKE_NUMBERS, values)
    taken = cursor.fetchone()
    if taken is None:
        raise Refused(
            _("A document of this series has a later date than %(day)s. Choose that date or a later one.")
            % {"day": values["on"]},
            "date_runs_backwards",
        )
    first, prefix = taken
    cursor.execute(_NUMBER, {**values, "first": first, "prefix": prefix, "digits": NumberSeries.DIGITS})
    return dict(cursor.fetchall())


def _copy_of(alias: str) -> str:
    """SQL for what `Address.snapshot()` copies, of the table with that alias."""
    names = Address(country="NL").snapshot()
    copied = "jsonb_build_object(" + ", ".join(f"'{name}', {alias}.{name}" for name in names) + ")"
    # A change that counts by that day and was not written yet, or was written before its time came.
    return f"""({copied} || coalesce((
        SELECT CASE c.status WHEN 'planned' THEN p.values ELSE p.before END
        FROM accounts_plannedaddress p JOIN accounts_plannedchange c ON c.id = p.change_id
        WHERE p.address_id = {alias}.id AND (
            c.status = 'planned' AND c.takes_effect_on <= %(on)s OR c.status = 'applied' AND c.takes_effect_on > %(on)s
        )
        ORDER BY c.status DESC, c.takes_effect_on, c.id LIMIT 1
    ), '{{}}'))"""  # noqa: S608 names of columns


_PERIODS = """
INSERT INTO invoices_billingperiod (profile_id, month)
SELECT profile_id, %(first)s FROM billing_draft ORDER BY profile_id
"""

# Of the orders that are valid on the day and not used up, the first of each profile and of each subscription on it.
_ORDERS = """
INSERT INTO billing_draft_order (profile_id, subscription_id, order_id, number)
SELECT DISTINCT ON (o.profile_id, o.subscription_id) o.profile_id, o.subscription_id, o.id, o.number
FROM invoices_purchaseorder o
WHERE o.profile_id = ANY(ARRAY(SELECT profile_id FROM billing_draft WHERE kind IS NOT NULL))
    AND o.closed_on IS NULL AND o.valid_from <= %(on)s AND (o.valid_until IS NULL OR o.valid_until >= %(on)s)
    AND (o.budget_minor IS NULL OR o.budget_minor > coalesce((
        SELECT sum(CASE x.kind WHEN 'credit_note' THEN -l.net_minor ELSE l.net_minor END)
        FROM invoices_invoiceline l JOIN invoices_invoice x ON x.id = l.invoice_id
        WHERE l.purchase_order_id = o.id AND x.status <> 'draft'
    ), 0))
ORDER BY o.profile_id, o.subscription_id, o.valid_from, o.id
"""

_INVOICES = f"""
INSERT INTO invoices_invoice (
    id, code, kind, account_id, profile_id, period_id, period_start, period_end, currency, status,
    net_minor, credit_minor, vat_minor, total_minor, prepaid_minor, settled_minor,
    seller, sold_to, bill_to, ship_to, account_name, profile_name, customer_vat_id, po_number, payment_term_days,
    language, vat_currency, vat_exchanged_minor, exchange_rate, exchange_day
)
SELECT d.invoice_id, d.code, d.kind, p.account_id, p.id, b.id, %(first)s, %(last)s, d.currency, 'draft',
    d.net, d.credit, d.vat, d.net - d.credit + d.vat, d.prepaid, 0,
    %(seller)s::jsonb, {_copy_of("sold_to")}, {_copy_of("bill_to")},
    CASE WHEN p.ship_to_id IS NULL THEN '{{}}' ELSE {_copy_of("ship_to")} END, a.name, p.name, d.vat_id,
    coalesce(
        o.number,
        CASE WHEN p.coming_po_from <= %(on)s THEN p.coming_po_number ELSE p.po_number END
    ), p.payment_term_days, d.language,
    CASE WHEN d.vat <> 0 THEN coalesce(d.vat_currency, '') ELSE '' END, CASE WHEN d.vat <> 0 THEN d.vat_exchanged END,
    CASE WHEN d.vat <> 0 THEN d.exchange_rate END, CASE WHEN d.vat <> 0 THEN d.exchange_day END
FROM billing_draft d
JOIN invoices_billingperiod b ON b.profile_id = d.profile_id AND b.month = %(first)s
JOIN profiles_billingprofile p ON p.id = d.profile_id
JOIN accounts_billingaccount a ON a.id = p.account_id
JOIN accounts_address sold_to ON sold_to.id = a.sold_to_id
JOIN accounts_address bill_to ON bill_to.id = coalesce(p.bill_to_id, a.bill_to_id)
LEFT JOIN accounts_address ship_to ON ship_to.id = p.ship_to_id
LEFT JOIN billing_draft_order o ON o.profile_id = d.profile_id AND o.subscription_id IS NULL
WHERE d.kind IS NOT NULL
ORDER BY d.invoice_id
RETURNING id, credit_minor + prepaid_minor
"""  # noqa: S608 names of columns

_LINES = """
INSERT INTO invoices_invoiceline (
    id, invoice_id, position, subscription_id, purchase_id, invoice_section, change_id, section, description,
    service_name, quantity, unit, unit_price, service_start, service_end, term_start, net_minor, vat_category, vat_rate,
    purchase_order_id
)
SELECT l.line_id, d.invoice_id, l.position, l.subscription_id, l.purchase_id, l.invoice_section, l.change_id, l.section,
    l.description, l.service_name, l.quantity * d.sign, '', l.unit_price,
    l.service_start, l.service_end, l.term_start, l.net * d.sign, l.category,
    l.rate, coalesce(own.order_id, shared.order_id)
FROM billing_draft d
JOIN billing_draft_line l ON l.profile_id = d.profile_id
LEFT JOIN billing_draft_order own ON own.profile_id = d.profile_id AND own.subscription_id = l.subscription_id
LEFT JOIN billing_draft_order shared ON shared.profile_id = d.profile_id AND shared.subscription_id IS NULL
ORDER BY d.invoice_id, l.position
"""

_VAT_GROUPS = """
INSERT INTO invoices_vatgroup (invoice_id, category, rate, base_minor, credit_minor, vat_minor, wording)
SELECT d.invoice_id, g.category, g.rate, g.base * d.sign, g.credit, g.vat * d.sign, g.wording
FROM billing_draft d JOIN billing_draft_group g ON g.profile_id = d.profile_id
ORDER BY d.invoice_id, g.category, g.rate
"""

_CHARGES = """
UPDATE invoices_charge c SET line_id = l.line_id
FROM billing_draft_charge b
JOIN billing_draft_line l ON l.subscription_id = b.subscription_id AND l.service_name = b.service_name AND l.charges > 0
    AND l.vat_from = b.vat_from
WHERE c.id = b.charge_id
"""

_KINDS = """
SELECT kind, currency, sum(credit_minor + prepaid_minor), array_agg(profile_id), array_agg(id)
FROM invoices_invoice WHERE id = ANY(%(ids)s) GROUP BY kind, currency
"""

# The table of `invoices.services.ledger`; a credit note is posted the other way round.
_POSTINGS = """
INSERT INTO invoices_posting (
    account_id, profile_id, invoice_id, reference, debit, credit, amount_minor, currency, posted_on
)
SELECT i.account_id, i.profile_id, i.id, 'invoice:' || i.code,
    CASE i.kind WHEN 'invoice' THEN 'receivable' ELSE part.account END,
    CASE i.kind WHEN 'invoice' THEN part.account ELSE 'receivable' END,
    part.amount, i.currency, %(on)s
FROM invoices_invoice i
CROSS JOIN LATERAL (
    VALUES ('revenue', i.net_minor - i.credit_minor), ('vat', i.vat_minor)
) AS part (account, amount)
WHERE i.id = ANY(%(ids)s) AND part.amount > 0
ORDER BY i.id
"""

# What the credits pay: of the charges before VAT, and of the total.
_CREDIT_POSTINGS = """
INSERT INTO invoices_posting (
    account_id, profile_id, invoice_id, reference, debit, credit, amount_minor, currency, posted_on
)
SELECT i.account_id, i.profile_id, i.id, 'invoice:' || i.code,
    CASE i.kind WHEN 'invoice' THEN 'credits' ELSE part.account END,
    CASE i.kind WHEN 'invoice' THEN part.account ELSE 'credits' END,
    part.amount, i.currency, %(on)s
FROM invoices_invoice i
CROSS JOIN LATERAL (
    VALUES ('revenue', i.credit_minor), ('receivable', i.prepaid_minor)
) AS part (account, amount)
WHERE i.id = ANY(%(ids)s) AND part.amount > 0
ORDER BY i.id
"""

_DOCUMENTS = """
INSERT INTO invoices_document (invoice_id, kind, status, file, sha256, replaced_characters, last_error)
SELECT id, 'pdf', 'pending', '', '', '', '' FROM unnest(%(ids)s::bigint[]) AS id ORDER BY id
"""

_DISPATCHES = """
INSERT INTO invoices_dispatch (invoice_id, status)
SELECT id, 'pending' FROM unnest(%(ids)s::bigint[]) AS id ORDER BY id
"""

# What stands in the tables now, added up anew.
_DIFFERING = """
SELECT i.profile_id
FROM invoices_invoice i
CROSS JOIN LATERAL (
    SELECT coalesce(sum(net_minor), 0) AS net FROM invoices_invoiceline WHERE invoice_id = i.id
) AS lines
CROSS JOIN LATERAL (
    SELECT coalesce(sum(base_minor), 0) AS base, coalesce(sum(vat_minor), 0) AS vat,
        coalesce(sum(credit_minor), 0) AS credit,
        -- A credit note takes what is left of a rate, to the cent, after those before it were rounded.
        coalesce(bool_and(abs(vat_minor - round(base_minor * rate / 100))
            <= CASE WHEN i.period_id IS NULL THEN 50 ELSE 0 END), false) AS holds
    FROM invoices_vatgroup WHERE invoice_id = i.id
) AS groups
CROSS JOIN LATERAL (
    SELECT coalesce(sum(CASE 'receivable' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor END), 0) AS owed
    FROM invoices_posting WHERE invoice_id = i.id
) AS posted
WHERE i.id = ANY(%(ids)s) AND NOT (
    lines.net = i.net_minor AND groups.base = i.net_minor - i.credit_minor AND groups.credit = i.credit_minor
    AND groups.vat = i.vat_minor AND groups.holds
    AND posted.owed = CASE i.kind
        WHEN 'invoice' THEN i.total_minor - i.prepaid_minor ELSE i.prepaid_minor - i.total_minor END
)
UNION
SELECT i.profile_id
FROM invoices_invoice i
CROSS JOIN LATERAL (
    SELECT id, net_minor FROM invoices_invoiceline WHERE invoice_id = i.id AND unit_price IS NULL OFFSET 0
) AS line
CROSS JOIN LATERAL (SELECT sum(cost) AS cost FROM invoices_charge WHERE line_id = line.id) AS charged
WHERE i.id = ANY(%(ids)s) AND round(charged.cost * (%(scales)s::jsonb ->> i.currency)::numeric)
    <> CASE i.kind WHEN 'invoice' THEN line.net_minor ELSE -line.net_minor END
"""

_TAKE_NUMBERS = """
UPDATE invoices_numberseries SET next_number = next_number + %(count)s, last_issue_date = %(on)s
WHERE kind = %(kind)s AND (last_issue_date IS NULL OR last_issue_date <= %(on)s)
RETURNING next_number - %(count)s, prefix
"""

# The ids are in the order of the numbers: others wait for this statement, and looking for it would take them longer.
# Nothing is owed on an invoice of zero; a credit note falls due on no day but its own.
_NUMBER = """
UPDATE invoices_invoice i
SET number = %(prefix)s || lpad((%(first)s + place.of_draft - 1)::text, %(digits)s, '0'),
    issue_date = %(on)s,
    due_date = CASE i.kind WHEN 'invoice' THEN %(on)s::date + i.payment_term_days ELSE %(on)s::date END,
    status = CASE WHEN i.total_minor = i.prepaid_minor THEN 'paid' ELSE 'due' END
FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS place (id, of_draft)
WHERE i.id = place.id
RETURNING i.id, i.number
"""
