"""The vendor's staff write to many people at once: a notice, looked at in both languages, then released (S0-4)."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.models import Audience, ServiceNotice, User
from accounts.services.service_notices import may_send_notices, notice_people, send_notice, written_for
from accounts.states import NoticeStatus
from core.errors import Refused
from core.mail import write_mail
from core.messages import MailClass
from core.staff import PresentedRow, render_page
from core.step_up import recently_confirmed


class NoticeForm(forms.ModelForm):
    """A draft: what depends on class and audience is there, and nothing else is."""

    class Meta:
        model = ServiceNotice
        fields = (
            "mail_class",
            "topic",
            "audience",
            "organisation",
            "subject_en",
            "text_en",
            "subject_nl",
            "text_nl",
        )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        is_marketing = values.get("mail_class") == MailClass.MARKETING
        if is_marketing and not values.get("topic"):
            self.add_error("topic", _("Marketing goes to those who asked for a topic: choose one."))
        if not is_marketing:
            values["topic"] = ""
        if values.get("audience") == Audience.ORGANISATION and not values.get("organisation"):
            self.add_error("organisation", _("Choose the organisation."))
        if values.get("audience") != Audience.ORGANISATION:
            values["organisation"] = None
        return values


@admin.register(ServiceNotice)
class ServiceNoticeAdmin(PresentedRow, admin.ModelAdmin):
    """Drafts are written here; what was released stays as it is."""

    form = NoticeForm
    list_display = ("subject_en", "mail_class", "audience", "status", "number_of_people", "sent_by", "sent_at")
    list_filter = ("status", "mail_class")
    list_select_related = ("sent_by",)
    search_fields = ("subject_en__istartswith", "subject_nl__istartswith")
    change_form_template = "accounts/admin/notice.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_send_notices(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_send_notices(request.user) and (obj is None or obj.status == NoticeStatus.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_send_notices(request.user) and obj is not None and obj.status == NoticeStatus.DRAFT

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return redirect("admin:notice_preview", obj.pk)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return redirect("admin:notice_preview", obj.pk)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/preview/", self.admin_site.admin_view(self.preview), name="notice_preview"),
            path("<int:pk>/preview/<str:language>/", self.admin_site.admin_view(self.page), name="notice_page"),
        ]
        return own + super().get_urls()

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Both languages as they will go out, and to how many; the button that releases it is here."""
        notice = self._notice(request, pk)
        if request.method == "POST":
            return recently_confirmed(self._release)(request, notice)
        people = notice_people(notice)
        return render_page(
            self,
            request,
            "accounts/admin/notice_preview.html",
            title=_("Preview"),
            original=notice,
            notice=notice,
            number=people.count(),
            some=people[:10],
            mails=[(language, _mail(notice, language)) for language in ("en", "nl")],
            is_draft=notice.status == NoticeStatus.DRAFT,
        )

    @staticmethod
    def page(request: HttpRequest, pk: int, language: str) -> HttpResponse:
        """The mail as a mail program draws it."""
        notice = ServiceNoticeAdmin._notice(request, pk)
        response = HttpResponse(str(_mail(notice, language).alternatives[0].content))
        policy = {"default-src": ["'none'"], "style-src": ["'unsafe-inline'"], "img-src": ["'self'", "data:"]}
        response._csp_replace = policy  # type: ignore[attr-defined]
        return response

    def _release(self, request: HttpRequest, notice: ServiceNotice) -> HttpResponse:
        try:
            send_notice(notice, by=request.user)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:notice_preview", notice.pk)
        said = _("It is being handed out to %(number)d people.") % {"number": notice.number_of_people}
        messages.success(request, said)
        return redirect(reverse("admin:accounts_servicenotice_changelist"))

    @staticmethod
    def _notice(request: HttpRequest, pk: int) -> ServiceNotice:
        if not may_send_notices(request.user):
            raise PermissionDenied
        return get_object_or_404(ServiceNotice, pk=pk)


def _mail(notice: ServiceNotice, language: str) -> Any:
    """The mail as the reader of that language gets it; nothing is kept."""
    reader = User(
        name=_("Name of the reader"), email="name@company.example", language="nl" if language == "nl" else "en"
    )
    return write_mail(written_for(notice, reader))
