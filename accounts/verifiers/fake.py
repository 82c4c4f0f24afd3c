"""A register that is nobody's: for the demo and for tests. It knows every number except a few."""

from accounts.verifiers.base import Answer, VerifierUnavailable

# Numbers whose check digits fit, for seeing what a refusal and a silence look like.
REFUSED = frozenset({"DE111111109", "BE0111111124", "NL111111110B61"})
SILENT = frozenset({"DE222222203", "BE0222222248"})


class FakeVerifier:
    """Answers at once, by the number alone, without a network."""

    def verify(self, number: str, *, requester: str) -> Answer:
        if number in SILENT:
            raise VerifierUnavailable("The fake register does not answer for this number")
        if number in REFUSED:
            return Answer(is_registered=False)
        return Answer(is_registered=True, consultation=f"FAKE-{number}" if requester else "")
