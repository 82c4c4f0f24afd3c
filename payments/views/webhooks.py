"""Where gateways report by themselves."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments.gateways.base import BadSignature
from payments.gateways.registry import takes_events
from payments.services.events import receive_event

logger = logging.getLogger(__name__)

LARGEST_BYTES = 64 * 1024


@csrf_exempt
@login_not_required
@require_POST
def gateway_webhook(request: HttpRequest, gateway: str) -> HttpResponse:
    """Take an event in: its signature is checked over the raw body, then it is kept, and 200 at once (PR4).

    No session and no CSRF token: who sends is known by the signature alone.
    """
    if not takes_events(gateway):
        raise Http404
    if int(request.headers.get("Content-Length") or 0) > LARGEST_BYTES:
        return HttpResponse(status=413)
    try:
        receive_event(gateway, headers=request.headers, body=request.body)
    except BadSignature:
        logger.warning("A webhook for %s without a right signature was refused", gateway)
        return HttpResponse(status=400)
    return HttpResponse(status=200)
