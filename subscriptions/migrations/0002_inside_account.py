"""A subscription or purchase and its billing profile are of one account (I21): a key over both columns holds it."""

from django.db import migrations

TABLES = ("subscriptions_subscription", "subscriptions_purchase")


def add(table: str) -> str:
    return f"""
        ALTER TABLE {table} ADD CONSTRAINT {table}_in_one_account FOREIGN KEY (profile_id, account_id)
        REFERENCES profiles_billingprofile (id, account_id) DEFERRABLE INITIALLY DEFERRED
    """


def drop(table: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT {table}_in_one_account"


class Migration(migrations.Migration):
    replaces = [("subscriptions", "0002_inside_one_account")]
    dependencies = [("subscriptions", "0001_tables")]

    operations = [migrations.RunSQL(add(table), drop(table)) for table in TABLES]
