"""The errors that a user can fix; each is shown as one line, without a traceback."""

import errno

from config.url_secrets import masked_urls

_MAX_LINE = 1000  # characters
_PERMISSION = "allow this user to, or choose another folder"
_WAYS_OUT = {  # errors of the system about files and disks that are no fault of the program
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "choose a folder that can be written, e.g. runs=FOLDER",
    errno.EISDIR: "a file belongs there; move the folder away",
    errno.ENOTDIR: "a folder belongs there; move the file away",
    errno.EEXIST: "a folder belongs there; move the file away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "free some space and run again",
    errno.EFBIG: "free some space and run again",
    errno.EMFILE: "raise the limit of open files, e.g. ulimit -n 4096",
}


class UnpromptedError(Exception):
    """A user's mistake. The message names the setting or row, the value and the way out.

    It is one line of at most 1,000 characters, whatever names and values it quotes.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        """Users and queries of addresses are hidden in the message."""
        super().__init__(_as_line(masked_urls(message)))


class ConfigError(UnpromptedError):
    """A setting is missing, misspelt or contradicts another one."""


class DataError(UnpromptedError):
    """A file of rows, answers or rules cannot be used as it is."""


class SetupError(UnpromptedError):
    """A package, model or server that the settings name is missing."""


def _as_line(message: str) -> str:
    """The message without line breaks. A long one keeps its beginning, and its end: the way out."""
    line = " ".join(message.splitlines())
    return line if len(line) <= _MAX_LINE else f"{line[:600]} … {line[-_MAX_LINE + 603 :]}"


def system_way_out(error: BaseException) -> str | None:
    """What a user can do about an error of files or disks; None for every other error."""
    return _WAYS_OUT.get(error.errno or 0) if isinstance(error, OSError) else None
