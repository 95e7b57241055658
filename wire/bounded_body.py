"""Reads the body of a response up to a limit, whatever the server sends.

aiohttp unpacks a compressed body piece by piece and waits for the reader, so that a bomb costs no
more memory than the limit. The objects in a body are counted too: one of three bytes takes 600
when it is parsed.
"""

from aiohttp import ClientResponse

MOST_BYTES = 16 * 2**20  # of a reply: 32,000 tokens as events of 500 bytes each
_BYTES_PER_OBJECT = 64  # of the limit: 13 objects for each of 20,000 tokens with five logprobs
_ERROR_BYTES = 2**20  # of an error, of which a line is shown


class BodyTooLarge(Exception):
    """The server sends more than a reply may have. The message names the limit."""


async def read_body(response: ClientResponse, most_bytes: int) -> bytes:
    """The unpacked body of a response, that of an error cut at 1 MiB.

    Raises BodyTooLarge, at the latest one piece behind the limit, and the errors of aiohttp.
    """
    is_error = response.status // 100 != 2
    limit = _ERROR_BYTES if is_error else most_bytes
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        pieces.append(piece)
        if size > limit:
            response.close()  # the rest is not read
            if is_error:
                break
            raise BodyTooLarge(f"the reply is larger than {limit / 2**20:,.0f} MiB")
    body = b"".join(pieces)
    most_objects = limit // _BYTES_PER_OBJECT
    if not is_error and body.count(b"{") + body.count(b"[") > most_objects:
        raise BodyTooLarge(f"the reply holds more than {most_objects:,} JSON objects and lists")
    return body
