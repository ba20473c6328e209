"""What ends a run in the middle."""


class CutError(Exception):
    """In place of a kill: the process would end here."""
