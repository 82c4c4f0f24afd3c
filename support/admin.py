"""Support requests for the vendor's staff: the thread, and the answer."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from core.templatetags.ui import moment
from support.downloads import file_response
from support.models import SupportFile, SupportRequest
from support.services import LONGEST, answer_request


class AnswerForm(forms.ModelForm):
    """The vendor's answer; nothing else of a request is edited."""

    answer = forms.CharField(
        label=_("Answer"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 8, "cols": 90})
    )
    closes = forms.BooleanField(label=_("This settles it"), required=False)

    class Meta:
        model = SupportRequest
        fields: tuple[str, ...] = ()


@admin.register(SupportRequest)
class SupportRequestAdmin(admin.ModelAdmin):
    form = AnswerForm
    list_display = ("subject", "account", "category", "status", "opened_by", "changed_at")
    list_filter = ("status", "category")
    list_select_related = ("account", "opened_by")
    search_fields = ("subject__istartswith", "account__name__istartswith", "code__exact")
    show_full_result_count = False
    ordering = ("-changed_at", "-pk")
    readonly_fields = (
        "subject",
        "account",
        "profile",
        "invoice",
        "charge",
        "category",
        "status",
        "opened_by",
        "thread",
    )
    fields = (*readonly_fields, "answer", "closes")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The service writes the answer, moves the request and mails those who asked."""
        answer_request(obj, text=form.cleaned_data["answer"], closes=form.cleaned_data["closes"], by=request.user)  # type: ignore[arg-type]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """There is nothing beside the answer."""

    @admin.display(description=_("Charge"))
    def charge(self, obj: SupportRequest) -> str:
        return f"{obj.line.section}: {obj.line.description}" if obj.line else "—"

    @admin.display(description=_("Thread"))
    def thread(self, obj: SupportRequest) -> str:
        rows = obj.messages.select_related("author").prefetch_related("files")
        return format_html_join(
            "",
            "<p><b>{}</b> · {}<br>{}{}</p>",
            (
                (
                    message.author,
                    moment(message.sent_at),
                    format_html_join("", "{}<br>", ((line,) for line in message.text.splitlines())),
                    format_html_join(
                        " ",
                        '<a href="{}">{}</a>',
                        ((reverse("admin:support_file", args=[file.pk]), file.name) for file in message.files.all()),
                    ),
                )
                for message in rows
            ),
        )

    def get_urls(self) -> list[Any]:
        own = [path("files/<int:file>/", self.admin_site.admin_view(self.file), name="support_file")]
        return [*own, *super().get_urls()]

    def file(self, request: HttpRequest, file: int) -> HttpResponse:
        """A file that the customer sent, for staff who may see requests."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return file_response(get_object_or_404(SupportFile, pk=file))
