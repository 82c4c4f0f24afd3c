"""Receipts and statements for the preview of staff: with the data of a chosen invoice, made for the look alone."""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invoices.documents.render import render
from invoices.models import Invoice
from invoices.previews import offer_document
from payments.models import Paper, PaperKind, Payment
from payments.papers import request_of_paper


@offer_document("receipt", _("Receipt"))
def receipt(invoice: Invoice, language: str) -> bytes | None:
    """Of the payment of this invoice, else of the latest one."""
    paid = Payment.objects.filter(receipt_number__gt="").order_by("-pk")
    payment = paid.filter(allocations__invoice=invoice).first() or paid.first()
    if payment is None:
        return None
    return _made(Paper(kind=PaperKind.RECEIPT, payment=payment, language=language))


@offer_document("statement", _("Statement of account"))
def statement(invoice: Invoice, language: str) -> bytes | None:
    """Of the billing profile of this invoice, over the year that ends today."""
    today = timezone.localdate()
    return _made(
        Paper(
            kind=PaperKind.STATEMENT,
            account=invoice.account,
            profile=invoice.profile,
            starts_on=today.replace(year=today.year - 1, day=1),
            ends_on=today,
            currency=invoice.currency,
            language=language,
        )
    )


def _made(paper: Paper) -> bytes:
    """The paper is not saved."""
    request, _known = request_of_paper(paper)
    return render(request).pdf
