"""Who is asked whether a VAT ID is registered: the port and its adapters, chosen by VAT_VERIFIER."""

from django.conf import settings

from accounts.verifiers.base import Answer, Verifier, VerifierUnavailable
from accounts.verifiers.fake import FakeVerifier
from accounts.verifiers.vies import ViesVerifier

__all__ = ["ADAPTERS", "Answer", "Verifier", "VerifierUnavailable", "chosen_verifier"]

ADAPTERS: dict[str, type[Verifier]] = {"vies": ViesVerifier, "fake": FakeVerifier}


def chosen_verifier() -> Verifier | None:
    """The verifier of this portal; None where VAT_VERIFIER is "off". Raises KeyError for a name nobody has."""
    return None if settings.VAT_VERIFIER == "off" else ADAPTERS[settings.VAT_VERIFIER]()
