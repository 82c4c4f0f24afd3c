"""A passkey as a browser would have registered it: a key pair of its own, and what is kept of the public half."""

import hashlib
import secrets

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from accounts.models import User

_FLAGS = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT


def add_passkey(user: User, *, name: str = "Laptop", host: str = "testserver") -> Authenticator:
    """A passkey of that person for the portal at that host."""
    credential_id = secrets.token_bytes(32)
    public_key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    made = AttestedCredentialData.create(Aaguid.NONE, credential_id, public_key)
    data = AuthenticatorData.create(hashlib.sha256(host.encode()).digest(), _FLAGS, 0, made)
    said = CollectedClientData.create(CollectedClientData.TYPE.CREATE, secrets.token_bytes(32), f"https://{host}")
    credential = {
        "id": websafe_encode(credential_id),
        "rawId": websafe_encode(credential_id),
        "type": "public-key",
        "clientExtensionResults": {"credProps": {"rk": False}},
        "response": {
            "clientDataJSON": websafe_encode(said),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        },
    }
    kept = {"name": name, "credential": credential}
    return Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=kept)
