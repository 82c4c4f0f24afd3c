"""Where mail services report by themselves."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.mail_events import LARGEST_BYTES, BadReport, receive_events, takes_events

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_http_methods(["HEAD", "POST"])
def mail_webhook(request: HttpRequest, service: str) -> HttpResponse:
    """Take reports in: the secret and the signature are checked, what is new is kept, and 200 at once.

    No session and no CSRF token: who sends is known by the secret alone. Some services ask by HEAD whether anybody
    is here.
    """
    if not takes_events(service):
        raise Http404
    if request.method == "HEAD":
        return HttpResponse()
    if int(request.headers.get("Content-Length") or 0) > LARGEST_BYTES:
        return HttpResponse(status=413)
    try:
        receive_events(service, request)
    except BadReport as error:
        logger.warning("A report of %s was refused: %s", service, error)
        return HttpResponse(status=400)
    return HttpResponse()
