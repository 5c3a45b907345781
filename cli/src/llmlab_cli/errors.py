"""What can go wrong, each with the exit code it ends the program with. Its text is a sentence for people."""

import click


class Failure(click.ClickException):
    """What was asked for could not be done."""

    exit_code = 1


class NotAllowed(Failure):
    """LLMLab does not know who this is, or does not let them."""

    exit_code = 3


class Unavailable(Failure):
    """LLMLab cannot be reached, is busy, or cut its answer short."""

    exit_code = 4


class PartlyRefused(Failure):
    """Some rows of an import were refused; the others are in."""

    exit_code = 5
