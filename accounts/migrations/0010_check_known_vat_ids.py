"""VAT IDs that are there already are asked for in their register as soon as a worker runs."""

from django.db import migrations

UNION = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
).split()


def begin_checks(apps, schema_editor):
    accounts = apps.get_model("accounts", "BillingAccount")
    checks = apps.get_model("accounts", "VatCheck")
    known = accounts.objects.filter(country__in=UNION, vat_check=None).exclude(vat_id="")
    rows = (checks(account_id=pk, number=number) for pk, number in known.values_list("pk", "vat_id").iterator())
    checks.objects.bulk_create(rows, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_scope_memory")]

    operations = [migrations.RunPython(begin_checks, migrations.RunPython.noop)]
