"""Which account a person comes back to (S0-18): the one they chose, else the one they opened last."""

from typing import Any

from django.db import connection

from accounts.models import BillingAccount, ScopeMemory
from core.policy import Action, demand


def remember_scope(account: BillingAccount, *, by: Any) -> None:
    """Write down that the person opened this account: one statement, which writes only where it is another one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_scopememory (user_id, last_account_id) VALUES (%s, %s)
            ON CONFLICT (user_id) DO UPDATE SET last_account_id = excluded.last_account_id
            WHERE accounts_scopememory.last_account_id IS DISTINCT FROM excluded.last_account_id
            """,
            [by.pk, account.pk],
        )


def choose_default(account: BillingAccount | None, *, by: Any) -> None:
    """Make it the account the person starts in after signing in; None chooses no account."""
    if account is not None:
        demand(by, Action.ACCOUNT_SEE, account)
    ScopeMemory.objects.update_or_create(user=by, defaults={"default_account": account})


def start_scope(user: Any) -> BillingAccount | None:
    """Where the person starts: the default account, else the last one, as far as they may still see it."""
    memory = ScopeMemory.objects.filter(user=user).first()
    if memory is None:
        return None
    wanted = [pk for pk in (memory.default_account_id, memory.last_account_id) if pk]
    seen = {
        account.pk: account
        for account in BillingAccount.objects.allowing(user, Action.ACCOUNT_SEE).filter(pk__in=wanted)
    }
    return next((seen[pk] for pk in wanted if pk in seen), None)
