"""Guards of this app that the database itself stands."""

import pgtrigger


def last_owner_stays() -> pgtrigger.Trigger:
    """An account that has an owner keeps one, whatever two people do at once (I20, M3).

    Looked at when the transaction commits, one account at a time: its row is locked before its owners
    are counted. The person is deactivated by a service, which asks the same.
    """
    return pgtrigger.Trigger(
        name="last_owner_stays",
        when=pgtrigger.After,
        operation=pgtrigger.Update | pgtrigger.Delete,
        timing=pgtrigger.Deferred,
        condition=pgtrigger.Q(old__role__in=["account_owner", "account_administrator"], old__expires_on__isnull=True),
        func="""
            PERFORM 1 FROM accounts_billingaccount WHERE id = OLD.account_id FOR NO KEY UPDATE;
            IF NOT EXISTS (
                SELECT 1 FROM accounts_accountrole
                WHERE account_id = OLD.account_id
                    AND role IN ('account_owner', 'account_administrator') AND expires_on IS NULL
            ) AND EXISTS (
                SELECT 1 FROM accounts_billingaccount WHERE id = OLD.account_id AND status <> 'closed'
            ) THEN
                RAISE EXCEPTION 'account % would be left without an owner', OLD.account_id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )
