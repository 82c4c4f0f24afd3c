"""The settings of a test run: the portal's own, in an environment that is the same on every machine.

pytest-django loads the settings before any conftest.py, so the environment is made here.
"""

import os

# What a person has set for a trial must not reach the tests.
for _name in (
    "DEMO",
    "DEBUG",
    "EMAIL_URL",
    "CELERY_BROKER_URL",
    "PAYMENT_GATEWAY",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "STRIPE_API_BASE",
    "STRIPE_TIMEOUT_SECONDS",
    "LOG_FORMAT",
    "MEDIA_ROOT",
):
    os.environ.pop(_name, None)
os.environ |= {
    "SECRET_KEY": "a-key-for-tests-only-0123456789-0123456789-0123456789",
    "BASE_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "HASHED_STATIC": "0",
    "SANDBOX_GATEWAY_ALLOWED": "1",
    "VAT_VERIFIER": "fake",  # no test asks anybody outside this machine
    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",  # playwright keeps an event loop in the thread of the test
}

from billing_portal.settings import *  # noqa: E402, F403
from billing_portal.settings import LOGGING  # noqa: E402

# pytest shows the log of a test that fails; once is enough.
LOGGING["root"]["handlers"] = []

# Every test client would list all static files first, which costs more than most tests.
WHITENOISE_AUTOREFRESH = True
