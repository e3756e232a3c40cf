"""The errors a user can cause or meet, and the exit codes of every program.

A message is one line: what is wrong, in which file, and what to do about it.
"""

EXIT_DONE = 0
EXIT_SOME_FAILED = 1
EXIT_WRONG_USE = 2
MAX_FOREIGN_CHARACTERS = 1000


class PipelineError(Exception):
    """Base of the project's own errors; its text is meant for the user as it stands."""


class UsageError(PipelineError):
    """The command cannot start as given: a flag, a table or a folder is wrong (exit code 2)."""


class ItemError(PipelineError):
    """One slide, fold or file cannot be processed; the others go on (exit code 1 at the end).

    Args:
        message: one line for the user.
        status: word for the status column, such as ``failed_open``.
    """

    def __init__(self, message: str, status: str = "failed") -> None:
        super().__init__(message)
        self.status = status


def one_line(error: BaseException) -> str:
    """Describe any exception in one line, with its class where it is not one of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, PipelineError):
        return text
    if len(text) > MAX_FOREIGN_CHARACTERS:
        text = f"{text[:MAX_FOREIGN_CHARACTERS]}..."  # of libraries that repeat what they were given
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
