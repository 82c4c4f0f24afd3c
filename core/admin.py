"""The vendor's staff look at mail and background work, and let what stopped be tried again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from core.models import JobClaim, JobSlot, MailComplaint, MailEvent, MailEventStatus, Message, MessageAttempt
from core.staff import PresentedRow
from core.states import move_all


class ReadOnly(PresentedRow):
    """Looked at here, changed elsewhere. Never deleted."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(ReadOnly, admin.TabularInline):
    """Rows that belong to another, below it."""

    template = "admin/rows_below.html"
    extra = 0
    can_delete = False
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [self.column(name) for name in self.fields]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": self.get_readonly_fields(request, obj)})]


class MessageAttemptInline(ReadOnlyInline):
    model = MessageAttempt
    fields = ("at", "outcome", "code", "words")


@admin.register(Message)
class MessageAdmin(ReadOnly, admin.ModelAdmin):
    """Every mail, and what the mail server said of it."""

    list_display = ("created_at", "recipient", "status", "template", "reference", "attempts", "last_error")
    list_filter = ("status", "created_at", "mail_class", "possibly_twice")
    search_fields = ("recipient__startswith", "reference__startswith", "message_id__exact")
    ordering = ("-pk",)
    exclude = ("secret_context",)
    inlines = (MessageAttemptInline,)
    actions = ("try_now",)

    def has_try_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_message")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Send waiting mail now"), permissions=["try"])
    def try_now(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        number = chosen.filter(status=Message.Status.DEFERRED).update(next_attempt_at=timezone.now())
        said = ngettext("%d mail goes out now.", "%d mails go out now.", number)
        self.message_user(request, said % number, messages.SUCCESS)


@admin.register(MailEvent)
class MailEventAdmin(ReadOnly, admin.ModelAdmin):
    """What a mail service reported; what is about no mail of ours stands apart."""

    list_display = ("received_at", "service", "kind", "recipient", "words", "status")
    list_filter = ("status", "kind", "service")
    search_fields = ("recipient__startswith", "mail_id__exact")
    ordering = ("-pk",)
    raw_id_fields = ("message",)
    actions = ("look_again",)

    def has_look_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_mailevent")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Look again for its mail"), permissions=["look"])
    def look_again(self, request: HttpRequest, chosen: QuerySet[MailEvent]) -> None:
        number = len(move_all(list(chosen.filter(status=MailEventStatus.QUARANTINED)), MailEventStatus.RECEIVED))
        said = ngettext("%d report is looked at again.", "%d reports are looked at again.", number)
        self.message_user(request, said % number, messages.SUCCESS)


@admin.register(MailComplaint)
class MailComplaintAdmin(ReadOnly, admin.ModelAdmin):
    """Who marked mail as spam. Their holders lift it themselves, or ask staff to."""

    list_display = ("noted_at", "recipient", "lifted_at")
    list_filter = (("lifted_at", admin.EmptyFieldListFilter),)
    search_fields = ("recipient__startswith",)
    ordering = ("-pk",)
    raw_id_fields = ("message",)
    actions = ("lift",)

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_mailcomplaint")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Send mail there again: its holder asked for it"), permissions=["lift"])
    def lift(self, request: HttpRequest, chosen: QuerySet[MailComplaint]) -> None:
        number = MailComplaint.objects.open().filter(pk__in=chosen).update(lifted_at=timezone.now())
        said = ngettext("%d address gets mail again.", "%d addresses get mail again.", number)
        self.message_user(request, said % number, messages.SUCCESS)


class ForAPerson(admin.SimpleListFilter):
    """What no job brings to an end: `for_a_person` of the rows."""

    title = gettext_lazy("needs a look")
    parameter_name = "needs_a_look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("Yes"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.for_a_person() if self.value() == "yes" else queryset


class Stopped(admin.SimpleListFilter):
    """What no worker tries again."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("stopped", gettext_lazy("Failed for good"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.stopped(at=timezone.now()) if self.value() == "stopped" else queryset


@admin.register(JobClaim)
class JobClaimAdmin(ReadOnly, admin.ModelAdmin):
    """What a worker has in hand, and what failed. Deleting is how a stopped row is tried again."""

    list_display = ("job", "row_id", "started_at", "until", "tries_left", "last_error")
    list_filter = (Stopped, "job", "tries_left")
    search_fields = ("job__startswith", "last_error__icontains")
    ordering = ("tries_left", "-until")
    actions = ("try_again",)

    def has_try_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.delete_jobclaim")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Try again"), permissions=["try"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[JobClaim]) -> None:
        # What a worker has in hand now stays its own.
        number, _kinds = JobClaim.objects.idle(at=timezone.now()).filter(pk__in=chosen).delete()
        said = ngettext("%d row is tried again.", "%d rows are tried again.", number)
        self.message_user(request, said % number, messages.SUCCESS)


@admin.register(JobSlot)
class JobSlotAdmin(ReadOnly, admin.ModelAdmin):
    """The appointments of the clock, and when each was kept."""

    list_display = ("job", "slot", "finished_at")
    list_filter = ("job",)
    ordering = ("-slot", "job")
