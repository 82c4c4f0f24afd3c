"""Staff hand in files of charges, look at their progress, and get the refused rows back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import ReadOnly
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from invoices.models import ChargeUpload
from invoices.services.charge_uploads import upload_charges
from invoices.states import UploadStatus


class ChargesForm(forms.Form):
    """The file."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV of FOCUS 1.0, 1.1 or 1.2, plain or packed with gzip."),
        allow_empty_file=True,
    )


@admin.register(ChargeUpload)
class ChargeUploadAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("file_name", "status", "rows_read", "added_rows", "known_rows", "refused_rows", "uploaded_at")
    list_filter = ("status",)
    search_fields = ("file_name__startswith",)
    ordering = ("-uploaded_at", "-pk")
    change_list_template = "invoices/admin/charge_uploads.html"
    fields = (
        *("file_name", "size_bytes", "status", "refusal", "rows_read", "added_rows", "known_rows", "refused_rows"),
        *("refused", "result", "uploaded_by", "uploaded_at", "finished_at"),
    )
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("upload/", self.admin_site.admin_view(self.take_in), name="charges_upload"),
            path("<int:pk>/refused/", self.admin_site.admin_view(self.download_refused), name="charges_refused"),
        ]
        return own + super().get_urls()

    @admin.display(description=gettext_lazy("refused rows"))
    def refused(self, upload: ChargeUpload) -> str:
        if not upload.refused_file:
            return "–"
        address = reverse("admin:charges_refused", args=[upload.pk])
        return format_html('<a href="{}">{}</a>', address, _("Download the refused rows (CSV)"))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """While a worker has it in hand, the page looks again by itself."""
        response = super().change_view(request, object_id, *args, **kwargs)
        if ChargeUpload.objects.filter(pk=int(object_id), status=UploadStatus.WAITING).exists():
            response["Refresh"] = "3"
        return response

    def take_in(self, request: HttpRequest) -> HttpResponse:
        """The form for the file."""
        if not request.user.has_perm("invoices.add_chargeupload"):
            raise PermissionDenied
        form = ChargesForm(posted(request), request.FILES or None)
        if form.is_valid():
            try:
                upload = upload_charges(form.cleaned_data["file"], by=request.user)
            except Refused as refusal:
                form.add_error("file", refusal)
            else:
                messages.success(request, _("The file is there. A worker imports it; this page shows how far it is."))
                return redirect("admin:invoices_chargeupload_change", upload.pk)
        return render_page(
            self,
            request,
            "admin/upload.html",
            title=_("Import charges"),
            form=form,
            intro=_(
                "A file is imported whole or not at all. Rows that do not fit are refused one by one, and you get "
                "them back as a file. What was imported before is known and not booked twice."
            ),
        )

    def download_refused(self, request: HttpRequest, pk: int) -> FileResponse:
        """Every refused row with its reason."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        upload = get_object_or_404(ChargeUpload, pk=pk)
        if not upload.refused_file:
            raise Http404
        name = f"{upload.file_name.rsplit('.', 1)[0][:100]}-refused.csv"
        return FileResponse(upload.refused_file.open("rb"), as_attachment=True, filename=name, content_type="text/csv")
