from django.db import migrations

HISTORY = """
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

ACTORS = """
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
    """The functions that may empty fields of history, and take the names of actors out of it (I27, I29).

    They have the rights of their owner, not of the portal. Of each actor a number stays.
    """

    replaces = [("core", "0006_erase_history"), ("core", "0008_erase_actors")]
    dependencies = [("core", "0001_tables")]

    operations = [
        migrations.RunSQL(HISTORY, "DROP FUNCTION core_erase_history(regclass, bigint, text[])"),
        migrations.RunSQL(ACTORS, "DROP FUNCTION core_erase_actors(bigint[])"),
    ]
