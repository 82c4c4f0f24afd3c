"""How gunicorn serves the portal: `gunicorn -c billing_portal/gunicorn.py`.

Threads, because people's networks are slow. No preload: typst hangs when it was first used before a fork,
and a worker that loads by itself is also what a reload needs.
"""

import os

from billing_portal.logging import logging_settings

wsgi_app = "billing_portal.wsgi:application"
bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "4"))
preload_app = False

timeout = 60
graceful_timeout = 30
keepalive = 15
# A worker is renewed now and then, not all at the same moment, so that a slow leak never becomes an outage.
max_requests = 10_000
max_requests_jitter = 1_000

# Who may say over which scheme a request came is decided once, by TRUSTED_PROXY_COUNT in the settings.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

accesslog = None  # RequestReferenceMiddleware logs each answer
logconfig_dict = logging_settings(os.environ.get("LOG_FORMAT", "json"))
control_socket_disable = True  # nobody asks it anything; systemd and signals do
