import core.plain
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import pgtrigger.compiler
from django.db import migrations, models

from core.migration_operations import AddTrigger, together


class Migration(migrations.Migration):

    replaces = [
        ('core', '0001_initial'),
        ('core', '0002_message_requeued'),
        ('core', '0003_history_seals'),
        ('core', '0004_session_says_whose_it_is'),
        ('core', '0005_context_is_final'),
        ('core', '0007_reports_of_mail_services'),
    ]

    initial = True

    dependencies = [
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = together([
        migrations.CreateModel(
            name='HistoryContext',
            fields=[
            ],
            options={
                'verbose_name': 'context of history',
                'verbose_name_plural': 'contexts of history',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('pghistory.context',),
        ),
        migrations.CreateModel(
            name='HistorySeal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('chain', models.BigIntegerField()),
                ('number', models.PositiveIntegerField()),
                ('table', models.CharField(max_length=100)),
                ('entry', models.BigIntegerField()),
                ('columns', models.TextField()),
                ('content', models.CharField(max_length=64)),
                ('erased', models.CharField(blank=True, max_length=200)),
                ('digest', models.CharField(max_length=64)),
                ('sealed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'verbose_name': 'seal of history',
                'verbose_name_plural': 'seals of history',
                'indexes': [models.Index(fields=['table', 'entry'], name='seal_of_entry')],
                'constraints': [models.UniqueConstraint(fields=('chain', 'number'), name='seal_number_once')],
            },
        ),
        migrations.CreateModel(
            name='JobClaim',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.CharField(max_length=100, verbose_name='job')),
                ('row_id', models.BigIntegerField(verbose_name='row')),
                ('token', models.UUIDField(editable=False)),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='started')),
                ('until', models.DateTimeField(verbose_name='until')),
                ('tries_left', models.PositiveSmallIntegerField(verbose_name='tries left')),
                ('last_error', models.TextField(blank=True, verbose_name='last error')),
            ],
            options={
                'verbose_name': 'job in hand',
                'verbose_name_plural': 'jobs in hand',
                'constraints': [models.UniqueConstraint(fields=('job', 'row_id'), name='job_claim_once')],
            },
        ),
        migrations.CreateModel(
            name='JobSlot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.CharField(max_length=100, verbose_name='job')),
                ('slot', models.DateTimeField(verbose_name='slot')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
            ],
            options={
                'verbose_name': 'clock slot',
                'verbose_name_plural': 'clock slots',
                'indexes': [models.Index(models.F('job'), models.F('slot'), condition=models.Q(('finished_at__isnull', True)), name='job_slot_unfinished')],
                'constraints': [models.UniqueConstraint(fields=('job', 'slot'), name='job_slot_once')],
            },
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('email', 'E-mail'), ('sms', 'Text message')], default='email', max_length=10, verbose_name='channel')),
                ('recipient', models.CharField(max_length=254, verbose_name='recipient')),
                ('language', models.CharField(max_length=10, verbose_name='language')),
                ('mail_class', models.CharField(choices=[('mandatory_service', 'Security, invitation and breaking change'), ('service', 'Service and billing'), ('recommendation', 'Recommendation'), ('invoice_issued', 'Invoice'), ('payment_trouble', 'Payment failed, overdue or disabling'), ('receipt', 'Payment received'), ('card_expiring', 'Card expiring'), ('credit_expiring', 'Credit expiring'), ('access_changed', 'Role, payment method or address changed'), ('password_reset', 'Password reset'), ('marketing', 'Marketing')], max_length=20, verbose_name='class')),
                ('template', models.CharField(max_length=60, verbose_name='template')),
                ('context', models.JSONField(decoder=core.plain.PlainDecoder, default=dict, encoder=core.plain.PlainEncoder, verbose_name='context')),
                ('secret_context', models.JSONField(blank=True, decoder=core.plain.PlainDecoder, default=dict, encoder=core.plain.PlainEncoder)),
                ('attachments', models.JSONField(blank=True, default=list, verbose_name='attachments')),
                ('reference', models.CharField(blank=True, max_length=100, verbose_name='about')),
                ('key', models.CharField(blank=True, max_length=150, null=True, unique=True)),
                ('message_id', models.CharField(max_length=120, unique=True, verbose_name='Message-ID')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('accepted', 'Delivered'), ('deferred', 'Trying again'), ('bounced', 'Came back'), ('given_up', 'Given up'), ('withdrawn', 'Withdrawn'), ('suppressed', 'Declined by the recipient')], default='queued', max_length=10, verbose_name='status')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('next_attempt_at', models.DateTimeField(verbose_name='next attempt')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='useless after')),
                ('last_error', models.TextField(blank=True, verbose_name='last error')),
                ('possibly_twice', models.BooleanField(default=False, verbose_name='possibly sent twice')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('accepted_at', models.DateTimeField(blank=True, null=True, verbose_name='delivered')),
            ],
            options={
                'verbose_name': 'message',
                'verbose_name_plural': 'messages',
                'indexes': [models.Index(models.F('next_attempt_at'), models.F('id'), condition=models.Q(('status__in', ('queued', 'sending', 'deferred'))), name='message_due'), models.Index(models.F('reference'), models.F('id'), condition=models.Q(('reference', ''), _negated=True), name='message_about')],
                'constraints': [models.CheckConstraint(condition=models.Q(('secret_context', {}), ('status__in', ('queued', 'sending', 'deferred')), _connector='OR'), name='message_ended_without_secrets'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'accepted'), _negated=True), ('accepted_at__isnull', False), _connector='OR'), name='message_accepted_has_moment')],
            },
        ),
        migrations.CreateModel(
            name='MessageAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='moment')),
                ('outcome', models.CharField(choices=[('queued', 'Queued'), ('sending', 'Sending'), ('accepted', 'Delivered'), ('deferred', 'Trying again'), ('bounced', 'Came back'), ('given_up', 'Given up'), ('withdrawn', 'Withdrawn'), ('suppressed', 'Declined by the recipient')], max_length=10, verbose_name='outcome')),
                ('code', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='reply code')),
                ('words', models.TextField(blank=True, verbose_name='reply')),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='timeline', to='core.message')),
            ],
            options={
                'verbose_name': 'attempt',
                'verbose_name_plural': 'attempts',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Session',
            fields=[
                ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                ('user_id', models.BigIntegerField(blank=True, null=True, verbose_name='person')),
                ('address', models.CharField(blank=True, max_length=45, verbose_name='network address')),
                ('browser', models.CharField(blank=True, max_length=200, verbose_name='browser')),
                ('signed_in_at', models.DateTimeField(blank=True, null=True, verbose_name='signed in')),
                ('seen_at', models.DateTimeField(blank=True, null=True, verbose_name='last seen')),
            ],
            options={
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
                'abstract': False,
                'indexes': [models.Index(models.F('user_id'), condition=models.Q(('user_id__isnull', False)), name='session_person')],
            },
        ),
        migrations.CreateModel(
            name='MailEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service', models.CharField(max_length=20, verbose_name='service')),
                ('event_id', models.CharField(max_length=64)),
                ('kind', models.CharField(choices=[('bounced', 'Came back'), ('complained', 'Marked as spam')], max_length=10, verbose_name='kind')),
                ('recipient', models.CharField(blank=True, max_length=254, verbose_name='recipient')),
                ('mail_id', models.CharField(blank=True, max_length=200, verbose_name='Message-ID')),
                ('words', models.TextField(blank=True, verbose_name='reply')),
                ('payload', models.TextField(verbose_name='content')),
                ('status', models.CharField(choices=[('received', 'Received'), ('processed', 'Processed'), ('quarantined', 'About no mail of ours')], default='received', max_length=12, verbose_name='status')),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='received')),
                ('processed_at', models.DateTimeField(blank=True, null=True, verbose_name='processed')),
                ('message', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='core.message')),
            ],
            options={
                'verbose_name': 'report of a mail service',
                'verbose_name_plural': 'reports of mail services',
                'indexes': [models.Index(condition=models.Q(('status', 'received')), fields=['id'], name='mail_event_due')],
                'constraints': [models.UniqueConstraint(fields=('service', 'event_id'), name='mail_event_once')],
            },
        ),
        migrations.CreateModel(
            name='MailComplaint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recipient', models.CharField(max_length=254, verbose_name='recipient')),
                ('noted_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='noted')),
                ('lifted_at', models.DateTimeField(blank=True, null=True, verbose_name='lifted')),
                ('message', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='core.message')),
            ],
            options={
                'verbose_name': 'complaint about mail',
                'verbose_name_plural': 'complaints about mail',
                'constraints': [models.UniqueConstraint(condition=models.Q(('lifted_at', None)), fields=('recipient',), name='complaint_once')],
            },
        ),
        AddTrigger(
            model_name='historyseal',
            trigger=pgtrigger.compiler.Trigger(name='no_update_or_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='5ea9d6ea2eed46e9e2e68b703c40f1937d077259', operation='UPDATE OR DELETE', pgid='pgtrigger_no_update_or_delete_79968', table='core_historyseal', when='BEFORE')),
        ),
        AddTrigger(
            model_name='historyseal',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='d15c251e90136be9ffc3e5c87514f34207ef720b', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_39f55', table='core_historyseal', when='BEFORE')),
        ),
        AddTrigger(
            model_name='message',
            trigger=pgtrigger.compiler.Trigger(name='message_status', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{queued:sending,deferred:sending,sending:accepted,sending:deferred,sending:bounced,sending:given_up,queued:deferred,queued:given_up,deferred:deferred,deferred:given_up,queued:withdrawn,deferred:withdrawn,queued:suppressed,deferred:suppressed,accepted:bounced,accepted:queued,bounced:queued,given_up:queued,withdrawn:queued,suppressed:queued}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='9c666f7152f536208e19d537c3bd996238ac7a91', operation='UPDATE', pgid='pgtrigger_message_status_2478b', table='core_message', when='BEFORE')),
        ),
        AddTrigger(
            model_name='historycontext',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'who was acting is final' USING ERRCODE = 'check_violation';", hash='130eb1b251f0e678dd639a0302651fcc69c67784', operation='UPDATE', pgid='pgtrigger_no_update_a538d', table='pghistory_context', when='BEFORE')),
        ),
        AddTrigger(
            model_name='historycontext',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='6d76fc67674f1fe6fe8d367632ed0f12b1bb7816', operation='DELETE', pgid='pgtrigger_no_delete_04677', table='pghistory_context', when='BEFORE')),
        ),
        AddTrigger(
            model_name='historycontext',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='3fcde88e59c4816b90415fdd87fcc7bfe1ae099a', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_4a215', table='pghistory_context', when='BEFORE')),
        ),
        AddTrigger(
            model_name='mailevent',
            trigger=pgtrigger.compiler.Trigger(name='mail_event_status', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{received:processed,received:quarantined,quarantined:received}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='c2e767ab551cadbddba3bb50f2e8289664870e5d', operation='UPDATE', pgid='pgtrigger_mail_event_status_592dd', table='core_mailevent', when='BEFORE')),
        ),
        AddTrigger(
            model_name='messageattempt',
            trigger=pgtrigger.compiler.Trigger(name='no_update', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='85227b623d815a4e8485d170867bbb5a4374f340', operation='UPDATE', pgid='pgtrigger_no_update_fff02', table='core_messageattempt', when='BEFORE')),
        ),
        AddTrigger(
            model_name='messageattempt',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='759568b1b774a5416effca38ebb77da427c1d13a', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_69a88', table='core_messageattempt', when='BEFORE')),
        ),
    ])
