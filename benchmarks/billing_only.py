"""Celery as in production, but with no other job than the billing of ranges: what `billing_workers` starts.

Documents and mails of the invoices would otherwise be made by the same workers meanwhile.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_portal.settings")
django.setup()

from billing_portal.celery import app  # noqa: E402
from core import jobs  # noqa: E402
from invoices.services.schedule import JOB  # noqa: E402

__all__ = ["app"]

_registered = jobs.registry()
for _name in set(_registered) - {JOB}:
    del _registered[_name]
