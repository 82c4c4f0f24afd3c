"""`manage.py check_documents`: whether every document has its file, unchanged, and every file its document (I28)."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand
from django.utils import timezone

from core.errors import Refused
from invoices.documents.archive import FOLDER, Damaged, read_document, restore_document, retry_document
from invoices.documents.render import RenderFailed
from invoices.models import Document
from invoices.states import DocumentStatus

# A younger file may belong to a document that is being made.
LEFT_OVER_AFTER = timedelta(hours=24)


class Command(BaseCommand):
    help = (
        "Compare every document with its file and every file with its document. Exit status: 0 all is well, or was "
        "put right; 1 somebody has to look."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--restore", action="store_true", help="make damaged and lost files again, where every byte is the same"
        )
        parser.add_argument("--retry", action="store_true", help="let the worker try again what could not be made")

    def handle(self, *, restore: bool, retry: bool, **options: Any) -> None:
        troubles = [*self._documents(restore=restore, retry=retry), *_left_over()]
        for trouble in troubles:
            self.stdout.write(trouble)
        if troubles:
            sys.exit(1)
        self.stdout.write("Every document has its file.")

    def _documents(self, *, restore: bool, retry: bool) -> Iterator[str]:
        for document in Document.objects.select_related("invoice").order_by("pk").iterator(chunk_size=500):
            number = document.invoice.number
            if document.status == DocumentStatus.FAILED:
                if retry:
                    retry_document(document)
                else:
                    yield f"{number}: could not be made: {document.last_error}"
            elif document.status == DocumentStatus.READY:
                try:
                    read_document(document)
                except Damaged:
                    yield from self._restored(document) if restore else [f"{number}: the file is damaged or gone"]

    def _restored(self, document: Document) -> Iterator[str]:
        try:
            restore_document(document)
        except (Refused, RenderFailed) as trouble:
            yield f"{document.invoice.number}: the file is damaged or gone. {trouble}"
        else:
            self.stdout.write(f"{document.invoice.number}: put back")


def _left_over() -> Iterator[str]:
    known = set(Document.objects.exclude(file="").values_list("file", flat=True))
    youngest = timezone.now() - LEFT_OVER_AFTER
    for name in _files(FOLDER):
        is_kept_beside = name.removesuffix(".damaged") in known
        if not is_kept_beside and default_storage.get_modified_time(name) < youngest:
            yield f"{name} belongs to no document"


def _files(folder: str) -> Iterator[str]:
    if not default_storage.exists(folder):
        return
    folders, names = default_storage.listdir(folder)
    for name in names:
        yield f"{folder}/{name}"
    for name in folders:
        yield from _files(f"{folder}/{name}")
