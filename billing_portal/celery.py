"""The second runner: the same jobs over many machines, through Redis or RabbitMQ.

    celery -A billing_portal worker          # any number, on any machine
    celery -A billing_portal beat            # one; a second one does no harm

The database stays the queue, and `billing_portal/tasks.py` says why nothing is lost with a message.
`manage.py work` needs no broker and may run beside it.
"""

import os

from celery import Celery
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

WAKE_EVERY_SECONDS = 1.0

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_portal.settings")

if not settings.CELERY_BROKER_URL:
    raise ImproperlyConfigured(
        "CELERY_BROKER_URL is not set. Name a Redis or RabbitMQ (redis://host:6379/0), or run `manage.py work`, "
        "which needs none."
    )

app = Celery("billing_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "wake": {
        "task": "billing_portal.wake",
        "schedule": WAKE_EVERY_SECONDS,
        # While no worker runs, wake-up calls must not pile up.
        "options": {"expires": 5 * WAKE_EVERY_SECONDS},
    }
}
