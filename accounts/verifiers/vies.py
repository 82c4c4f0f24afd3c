"""VIES, the register of the European Commission, by its REST interface (Regulation (EU) 904/2010, article 31)."""

import json
import time
from dataclasses import dataclass
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from accounts.verifiers.base import Answer, VerifierUnavailable

LARGEST_ANSWER = 64 * 1024
# A server in trouble is asked once more, a moment later; what still fails is left to the job.
_AGAIN = Retry(
    total=1, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=("POST",), raise_on_status=False
)


@dataclass(frozen=True)
class ViesVerifier:
    """Asks VIES; what it answers is believed only where it is about the number that was asked."""

    connect_seconds: float = 5
    read_seconds: float = 10
    whole_seconds: float = 20

    def verify(self, number: str, *, requester: str) -> Answer:
        asked = {"countryCode": number[:2], "vatNumber": number[2:]}
        if requester:
            asked |= {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]}
        told = _read(self._ask(asked))
        if errors := told.get("errorWrappers"):
            raise VerifierUnavailable(f"VIES says {_first_error(errors)}")
        is_registered = told.get("valid")
        if not isinstance(is_registered, bool):
            raise VerifierUnavailable("VIES gave no answer of yes or no")
        # A country that is down comes as a no with a reason; that is no answer.
        if not is_registered and str(told.get("userError", "INVALID")) not in {"INVALID", "VALID", ""}:
            raise VerifierUnavailable(f"VIES says {str(told['userError'])[:100]}")
        if (told.get("countryCode"), _plain(told.get("vatNumber"))) != (number[:2], _plain(number[2:])):
            raise VerifierUnavailable("VIES answered about another number")
        return Answer(is_registered, _text(told.get("name"), 300), _text(told.get("requestIdentifier"), 100))

    def _ask(self, asked: dict[str, str]) -> bytes:
        url = settings.VIES_URL.rstrip("/") + "/check-vat-number"
        until = time.monotonic() + self.whole_seconds
        with requests.Session() as session:
            # Neither proxies nor passwords from the surroundings.
            session.trust_env = False
            session.mount("https://", HTTPAdapter(max_retries=_AGAIN))
            session.mount("http://", HTTPAdapter(max_retries=_AGAIN))
            try:
                with session.post(
                    url,
                    json=asked,
                    timeout=(self.connect_seconds, self.read_seconds),
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    return _whole(response, until)
            except (requests.RequestException, HTTPError) as trouble:
                raise VerifierUnavailable(f"VIES cannot be reached: {type(trouble).__name__}") from trouble


def _whole(response: requests.Response, until: float) -> bytes:
    """All of the answer: no longer than LARGEST_ANSWER, not slower than the time that is left."""
    read = b""
    while part := response.raw.read1(4096, decode_content=True):
        read += part
        if len(read) > LARGEST_ANSWER:
            raise VerifierUnavailable("VIES sent more than an answer")
        if time.monotonic() > until:
            raise VerifierUnavailable("VIES is too slow")
    return read


def _read(answer: bytes) -> dict[str, Any]:
    try:
        told = json.loads(answer)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise VerifierUnavailable("VIES sent something that is no answer")
    return told


def _first_error(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) and errors else None
    return _text(first.get("error"), 100) if isinstance(first, dict) else "something went wrong"


def _plain(number: Any) -> str:
    return "".join(character for character in str(number) if character.isalnum()).upper()


def _text(value: Any, length: int) -> str:
    """A value that may be printed: VIES writes --- where a country tells nothing."""
    text = " ".join(str(value or "").replace("\x00", "").split())[:length]
    return "" if set(text) <= {"-"} else text
