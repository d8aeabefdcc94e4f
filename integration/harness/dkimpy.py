# Verifies every DKIM signature of the message on standard input with dkimpy. The
# first argument is a JSON object of TXT records by name, which stands in for the
# DNS. Prints one line a signature: pass or fail, algorithm, domain, selector,
# and what went wrong.
import json
import sys

import dkim

records = json.loads(sys.argv[1]) or {}


def txt(name, timeout=5):
    return records.get(name.decode().rstrip("."), "").encode()


verifier = dkim.DKIM(sys.stdin.buffer.read())
signatures = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
for index, value in enumerate(signatures):
    tags = dkim.parse_tag_value(value)
    try:
        passed, trouble = verifier.verify(idx=index, dnsfunc=txt), ""
    except dkim.DKIMException as e:
        passed, trouble = False, str(e)
    print("pass" if passed else "fail", *(tags[tag].decode() for tag in (b"a", b"d", b"s")), trouble)
