"""Public ssh keys as authorized_keys has them. See AUTHORIZED_KEYS FILE FORMAT in sshd(8)."""

import base64
import re

# options, its kind, its base64, its comment
_KEY = re.compile(r"(?:^|\s)(?P<kind>[a-z][a-z0-9@.-]+)\s+(?P<key>AAAA[A-Za-z0-9+/]+={0,2})(?:\s+(?P<comment>.*))?$")


def comments(text: str) -> list[str]:
    """Return the comment of each key in a text ("": it has none); what is no key has no place here."""
    lines = (line.strip() for line in text.split("\n"))
    found = (_KEY.search(line) for line in lines if not line.startswith("#"))
    return [(one["comment"] or "").strip() for one in found if one and _is_of(one["kind"], one["key"])]


def _is_of(kind: str, key: str) -> bool:
    """Tell whether a key is of a kind: it begins with that, after its length (RFC 4253, 6.6), and has more to say."""
    try:
        data = base64.b64decode(key, validate=True)
    except ValueError:
        return False
    head = len(kind).to_bytes(4, "big") + kind.encode()
    return data.startswith(head) and len(data) >= len(head) + 32
