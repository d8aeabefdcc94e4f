# Verifies every signature of the message on standard input with dkimpy and
# prints one JSON object each. The argument is a file with the TXT records, as a
# JSON object by name.
import json
import sys

import dkim
import nacl  # noqa: F401: without it dkimpy works, but knows no Ed25519

with open(sys.argv[1]) as f:
    records = json.load(f)


def lookup(name, timeout=5):
    record = records.get(name.decode().rstrip(".").lower())
    return record.encode() if record is not None else None


message = sys.stdin.buffer.read()
count = sum(1 for name, _ in dkim.DKIM(message).headers if name.lower() == b"dkim-signature")
for index in range(count):
    verifier = dkim.DKIM(message)
    try:
        error = "" if verifier.verify(idx=index, dnsfunc=lookup) else "signature did not verify"
    except Exception as e:
        error = str(e) or type(e).__name__
    tags = {k.decode(): v.decode() for k, v in getattr(verifier, "signature_fields", {}).items()}
    print(json.dumps({"d": tags.get("d", ""), "s": tags.get("s", ""), "a": tags.get("a", ""), "error": error}))
