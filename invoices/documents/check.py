"""Is this document ours? What anybody who holds it may ask, without signing in (L4)."""

from datetime import timedelta

from accounts.services.limits import Limit
from invoices.models import Document

# 60 bits cannot be guessed at this pace, and nobody checks more paper by hand.
CHECKS_PER_ADDRESS = Limit("check of a document from an address", 30, timedelta(minutes=1))


def find_document(code: str) -> Document | None:
    """The document with that check code, which its holder reads from it; None for any other."""
    return Document.objects.select_related("invoice").filter(check_code=code).first()
