"""However much an account has, its take-out costs no more memory (M, L8): documents go one after the other from the
storage to whoever downloads them."""

import hashlib
import os
import tracemalloc

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.models import TakeOut
from billing_portal.take_outs import fetch, prepare
from core.archives import stream_zip
from core.codes import new_code
from payments.models import Paper

pytestmark = pytest.mark.django_db

KILOBYTE = 1024
DOCUMENT = 64 * KILOBYTE
# An archive ends with the name and digest of each file: that much of each stays until then.
OF_EACH_FILE = 1.5 * KILOBYTE


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def taken_out(number):
    """An account with that many statements of 64 kB, and its take-out, ready."""
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)
    content = os.urandom(DOCUMENT)
    name = default_storage.save("papers/one.pdf", ContentFile(content))
    today = timezone.localdate()
    made = {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": DOCUMENT,
        "made_at": timezone.now(),
    }
    Paper.objects.bulk_create(
        Paper(
            code=new_code(), kind="statement", account=account, currency="EUR", language="en", status="ready",
            starts_on=today, ends_on=today, opening_minor=0, closing_minor=0, **made,
        )
        for _each in range(number)
    )  # fmt: skip
    take_out = TakeOut.objects.create(account=account, asked_by=owner)
    prepare(take_out)
    return take_out, owner


def peak_of_download(number):
    """The most memory that the download took at once, beyond what there was, and how long the archive was; in bytes."""
    take_out, owner = taken_out(number)
    length = 0
    tracemalloc.start()
    try:
        for piece in stream_zip(fetch(take_out, by=owner, at=timezone.now())):
            length += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak, length


def test_L8_M_memory_does_not_grow_with_the_documents(long):
    few, many = (1000, 10_000) if long else (20, 220)
    small, short = peak_of_download(few)
    large, whole = peak_of_download(many)
    assert whole - short > (many - few) * DOCUMENT
    assert large - small < (many - few) * OF_EACH_FILE + 512 * KILOBYTE
