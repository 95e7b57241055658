"""What the hub's client raises, as one line with a way out."""

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from config.errors import SetupError

_AGAIN = "run the same command again: what the hub has already is not sent again"


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later; hf_xet has repeated its own already."""
    for cause in _chain(error):
        if isinstance(cause, HfHubHTTPError):
            status = cause.response.status_code
            return status in (409, 412, 429) or status >= 500
    return any(isinstance(cause, httpx2.HTTPError) for cause in _chain(error))


def push_error(error: Exception, endpoint: str, repo_id: str) -> Exception:
    """A SetupError for what the hub, the network or the token is to blame for, else the error."""
    for cause in _chain(error):
        if isinstance(cause, HfHubHTTPError):
            return SetupError(_answer(cause, endpoint, repo_id))
    text = f"{type(error).__name__}: {str(error)[:300]}"
    if any(isinstance(cause, httpx2.HTTPError | ConnectionError) for cause in _chain(error)):
        return SetupError(
            f"{endpoint}: the connection failed ({text}); check the network and HF_ENDPOINT, then "
            f"{_AGAIN}"
        )
    of_xet = isinstance(error, OSError) and error.errno is None
    if of_xet or isinstance(error, RuntimeError | ValueError):  # ValueError: the card is refused
        return SetupError(f"{repo_id}: the upload failed ({text}); {_AGAIN}")
    return error


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _answer(error: HfHubHTTPError, endpoint: str, repo_id: str) -> str:
    """What a refusal of the hub means."""
    status = error.response.status_code
    owner = repo_id.split("/", 1)[0]
    lines = {
        401: f"{endpoint} does not accept the token; set HF_TOKEN to a valid one, or run "
        "`hf auth login`",
        403: f"the token may not write to {repo_id}; take one with write access to {owner}, or an "
        "OWNER of your own",
        404: f"{endpoint} knows no {repo_id}; check OWNER, and whether the token may write to it",
        409: f"{repo_id} is being changed by somebody else; run the same command again",
        412: f"{repo_id} is being changed by somebody else; run the same command again",
    }
    words = error.server_message or type(error).__name__
    if status in lines:
        return f"HTTP {status}: {lines[status]}"
    if status == 429 or status >= 500:
        return f"HTTP {status} of {endpoint} after several tries: {words[:200]}; {_AGAIN} later"
    return f"HTTP {status} of {endpoint}: {words[:400]}"
