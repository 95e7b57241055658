"""The body of a request, read up to a limit, and errors in OpenAI's form."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse

MOST_REQUEST_BYTES = 16 * 2**20  # of a request's body


def asks_for_stream(body: bytes) -> bool:
    """Whether a body asks for a stream of events."""
    try:
        payload = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return False
    return isinstance(payload, dict) and bool(payload.get("stream"))


async def read_request(request: Request) -> bytes | None:
    """The whole body; None where it is larger than allowed."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_REQUEST_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def too_large() -> JSONResponse:
    """The reply to a body over the limit."""
    return error_reply(413, f"the body is larger than {MOST_REQUEST_BYTES // 2**20} MiB")


def error_reply(status: int, message: str) -> JSONResponse:
    """An error in OpenAI's form."""
    error = {"message": message, "type": "invalid_request_error", "code": status}
    return JSONResponse({"error": error}, status)
