"""Guards of this app that the database itself stands."""

import pgtrigger


def last_owner_stays() -> pgtrigger.Trigger:
    """A profile that has an owner keeps one, of its own or of its account, whatever two people do at once (I20, M3).

    Looked at when the transaction commits, one account at a time: its row is locked before owners are counted.
    """
    return pgtrigger.Trigger(
        name="last_owner_stays",
        when=pgtrigger.After,
        operation=pgtrigger.Update | pgtrigger.Delete,
        timing=pgtrigger.Deferred,
        condition=pgtrigger.Q(old__role="profile_owner", old__expires_on__isnull=True),
        declare=[("owned_account", "bigint")],
        func="""
            SELECT account_id INTO owned_account FROM profiles_billingprofile
                WHERE id = OLD.profile_id AND kind = 'standard' AND status <> 'closed';
            PERFORM 1 FROM accounts_billingaccount WHERE id = owned_account FOR NO KEY UPDATE;
            IF owned_account IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM profiles_profilerole
                WHERE profile_id = OLD.profile_id AND role = 'profile_owner' AND expires_on IS NULL
            ) AND NOT EXISTS (
                SELECT 1 FROM accounts_accountrole
                WHERE account_id = owned_account
                    AND role IN ('account_owner', 'account_administrator') AND expires_on IS NULL
            ) THEN
                RAISE EXCEPTION 'billing profile % would be left without an owner', OLD.profile_id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )
