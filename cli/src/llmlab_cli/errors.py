"""The errors of the command line and their exit codes. Each message is a full sentence."""

import click


class Failure(click.ClickException):
    """The command failed."""

    exit_code = 1


class NotAllowed(Failure):
    """Not signed in, or not allowed."""

    exit_code = 3


class Unavailable(Failure):
    """LLMLab is unreachable or busy, or the connection was lost."""

    exit_code = 4


class PartlyRefused(Failure):
    """The import finished, but some rows were refused."""

    exit_code = 5
