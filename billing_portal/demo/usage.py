"""The usage of the demo's customers: a charge file a month, as a cloud provider would deliver it (FOCUS 1.0)."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.periods import Month

COLUMNS = (
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "BilledCost",
    "RegionId",
    "ResourceId",
    "ServiceName",
    "SkuId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
)

# Service, SKU, description, unit, price per unit, units in the first week of the year's first month, growth a month.
METERS = (
    ("Compute", "GP-4", "Compute EU-West, general", "Hours", "0.61", 800, "1.022"),
    ("Compute", "MEM-8", "Compute EU-West, memory", "Hours", "0.924", 350, "1.015"),
    ("Storage and network", "BLK-SSD", "Block storage SSD", "GB-Months", "0.079", 2900, "1.01"),
    ("Storage and network", "EGRESS", "Outgoing traffic", "GB", "0.045", 1900, "1.03"),
)


def usage_file(account_id: str, account_name: str, sub_account: str, month: Month, age: int, share: Decimal) -> str:
    """The charges of one subscription in one month, a row per meter and week. `age` counts months since the start.

    `share` is how large the customer is beside the one the meters describe.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    start = datetime.combine(month.first, datetime.min.time(), UTC)
    end = datetime.combine(month.next.first, datetime.min.time(), UTC)
    for service, sku, description, unit, price, units, growth in METERS:
        for week in range(4):
            weekly = Decimal(units) * share * Decimal(growth) ** age + Decimal(week * 7 + age)
            quantity = weekly.normalize().scaleb(0)
            writer.writerow(
                {
                    "BillingAccountId": account_id,
                    "BillingAccountName": account_name,
                    "BillingCurrency": "EUR",
                    "BillingPeriodStart": f"{start:%Y-%m-%d %H:%M:%S}",
                    "BillingPeriodEnd": f"{end:%Y-%m-%d %H:%M:%S}",
                    "ChargeCategory": "Usage",
                    "ChargeClass": "",
                    "ChargeDescription": description,
                    "ChargePeriodStart": f"{start + timedelta(days=7 * week):%Y-%m-%d %H:%M:%S}",
                    "ChargePeriodEnd": f"{start + timedelta(days=7 * week + 7):%Y-%m-%d %H:%M:%S}",
                    "ConsumedQuantity": f"{quantity:.6f}",
                    "ConsumedUnit": unit,
                    "BilledCost": f"{quantity * Decimal(price):.10f}",
                    "RegionId": "eu-west",
                    "ResourceId": f"{sub_account.lower()}/{sku.lower()}",
                    "ServiceName": service,
                    "SkuId": sku,
                    "SubAccountId": sub_account,
                    "SubAccountName": sub_account,
                    "Tags": json.dumps({"environment": "production"}),
                }
            )
    return text.getvalue()
