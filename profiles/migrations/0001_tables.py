import core.codes
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import pgtrigger.compiler
import profiles.time_zones
from django.conf import settings
from django.db import migrations, models

from core.migration_operations import AddTrigger, together


class Migration(migrations.Migration):

    replaces = [
        ('profiles', '0001_initial'),
        ('profiles', '0002_extra_recipients'),
        ('profiles', '0003_coming_po_number_and_policies'),
        ('profiles', '0004_service_usage_address'),
        ('profiles', '0005_invoice_sections'),
        ('profiles', '0006_stand_ins'),
        ('profiles', '0007_shared_invoices'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0001_tables'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = together([
        migrations.CreateModel(
            name='BillingProfile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('kind', models.CharField(choices=[('standard', 'Billing profile'), ('subscription', 'Profile of a subscription')], default='standard', max_length=12)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('status', models.CharField(choices=[('under_review', 'Under review'), ('active', 'Active'), ('warned', 'Past due'), ('disabled', 'Disabled'), ('closed', 'Closed')], default='active', max_length=16)),
                ('po_number', models.CharField(blank=True, max_length=50, verbose_name='PO number')),
                ('coming_po_number', models.CharField(blank=True, db_default='', max_length=50, verbose_name='next PO number')),
                ('coming_po_from', models.DateField(blank=True, null=True, verbose_name='next PO number from')),
                ('sends_invoices', models.BooleanField(default=False, verbose_name='send invoices by e-mail')),
                ('attaches_pdf', models.BooleanField(default=True, verbose_name='attach the PDF')),
                ('marketplace_policy', models.CharField(choices=[('all', 'All'), ('free', 'Only free ones'), ('none', 'None')], db_default='all', default='all', max_length=4, verbose_name='products of other companies')),
                ('allows_reservations', models.BooleanField(db_default=True, default=True, verbose_name='reservations allowed')),
                ('shares_invoices', models.BooleanField(db_default=False, default=False, verbose_name='access to invoice')),
                ('invoice_day', models.PositiveSmallIntegerField(default=5, verbose_name='invoice day')),
                ('payment_term_days', models.PositiveSmallIntegerField(default=30, verbose_name='payment term in days')),
                ('time_zone', models.CharField(default='Europe/Amsterdam', max_length=64, validators=[profiles.time_zones.validate_time_zone], verbose_name='time zone')),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='profiles', to='accounts.billingaccount')),
                ('bill_to', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='bill_to_of_profile', to='accounts.address')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('ship_to', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ship_to_of_profile', to='accounts.address')),
            ],
            options={
                'verbose_name': 'billing profile',
                'verbose_name_plural': 'billing profiles',
                'ordering': ['name', 'pk'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), models.F('account'), condition=models.Q(('kind', 'standard'), models.Q(('status', 'closed'), _negated=True)), name='profile_name_once_per_account', violation_error_message='This account has a billing profile of that name already.'), models.CheckConstraint(condition=models.Q(models.Q(('bill_to__isnull', False), ('kind', 'standard')), models.Q(('bill_to__isnull', True), ('kind', 'subscription')), _connector='OR'), name='bill_to_on_standard_profiles_only'), models.CheckConstraint(condition=models.Q(('invoice_day__range', (1, 28))), name='invoice_day_in_every_month', violation_error_message='Choose a day that every month has: 1 to 28.'), models.CheckConstraint(condition=models.Q(('shares_invoices', False), ('kind', 'subscription'), _connector='OR'), name='invoices_are_shared_of_subscriptions_only'), models.CheckConstraint(condition=models.Q(('coming_po_number', ''), ('coming_po_from__isnull', False), _connector='OR'), name='coming_po_number_has_a_day', violation_error_message='Say from which day the next PO number counts.'), models.UniqueConstraint(fields=('id', 'account'), name='profile_in_one_account')],
            },
        ),
        migrations.CreateModel(
            name='BillingProfileEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32)),
                ('kind', models.CharField(choices=[('standard', 'Billing profile'), ('subscription', 'Profile of a subscription')], default='standard', max_length=12)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('status', models.CharField(choices=[('under_review', 'Under review'), ('active', 'Active'), ('warned', 'Past due'), ('disabled', 'Disabled'), ('closed', 'Closed')], default='active', max_length=16)),
                ('po_number', models.CharField(blank=True, max_length=50, verbose_name='PO number')),
                ('coming_po_number', models.CharField(blank=True, db_default='', max_length=50, verbose_name='next PO number')),
                ('coming_po_from', models.DateField(blank=True, null=True, verbose_name='next PO number from')),
                ('sends_invoices', models.BooleanField(default=False, verbose_name='send invoices by e-mail')),
                ('attaches_pdf', models.BooleanField(default=True, verbose_name='attach the PDF')),
                ('marketplace_policy', models.CharField(choices=[('all', 'All'), ('free', 'Only free ones'), ('none', 'None')], db_default='all', default='all', max_length=4, verbose_name='products of other companies')),
                ('allows_reservations', models.BooleanField(db_default=True, default=True, verbose_name='reservations allowed')),
                ('shares_invoices', models.BooleanField(db_default=False, default=False, verbose_name='access to invoice')),
                ('invoice_day', models.PositiveSmallIntegerField(default=5, verbose_name='invoice day')),
                ('payment_term_days', models.PositiveSmallIntegerField(default=30, verbose_name='payment term in days')),
                ('time_zone', models.CharField(default='Europe/Amsterdam', max_length=64, validators=[profiles.time_zones.validate_time_zone], verbose_name='time zone')),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('account', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.billingaccount')),
                ('bill_to', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.address')),
                ('created_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='profiles.billingprofile')),
                ('ship_to', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.address')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ExtraRecipient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(max_length=254, verbose_name='e-mail')),
                ('language', models.CharField(choices=[('en', 'English'), ('nl', 'Dutch')], default='en', max_length=2, verbose_name='language')),
                ('added_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='asked')),
                ('confirmed_at', models.DateTimeField(blank=True, null=True, verbose_name='confirmed')),
                ('added_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='extra_recipients', to='profiles.billingprofile')),
            ],
            options={
                'verbose_name': 'extra recipient',
                'verbose_name_plural': 'extra recipients',
                'ordering': ['email', 'pk'],
                'constraints': [models.UniqueConstraint(models.F('profile'), django.db.models.functions.text.Lower('email'), name='extra_recipient_once')],
            },
        ),
        migrations.CreateModel(
            name='ExtraRecipientEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('email', models.EmailField(max_length=254, verbose_name='e-mail')),
                ('language', models.CharField(choices=[('en', 'English'), ('nl', 'Dutch')], default='en', max_length=2, verbose_name='language')),
                ('added_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='asked')),
                ('confirmed_at', models.DateTimeField(blank=True, null=True, verbose_name='confirmed')),
                ('added_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='profiles.extrarecipient')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.billingprofile')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='InvoiceMute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('muted_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoice_mutes', to='profiles.billingprofile')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoice_mutes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'muted invoice mail',
                'verbose_name_plural': 'muted invoice mail',
                'constraints': [models.UniqueConstraint(fields=('profile', 'user'), name='invoice_mute_once')],
            },
        ),
        migrations.CreateModel(
            name='InvoiceMuteEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('muted_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='profiles.invoicemute')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.billingprofile')),
                ('user', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='InvoiceSection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('is_default', models.BooleanField(default=False, verbose_name='default')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sections', to='profiles.billingprofile')),
            ],
            options={
                'verbose_name': 'invoice section',
                'verbose_name_plural': 'invoice sections',
                'ordering': ['-is_default', 'name', 'pk'],
                'constraints': [models.UniqueConstraint(models.F('profile'), django.db.models.functions.text.Lower('name'), name='section_name_once_per_profile'), models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('profile',), name='one_default_section_per_profile')],
            },
        ),
        migrations.CreateModel(
            name='InvoiceSectionEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('is_default', models.BooleanField(default=False, verbose_name='default')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('created_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='profiles.invoicesection')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.billingprofile')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ProfileRole',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('profile_owner', 'Billing profile owner'), ('profile_contributor', 'Billing profile contributor'), ('invoice_manager', 'Invoice manager'), ('profile_reader', 'Billing profile reader')], max_length=32)),
                ('assigned_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_on', models.DateField(blank=True, null=True)),
                ('assigned_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='roles', to='profiles.billingprofile')),
                ('stands_in_for', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='profile_roles', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('stands_in_for', None)), fields=('profile', 'user'), name='one_profile_role_per_person'), models.UniqueConstraint(fields=('profile', 'user', 'stands_in_for'), name='profile_stand_in_once'), models.CheckConstraint(condition=models.Q(('stands_in_for', None), models.Q(('expires_on__isnull', False), models.Q(('stands_in_for', models.F('user')), _negated=True)), _connector='OR'), name='profile_stand_in_ends')],
            },
        ),
        migrations.CreateModel(
            name='ProfileRoleEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('role', models.CharField(choices=[('profile_owner', 'Billing profile owner'), ('profile_contributor', 'Billing profile contributor'), ('invoice_manager', 'Invoice manager'), ('profile_reader', 'Billing profile reader')], max_length=32)),
                ('assigned_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_on', models.DateField(blank=True, null=True)),
                ('assigned_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='profiles.profilerole')),
                ('profile', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='profiles.billingprofile')),
                ('stands_in_for', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        AddTrigger(
            model_name='billingprofile',
            trigger=pgtrigger.compiler.Trigger(name='profile_status_edges', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{under_review:active,active:warned,warned:active,warned:disabled,disabled:active,active:closed,disabled:closed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='7c3a92982c99813d2614964983175b9d6541067f', operation='UPDATE', pgid='pgtrigger_profile_status_edges_89ae1', table='profiles_billingprofile', when='BEFORE')),
        ),
        AddTrigger(
            model_name='billingprofile',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_billingprofileevent" ("account_id", "allows_reservations", "attaches_pdf", "bill_to_id", "code", "coming_po_from", "coming_po_number", "created_at", "created_by_id", "currency", "id", "invoice_day", "kind", "marketplace_policy", "name", "payment_term_days", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "po_number", "sends_invoices", "shares_invoices", "ship_to_id", "status", "time_zone", "version") VALUES (NEW."account_id", NEW."allows_reservations", NEW."attaches_pdf", NEW."bill_to_id", NEW."code", NEW."coming_po_from", NEW."coming_po_number", NEW."created_at", NEW."created_by_id", NEW."currency", NEW."id", NEW."invoice_day", NEW."kind", NEW."marketplace_policy", NEW."name", NEW."payment_term_days", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."po_number", NEW."sends_invoices", NEW."shares_invoices", NEW."ship_to_id", NEW."status", NEW."time_zone", NEW."version"); RETURN NULL;', hash='819d4a5c511f61b43a828c33d3ebc469d3138e94', operation='INSERT', pgid='pgtrigger_insert_insert_02910', table='profiles_billingprofile', when='AFTER')),
        ),
        AddTrigger(
            model_name='billingprofile',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "profiles_billingprofileevent" ("account_id", "allows_reservations", "attaches_pdf", "bill_to_id", "code", "coming_po_from", "coming_po_number", "created_at", "created_by_id", "currency", "id", "invoice_day", "kind", "marketplace_policy", "name", "payment_term_days", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "po_number", "sends_invoices", "shares_invoices", "ship_to_id", "status", "time_zone", "version") VALUES (NEW."account_id", NEW."allows_reservations", NEW."attaches_pdf", NEW."bill_to_id", NEW."code", NEW."coming_po_from", NEW."coming_po_number", NEW."created_at", NEW."created_by_id", NEW."currency", NEW."id", NEW."invoice_day", NEW."kind", NEW."marketplace_policy", NEW."name", NEW."payment_term_days", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."po_number", NEW."sends_invoices", NEW."shares_invoices", NEW."ship_to_id", NEW."status", NEW."time_zone", NEW."version"); RETURN NULL;', hash='494245834b524c90106545980d0fb5cba026dd14', operation='UPDATE', pgid='pgtrigger_update_update_1669c', table='profiles_billingprofile', when='AFTER')),
        ),
        AddTrigger(
            model_name='billingprofile',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_billingprofileevent" ("account_id", "allows_reservations", "attaches_pdf", "bill_to_id", "code", "coming_po_from", "coming_po_number", "created_at", "created_by_id", "currency", "id", "invoice_day", "kind", "marketplace_policy", "name", "payment_term_days", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "po_number", "sends_invoices", "shares_invoices", "ship_to_id", "status", "time_zone", "version") VALUES (OLD."account_id", OLD."allows_reservations", OLD."attaches_pdf", OLD."bill_to_id", OLD."code", OLD."coming_po_from", OLD."coming_po_number", OLD."created_at", OLD."created_by_id", OLD."currency", OLD."id", OLD."invoice_day", OLD."kind", OLD."marketplace_policy", OLD."name", OLD."payment_term_days", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."po_number", OLD."sends_invoices", OLD."shares_invoices", OLD."ship_to_id", OLD."status", OLD."time_zone", OLD."version"); RETURN NULL;', hash='abc9ad79d74b115de43a250b0fbd1aca45408692', operation='DELETE', pgid='pgtrigger_delete_delete_3df75', table='profiles_billingprofile', when='AFTER')),
        ),
        AddTrigger(
            model_name='billingprofileevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='62e9ad1fc9ac55675dde5e2d532eb937ed9a454d', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_024e1', table='profiles_billingprofileevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='billingprofileevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='e08ec259d34c50bf927d67a01d831744c411d114', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_f4882', table='profiles_billingprofileevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='extrarecipient',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_extrarecipientevent" ("added_at", "added_by_id", "asked_at", "confirmed_at", "email", "id", "language", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id") VALUES (NEW."added_at", NEW."added_by_id", NEW."asked_at", NEW."confirmed_at", NEW."email", NEW."id", NEW."language", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."profile_id"); RETURN NULL;', hash='2dd2a99ba571a61268d0b2ec86c5804f49c55638', operation='INSERT', pgid='pgtrigger_insert_insert_9ef2f', table='profiles_extrarecipient', when='AFTER')),
        ),
        AddTrigger(
            model_name='extrarecipient',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "profiles_extrarecipientevent" ("added_at", "added_by_id", "asked_at", "confirmed_at", "email", "id", "language", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id") VALUES (NEW."added_at", NEW."added_by_id", NEW."asked_at", NEW."confirmed_at", NEW."email", NEW."id", NEW."language", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."profile_id"); RETURN NULL;', hash='46468da5663735aa7dcce5fec1f2419fb078c882', operation='UPDATE', pgid='pgtrigger_update_update_b16b0', table='profiles_extrarecipient', when='AFTER')),
        ),
        AddTrigger(
            model_name='extrarecipient',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_extrarecipientevent" ("added_at", "added_by_id", "asked_at", "confirmed_at", "email", "id", "language", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id") VALUES (OLD."added_at", OLD."added_by_id", OLD."asked_at", OLD."confirmed_at", OLD."email", OLD."id", OLD."language", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."profile_id"); RETURN NULL;', hash='44c385fd24f37d6b60fd5eb854cf866e34d94d9c', operation='DELETE', pgid='pgtrigger_delete_delete_a80a1', table='profiles_extrarecipient', when='AFTER')),
        ),
        AddTrigger(
            model_name='extrarecipientevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='da46c07196e8f6cf48844c8c0871e7cbd5a0a306', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_67bb1', table='profiles_extrarecipientevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='extrarecipientevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='bf52fa74958934105b3209be08add8dac566853c', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_29ebc', table='profiles_extrarecipientevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='invoicemute',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_invoicemuteevent" ("id", "muted_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "user_id") VALUES (NEW."id", NEW."muted_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."profile_id", NEW."user_id"); RETURN NULL;', hash='5df4b06ce4a5ecfb80d34ef7c8f6c6765bafe8cd', operation='INSERT', pgid='pgtrigger_insert_insert_e5f75', table='profiles_invoicemute', when='AFTER')),
        ),
        AddTrigger(
            model_name='invoicemute',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "profiles_invoicemuteevent" ("id", "muted_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "user_id") VALUES (NEW."id", NEW."muted_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."profile_id", NEW."user_id"); RETURN NULL;', hash='f929abf53c2750a3bee2bc3b66b5ffa94f14cea4', operation='UPDATE', pgid='pgtrigger_update_update_43e16', table='profiles_invoicemute', when='AFTER')),
        ),
        AddTrigger(
            model_name='invoicemute',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_invoicemuteevent" ("id", "muted_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "user_id") VALUES (OLD."id", OLD."muted_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."profile_id", OLD."user_id"); RETURN NULL;', hash='4880f46a7cb70ecca14518a1cab0896a9a83fda3', operation='DELETE', pgid='pgtrigger_delete_delete_7a120', table='profiles_invoicemute', when='AFTER')),
        ),
        AddTrigger(
            model_name='invoicemuteevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='3a1d3f3372448fc23650fc01751cf3887acfa137', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_97cf0', table='profiles_invoicemuteevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='invoicemuteevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='a3402203ade10447264234efc97610fefb4c819b', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_3feb3', table='profiles_invoicemuteevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='invoicesection',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_invoicesectionevent" ("code", "created_at", "created_by_id", "id", "is_default", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id") VALUES (NEW."code", NEW."created_at", NEW."created_by_id", NEW."id", NEW."is_default", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."profile_id"); RETURN NULL;', hash='9020829c511b6a30b2ea6bf481e5ca6b9ee5ad55', operation='INSERT', pgid='pgtrigger_insert_insert_684f9', table='profiles_invoicesection', when='AFTER')),
        ),
        AddTrigger(
            model_name='invoicesection',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "profiles_invoicesectionevent" ("code", "created_at", "created_by_id", "id", "is_default", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id") VALUES (NEW."code", NEW."created_at", NEW."created_by_id", NEW."id", NEW."is_default", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."profile_id"); RETURN NULL;', hash='dbedd722962d0ca305146865f088c461cf7d4f56', operation='UPDATE', pgid='pgtrigger_update_update_6c4ea', table='profiles_invoicesection', when='AFTER')),
        ),
        AddTrigger(
            model_name='invoicesection',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_invoicesectionevent" ("code", "created_at", "created_by_id", "id", "is_default", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id") VALUES (OLD."code", OLD."created_at", OLD."created_by_id", OLD."id", OLD."is_default", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."profile_id"); RETURN NULL;', hash='398628ac907e4b6f0308ad6dadf615923a9cb660', operation='DELETE', pgid='pgtrigger_delete_delete_9f553', table='profiles_invoicesection', when='AFTER')),
        ),
        AddTrigger(
            model_name='invoicesectionevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='6a173e64b82c8e42cb2ca85458a9698685468dd2', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_db4ad', table='profiles_invoicesectionevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='invoicesectionevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='7b56d3818379ff518b65a019ff3f53517c049061', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_da853', table='profiles_invoicesectionevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='profilerole',
            trigger=pgtrigger.compiler.Trigger(name='last_owner_stays', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."expires_on" IS NULL AND OLD."role" = \'profile_owner\')', constraint='CONSTRAINT', declare='DECLARE owned_account bigint;', func="\n            SELECT account_id INTO owned_account FROM profiles_billingprofile\n                WHERE id = OLD.profile_id AND kind = 'standard' AND status <> 'closed';\n            PERFORM 1 FROM accounts_billingaccount WHERE id = owned_account FOR NO KEY UPDATE;\n            IF owned_account IS NOT NULL AND NOT EXISTS (\n                SELECT 1 FROM profiles_profilerole\n                WHERE profile_id = OLD.profile_id AND role = 'profile_owner' AND expires_on IS NULL\n            ) AND NOT EXISTS (\n                SELECT 1 FROM accounts_accountrole\n                WHERE account_id = owned_account\n                    AND role IN ('account_owner', 'account_administrator') AND expires_on IS NULL\n            ) THEN\n                RAISE EXCEPTION 'billing profile % would be left without an owner', OLD.profile_id\n                    USING ERRCODE = 'check_violation';\n            END IF;\n            RETURN NULL;\n        ", hash='05ea5fe45a3da31541966d2f54a92a2ecc43d36a', operation='UPDATE OR DELETE', pgid='pgtrigger_last_owner_stays_67cbc', table='profiles_profilerole', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        AddTrigger(
            model_name='profilerole',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_profileroleevent" ("assigned_at", "assigned_by_id", "expires_on", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "role", "stands_in_for_id", "user_id") VALUES (NEW."assigned_at", NEW."assigned_by_id", NEW."expires_on", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."profile_id", NEW."role", NEW."stands_in_for_id", NEW."user_id"); RETURN NULL;', hash='f9d3e07614820d63af469dfbaa005dd7d1da8065', operation='INSERT', pgid='pgtrigger_insert_insert_c6273', table='profiles_profilerole', when='AFTER')),
        ),
        AddTrigger(
            model_name='profilerole',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "profiles_profileroleevent" ("assigned_at", "assigned_by_id", "expires_on", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "role", "stands_in_for_id", "user_id") VALUES (NEW."assigned_at", NEW."assigned_by_id", NEW."expires_on", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."profile_id", NEW."role", NEW."stands_in_for_id", NEW."user_id"); RETURN NULL;', hash='3a09b59247385ee83623b6b4c4288415d711101b', operation='UPDATE', pgid='pgtrigger_update_update_d5e2c', table='profiles_profilerole', when='AFTER')),
        ),
        AddTrigger(
            model_name='profilerole',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "profiles_profileroleevent" ("assigned_at", "assigned_by_id", "expires_on", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "profile_id", "role", "stands_in_for_id", "user_id") VALUES (OLD."assigned_at", OLD."assigned_by_id", OLD."expires_on", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."profile_id", OLD."role", OLD."stands_in_for_id", OLD."user_id"); RETURN NULL;', hash='f863518d9c7b7a9adc0e77123bfd31bff067e74f', operation='DELETE', pgid='pgtrigger_delete_delete_7ec48', table='profiles_profilerole', when='AFTER')),
        ),
        AddTrigger(
            model_name='profileroleevent',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='867b5bd8c55a3552daa6e875e424b524a862b6a4', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_99209', table='profiles_profileroleevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='profileroleevent',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='d4c7250e4430d8301a10b45cba87e24574f58ed3', operation='UPDATE OR DELETE', pgid='pgtrigger_append_only_522f6', table='profiles_profileroleevent', when='BEFORE')),
        ),
    ])
