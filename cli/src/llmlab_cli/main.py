"""The program `llmlab`."""

import json
import sys

import click

from llmlab_cli.api import own_version
from llmlab_cli.commands.account import init, status
from llmlab_cli.commands.advice import optimize
from llmlab_cli.commands.budgets import budget
from llmlab_cli.commands.completion import completion
from llmlab_cli.commands.configuration import config
from llmlab_cli.commands.costs import costs
from llmlab_cli.commands.exports import export
from llmlab_cli.commands.importing import import_file
from llmlab_cli.commands.keys import keys
from llmlab_cli.commands.tail import tail
from llmlab_cli.output import clean

_INTERRUPTED = 130

EPILOG = """\b
Exit codes:
  0    success
  1    the request was refused, or another error
  2    invalid usage
  3    not signed in, or not allowed
  4    LLMLab is unreachable or busy, or the connection was lost
  5    the import finished, but some rows were refused
  130  stopped with Ctrl-C"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(own_version(), prog_name="llmlab")
def cli() -> None:
    """Query, watch, import and export what language models cost.

    Start with llmlab init. Every command has --help and --json.
    """


for command in (init, status, costs, budget, optimize, tail, import_file, export, keys, config, completion):
    cli.add_command(command)


def run() -> None:
    """Runs the program. Errors go to standard error: as one sentence, or as JSON with --json."""
    as_json = "--json" in sys.argv[1:]
    try:
        code = cli.main(standalone_mode=False, prog_name="llmlab")
    except click.Abort:
        code = _INTERRUPTED
        click.echo("Stopped.", err=True)
    except click.ClickException as error:
        code = error.exit_code
        if as_json:
            click.echo(json.dumps({"error": error.format_message(), "exit_code": code}), err=True)
        elif isinstance(error, click.UsageError):
            error.show()
        else:
            click.echo(f"Error: {clean(error.format_message())}", err=True)
    except Exception as error:
        code = 1
        click.echo(f"Error: unexpected {type(error).__name__}: {clean(str(error))}", err=True)
    sys.exit(code if isinstance(code, int) else 0)
