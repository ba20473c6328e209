"""Mistakes of the user, which commands answer with one sentence."""

LONGEST_MESSAGE = 2000


class UserError(ValueError):
    """What the user gave is wrong; commands print this one sentence and exit with status 1."""

    def __str__(self) -> str:
        """One line that a terminal prints as it is: the message may quote whatever a file holds."""
        text = super().__str__()
        if len(text) > LONGEST_MESSAGE:
            text = f"{text[: LONGEST_MESSAGE // 2]} ... {text[-LONGEST_MESSAGE // 2 :]}"
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class UsageError(UserError):
    """The words of a command line fit no flag; commands exit with status 2."""
