"""Guards of this app that the database itself stands."""

import pgtrigger


def nothing_new_when_closed() -> pgtrigger.Trigger:
    """No row is added to a billing account that is closed, whatever else happens at that moment.

    The row of the account is locked as a foreign key locks it, which waits for a closing that is under way: that one
    holds it FOR UPDATE, and so in its turn waits for whoever added something before.
    """
    return pgtrigger.Trigger(
        name="nothing_new_when_closed",
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        declare=[("account_status", "text")],
        func="""
            SELECT status INTO account_status FROM accounts_billingaccount WHERE id = NEW.account_id FOR KEY SHARE;
            IF account_status = 'closed' THEN
                RAISE EXCEPTION 'billing account % is closed', NEW.account_id USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )


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
