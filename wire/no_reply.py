"""The errors of a request that gets no reply.

    NoReply
    ├── Undelivered         no attempt came back whole
    │   ├── Unreached       there was no connection to the server
    │   └── NotSent         given up before the first attempt
    └── Rejected            the server answered, and will answer the same to the same request
        ├── ContextOverflow
        ├── ContentFiltered
        ├── Forbidden
        └── BadRequest

What only the user can fix (key, region, quota, address, model, an unsupported parameter) is a
`config.errors.SetupError` instead.
"""


class NoReply(Exception):
    """A request without a reply. Asking the same again at once would not help."""


class Undelivered(NoReply):
    """All attempts failed: no connection, a timeout, HTTP 429 or 5xx, an unreadable body.

    Or the only one, whose body is larger than a reply may be.
    """


class Unreached(Undelivered):
    """There was no connection: the server is not running, or the address is another's."""


class NotSent(Undelivered):
    """Not attempted: too many requests before it were undelivered."""


class Rejected(NoReply):
    """The server refused this request for good."""

    def __init__(self, message: str, status: int = 400) -> None:
        """`status` of HTTP."""
        super().__init__(message)
        self.status = status


class ContextOverflow(Rejected):
    """Prompt and reply are longer than the model's context."""


class ContentFiltered(Rejected):
    """The provider's content filter refused the request."""


class Forbidden(Rejected):
    """HTTP 403 in words that name neither key nor text. Many in a row are a SetupError."""


class BadRequest(Rejected):
    """Any other permanent HTTP error, such as an unsupported output mode."""
