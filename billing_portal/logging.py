"""The log: one line per event, each with the reference of its request, and never a secret (I30, T45, T52).

JSON in production, readable lines in a trial; stdlib loggers and structlog loggers end in the same
place. Nothing here needs Django's settings, because gunicorn logs with it before they are loaded.
"""

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

logger = structlog.get_logger("portal.request")

REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that is misread over the telephone
REFERENCE_LENGTH = 10
LONGEST_VALUE = 10_000
REDACTED = "[redacted]"

SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|authori[sz]ation|cookie|session|csrf|api_?key|^key$|signature"
    r"|(one_time|verification|recovery|sms)_?code|^otp$|card_?number|^cvc$|^cvv$|^iban$|account_?number",
    re.IGNORECASE,
)
SECRET_TEXTS = [
    # a password within a URL, as in DATABASE_URL and EMAIL_URL
    (re.compile(r"(://[^:/@\s]*:)[^@\s/]+@"), rf"\1{REDACTED}@"),
    # links that are a key by themselves: password reset, invitation, confirmed e-mail, extra recipient
    (re.compile(r"(/(?:key|invitations?|confirm-email|recipients)/)[^/\s\"'?]+"), rf"\1{REDACTED}"),
    (re.compile(r"\b(Bearer|Basic) [\w.~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"\b(?:sk|rk|whsec)_\w{8,}"), REDACTED),
    # name=value, "name": "value", (name)=(value): a query string, a printed dictionary, a database's complaint
    (
        re.compile(
            r"((?:\b|_)(?:password\d?|passwd|secret(?:_key)?|(?:csrf(?:middleware)?)?token|session(?:id)?|api_?key"
            r"|signature|authorization|cookie)[\"')]*\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|\([^)]*\)|[^\s\"'&,;)}]+)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
]
CARD_NUMBER = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?!\.?\d)")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")


# --- The reference of a request -----------------------------------------------------------------


def reference_of(request: HttpRequest) -> str:
    """What the person quotes and the log knows: on the page of a 500, in the header X-Request-ID."""
    return getattr(request, "reference", "")


class RequestReferenceMiddleware:
    """Gives each request its reference, binds it to every line logged meanwhile, and logs the answer.

    Stands first, so that the line of an unhandled error carries it too. A reference that the client
    sends is not believed: it could be another person's. The query string is not logged (T52).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.reference = new_reference()  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            reference=reference_of(request), method=request.method, path=without_token(request.path)
        )
        began = time.perf_counter()
        response = self.get_response(request)
        response.headers["X-Request-ID"] = reference_of(request)
        if not request.path.startswith("/static/"):
            logger.info("answered", status=response.status_code, ms=round((time.perf_counter() - began) * 1000, 1))
        structlog.contextvars.clear_contextvars()
        return response


def without_token(path: str) -> str:
    """The path as it is logged: what is longer than any identifier of ours is a token that opens something (I30)."""
    return re.sub(r"[^/]{34,}", REDACTED, path)


def new_reference() -> str:
    return "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))


# --- Redaction ----------------------------------------------------------------------------------


def redact_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """The structlog processor that takes secrets out of an event: by the name of a value, and by its look."""
    return {name: redacted(value, name) for name, value in event.items()}


def redacted(value: Any, name: str = "") -> Any:
    """The value without what must not be logged, whatever is nested in it."""
    if value is None or isinstance(value, bool | int | float):
        return REDACTED if SECRET_NAME.search(name) and value is not None else value
    if SECRET_NAME.search(name):
        return REDACTED
    if isinstance(value, dict):
        return {key: redacted(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(inner) for inner in value]
    return redacted_text(str(value))


def redacted_text(text: str) -> str:
    for pattern, replacement in SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    text = IBAN.sub(masked_iban, text)
    text = CARD_NUMBER.sub(masked_card_number, text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}... ({len(text)} characters)"


def masked_iban(found: re.Match[str]) -> str:
    """Country and last four of what the check digits say is an IBAN (ISO 13616); other text as it is."""
    iban = found[0].replace(" ", "")
    remainder = int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97
    return f"{iban[:2]}...{iban[-4:]}" if remainder == 1 else found[0]


def masked_card_number(found: re.Match[str]) -> str:
    """Nothing of what the check digit says is a card number (ISO/IEC 7812-1, Luhn); other digits as they are."""
    digits = [int(character) for character in found[0] if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return REDACTED if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]


# --- Set-up -------------------------------------------------------------------------------------


def logging_settings(log_format: str) -> dict[str, Any]:
    """Configures structlog and returns the LOGGING of Django and of gunicorn. Formats: json, console."""
    if log_format not in RENDERERS:
        raise ValueError(f"LOG_FORMAT is {log_format!r}; it may be {' or '.join(RENDERERS)}.")
    of_all: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*of_all, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    at_the_end: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact_secrets,
        RENDERERS[log_format](),
    ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "events": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*of_all, structlog.stdlib.ExtraAdder(), without_extras_of_others],
                "processors": at_the_end,
            }
        },
        "handlers": {"standard": {"class": "logging.StreamHandler", "formatter": "events"}},
        "root": {"handlers": ["standard"], "level": "INFO"},
        "loggers": {
            # Django would mail its errors as well; ours go to the log alone.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Each answer has its own line; of Django's only the unhandled error says more.
            "django.request": {"handlers": [], "level": "ERROR", "propagate": True},
            # It says at each start that it has started.
            # It would tell of every call; what went wrong is told by the adapter.
            "stripe": {"handlers": [], "level": "WARNING", "propagate": True},
            "pikepdf": {"handlers": [], "level": "WARNING", "propagate": True},
            "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
        },
    }


def without_extras_of_others(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Django adds the request, whose print shows the query string; other formatters leave their text behind."""
    for name in ("request", "message", "asctime"):
        event.pop(name, None)
    return event


RENDERERS: dict[str, Callable[[], Any]] = {
    "json": structlog.processors.JSONRenderer,
    "console": lambda: structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
}
