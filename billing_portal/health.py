"""Two questions a supervisor asks: does the process live, and may it be sent people."""

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

PLAIN = "text/plain; charset=utf-8"


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers. Touches no database: a restart would not bring one back."""
    return HttpResponse("ok\n", content_type=PLAIN)


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when people may be sent here; 503 and one word, `database` or `migrations`, when not."""
    missing = what_is_missing()
    return HttpResponse(f"{missing or 'ok'}\n", content_type=PLAIN, status=503 if missing else 200)


def what_is_missing() -> str:
    """The part that keeps the portal from working; empty when it works."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return "database"
    return "migrations" if waiting else ""
