"""Support requests for the vendor's staff: the thread, and the answer."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from core.errors import Refused
from core.forms import posted
from core.staff import PresentedRow, render_page
from core.templatetags.ui import moment
from invoices.services.run import seller_today
from support.downloads import file_response
from support.models import SupportFile, SupportRequest
from support.services import LONGEST, answer_request, decide_dispute


class AnswerForm(forms.ModelForm):
    """The vendor's answer; nothing else of a request is edited."""

    answer = forms.CharField(
        label=_("Answer"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 8, "cols": 90})
    )
    closes = forms.BooleanField(label=_("This settles it"), required=False)

    class Meta:
        model = SupportRequest
        fields: tuple[str, ...] = ()


class DisputeDecisionForm(forms.Form):
    """Whether the customer is right, and the answer that they read."""

    decision = forms.ChoiceField(
        label=_("Decision"),
        choices=[("uphold", _("The customer is right: credit it")), ("reject", _("The invoice stands"))],
        widget=forms.RadioSelect,
    )
    answer = forms.CharField(
        label=_("Answer"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 6, "cols": 80})
    )


@admin.register(SupportRequest)
class SupportRequestAdmin(PresentedRow, admin.ModelAdmin):
    form = AnswerForm
    list_display = ("subject", "account", "category", "status", "opened_by", "changed_at")
    list_filter = ("status", "category")
    list_select_related = ("account", "opened_by")
    search_fields = ("subject__istartswith", "account__name__istartswith", "code__exact")
    ordering = ("-changed_at", "-pk")
    change_form_template = "support/admin/support_request.html"
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
        site = self.admin_site.admin_view
        own = [
            path("files/<int:file>/", site(self.file), name="support_file"),
            path("<int:pk>/dispute/", site(self.dispute), name="support_dispute"),
        ]
        return [*own, *super().get_urls()]

    def file(self, request: HttpRequest, file: int) -> HttpResponse:
        """A file that the customer sent, for staff who may see requests."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return file_response(get_object_or_404(SupportFile, pk=file))

    def dispute(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Decide about a dispute: a credit note at once, or the invoice stands."""
        if not request.user.has_perm("invoices.change_dispute"):  # type: ignore[union-attr]
            raise PermissionDenied
        asked = get_object_or_404(SupportRequest.objects.select_related("dispute__invoice", "line"), pk=pk)
        if asked.dispute is None:
            raise Http404
        form = DisputeDecisionForm(posted(request))
        if form.is_valid():
            upholds = form.cleaned_data["decision"] == "uphold"
            try:
                decide_dispute(
                    asked, upholds=upholds, text=form.cleaned_data["answer"], by=request.user, on=seller_today()
                )  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                self.message_user(request, _("Done, and the customer was told."), messages.SUCCESS)
                return redirect("admin:support_supportrequest_change", asked.pk)
        return render_page(
            self,
            request,
            "support/admin/dispute.html",
            title=_("Decide about the dispute"),
            original=asked,
            asked=asked,
            form=form,
        )
