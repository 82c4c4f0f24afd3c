"""The guard of what the law keeps (L5): rows of an invoice cannot be deleted before their time is over."""

import pgtrigger

# From the end of the year of issue; longer where VAT of another country was charged, through the one-stop shop.
_YEARS = """
    CASE WHEN i.sold_to->>'country' IS DISTINCT FROM i.seller->>'country'
              AND EXISTS (SELECT 1 FROM invoices_vatgroup g WHERE g.invoice_id = i.id AND g.rate > 0)
         THEN 10 ELSE 7 END
"""


def kept_by_law() -> pgtrigger.Trigger:
    """The rows hang on an invoice by `invoice_id`."""
    return pgtrigger.Trigger(
        name="kept",
        when=pgtrigger.Before,
        operation=pgtrigger.Delete,
        func=f"""
            IF EXISTS (
                SELECT 1 FROM invoices_invoice i WHERE i.id = OLD.invoice_id
                AND (i.issue_date IS NULL
                     OR date_part('year', i.issue_date) + {_YEARS} >= date_part('year', current_date))
            ) THEN RAISE EXCEPTION 'the law keeps this for some years more' USING ERRCODE = 'check_violation';
            END IF;
            RETURN OLD;
        """,  # noqa: S608 a piece of our own
    )
