"""Taking out everything that an account has: asking for it, and downloading what is offered (L8)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import BillingAccount
from billing_portal.models import TakeOut
from billing_portal.states import TakeOutStatus
from billing_portal.take_outs import ask_for_take_out, fetch
from core.archives import stream_zip
from core.errors import Refused
from core.lists import read_page
from core.policy import Action, requires, while_allowed
from core.step_up import recently_confirmed


@requires(Action.ACCOUNT_TAKE_OUT, BillingAccount)
def take_outs(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """What a take-out is, those that were asked for, and the button that asks for one."""
    if request.method == "POST":
        return recently_confirmed(_ask)(request, account)
    rows = TakeOut.objects.filter(account=account).select_related("asked_by")
    context = {
        "account": account,
        "page": read_page(request, rows, ["-asked_at", "-pk"]),
        "is_under_way": rows.filter(status=TakeOutStatus.PENDING).exists(),
    }
    return render(request, "portal/take_outs.html", context)


@requires(Action.ACCOUNT_TAKE_OUT, TakeOut)
@require_safe
@recently_confirmed
def take_out_file(request: HttpRequest, take_out: TakeOut) -> HttpResponse:
    """The archive, written while it is being read; its last file lists the SHA-256 of every other."""
    try:
        files = fetch(take_out, by=request.user, at=timezone.now())  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("take_outs", take_out.account.code)
    note = _("Your right to take this out was taken away while the archive was made. It is not complete.")
    ending = [("not-complete.txt", f"{note}\n".encode())]
    files = while_allowed(request.user, Action.ACCOUNT_TAKE_OUT, take_out, files, every=1, ending=ending)
    name = f"take-out-{take_out.account.code}-{timezone.localdate(take_out.asked_at)}.zip"
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name),
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(stream_zip(files), content_type="application/zip", headers=headers)  # type: ignore[return-value]


def _ask(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    try:
        ask_for_take_out(account, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The take-out is being prepared. You get a mail when it is ready."))
    return redirect("take_outs", account.code)
