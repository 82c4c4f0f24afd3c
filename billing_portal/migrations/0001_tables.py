import core.codes
import django.db.models.deletion
import django.utils.timezone
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

from core.migration_operations import AddTrigger, together


class Migration(migrations.Migration):

    replaces = [
        ('portal', '0001_viewing'),
        ('portal', '0002_reviews'),
        ('portal', '0003_take_outs'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0001_tables'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('profiles', '0001_tables'),
    ]

    operations = together([
        migrations.CreateModel(
            name='AccessReview',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('status', models.CharField(choices=[('open', 'Under way'), ('finished', 'Finished')], default='open', max_length=8)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.billingaccount')),
                ('finished_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='finished by')),
                ('started_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='started by')),
            ],
            options={
                'verbose_name': 'review of access',
                'verbose_name_plural': 'reviews of access',
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'open')), fields=('account',), name='one_open_review'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('status', 'open')), models.Q(('finished_at__isnull', False), ('status', 'finished')), _connector='OR'), name='review_finished_once')],
            },
        ),
        migrations.CreateModel(
            name='AccessReviewEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32)),
                ('status', models.CharField(choices=[('open', 'Under way'), ('finished', 'Finished')], default='open', max_length=8)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.billingaccount')),
                ('finished_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='finished by')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='portal.accessreview')),
                ('started_by', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='started by')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ReviewedRole',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('held_on', models.PositiveSmallIntegerField(choices=[(0, 'Organisation'), (1, 'Billing account'), (2, 'Billing profile')])),
                ('held_id', models.BigIntegerField()),
                ('scope_name', models.CharField(max_length=200)),
                ('role', models.CharField(choices=[('account_owner', 'Billing account owner'), ('account_contributor', 'Billing account contributor'), ('account_reader', 'Billing account reader'), ('profile_owner', 'Billing profile owner'), ('profile_contributor', 'Billing profile contributor'), ('profile_reader', 'Billing profile reader'), ('invoice_manager', 'Invoice manager'), ('account_administrator', 'Account administrator'), ('user_administrator', 'User administrator'), ('organisation_administrator', 'Organisation administrator')], max_length=32)),
                ('given_by', models.CharField(blank=True, max_length=254)),
                ('given_at', models.DateTimeField()),
                ('expires_on', models.DateField(blank=True, null=True)),
                ('last_sign_in', models.DateTimeField(blank=True, null=True)),
                ('is_news', models.BooleanField(default=False)),
                ('choice', models.CharField(blank=True, choices=[('', 'Undecided'), ('keep', 'Keep'), ('remove', 'Remove')], default='', max_length=6)),
                ('chosen_at', models.DateTimeField(blank=True, null=True)),
                ('outcome', models.CharField(blank=True, choices=[('', 'Not yet'), ('confirmed', 'Confirmed'), ('removed', 'Removed'), ('gone', 'Ended elsewhere')], default='', max_length=9)),
                ('chosen_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='roles', to='portal.accessreview')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'reviewed role',
                'verbose_name_plural': 'reviewed roles',
                'constraints': [models.UniqueConstraint(fields=('review', 'held_on', 'held_id'), name='role_once_per_review')],
            },
        ),
        migrations.CreateModel(
            name='ReviewPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('every_months', models.PositiveSmallIntegerField(choices=[(0, 'Never'), (3, 'Every three months'), (6, 'Every six months'), (12, 'Every year')], verbose_name='review of access')),
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.billingaccount')),
            ],
            options={
                'verbose_name': 'interval of reviews',
                'verbose_name_plural': 'intervals of reviews',
            },
        ),
        migrations.CreateModel(
            name='ReviewPlanEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('every_months', models.PositiveSmallIntegerField(choices=[(0, 'Never'), (3, 'Every three months'), (6, 'Every six months'), (12, 'Every year')], verbose_name='review of access')),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.billingaccount')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='portal.reviewplan')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TakeOut',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('status', models.CharField(choices=[('pending', 'Being prepared'), ('ready', 'Ready'), ('over', 'Over')], default='pending', max_length=8, verbose_name='status')),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='asked for')),
                ('made_at', models.DateTimeField(blank=True, null=True, verbose_name='ready')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='offered until')),
                ('last_fetched_at', models.DateTimeField(blank=True, null=True, verbose_name='last downloaded')),
                ('table_number', models.PositiveSmallIntegerField(default=0)),
                ('after', models.JSONField(default=list)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.billingaccount')),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
            ],
            options={
                'verbose_name': 'take-out',
                'verbose_name_plural': 'take-outs',
                'indexes': [models.Index(condition=models.Q(('status', 'pending')), fields=['id'], name='take_out_due')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'pending')), fields=('account',), name='one_take_out_at_a_time'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'ready'), _negated=True), ('expires_at__isnull', False), _connector='OR'), name='ready_take_out_ends')],
            },
        ),
        migrations.CreateModel(
            name='TakeOutEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32)),
                ('status', models.CharField(choices=[('pending', 'Being prepared'), ('ready', 'Ready'), ('over', 'Over')], default='pending', max_length=8, verbose_name='status')),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='asked for')),
                ('made_at', models.DateTimeField(blank=True, null=True, verbose_name='ready')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='offered until')),
                ('last_fetched_at', models.DateTimeField(blank=True, null=True, verbose_name='last downloaded')),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.billingaccount')),
                ('asked_by', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='portal.takeout')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TakeOutPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('name', models.CharField(max_length=100)),
                ('file', models.CharField(max_length=200)),
                ('sha256', models.CharField(max_length=64)),
                ('size_bytes', models.PositiveIntegerField()),
                ('made_at', models.DateTimeField()),
                ('take_out', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='portal.takeout')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('take_out', 'number'), name='take_out_part_once')],
            },
        ),
        migrations.CreateModel(
            name='Viewing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='started')),
                ('ends_at', models.DateTimeField(verbose_name='ends by itself')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.billingaccount')),
                ('profile', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='profiles.billingprofile')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('viewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='viewed by')),
            ],
            options={
                'verbose_name': 'view as a person',
                'verbose_name_plural': 'views as a person',
                'constraints': [models.CheckConstraint(condition=models.Q(('user', models.F('viewer')), _negated=True), name='viewing_somebody_else')],
            },
        ),
        migrations.CreateModel(
            name='ViewingEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='started')),
                ('ends_at', models.DateTimeField(verbose_name='ends by itself')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.billingaccount')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='portal.viewing')),
                ('profile', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.billingprofile')),
                ('user', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('viewer', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='viewed by')),
            ],
            options={
                'abstract': False,
            },
        ),
        AddTrigger(
            model_name='accessreview',
            trigger=pgtrigger.compiler.Trigger(name='review_status_edges', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:finished}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='b7e241bbbce5f490e7d4c118ac4600115b99370d', operation='UPDATE', pgid='pgtrigger_review_status_edges_7f9d8', table='portal_accessreview', when='BEFORE')),
        ),
        AddTrigger(
            model_name='accessreview',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_accessreviewevent" ("account_id", "code", "finished_at", "finished_by_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "started_at", "started_by_id", "status") VALUES (NEW."account_id", NEW."code", NEW."finished_at", NEW."finished_by_id", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."started_at", NEW."started_by_id", NEW."status"); RETURN NULL;', hash='2a61f0a9085404cb263f0a1ecf4df8a8e9855ab5', operation='INSERT', pgid='pgtrigger_insert_insert_516d4', table='portal_accessreview', when='AFTER')),
        ),
        AddTrigger(
            model_name='accessreview',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "portal_accessreviewevent" ("account_id", "code", "finished_at", "finished_by_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "started_at", "started_by_id", "status") VALUES (NEW."account_id", NEW."code", NEW."finished_at", NEW."finished_by_id", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."started_at", NEW."started_by_id", NEW."status"); RETURN NULL;', hash='684dbee5476f8a2a6b87a85f415209031769a97d', operation='UPDATE', pgid='pgtrigger_update_update_d244f', table='portal_accessreview', when='AFTER')),
        ),
        AddTrigger(
            model_name='accessreview',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_accessreviewevent" ("account_id", "code", "finished_at", "finished_by_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "started_at", "started_by_id", "status") VALUES (OLD."account_id", OLD."code", OLD."finished_at", OLD."finished_by_id", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."started_at", OLD."started_by_id", OLD."status"); RETURN NULL;', hash='f8ddde5dd819559eeb0ec9debc735fe707e0628c', operation='DELETE', pgid='pgtrigger_delete_delete_6bf15', table='portal_accessreview', when='AFTER')),
        ),
        AddTrigger(
            model_name='accessreviewevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='1d71b6f127e77764a348a9506c730d58b17bef19', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_8f24e', table='portal_accessreviewevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='accessreviewevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='73c0d981a068341103a8c280ccc070bd40a8a54b', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_5b430', table='portal_accessreviewevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='reviewedrole',
            trigger=pgtrigger.compiler.Trigger(name='final_with_outcome', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NOT (OLD."outcome" = \'\'))', func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='f2605a9b25fb99abf3e12f4069fe52f058270bf6', operation='UPDATE OR DELETE', pgid='pgtrigger_final_with_outcome_49b97', table='portal_reviewedrole', when='BEFORE')),
        ),
        AddTrigger(
            model_name='reviewplan',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_reviewplanevent" ("account_id", "every_months", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."account_id", NEW."every_months", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='057b143392d7e2c03ff85fd77df58ac4d17bf9d1', operation='INSERT', pgid='pgtrigger_insert_insert_b8013', table='portal_reviewplan', when='AFTER')),
        ),
        AddTrigger(
            model_name='reviewplan',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "portal_reviewplanevent" ("account_id", "every_months", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."account_id", NEW."every_months", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='231f922be05b4cdb7fae579de45eb88c7bae0470', operation='UPDATE', pgid='pgtrigger_update_update_7350b', table='portal_reviewplan', when='AFTER')),
        ),
        AddTrigger(
            model_name='reviewplan',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_reviewplanevent" ("account_id", "every_months", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."account_id", OLD."every_months", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id"); RETURN NULL;', hash='6e42eda8dd1950c88f6a6bdc7e3e07227409fa23', operation='DELETE', pgid='pgtrigger_delete_delete_b6ece', table='portal_reviewplan', when='AFTER')),
        ),
        AddTrigger(
            model_name='reviewplanevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='685ea1cce3d88f0ba0232d3c9a89609f9a6783f1', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_e4c9d', table='portal_reviewplanevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='reviewplanevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='35558c7dff8f8d06a0f23f47956298c4a0384214', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_d4750', table='portal_reviewplanevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='takeout',
            trigger=pgtrigger.compiler.Trigger(name='take_out_status_edges', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{pending:ready,pending:over,ready:over}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='729110d3d028d285aa89e6dc3bccee29bd12d5ab', operation='UPDATE', pgid='pgtrigger_take_out_status_edges_ba3ee', table='portal_takeout', when='BEFORE')),
        ),
        AddTrigger(
            model_name='takeout',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_takeoutevent" ("account_id", "asked_at", "asked_by_id", "code", "expires_at", "id", "last_fetched_at", "made_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "status") VALUES (NEW."account_id", NEW."asked_at", NEW."asked_by_id", NEW."code", NEW."expires_at", NEW."id", NEW."last_fetched_at", NEW."made_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."status"); RETURN NULL;', hash='932fde6020ef28bfc5553b18506f3d562dead3a1', operation='INSERT', pgid='pgtrigger_insert_insert_bb7da', table='portal_takeout', when='AFTER')),
        ),
        AddTrigger(
            model_name='takeout',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."asked_at" IS DISTINCT FROM (NEW."asked_at") OR OLD."asked_by_id" IS DISTINCT FROM (NEW."asked_by_id") OR OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."last_fetched_at" IS DISTINCT FROM (NEW."last_fetched_at") OR OLD."made_at" IS DISTINCT FROM (NEW."made_at") OR OLD."status" IS DISTINCT FROM (NEW."status"))', func='INSERT INTO "portal_takeoutevent" ("account_id", "asked_at", "asked_by_id", "code", "expires_at", "id", "last_fetched_at", "made_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "status") VALUES (NEW."account_id", NEW."asked_at", NEW."asked_by_id", NEW."code", NEW."expires_at", NEW."id", NEW."last_fetched_at", NEW."made_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."status"); RETURN NULL;', hash='47fc2e2994d68903fd02c9e4ab0d7bb450f75f36', operation='UPDATE', pgid='pgtrigger_update_update_c7fc8', table='portal_takeout', when='AFTER')),
        ),
        AddTrigger(
            model_name='takeout',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_takeoutevent" ("account_id", "asked_at", "asked_by_id", "code", "expires_at", "id", "last_fetched_at", "made_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "status") VALUES (OLD."account_id", OLD."asked_at", OLD."asked_by_id", OLD."code", OLD."expires_at", OLD."id", OLD."last_fetched_at", OLD."made_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."status"); RETURN NULL;', hash='1c9d0a8c85a6d5f2dcb285fabbfcce791077c4e0', operation='DELETE', pgid='pgtrigger_delete_delete_06c65', table='portal_takeout', when='AFTER')),
        ),
        AddTrigger(
            model_name='takeoutevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='71b26d278a2b5e440812559cc2a41af43c56b4be', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_14fb0', table='portal_takeoutevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='takeoutevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='8e6574b5d18700a9323bf1bc01a786050c818522', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_f3425', table='portal_takeoutevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='viewing',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_viewingevent" ("account_id", "ended_at", "ends_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "started_at", "user_id", "viewer_id") VALUES (NEW."account_id", NEW."ended_at", NEW."ends_at", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."profile_id", NEW."started_at", NEW."user_id", NEW."viewer_id"); RETURN NULL;', hash='5eb14c44eb1624f38002f4b2ec90993ea6d6344d', operation='INSERT', pgid='pgtrigger_insert_insert_ec452', table='portal_viewing', when='AFTER')),
        ),
        AddTrigger(
            model_name='viewing',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "portal_viewingevent" ("account_id", "ended_at", "ends_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "started_at", "user_id", "viewer_id") VALUES (NEW."account_id", NEW."ended_at", NEW."ends_at", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."profile_id", NEW."started_at", NEW."user_id", NEW."viewer_id"); RETURN NULL;', hash='39a575f730cdcd94e008cb63315377e3ea33f315', operation='UPDATE', pgid='pgtrigger_update_update_16626', table='portal_viewing', when='AFTER')),
        ),
        AddTrigger(
            model_name='viewing',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "portal_viewingevent" ("account_id", "ended_at", "ends_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "started_at", "user_id", "viewer_id") VALUES (OLD."account_id", OLD."ended_at", OLD."ends_at", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."profile_id", OLD."started_at", OLD."user_id", OLD."viewer_id"); RETURN NULL;', hash='03016a3b7f480a396548be911e83eeb0316ee74b', operation='DELETE', pgid='pgtrigger_delete_delete_9504a', table='portal_viewing', when='AFTER')),
        ),
        AddTrigger(
            model_name='viewingevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='88f305b3e42854961b6f82f94bda4c9acab7c76b', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_9f929', table='portal_viewingevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='viewingevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='ed36042eb64bcbbb0708d3d0a97e5efc4b4353fb', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_77233', table='portal_viewingevent', when='BEFORE')),
        ),
    ])
