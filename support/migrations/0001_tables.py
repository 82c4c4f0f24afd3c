import core.codes
import django.db.models.deletion
import django.utils.timezone
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

from core.migration_operations import AddTrigger, together


class Migration(migrations.Migration):

    replaces = [
        ('support', '0001_initial'),
        ('support', '0002_disputes'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0001_tables'),
        ('invoices', '0001_tables'),
        ('profiles', '0001_tables'),
    ]

    operations = together([
        migrations.CreateModel(
            name='SupportMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_answer', models.BooleanField(default=False, verbose_name='answer')),
                ('text', models.TextField(verbose_name='text')),
                ('sent_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='sent')),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'support message',
                'verbose_name_plural': 'support messages',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='SupportFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('content_type', models.CharField(max_length=50)),
                ('size_bytes', models.PositiveIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('storage_name', models.CharField(max_length=255)),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='support.supportmessage')),
            ],
            options={
                'verbose_name': 'file of a support request',
                'verbose_name_plural': 'files of support requests',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='SupportRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(default=core.codes.new_code, editable=False, max_length=32, unique=True)),
                ('category', models.CharField(choices=[('charge', 'A charge on an invoice'), ('payment', 'A payment or payment method'), ('profile', 'A billing profile, its addresses or people'), ('other', 'Something else')], max_length=8, verbose_name='category')),
                ('subject', models.CharField(max_length=150, verbose_name='subject')),
                ('status', models.CharField(choices=[('open', 'Waiting for the vendor'), ('answered', 'Answered'), ('closed', 'Closed')], default='open', max_length=8, verbose_name='status')),
                ('opened_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='asked')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='last message')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='support_requests', to='accounts.billingaccount')),
                ('dispute', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='invoices.dispute')),
                ('invoice', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='invoices.invoice')),
                ('line', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='invoices.invoiceline')),
                ('opened_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked by')),
                ('profile', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='support_requests', to='profiles.billingprofile')),
            ],
            options={
                'verbose_name': 'support request',
                'verbose_name_plural': 'support requests',
                'ordering': ['-changed_at', '-pk'],
                'indexes': [models.Index(fields=['account', '-changed_at', '-id'], name='request_list')],
                'constraints': [models.CheckConstraint(condition=models.Q(('line', None), ('invoice__isnull', False), _connector='OR'), name='line_of_an_invoice')],
            },
        ),
        migrations.AddField(
            model_name='supportmessage',
            name='request',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='support.supportrequest'),
        ),
        AddTrigger(
            model_name='supportfile',
            trigger=pgtrigger.compiler.Trigger(name='no_update_or_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='1d027489dec64134b922c53030ca9918f1c11610', operation='UPDATE OR DELETE', pgid='pgtrigger_no_update_or_delete_93acb', table='support_supportfile', when='BEFORE')),
        ),
        AddTrigger(
            model_name='supportfile',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='b764575ed71dd33765f9bc0aeee039f4925841c5', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_6164e', table='support_supportfile', when='BEFORE')),
        ),
        AddTrigger(
            model_name='supportrequest',
            trigger=pgtrigger.compiler.Trigger(name='request_status_edges', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:answered,answered:open,open:closed,answered:closed,closed:open,closed:answered}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='4fab7912472287573f91189cf3ca0e1b37e777c2', operation='UPDATE', pgid='pgtrigger_request_status_edges_bd833', table='support_supportrequest', when='BEFORE')),
        ),
        AddTrigger(
            model_name='supportmessage',
            trigger=pgtrigger.compiler.Trigger(name='no_update_or_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='cd13703b901d40e0338621afda7e79e6ef206492', operation='UPDATE OR DELETE', pgid='pgtrigger_no_update_or_delete_1e787', table='support_supportmessage', when='BEFORE')),
        ),
        AddTrigger(
            model_name='supportmessage',
            trigger=pgtrigger.compiler.Trigger(name='no_truncate', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION '% cannot be emptied', TG_TABLE_NAME USING ERRCODE = 'check_violation';", hash='d108d666af9ad87efbe481724f212bb433fe5629', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_no_truncate_8ca42', table='support_supportmessage', when='BEFORE')),
        ),
    ])
