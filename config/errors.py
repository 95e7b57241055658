"""The errors that a user can fix; each is shown as one line, without a traceback."""

import errno

from config.url_secrets import masked_urls

_MAX_LINE = 1000  # characters
_MAX_LINES = 20  # mistakes that are shown at once
_PERMISSION = "allow this user to, or choose another folder"
_WAYS_OUT = {  # errors of the system about files and disks that are no fault of the program
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "choose a folder that can be written, e.g. runs=FOLDER",
    errno.EISDIR: "a file belongs there; move the folder away",
    errno.ENOTDIR: "a folder belongs there; move the file away",
    errno.EEXIST: "a folder belongs there; move the file away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "the link leads back to itself; remove it",
    errno.ENXIO: "a file belongs there; move away what is there",
    errno.ENOTEMPTY: "other files are there; move the folder away",
    errno.EBUSY: "another program uses it; end that one and run again",
    errno.ETXTBSY: "another program uses it; end that one and run again",
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "free some space and run again",
    errno.EFBIG: "free some space and run again",
    errno.EMFILE: "raise the limit of open files, e.g. ulimit -n 4096",
    errno.ENFILE: "end other programs: this machine has no more open files to give",
    errno.EIO: "the disk does not deliver it; restore it from a copy, or use another disk",
    errno.ESTALE: "the network disk has lost it; mount the disk again",
    errno.EINVAL: "this disk does not take it; choose another name or another disk",
    errno.ENOTCONN: "the network disk is gone; mount it again",
}


class UnpromptedError(Exception):
    """A user's mistake. The message names the setting or row, the value and the way out.

    It is one line of at most 1,000 characters, whatever names and values it quotes. `lines` holds
    it, and one more line for each further mistake of the same file; a command prints them all.
    """

    exit_code = 2

    def __init__(self, message: str, *further: str) -> None:
        """Users and queries of addresses are hidden. Of very many mistakes the first are kept."""
        lines = [_as_line(masked_urls(text)) for text in (message, *further)]
        if len(lines) > _MAX_LINES:
            rest = len(lines) - _MAX_LINES
            lines[_MAX_LINES:] = [f"… and {rest} more mistakes; correct these first"]
        self.lines = tuple(lines)
        more = f" (1 of {len(further) + 1} mistakes)" if further else ""
        super().__init__(_as_line(f"{lines[0]}{more}"))


class ConfigError(UnpromptedError):
    """A setting is missing, misspelt or contradicts another one."""


class UsageError(UnpromptedError):
    """The words of a command line make no command."""


class DataError(UnpromptedError):
    """A file of rows, answers or rules cannot be used as it is."""


class SetupError(UnpromptedError):
    """A package, model or server that the settings name is missing."""


def _as_line(message: str) -> str:
    """The message without line breaks. A long one keeps its beginning, and its end: the way out."""
    line = " ".join(message.splitlines())
    return line if len(line) <= _MAX_LINE else f"{line[:600]} … {line[-_MAX_LINE + 603 :]}"


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of an error's message, its first `most` characters; without one its type."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:most]


def system_way_out(error: BaseException) -> str | None:
    """What a user can do about an error of files or disks; None for every other error."""
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.EINVAL and error.filename is None:  # of no file: a fault of the program
        return None
    return _WAYS_OUT.get(error.errno or 0)
