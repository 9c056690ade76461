"""Signatures of deliveries, by the Standard Webhooks specification (standardwebhooks.com).

A delivery has an id, a time (whole seconds from 1970) and a body. What is signed is
`id.time.body`, by HMAC-SHA256 with each secret in turn; the header has `v1,` and base64 of each,
between blanks. So a receiver that knows any one of the secrets can check it, and a secret is
changed by giving the new one and the old one for a while.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["ID", "SIGNATURE", "TIMESTAMP", "read_secret", "signed_headers"]

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

PREFIX = "whsec_"
# What the specification asks for.
SECRET_BYTES = range(24, 65)


def read_secret(text: str) -> bytes:
    """The bytes of a secret as it is written: `whsec_` and base64 of 24 to 64 bytes.

    ValueError with a sentence that does not repeat it otherwise.
    """
    text = text.strip()
    how = f"write {PREFIX} and the base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} random bytes"
    if not text.startswith(PREFIX):
        raise ValueError(f"the secret does not begin with {PREFIX}; {how}")
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"the secret is not base64 behind {PREFIX}; {how}") from None
    if len(secret) not in SECRET_BYTES:
        raise ValueError(f"the secret has {len(secret)} bytes; {how}")
    return secret


def signed_headers(
    delivery_id: str, instant_s: int, body: bytes, secrets: Sequence[bytes]
) -> dict[str, str]:
    """The headers that tell what a delivery is and that it is ours; no signature without
    secrets."""
    headers = {ID: delivery_id, TIMESTAMP: str(instant_s)}
    content = f"{delivery_id}.{instant_s}.".encode() + body
    signatures = [
        f"v1,{base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()}"
        for secret in secrets
    ]
    if signatures:
        headers[SIGNATURE] = " ".join(signatures)
    return headers
