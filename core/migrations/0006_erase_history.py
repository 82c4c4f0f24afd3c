from django.db import migrations

ERASE = """
CREATE OR REPLACE FUNCTION core_erase_history(event_table regclass, row_id bigint, field_names text[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ignored text := coalesce(nullif(current_setting('pgtrigger.ignore', true), ''), '{}');
    assignments text;
    guard name;
    changed bigint;
BEGIN
    SELECT tgname INTO guard FROM pg_trigger
        WHERE tgrelid = event_table AND tgname LIKE 'pgtrigger_append_only%';
    IF guard IS NULL OR event_table::text !~ 'event$' THEN
        RAISE EXCEPTION '% is no table of history', event_table USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT string_agg(format('%I = %L', name, ''), ', ') INTO assignments FROM unnest(field_names) AS name;
    PERFORM set_config('pgtrigger.ignore', format('{%s}', guard), true);
    EXECUTE format('UPDATE %s SET %s WHERE pgh_obj_id = $1', event_table, assignments) USING row_id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM set_config('pgtrigger.ignore', ignored, true);
    RETURN changed;
END $$;
"""


class Migration(migrations.Migration):
    """The one function that may empty fields of history (I27): with the rights of its owner, not of the portal."""

    dependencies = [("core", "0005_context_is_final")]

    operations = [
        migrations.RunSQL(ERASE, "DROP FUNCTION core_erase_history(regclass, bigint, text[])"),
    ]
