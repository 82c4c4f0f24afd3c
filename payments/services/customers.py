"""Under which name a gateway keeps the methods of an account."""

from accounts.models import BillingAccount
from payments.gateways.base import Gateway
from payments.models import GatewayCustomer


def customer_of(account: BillingAccount, gateway: Gateway) -> str:
    """The gateway's name for the account, asked for once. Not inside a transaction; raises GatewayUnavailable."""
    if known := known_customer(account, gateway.name):
        return known
    reference = gateway.create_customer(key=f"customer-{account.code}", code=account.code)
    row, _made = GatewayCustomer.objects.get_or_create(
        account=account, gateway=gateway.name, defaults={"reference": reference}
    )
    return row.reference


def known_customer(account: BillingAccount, gateway: str) -> str:
    """The name as it is stored; empty where the gateway was never asked for anything of the account."""
    rows = GatewayCustomer.objects.filter(account=account, gateway=gateway)
    return rows.values_list("reference", flat=True).first() or ""
