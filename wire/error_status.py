"""The HTTP status of an error that comes without one, inside a reply."""

import re
from typing import Any

_BY_WORD = (
    (429, r"rate.?limit|too.?many|exhausted|quota"),
    (401, r"authenti|unauthori[sz]ed|api.?key"),
    (402, r"payment.?required|billing.?(error|not)|insufficient.?(balance|credit)"),
    (403, r"permission|forbidden"),
    (404, r"not.?found"),
    (400, r"invalid|unsupported|bad.?request|context.?length|content.?filter"),
)


def error_status(error: Any) -> int:
    """The status that an error names by number or by word; 500, a transient fault, otherwise."""
    fields = error if isinstance(error, dict) else {"type": error}
    names = ("code", "status", "status_code", "http_code", "httpCode", "error_code", "type")
    values = [fields.get(name) for name in names]
    for value in values:
        if (number := str(value)).isdecimal() and 400 <= int(number) < 600:
            return int(number)
    words = " ".join(str(value) for value in values if isinstance(value, str))
    return next((status for status, word in _BY_WORD if re.search(word, words, re.I)), 500)
