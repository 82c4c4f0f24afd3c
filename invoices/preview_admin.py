"""Staff look at mails and documents with the data of a chosen invoice, in both languages and both looks."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from core.staff import render_page
from invoices.documents.render import RenderFailed
from invoices.models import Invoice
from invoices.previews import (
    LANGUAGES,
    LOOKS,
    in_look,
    kinds_of_document,
    kinds_of_mail,
    shown_document,
    shown_mail,
)

# A mail brings its style along, and fetches nothing but the vendor's logo.
MAIL_POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'none'"],
    "form-action": ["'none'"],
    "connect-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
}


class PreviewsMails(admin.ModelAdmin):
    """Pages of the admin of invoices."""

    def get_urls(self) -> list[Any]:
        site = self.admin_site.admin_view
        own = [
            path("<int:pk>/preview/", site(require_safe(self.preview)), name="invoices_invoice_preview"),
            path(
                "<int:pk>/preview/mail/<slug:template>/<slug:language>/<slug:look>/",
                site(require_safe(self.mail)),
                name="invoices_invoice_preview_mail",
            ),
            path(
                "<int:pk>/preview/document/<slug:kind>/<slug:language>/",
                site(require_safe(self.document)),
                name="invoices_invoice_preview_document",
            ),
        ]
        return own + super().get_urls()

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every mail and document by name, and the chosen mail in both languages."""
        invoice = self._chosen(request, pk)
        kinds = list(kinds_of_mail())
        template = request.GET.get("mail", "invoice_issued")
        shown = [mail for language in LANGUAGES if (mail := shown_mail(invoice, template, language)) is not None]
        return render_page(
            self,
            request,
            "invoices/admin/preview.html",
            title=_("Preview with the data of %(invoice)s") % {"invoice": invoice},
            invoice=invoice,
            kinds=kinds,
            documents=kinds_of_document(),
            template=template,
            shown=shown,
            languages=LANGUAGES,
            looks=LOOKS,
        )

    def mail(self, request: HttpRequest, pk: int, template: str, language: str, look: str) -> HttpResponse:
        """The mail as a mail program draws it."""
        invoice = self._chosen(request, pk)
        if language not in LANGUAGES or look not in LOOKS:
            raise Http404
        shown = shown_mail(invoice, template, language)
        if shown is None:
            raise Http404
        response = HttpResponse(in_look(shown.page, look))
        response._csp_replace = MAIL_POLICY  # type: ignore[attr-defined]
        response["Cache-Control"] = "no-store"
        return response

    def document(self, request: HttpRequest, pk: int, kind: str, language: str) -> HttpResponse:
        """The PDF as it would come out now. It is made for this look alone."""
        invoice = self._chosen(request, pk)
        if language not in LANGUAGES or kind not in dict(kinds_of_document()):
            raise Http404
        try:
            content = shown_document(invoice, kind, language)
        except RenderFailed as error:
            messages.error(request, _("The document could not be made: %(error)s") % {"error": error})
            return redirect("admin:invoices_invoice_preview", invoice.pk)
        if content is None:
            messages.warning(request, _("There is none of this kind yet, so there is nothing to show it with."))
            return redirect("admin:invoices_invoice_preview", invoice.pk)
        headers = {"Content-Disposition": 'inline; filename="preview.pdf"', "Cache-Control": "no-store"}
        return HttpResponse(content, content_type="application/pdf", headers=headers)

    @staticmethod
    def _chosen(request: HttpRequest, pk: int) -> Invoice:
        if not request.user.has_perms(["invoices.view_invoice", "core.view_message"]):  # type: ignore[union-attr]
            raise PermissionDenied
        return get_object_or_404(Invoice, pk=pk)
