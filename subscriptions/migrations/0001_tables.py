import core.codes
import django.db.models.deletion
import django.utils.timezone
import pgtrigger.compiler
import subscriptions.models
from django.conf import settings
from django.db import migrations, models

from core.migration_operations import AddTrigger, together


class Migration(migrations.Migration):

    replaces = [
        ('subscriptions', '0001_initial'),
        ('subscriptions', '0003_history_is_final'),
        ('subscriptions', '0004_product_kind'),
        ('subscriptions', '0005_subscription_section'),
        ('subscriptions', '0006_changes_and_moves'),
        ('subscriptions', '0007_product_supply'),
        ('subscriptions', '0008_price_tiers'),
        ('subscriptions', '0009_one_price_at_a_time'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0001_tables'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('profiles', '0001_tables'),
    ]

    operations = together([
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(unique=True, verbose_name='code')),
                ('name', models.CharField(max_length=200, verbose_name='name (English)')),
                ('name_nl', models.CharField(blank=True, max_length=200, verbose_name='name (Dutch)')),
                ('description', models.CharField(blank=True, max_length=300, verbose_name='description (English)')),
                ('description_nl', models.CharField(blank=True, max_length=300, verbose_name='description (Dutch)')),
                ('service_name', models.CharField(max_length=200, verbose_name='service')),
                ('kind', models.CharField(choices=[('own', 'Of the vendor'), ('marketplace', 'Of another company'), ('reservation', 'Reservation')], default='own', max_length=12, verbose_name='kind')),
                ('supply', models.CharField(choices=[('electronic', 'Electronic service (standard rate)'), ('general', 'Other service, such as advice or training (standard rate)'), ('reduced', 'Electronic publication (reduced rate)'), ('zero', 'Service at the rate of zero')], db_default='electronic', default='electronic', max_length=12, verbose_name='for VAT')),
                ('is_offered', models.BooleanField(default=True, verbose_name='on offer')),
            ],
            options={
                'verbose_name': 'product',
                'verbose_name_plural': 'products',
                'ordering': ['name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3, validators=[subscriptions.models.validate_currency], verbose_name='currency')),
                ('term', models.CharField(choices=[('monthly', 'per month'), ('quarterly', 'per quarter'), ('half_yearly', 'per half year'), ('yearly', 'per year'), ('one_off', 'one-off')], max_length=12, verbose_name='term')),
                ('unit_price', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='unit price excl. VAT')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='valid until')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='prices', to='subscriptions.product')),
            ],
            options={
                'verbose_name': 'price',
                'verbose_name_plural': 'prices',
                'ordering': ['product', 'currency', 'term', 'valid_from'],
                'constraints': [models.UniqueConstraint(fields=('product', 'currency', 'term', 'valid_from'), name='one_price_from_a_day'), models.CheckConstraint(condition=models.Q(('unit_price__gte', 0)), name='price_not_negative'), models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('valid_from')), _connector='OR'), name='price_ends_after_it_starts')],
            },
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('external_id', models.CharField(blank=True, max_length=100, null=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('term', models.CharField(choices=[('monthly', 'per month'), ('quarterly', 'per quarter'), ('half_yearly', 'per half year'), ('yearly', 'per year'), ('one_off', 'one-off')], default='monthly', max_length=12, verbose_name='term')),
                ('quantity', models.PositiveIntegerField(default=1, verbose_name='quantity')),
                ('unit_price', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('tiers', models.JSONField(blank=True, db_default=models.Value([], output_field=models.JSONField()), default=list)),
                ('currency', models.CharField(max_length=3)),
                ('status', models.CharField(choices=[('active', 'Active'), ('past_due', 'Past due'), ('disabled', 'Disabled'), ('cancelled', 'Cancelled'), ('deleted', 'Deleted')], default='active', max_length=16)),
                ('started_on', models.DateField(verbose_name='started on')),
                ('ended_on', models.DateField(blank=True, null=True, verbose_name='ended on')),
                ('last_change_from', models.DateField(editable=False, null=True)),
                ('last_move_on', models.DateField(editable=False, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='accounts.billingaccount')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='subscriptions.product')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='profiles.billingprofile')),
                ('section', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='subscriptions', to='profiles.invoicesection', verbose_name='section')),
            ],
            options={
                'verbose_name': 'subscription',
                'verbose_name_plural': 'subscriptions',
                'ordering': ['name', 'pk'],
                'constraints': [models.UniqueConstraint(fields=('account', 'external_id'), name='subscription_external_id_once'), models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='quantity_at_least_one')],
            },
        ),
        migrations.CreateModel(
            name='Purchase',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('term', models.CharField(choices=[('monthly', 'per month'), ('quarterly', 'per quarter'), ('half_yearly', 'per half year'), ('yearly', 'per year'), ('one_off', 'one-off')], max_length=12)),
                ('quantity', models.PositiveIntegerField()),
                ('unit_price', models.DecimalField(decimal_places=18, max_digits=38)),
                ('currency', models.CharField(max_length=3)),
                ('bought_on', models.DateField()),
                ('request_key', models.CharField(max_length=32, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='purchases', to='accounts.billingaccount')),
                ('bought_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='purchases', to='subscriptions.product')),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='purchases', to='profiles.billingprofile')),
                ('subscription', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='purchase', to='subscriptions.subscription')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='purchase_quantity_at_least_one'), models.CheckConstraint(condition=models.Q(models.Q(('subscription', None), ('term', 'one_off')), models.Q(models.Q(('term', 'one_off'), _negated=True), ('subscription__isnull', False)), _connector='OR'), name='one_off_has_no_subscription')],
            },
        ),
        migrations.CreateModel(
            name='SubscriptionChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('quantity', 'Quantity changed'), ('plan', 'Plan changed'), ('cancelled', 'Cancelled'), ('ended', 'Ended with its term'), ('reactivated', 'Reactivated')], max_length=12)),
                ('counts_from', models.DateField()),
                ('term_start', models.DateField()),
                ('term_end', models.DateField()),
                ('quantity_before', models.PositiveIntegerField()),
                ('unit_price_before', models.DecimalField(decimal_places=18, max_digits=38)),
                ('quantity_after', models.PositiveIntegerField()),
                ('unit_price_after', models.DecimalField(decimal_places=18, max_digits=38)),
                ('net_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('request_key', models.CharField(max_length=40, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product_after', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='subscriptions.product')),
                ('product_before', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='subscriptions.product')),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='subscriptions.subscription')),
            ],
            options={
                'verbose_name': 'change of a subscription',
                'verbose_name_plural': 'changes of subscriptions',
                'indexes': [models.Index(fields=['subscription', 'counts_from', 'id'], name='changes_of_subscription')],
                'constraints': [models.CheckConstraint(condition=models.Q(('counts_from__gte', models.F('term_start')), ('counts_from__lte', models.F('term_end'))), name='change_lies_in_its_term'), models.CheckConstraint(condition=models.Q(('counts_from__gt', models.F('term_start')), ('net_minor', 0), _connector='OR'), name='change_on_the_first_day_is_in_the_term')],
            },
        ),
        migrations.CreateModel(
            name='SubscriptionEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32)),
                ('external_id', models.CharField(blank=True, max_length=100, null=True)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('term', models.CharField(choices=[('monthly', 'per month'), ('quarterly', 'per quarter'), ('half_yearly', 'per half year'), ('yearly', 'per year'), ('one_off', 'one-off')], default='monthly', max_length=12, verbose_name='term')),
                ('quantity', models.PositiveIntegerField(default=1, verbose_name='quantity')),
                ('unit_price', models.DecimalField(decimal_places=18, default=0, max_digits=38)),
                ('tiers', models.JSONField(blank=True, db_default=models.Value([], output_field=models.JSONField()), default=list)),
                ('currency', models.CharField(max_length=3)),
                ('status', models.CharField(choices=[('active', 'Active'), ('past_due', 'Past due'), ('disabled', 'Disabled'), ('cancelled', 'Cancelled'), ('deleted', 'Deleted')], default='active', max_length=16)),
                ('started_on', models.DateField(verbose_name='started on')),
                ('ended_on', models.DateField(blank=True, null=True, verbose_name='ended on')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.billingaccount')),
                ('created_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='subscriptions.subscription')),
                ('product', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='subscriptions.product')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.billingprofile')),
                ('section', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.invoicesection', verbose_name='section')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SubscriptionMove',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_on', models.DateField()),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('withdrawn_at', models.DateTimeField(editable=False, null=True)),
                ('applied_at', models.DateTimeField(editable=False, null=True)),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('from_profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='profiles.billingprofile')),
                ('subscription', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='moves', to='subscriptions.subscription')),
                ('to_profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='profiles.billingprofile')),
            ],
            options={
                'verbose_name': 'move of a subscription',
                'verbose_name_plural': 'moves of subscriptions',
                'constraints': [models.UniqueConstraint(condition=models.Q(('applied_at', None), ('withdrawn_at', None)), fields=('subscription',), name='one_move_ahead'), models.UniqueConstraint(condition=models.Q(('withdrawn_at', None)), fields=('subscription', 'starts_on'), name='one_move_a_month'), models.CheckConstraint(condition=models.Q(('starts_on__day', 1)), name='move_starts_on_the_first'), models.CheckConstraint(condition=models.Q(('from_profile', models.F('to_profile')), _negated=True), name='move_goes_elsewhere'), models.CheckConstraint(condition=models.Q(('applied_at', None), ('withdrawn_at', None), _connector='OR'), name='move_is_withdrawn_or_applied')],
            },
        ),
        migrations.CreateModel(
            name='PriceTier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_quantity', models.PositiveIntegerField(verbose_name='from how many')),
                ('unit_price', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='unit price excl. VAT')),
                ('price', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tiers', to='subscriptions.price')),
            ],
            options={
                'verbose_name': 'price tier',
                'verbose_name_plural': 'price tiers',
                'ordering': ['price', 'from_quantity'],
                'constraints': [models.UniqueConstraint(fields=('price', 'from_quantity'), name='one_tier_from_a_quantity'), models.CheckConstraint(condition=models.Q(('from_quantity__gte', 2)), name='price_tier_from_two_on', violation_error_message='A tier begins at 2 or more; the price itself is for 1.'), models.CheckConstraint(condition=models.Q(('unit_price__gte', 0)), name='price_tier_not_negative')],
            },
        ),
        AddTrigger(
            model_name='price',
            trigger=pgtrigger.compiler.Trigger(name='one_price_at_a_time', sql=pgtrigger.compiler.UpsertTriggerSql(constraint='CONSTRAINT', func="\n                    PERFORM 1 FROM subscriptions_product WHERE id = NEW.product_id FOR NO KEY UPDATE;\n                    IF EXISTS (\n                        SELECT 1 FROM subscriptions_price a JOIN subscriptions_price b\n                            ON b.product_id = a.product_id AND b.currency = a.currency AND b.term = a.term\n                            AND b.id <> a.id\n                        WHERE a.id = NEW.id AND b.valid_from <= coalesce(a.valid_until, 'infinity')\n                            AND a.valid_from <= coalesce(b.valid_until, 'infinity')\n                    ) THEN RAISE EXCEPTION 'two prices of one product, currency and term count on the same day'\n                        USING ERRCODE = 'check_violation';\n                    END IF;\n                    RETURN NULL;\n                ", hash='7a187d76f1bfe83135f21a7c9626903fb44e9acc', operation='INSERT OR UPDATE', pgid='pgtrigger_one_price_at_a_time_41f87', table='subscriptions_price', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='subscription_status_edges', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{active:past_due,past_due:active,past_due:disabled,disabled:active,disabled:deleted,active:cancelled,past_due:cancelled,cancelled:active,cancelled:deleted}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='2d19c96d746713cbd7ca789d95f18a96f14536e9', operation='UPDATE', pgid='pgtrigger_subscription_status_edges_7702e', table='subscriptions_subscription', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "subscriptions_subscriptionevent" ("account_id", "code", "created_at", "created_by_id", "currency", "ended_on", "external_id", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "profile_id", "quantity", "section_id", "started_on", "status", "term", "tiers", "unit_price") VALUES (NEW."account_id", NEW."code", NEW."created_at", NEW."created_by_id", NEW."currency", NEW."ended_on", NEW."external_id", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."product_id", NEW."profile_id", NEW."quantity", NEW."section_id", NEW."started_on", NEW."status", NEW."term", NEW."tiers", NEW."unit_price"); RETURN NULL;', hash='4c1ab9c424d3d7f711e4f695ae95cdc848f315f4', operation='INSERT', pgid='pgtrigger_insert_insert_7b204', table='subscriptions_subscription', when='AFTER')),
        ),
        AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."ended_on" IS DISTINCT FROM (NEW."ended_on") OR OLD."external_id" IS DISTINCT FROM (NEW."external_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."product_id" IS DISTINCT FROM (NEW."product_id") OR OLD."profile_id" IS DISTINCT FROM (NEW."profile_id") OR OLD."quantity" IS DISTINCT FROM (NEW."quantity") OR OLD."section_id" IS DISTINCT FROM (NEW."section_id") OR OLD."started_on" IS DISTINCT FROM (NEW."started_on") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."term" IS DISTINCT FROM (NEW."term") OR OLD."tiers" IS DISTINCT FROM (NEW."tiers") OR OLD."unit_price" IS DISTINCT FROM (NEW."unit_price"))', func='INSERT INTO "subscriptions_subscriptionevent" ("account_id", "code", "created_at", "created_by_id", "currency", "ended_on", "external_id", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "profile_id", "quantity", "section_id", "started_on", "status", "term", "tiers", "unit_price") VALUES (NEW."account_id", NEW."code", NEW."created_at", NEW."created_by_id", NEW."currency", NEW."ended_on", NEW."external_id", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."product_id", NEW."profile_id", NEW."quantity", NEW."section_id", NEW."started_on", NEW."status", NEW."term", NEW."tiers", NEW."unit_price"); RETURN NULL;', hash='3158b525c6197b6d5370c825bc5ab3388a37c01c', operation='UPDATE', pgid='pgtrigger_update_update_fb679', table='subscriptions_subscription', when='AFTER')),
        ),
        AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "subscriptions_subscriptionevent" ("account_id", "code", "created_at", "created_by_id", "currency", "ended_on", "external_id", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "profile_id", "quantity", "section_id", "started_on", "status", "term", "tiers", "unit_price") VALUES (OLD."account_id", OLD."code", OLD."created_at", OLD."created_by_id", OLD."currency", OLD."ended_on", OLD."external_id", OLD."id", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."product_id", OLD."profile_id", OLD."quantity", OLD."section_id", OLD."started_on", OLD."status", OLD."term", OLD."tiers", OLD."unit_price"); RETURN NULL;', hash='a3617ad560a86fc070aa461e2d0da4d254a164d4', operation='DELETE', pgid='pgtrigger_delete_delete_a0d64', table='subscriptions_subscription', when='AFTER')),
        ),
        AddTrigger(
            model_name='subscriptionchange',
            trigger=pgtrigger.compiler.Trigger(name='no_update_or_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='b82bba1b0d070903a81c4999454431fab471d557', operation='UPDATE OR DELETE', pgid='pgtrigger_no_update_or_delete_05421', table='subscriptions_subscriptionchange', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscriptionchange',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='7dad25714585ad80fd99e3e6da2715a951b98848', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_66127', table='subscriptions_subscriptionchange', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscriptionevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='7876288ccff2ac2e0dde843d736165eed99c9996', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_f6206', table='subscriptions_subscriptionevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscriptionevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='ee01a61a264c56e1f60dd6f483b8361280f99549', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_39b4f', table='subscriptions_subscriptionevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscriptionmove',
            trigger=pgtrigger.compiler.Trigger(name='move_is_kept', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='c256484e940d770141a543eff4375fe8363de285', operation='DELETE', pgid='pgtrigger_move_is_kept_8f9c0', table='subscriptions_subscriptionmove', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscriptionmove',
            trigger=pgtrigger.compiler.Trigger(name='move_is_final', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."asked_at" IS DISTINCT FROM (NEW."asked_at") OR OLD."asked_by_id" IS DISTINCT FROM (NEW."asked_by_id") OR OLD."from_profile_id" IS DISTINCT FROM (NEW."from_profile_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."starts_on" IS DISTINCT FROM (NEW."starts_on") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."to_profile_id" IS DISTINCT FROM (NEW."to_profile_id"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='a4627aae0cfb606f0b39be7eb5b9a65da9e0651b', operation='UPDATE', pgid='pgtrigger_move_is_final_127c0', table='subscriptions_subscriptionmove', when='BEFORE')),
        ),
        AddTrigger(
            model_name='subscriptionmove',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='5bd15673367e39a61f88cddada9c19fd03b7c63c', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_fac84', table='subscriptions_subscriptionmove', when='BEFORE')),
        ),
    ])
