"""The errors that a user can fix; each is shown as one line, without a traceback."""


class UnpromptedError(Exception):
    """A user's mistake. The message names the setting or row, the value and the way out."""

    exit_code = 2


class ConfigError(UnpromptedError):
    """A setting is missing, misspelt or contradicts another one."""


class DataError(UnpromptedError):
    """A file of rows, answers or rules cannot be used as it is."""


class SetupError(UnpromptedError):
    """A package, model or server that the settings name is missing."""
