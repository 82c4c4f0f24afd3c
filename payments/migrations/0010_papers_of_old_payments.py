"""Every payment that has a receipt number gets its receipt as PDF. The worker makes them; they are not mailed again."""

from django.db import migrations

from core.codes import new_code

CHUNK = 1000


def ask_for_receipts(apps, schema_editor):
    Payment, Paper = apps.get_model("payments", "Payment"), apps.get_model("payments", "Paper")
    paid = Payment.objects.filter(receipt_number__isnull=False, paper=None).select_related("user")
    papers = (
        Paper(
            code=new_code(),
            kind="receipt",
            account_id=payment.account_id,
            profile_id=payment.profile_id,
            payment_id=payment.pk,
            currency=payment.currency,
            language=payment.user.language[:2] if payment.user else "en",
        )
        for payment in paid.order_by("pk").iterator(chunk_size=CHUNK)
    )
    Paper.objects.bulk_create(papers, batch_size=CHUNK)


class Migration(migrations.Migration):
    dependencies = [("payments", "0009_papers")]
    operations = [migrations.RunPython(ask_for_receipts, migrations.RunPython.noop, elidable=True)]
