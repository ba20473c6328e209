"""The one exception that stands for a mistake of the user."""


class UserError(ValueError):
    """What the user gave is wrong; commands print this one sentence and exit with status 1."""
