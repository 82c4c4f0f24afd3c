"""What must hold in the data whatever happened, each as one statement that finds the rows where it does not.

The database holds most of these by constraint or trigger; here they are asked again, of a live database,
so that a restore, a migration or a hand at the console cannot break one unseen. The numbers are those of
the quality page of the design.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from iso4217 import Currency

from core.money import exponent
from invoices.documents.archive import FOLDER
from payments.services.papers import FOLDER as PAPERS

SHOWN = 20
ORPHANED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Invariant:
    """`sql` selects one text per violation and nothing where all is well."""

    id: str
    statement: str
    sql: str


@dataclass(frozen=True)
class Violation:
    invariant: str
    statement: str
    detail: str


def _exponents() -> str:
    """How many decimals each currency has, as rows of SQL."""
    known = [each.code for each in Currency if each.exponent is not None]
    return ", ".join(f"('{code}', {exponent(code)})" for code in known)


# The triggers without which an issued document could change, and the beginnings of their names.
GUARDS = (
    ("invoices_invoice", "issued_is_final"),
    ("invoices_invoice", "issued_is_kept"),
    ("invoices_invoiceline", "line_of_issued_is_final"),
    ("invoices_vatgroup", "vat_of_issued_is_final"),
    ("invoices_document", "made_is_final"),
    ("invoices_posting", "no_update_or_delete"),
    ("invoices_correction", "no_update_or_delete"),
    ("invoices_correction", "credited_within_the_original"),
    ("invoices_creditedline", "no_update_or_delete"),
    ("invoices_creditedline", "credited_within_the_line"),
    ("invoices_offset", "no_update_or_delete"),
    ("invoices_creditlot", "credit_lot_is_final"),
    ("invoices_credittransaction", "no_update_or_delete"),
    ("invoices_credittransaction", "credit_moves_by_the_rules"),
)


def _guards() -> str:
    return ", ".join(f"('{table}', '{name}')" for table, name in GUARDS)


INVARIANTS = (
    Invariant(
        "I1",
        "What the ledger says a customer owes on an invoice is what the invoice says",
        """
        WITH ledger AS (
            SELECT invoice_id,
                   sum(CASE WHEN debit = 'receivable' THEN amount_minor
                            WHEN credit = 'receivable' THEN -amount_minor ELSE 0 END) AS owed
            FROM invoices_posting WHERE invoice_id IS NOT NULL GROUP BY invoice_id)
        SELECT coalesce(i.number, i.code) || ': the ledger has ' || coalesce(l.owed, 0)
        FROM invoices_invoice i LEFT JOIN ledger l ON l.invoice_id = i.id
        WHERE i.status <> 'draft' AND i.status <> 'void'
          AND coalesce(l.owed, 0) <> CASE i.kind
              WHEN 'invoice' THEN i.total_minor - i.prepaid_minor - i.settled_minor
              ELSE i.settled_minor + i.prepaid_minor - i.total_minor END
        UNION ALL
        SELECT 'posting ' || id || ': ' || debit || ' and ' || credit || ', ' || amount_minor
        FROM invoices_posting WHERE debit = credit OR amount_minor <= 0
        """,
    ),
    Invariant(
        "I2",
        "The lines of an invoice add up to its net",
        """
        SELECT coalesce(i.number, i.code) || ': lines ' || coalesce(sum(l.net_minor), 0) || ', net ' || i.net_minor
        FROM invoices_invoice i LEFT JOIN invoices_invoiceline l ON l.invoice_id = i.id
        WHERE i.status <> 'draft'
        GROUP BY i.id HAVING abs(coalesce(sum(l.net_minor), 0)) <> i.net_minor
        """,
    ),
    Invariant(
        "I3",
        "VAT is the rate of each group on the group's sum, rounded once, half up",
        """
        SELECT coalesce(i.number, i.code) || ': ' || g.category || ' ' || g.rate
        FROM invoices_vatgroup g JOIN invoices_invoice i ON i.id = g.invoice_id
        LEFT JOIN LATERAL (
            SELECT sum(l.net_minor) AS net FROM invoices_invoiceline l
            WHERE l.invoice_id = i.id AND l.vat_category = g.category AND l.vat_rate = g.rate) lines ON true
        WHERE i.status <> 'draft'
          AND (abs(g.vat_minor - round(g.base_minor * g.rate / 100))
                  > CASE WHEN EXISTS (SELECT 1 FROM invoices_correction c WHERE c.credit_note_id = i.id)
                    THEN (SELECT count(*) FROM invoices_correction x JOIN invoices_correction c
                          ON x.original_id = c.original_id WHERE c.credit_note_id = i.id) - 1 ELSE 0 END
               OR abs(coalesce(lines.net, 0)) <> abs(g.base_minor) + g.credit_minor)
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': VAT of the groups ' || coalesce(sum(g.vat_minor), 0)
        FROM invoices_invoice i LEFT JOIN invoices_vatgroup g ON g.invoice_id = i.id
        WHERE i.status <> 'draft' GROUP BY i.id HAVING abs(coalesce(sum(g.vat_minor), 0)) <> i.vat_minor
        """,
    ),
    Invariant(
        "I4",
        "Net less credit, and VAT on it, make the total; no amount is below zero",
        """
        SELECT coalesce(number, code) FROM invoices_invoice
        WHERE total_minor <> net_minor - credit_minor + vat_minor
           OR least(net_minor, vat_minor, total_minor, credit_minor, prepaid_minor, net_minor - credit_minor) < 0
           OR settled_minor < 0 OR settled_minor > total_minor - prepaid_minor
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': credit of the groups ' || coalesce(sum(g.credit_minor), 0)
        FROM invoices_invoice i LEFT JOIN invoices_vatgroup g ON g.invoice_id = i.id
        WHERE i.status <> 'draft'
        GROUP BY i.id HAVING coalesce(sum(g.credit_minor), 0) <> i.credit_minor
           OR coalesce(sum(g.base_minor), 0) <> i.net_minor - i.credit_minor
        """,
    ),
    Invariant(
        "I6",
        "Every issued document has a number and dates, and no draft has one",
        """
        SELECT coalesce(number, code) FROM invoices_invoice
        WHERE (status = 'draft') <> (number IS NULL)
           OR (status <> 'draft' AND (issue_date IS NULL OR due_date IS NULL OR due_date < issue_date))
        """,
    ),
    Invariant(
        "I7",
        "The months of a profile follow each other, and each has one invoice at most, of its own dates",
        """
        SELECT p.name || ': nothing for the month before ' || b.month
        FROM invoices_billingperiod b JOIN profiles_billingprofile p ON p.id = b.profile_id
        WHERE b.month > (SELECT min(month) FROM invoices_billingperiod WHERE profile_id = b.profile_id)
          AND NOT EXISTS (SELECT 1 FROM invoices_billingperiod x WHERE x.profile_id = b.profile_id
                          AND x.month = (b.month - interval '1 month')::date)
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': its dates are not those of its period'
        FROM invoices_invoice i JOIN invoices_billingperiod b ON b.id = i.period_id
        WHERE i.profile_id <> b.profile_id OR i.period_start <> b.month
           OR i.period_end <> (b.month + interval '1 month - 1 day')::date
        UNION ALL
        SELECT p.name || ': ' || b.month || ' was billed ' || count(*) || ' times'
        FROM invoices_billingperiod b JOIN profiles_billingprofile p ON p.id = b.profile_id
        GROUP BY p.id, b.month HAVING count(*) > 1
        UNION ALL
        SELECT 'draft ' || code || ': holds a period and was never issued'
        FROM invoices_invoice WHERE status = 'draft' AND period_id IS NOT NULL
        """,
    ),
    Invariant(
        "I8",
        "A series runs from 1 without a gap or a double, and its dates do not run backwards",
        """
        WITH taken AS (
            SELECT kind, number, issue_date FROM invoices_invoice WHERE number IS NOT NULL
            UNION ALL
            SELECT 'receipt', receipt_number, NULL FROM payments_payment WHERE receipt_number IS NOT NULL),
        numbered AS (
            SELECT kind, number, issue_date,
                   CASE WHEN number ~ '[0-9]{9}$' THEN right(number, 9)::bigint ELSE 0 END AS place,
                   lag(issue_date) OVER (PARTITION BY kind ORDER BY right(number, 9)) AS date_before,
                   row_number() OVER (PARTITION BY kind ORDER BY right(number, 9)) AS rank
            FROM taken)
        SELECT kind || ': ' || number || ' stands at place ' || rank FROM numbered WHERE place <> rank
        UNION ALL
        SELECT kind || ': ' || number || ' is older than the one before' FROM numbered WHERE issue_date < date_before
        UNION ALL
        SELECT s.kind || ': the next number is ' || s.next_number || ' after ' || coalesce(max(n.place), 0)
        FROM invoices_numberseries s LEFT JOIN numbered n ON n.kind = s.kind
        GROUP BY s.kind, s.next_number HAVING s.next_number <> coalesce(max(n.place), 0) + 1
        UNION ALL
        SELECT i.number || ': no document or no dispatch' FROM invoices_invoice i
        WHERE i.number IS NOT NULL
          AND (NOT EXISTS (SELECT 1 FROM invoices_document d WHERE d.invoice_id = i.id)
               OR NOT EXISTS (SELECT 1 FROM invoices_dispatch d WHERE d.invoice_id = i.id))
        """,
    ),
    Invariant(
        "I9",
        "Every issued invoice names both parties in full; one with reverse charge has both VAT ids and no VAT",
        """
        SELECT i.number FROM invoices_invoice i
        WHERE i.status <> 'draft' AND (
            '' IN (coalesce(i.seller->>'legal_name', ''), coalesce(i.seller->>'vat_id', ''),
                   coalesce(i.seller->>'line1', ''), coalesce(i.seller->>'city', ''),
                   coalesce(i.sold_to->>'company_name', ''), coalesce(i.sold_to->>'line1', ''),
                   coalesce(i.sold_to->>'country', ''))
            OR EXISTS (SELECT 1 FROM invoices_vatgroup g WHERE g.invoice_id = i.id AND g.category = 'AE'
                       AND (g.vat_minor <> 0 OR i.customer_vat_id = '')))
        """,
    ),
    Invariant(
        "I10",
        "A payment is allocated for what it is, in its own account and currency, and no invoice takes more than it is",
        """
        SELECT 'payment ' || p.code FROM payments_payment p
        LEFT JOIN payments_allocation a ON a.payment_id = p.id AND (p.settled_at IS NULL OR a.status = 'settled')
        LEFT JOIN invoices_creditlot l ON l.id = p.balance_lot_id
        GROUP BY p.id, l.id HAVING coalesce(sum(a.amount_minor), 0) + coalesce(l.original_minor, 0) <> p.amount_minor
        UNION ALL
        SELECT 'payment ' || p.code || ' on ' || coalesce(i.number, i.code)
        FROM payments_allocation a JOIN payments_payment p ON p.id = a.payment_id
        JOIN invoices_invoice i ON i.id = a.invoice_id
        WHERE p.account_id <> i.account_id OR p.currency <> i.currency
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': settled ' || i.settled_minor || ', of that by payments, set off, '
            || 'written off and by balance ' || s.minor
        FROM invoices_invoice i CROSS JOIN LATERAL (
            SELECT coalesce(sum(minor), 0) AS minor FROM (
                SELECT a.amount_minor - coalesce(
                    (SELECT sum(r.amount_minor) FROM payments_refundpart r WHERE r.allocation_id = a.id), 0) AS minor
                FROM payments_allocation a JOIN payments_payment p ON p.id = a.payment_id
                WHERE a.invoice_id = i.id AND a.status = 'settled' AND p.status NOT IN ('charged_back', 'undone')
                UNION ALL
                SELECT o.amount_minor FROM invoices_offset o WHERE i.id IN (o.invoice_id, o.credit_note_id)
                UNION ALL
                SELECT w.amount_minor FROM payments_writeoff w WHERE w.invoice_id = i.id AND w.status = 'done'
                UNION ALL
                SELECT -t.amount_minor FROM invoices_credittransaction t WHERE t.invoice_id = i.id AND t.kind = 'paid'
            ) settling) s
        WHERE s.minor > i.settled_minor
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': set off with ' || n.number || ' of another profile'
        FROM invoices_offset o JOIN invoices_invoice i ON i.id = o.invoice_id
        JOIN invoices_invoice n ON n.id = o.credit_note_id
        WHERE i.profile_id <> n.profile_id OR i.currency <> o.currency OR n.currency <> o.currency
           OR i.kind <> 'invoice' OR n.kind <> 'credit_note'
        UNION ALL
        SELECT i.number || ': set off for ' || sum(o.amount_minor)
        FROM invoices_offset o JOIN invoices_invoice i ON i.id IN (o.invoice_id, o.credit_note_id)
        GROUP BY i.id HAVING sum(o.amount_minor) > i.total_minor - i.prepaid_minor
        UNION ALL
        SELECT i.number || ': credited ' || sum(n.total_minor) || ' of ' || i.total_minor
        FROM invoices_correction c JOIN invoices_invoice i ON i.id = c.original_id
        JOIN invoices_invoice n ON n.id = c.credit_note_id
        GROUP BY i.id HAVING sum(n.net_minor) > i.net_minor OR sum(n.credit_minor) > i.credit_minor
           OR sum(n.vat_minor) > i.vat_minor OR sum(n.prepaid_minor) > i.prepaid_minor
           OR (bool_or(c.is_full) AND (sum(n.total_minor), sum(n.prepaid_minor))
               <> (i.total_minor::numeric, i.prepaid_minor::numeric))
        UNION ALL
        SELECT i.number || ', line ' || l.position || ': credited ' || sum(x.net_minor) || ' of ' || l.net_minor
        FROM invoices_creditedline x JOIN invoices_invoiceline l ON l.id = x.line_id
        JOIN invoices_invoice i ON i.id = l.invoice_id
        GROUP BY i.id, l.id
        HAVING sum(x.net_minor) NOT BETWEEN least(l.net_minor, 0) AND greatest(l.net_minor, 0)
        """,
    ),
    Invariant(
        "I11",
        "An invoice is paid when nothing is owed on it, and only then",
        """
        SELECT coalesce(number, code) || ': ' || status || ' with ' || amount_due_minor || ' due' FROM invoices_invoice
        WHERE (status = 'paid' AND kind = 'invoice' AND amount_due_minor <> 0)
           OR (status = 'due' AND amount_due_minor <= 0)
        UNION ALL
        SELECT i.number || ': void, and not credited in full' FROM invoices_invoice i
        WHERE i.status = 'void' AND NOT EXISTS (
            SELECT 1 FROM invoices_correction c WHERE c.original_id = i.id AND c.is_full)
        UNION ALL
        SELECT i.number || ': locked, and not disputed' FROM invoices_invoice i
        WHERE i.status = 'locked' AND NOT EXISTS (
            SELECT 1 FROM invoices_dispute d WHERE d.invoice_id = i.id AND d.status = 'open')
        UNION ALL
        SELECT i.number || ': disputed for ' || i.disputed_minor || ', and ' || i.status FROM invoices_invoice i
        WHERE (i.disputed_minor > 0) <> EXISTS (
                SELECT 1 FROM invoices_dispute d WHERE d.invoice_id = i.id AND d.status = 'open')
           OR (i.status IN ('due', 'locked') AND i.disputed_minor > 0
               AND (i.status = 'locked') <> (i.disputed_minor >= i.amount_due_minor))
        """,
    ),
    Invariant(
        "I12",
        "At most one attempt whose outcome is open holds an invoice, and only such an attempt does",
        """
        SELECT coalesce(i.number, i.code) || ': ' || count(*) || ' open attempts'
        FROM payments_allocation a JOIN invoices_invoice i ON i.id = a.invoice_id
        WHERE a.status = 'held' GROUP BY i.id HAVING count(*) > 1
        UNION ALL
        SELECT 'payment ' || p.code || ': ' || p.status || ' but ' || a.status
        FROM payments_allocation a JOIN payments_payment p ON p.id = a.payment_id
        WHERE (a.status = 'held') <> (p.status IN ('created', 'requires_action', 'processing', 'unknown'))
           OR (p.status IN ('failed', 'cancelled') AND a.status <> 'released')
        """,
    ),
    Invariant(
        "I15",
        "Every payment that succeeded is in the ledger once, with its amount, and has a receipt",
        """
        SELECT 'payment ' || p.code || ': posted ' || coalesce(sum(l.amount_minor), 0)
        FROM payments_payment p
        LEFT JOIN invoices_posting l ON l.reference = 'payment:' || p.code AND l.credit IN ('receivable', 'credits')
        WHERE p.status IN ('succeeded', 'partially_refunded', 'refunded', 'charged_back')
        GROUP BY p.id HAVING coalesce(sum(l.amount_minor), 0) <> p.amount_minor
        UNION ALL
        SELECT 'payment ' || code || ': no receipt' FROM payments_payment
        WHERE status = 'succeeded' AND receipt_number IS NULL
        """,
    ),
    Invariant(
        "I17",
        "No more of a payment goes back than came",
        """
        SELECT 'payment ' || p.code || ': ' || sum(r.amount_minor) || ' of ' || p.amount_minor
        FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
        WHERE r.status NOT IN ('declined', 'failed')
        GROUP BY p.id HAVING sum(r.amount_minor) > p.amount_minor
        UNION ALL
        SELECT 'refund ' || r.id || ': its parts come to ' || coalesce(sum(t.amount_minor), 0)
        FROM payments_refund r LEFT JOIN payments_refundpart t ON t.refund_id = r.id
        WHERE r.status = 'given_back' GROUP BY r.id HAVING coalesce(sum(t.amount_minor), 0) <> r.amount_minor
        """,
    ),
    Invariant(
        "I18",
        "A credit is what its moves leave of it, within its days, on its own profile, and all are in the ledger",
        """
        SELECT 'credit ' || l.code || ': ' || l.balance_minor || ' left, its moves ' || coalesce(sum(t.amount_minor), 0)
        FROM invoices_creditlot l LEFT JOIN invoices_credittransaction t ON t.lot_id = l.id
        GROUP BY l.id
        HAVING coalesce(sum(t.amount_minor), 0) <> l.balance_minor OR l.balance_minor NOT BETWEEN 0 AND l.original_minor
        UNION ALL
        SELECT 'credit ' || l.code || ': used on ' || t.happened_on || ', usable from ' || l.starts_on
            || coalesce(' until ' || l.expires_on, '')
        FROM invoices_credittransaction t JOIN invoices_creditlot l ON l.id = t.lot_id
        WHERE t.kind = 'used' AND (t.happened_on < l.starts_on OR t.happened_on > l.expires_on)
        UNION ALL
        SELECT 'credit ' || l.code || ': used on ' || i.number || ' of another profile'
        FROM invoices_credittransaction t JOIN invoices_creditlot l ON l.id = t.lot_id
        JOIN invoices_invoice i ON i.id = t.invoice_id
        WHERE i.account_id <> l.account_id OR i.currency <> l.currency
           OR (t.kind = 'used' AND i.profile_id <> t.profile_id)
        UNION ALL
        SELECT 'profile ' || t.profile_id || ': its credits hold ' || coalesce(max(l.left_minor), 0)
            || ', its moves ' || sum(t.amount_minor)
        FROM invoices_credittransaction t
        LEFT JOIN (SELECT profile_id, sum(balance_minor) AS left_minor FROM invoices_creditlot GROUP BY profile_id) l
            ON l.profile_id = t.profile_id
        GROUP BY t.profile_id HAVING sum(t.amount_minor) <> coalesce(max(l.left_minor), 0)
        UNION ALL
        SELECT currency || ': credits hold ' || coalesce(sum(held), 0) || ', the ledger ' || coalesce(sum(posted), 0)
        FROM (
            SELECT currency, balance_minor AS held, 0 AS posted FROM invoices_creditlot
            UNION ALL
            SELECT currency, 0, CASE 'credits' WHEN credit THEN amount_minor ELSE -amount_minor END
            FROM invoices_posting WHERE 'credits' IN (debit, credit)) both_sides
        GROUP BY currency HAVING sum(held) <> sum(posted)
        """,
    ),
    Invariant(
        "I19",
        "A direct debit that nobody started was announced as many days before as its mandate asks for",
        """
        SELECT 'payment ' || p.code FROM payments_payment p
        WHERE p.family = 'direct_debit' AND p.initiated_by = 'automatic' AND NOT EXISTS (
            SELECT 1 FROM payments_debitnotice n
            JOIN payments_mandate m ON m.id = n.mandate_id AND m.method_id = p.method_id
            JOIN payments_allocation a ON a.invoice_id = n.invoice_id AND a.payment_id = p.id
            WHERE n.announced_at::date + m.notice_days <= p.created_at::date)
        """,
    ),
    Invariant(
        "I36",
        "Nothing goes on in a closed account: no open billing profile, no running subscription, nothing offered",
        """
        SELECT a.code || ': ' || found.what FROM accounts_billingaccount a
        CROSS JOIN LATERAL (
            SELECT 'billing profile ' || code AS what FROM profiles_billingprofile
            WHERE account_id = a.id AND status <> 'closed'
            UNION ALL
            SELECT 'subscription ' || code FROM subscriptions_subscription
            WHERE account_id = a.id AND status NOT IN ('cancelled', 'deleted')
            UNION ALL
            SELECT 'invitation ' || code FROM accounts_invitation WHERE account_id = a.id AND status = 'pending'
            UNION ALL
            SELECT 'planned change ' || id FROM accounts_plannedchange WHERE account_id = a.id AND status = 'planned'
        ) AS found
        WHERE a.status = 'closed'
        """,
    ),
    Invariant(
        "I20",
        "Every open account has somebody who owns it, or an invitation to; online services has one administrator",
        """
        SELECT a.name || ': nobody' FROM accounts_billingaccount a
        WHERE a.status <> 'closed'
          AND NOT EXISTS (SELECT 1 FROM accounts_accountrole r JOIN accounts_user u ON u.id = r.user_id
                          WHERE r.account_id = a.id AND u.is_active AND r.expires_on IS NULL
                            AND r.role IN ('account_owner', 'account_administrator'))
          AND NOT EXISTS (SELECT 1 FROM accounts_invitation i WHERE i.account_id = a.id AND i.status <> 'accepted'
                            AND i.role IN ('account_owner', 'account_administrator'))
        UNION ALL
        SELECT a.name || ': ' || count(*) || ' administrators' FROM accounts_billingaccount a
        JOIN accounts_accountrole r ON r.account_id = a.id AND r.role = 'account_administrator'
        GROUP BY a.id HAVING count(*) > 1 OR a.agreement <> 'online_services'
        """,
    ),
    Invariant(
        "I21",
        "What hangs on a profile hangs on the account of that profile",
        """
        SELECT 'invoice ' || coalesce(i.number, i.code) FROM invoices_invoice i
        JOIN profiles_billingprofile p ON p.id = i.profile_id WHERE p.account_id <> i.account_id
        UNION ALL
        SELECT 'subscription ' || s.code FROM subscriptions_subscription s
        JOIN profiles_billingprofile p ON p.id = s.profile_id WHERE p.account_id <> s.account_id
        UNION ALL
        SELECT 'move of subscription ' || s.code FROM subscriptions_subscriptionmove m
        JOIN subscriptions_subscription s ON s.id = m.subscription_id
        JOIN profiles_billingprofile p ON p.id IN (m.from_profile_id, m.to_profile_id)
        WHERE p.account_id <> s.account_id
        UNION ALL
        SELECT 'payment ' || x.code FROM payments_payment x
        JOIN profiles_billingprofile p ON p.id = x.profile_id WHERE p.account_id <> x.account_id
        UNION ALL
        SELECT 'payment method ' || m.code FROM payments_paymentmethod m
        JOIN profiles_billingprofile p ON p.id = m.profile_id WHERE p.account_id <> m.account_id
        UNION ALL
        SELECT 'charge ' || c.id FROM invoices_charge c
        JOIN subscriptions_subscription s ON s.id = c.subscription_id WHERE s.account_id <> c.account_id
        """,
    ),
    Invariant(
        "I25",
        "A dispatched invoice has one delivery per address, each with its own message",
        """
        SELECT coalesce(i.number, i.code) || ': not sent although it has deliveries'
        FROM invoices_dispatch d JOIN invoices_invoice i ON i.id = d.invoice_id
        WHERE d.status <> 'expanded' AND EXISTS (SELECT 1 FROM invoices_delivery x WHERE x.invoice_id = i.id)
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': ' || lower(v.email) || ' twice'
        FROM invoices_delivery v JOIN invoices_invoice i ON i.id = v.invoice_id
        GROUP BY i.id, lower(v.email) HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I28",
        "A document that is ready names its file, digest and size",
        """
        SELECT coalesce(i.number, i.code) FROM invoices_document d JOIN invoices_invoice i ON i.id = d.invoice_id
        WHERE d.status = 'ready' AND (d.file = '' OR length(d.sha256) <> 64 OR coalesce(d.size_bytes, 0) = 0)
        """,
    ),
    Invariant(
        "I31",
        "A term, a change and a one-off are billed once, at one price that counts, in the currency of the account",
        """
        SELECT s.code || ': the term from ' || l.term_start || ' was billed ' || count(*) || ' times'
        FROM invoices_invoiceline l JOIN subscriptions_subscription s ON s.id = l.subscription_id
        WHERE l.term_start IS NOT NULL GROUP BY s.id, l.term_start HAVING count(*) > 1
        UNION ALL
        SELECT p.code || ': this one-off was billed ' || count(*) || ' times'
        FROM invoices_invoiceline l JOIN subscriptions_purchase p ON p.id = l.purchase_id
        GROUP BY p.id HAVING count(*) > 1
        UNION ALL
        SELECT s.code || ': the change from ' || c.counts_from || ' was billed ' || count(*) || ' times'
        FROM invoices_invoiceline l JOIN subscriptions_subscriptionchange c ON c.id = l.change_id
        JOIN subscriptions_subscription s ON s.id = c.subscription_id GROUP BY s.id, c.id HAVING count(*) > 1
        UNION ALL
        SELECT s.code || ': the change from ' || c.counts_from || ' was billed as ' || l.net_minor
        FROM invoices_invoiceline l JOIN subscriptions_subscriptionchange c ON c.id = l.change_id
        JOIN subscriptions_subscription s ON s.id = c.subscription_id JOIN invoices_invoice i ON i.id = l.invoice_id
        WHERE l.subscription_id <> s.id
           OR c.net_minor <> l.net_minor * CASE i.kind WHEN 'invoice' THEN 1 ELSE -1 END
        UNION ALL
        SELECT s.code || ': the change from ' || c.counts_from || ' was not billed with its month'
        FROM subscriptions_subscriptionchange c JOIN subscriptions_subscription s ON s.id = c.subscription_id
        WHERE c.net_minor <> 0 AND s.last_move_on IS NULL
          AND NOT EXISTS (SELECT 1 FROM invoices_invoiceline l WHERE l.change_id = c.id)
          AND EXISTS (SELECT 1 FROM invoices_billingperiod b WHERE b.profile_id = s.profile_id
                      AND b.month >= date_trunc('month', c.counts_from) AND b.created_at > c.created_at)
        UNION ALL
        SELECT s.code || ': the change from ' || c.counts_from || ' does not follow the one before'
        FROM (SELECT *, lag(quantity_after) OVER w AS quantity, lag(counts_from) OVER w AS day,
                     lag(product_after_id) OVER w AS product
              FROM subscriptions_subscriptionchange WINDOW w AS (PARTITION BY subscription_id ORDER BY id)) c
        JOIN subscriptions_subscription s ON s.id = c.subscription_id
        WHERE c.day > c.counts_from OR c.quantity <> c.quantity_before OR c.product <> c.product_before_id
        UNION ALL
        SELECT coalesce(i.number, i.code) || ': ' || i.currency || ', not ' || p.currency
        FROM invoices_invoice i JOIN profiles_billingprofile p ON p.id = i.profile_id WHERE i.currency <> p.currency
        UNION ALL
        SELECT p.code || ': two prices ' || a.term || ' in ' || a.currency || ' count on ' || b.valid_from
        FROM subscriptions_price a JOIN subscriptions_product p ON p.id = a.product_id
        JOIN subscriptions_price b ON b.product_id = a.product_id AND b.currency = a.currency AND b.term = a.term
        WHERE b.id <> a.id AND b.valid_from BETWEEN a.valid_from AND coalesce(a.valid_until, 'infinity')
        """,
    ),
    Invariant(
        "I32",
        "A charge is on one line of its own account's invoice at most, and lines agree with their charges",
        f"""
        SELECT 'charge ' || c.id FROM invoices_charge c JOIN invoices_invoiceline l ON l.id = c.line_id
        JOIN invoices_invoice i ON i.id = l.invoice_id
        WHERE i.account_id <> c.account_id OR l.subscription_id <> c.subscription_id OR i.currency <> c.currency
        UNION ALL
        SELECT i.number || ', line ' || l.position || ': ' || l.net_minor || ', its charges ' || sum(c.cost)
        FROM invoices_charge c JOIN invoices_invoiceline l ON l.id = c.line_id
        JOIN invoices_invoice i ON i.id = l.invoice_id AND i.status <> 'draft'
        JOIN (VALUES {_exponents()}) AS known (currency, exponent) ON known.currency = i.currency
        GROUP BY i.id, l.id, known.exponent
        HAVING round(sum(c.cost) * 10 ^ known.exponent::numeric)
            <> l.net_minor * CASE i.kind WHEN 'invoice' THEN 1 ELSE -1 END
        """,  # noqa: S608 codes of ISO 4217
    ),
    Invariant(
        "I33",
        "Every moment in the database says in which zone it is",
        """
        SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND data_type = 'timestamp without time zone'
        """,
    ),
    Invariant(
        "I35",
        "The guards that keep issued documents as they were are in place and switched on",
        f"""
        SELECT guard.on_table || ': ' || guard.name FROM (VALUES {_guards()}) AS guard (on_table, name)
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_trigger t WHERE t.tgrelid = to_regclass(guard.on_table) AND t.tgenabled IN ('O', 'A')
                AND t.tgname LIKE 'pgtrigger_' || guard.name || '%')
        """,  # noqa: S608 names of tables and triggers
    ),
)


