from django.db import migrations

ERASE = """
CREATE OR REPLACE FUNCTION core_erase_actors(actors bigint[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ignored text := coalesce(nullif(current_setting('pgtrigger.ignore', true), ''), '{}');
    guard name;
    changed bigint;
BEGIN
    SELECT tgname INTO guard FROM pg_trigger
        WHERE tgrelid = 'pghistory_context'::regclass AND tgname LIKE 'pgtrigger_no_update%';
    PERFORM set_config('pgtrigger.ignore', format('{%s}', guard), true);
    UPDATE pghistory_context
        SET metadata = metadata
            || jsonb_build_object('actor_name', '#' || (metadata->>'actor'), 'address', '', 'agent', '')
        WHERE metadata->>'actor' = ANY(actors::text[]);
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM set_config('pgtrigger.ignore', ignored, true);
    RETURN changed;
END $$;
"""


class Migration(migrations.Migration):
    """The one function that may take the names of actors out of the history (I27, I29): a number stays of each."""

    dependencies = [("core", "0007_reports_of_mail_services")]

    operations = [
        migrations.RunSQL(ERASE, "DROP FUNCTION core_erase_actors(bigint[])"),
    ]
