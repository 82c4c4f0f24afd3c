"""The store of sessions: Django's in the database, which is not asked for what no session is called."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """A cookie may say anything, also a NUL, which PostgreSQL has no text for: such a key is no session (PR14)."""

    def _validate_session_key(self, key: str | None) -> bool:
        return key is not None and len(key) >= 8 and key.isascii() and key.isalnum()
