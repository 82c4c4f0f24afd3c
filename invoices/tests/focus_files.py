"""FOCUS 1.0 files for tests: the columns that a cloud delivers, rows with something changed."""

import csv
import io
from collections.abc import Iterable
from typing import Any

COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "EffectiveCost", "PricingQuantity", "PricingUnit",
    "RegionId", "ResourceId", "ServiceCategory", "ServiceName", "SkuId", "SubAccountId", "SubAccountName", "Tags",
)  # fmt: skip
ROW = {
    "AvailabilityZone": "NULL",
    "BilledCost": "0.00000080000",
    "BillingAccountId": "123",
    "BillingAccountName": "SunBird",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2024-10-01 00:00:00",
    "BillingPeriodStart": "2024-09-01 00:00:00",
    "ChargeCategory": "Usage",
    "ChargeClass": "NULL",
    "ChargeDescription": "$0.40 per million requests",
    "ChargeFrequency": "Usage-Based",
    "ChargePeriodEnd": "2024-09-18 23:00:00",
    "ChargePeriodStart": "2024-09-18 22:00:00",
    "ConsumedQuantity": "2.000000000000000",
    "ConsumedUnit": "Requests",
    "EffectiveCost": "0",
    "PricingQuantity": "0.000002",
    "PricingUnit": "Millions",
    "RegionId": "us-west-2",
    "ResourceId": "arn:sqs:1",
    "ServiceCategory": "Integration",
    "ServiceName": "Simple Queue",
    "SkuId": "G95",
    "SubAccountId": "sub-1",
    "SubAccountName": "Atlas",
    "Tags": '{"application": "Bright"}',
}


def focus(*changes: dict[str, Any], columns: Iterable[str] = COLUMNS) -> bytes:
    """A file with one row for each of the changes to the usual row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), extrasaction="ignore", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows([{**ROW, **change} for change in changes])
    return text.getvalue().encode()
