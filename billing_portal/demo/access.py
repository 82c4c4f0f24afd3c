"""Whether this is a demo: `DEMO=1` and a database that was empty when it was marked as one. Never one alone."""

from django.conf import settings
from django.db import DatabaseError

from billing_portal.demo.models import DemoMarker


def is_demo() -> bool:
    """Whether the sign-in cards and the mail viewer may be there at all. No database is no demo."""
    if not settings.DEMO:
        return False
    try:
        return DemoMarker.objects.filter(is_whole=True).exists()
    except DatabaseError:
        return False
