"""The store of sessions: Django's in the database, in a table that says whose they are.

It is not asked for what no session is called, and no session outlives its twelve hours, however busy it is
(ASVS 7.3.2).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils import timezone

# What a session holds about itself.
SIGNED_IN, SEEN, ADDRESS, BROWSER = "signed_in_at", "seen_at", "address", "browser"


class SessionStore(db.SessionStore):
    """A cookie may say anything, also a NUL, which PostgreSQL has no text for: such a key is no session (PR14)."""

    @classmethod
    def get_model_class(cls) -> Any:
        from core.models import Session  # noqa: PLC0415 the store is loaded before the apps are

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        now = timezone.now().timestamp()
        if data.get(SESSION_KEY):
            data.setdefault(SIGNED_IN, now)
            data.setdefault(SEEN, now)
        row: Any = super().create_model_instance(data)
        if data.get(SESSION_KEY):
            began = datetime.fromtimestamp(data[SIGNED_IN], UTC)
            row.user_id = int(data[SESSION_KEY])
            row.signed_in_at, row.seen_at = began, datetime.fromtimestamp(data[SEEN], UTC)
            row.address, row.browser = data.get(ADDRESS, "")[:45], data.get(BROWSER, "")[:200]
            row.expire_date = min(row.expire_date, began + timedelta(seconds=settings.SESSION_COOKIE_AGE))
        return row

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and len(key) >= 8 and key.isascii() and key.isalnum()