_KEPT_FILES = """
    SELECT file, sha256, size_bytes FROM invoices_document WHERE status = 'ready'
    UNION ALL SELECT file, sha256, size_bytes FROM payments_paper WHERE status = 'ready'
"""


def find_violations(*, files: bool = False) -> Iterator[Violation]:
    """Every violation, from one read-only snapshot; at most SHOWN and a count per invariant.

    With `files`, every stored document is read and its digest compared as well (I28).
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not connection.savepoint_ids:  # the snapshot of a test is its own transaction
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for invariant in INVARIANTS:
            cursor.execute(invariant.sql)
            yield from _described(invariant, cursor.fetchall())
        if files:
            cursor.execute(_KEPT_FILES)
            documents = cursor.fetchall()
            for name, sha256, size in documents:
                if (wrong := _wrong_file(name, sha256, size)) is not None:
                    yield Violation("I28", "Every document has its file, with its digest and size", wrong)
            known = {name for name, _sha256, _size in documents}
            for orphan in (*_orphans(known), *_orphans(known, PAPERS)):
                yield Violation("I28", "Every file older than a day belongs to a document", orphan)


def _described(invariant: Invariant, rows: list[Any]) -> Iterator[Violation]:
    for row in rows[:SHOWN]:
        yield Violation(invariant.id, invariant.statement, str(row[0]))
    if len(rows) > SHOWN:
        yield Violation(invariant.id, invariant.statement, f"and {len(rows) - SHOWN} more")


def _wrong_file(name: str, sha256: str, size: int) -> str | None:
    try:
        with default_storage.open(name) as file:
            content = file.read()
    except OSError as error:
        return f"{name}: {error.strerror or error}"
    if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
        return f"{name}: not what was stored"
    return None


def _orphans(known: set[str], folder: str = FOLDER) -> Iterator[str]:
    """Stored files that no document names; a young one may belong to a document that is just being made."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in (f"{folder}/{file}" for file in files):
        if name not in known and default_storage.get_modified_time(name) < timezone.now() - ORPHANED_AFTER:
            yield name
    for below in folders:
        yield from _orphans(known, f"{folder}/{below}")
