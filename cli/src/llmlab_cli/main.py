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
  0    done
  1    LLMLab refused, or something went wrong
  2    the command was not used as it is meant to be
  3    not signed in, or not allowed
  4    LLMLab cannot be reached, is busy, or broke off
  5    an import went through, but some of its rows were refused
  130  stopped with Ctrl-C"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(own_version(), prog_name="llmlab")
def cli() -> None:
    """What language models cost: asked for, watched, brought in and taken out.

    Start with llmlab init. Every command has --help, and --json for programs.
    """


for command in (init, status, costs, budget, optimize, tail, import_file, export, keys, config, completion):
    cli.add_command(command)


def run() -> None:
    """Runs the program; what goes wrong is said in a sentence on standard error, as JSON if the command was to."""
    as_json = "--json" in sys.argv[1:]
    try:
        code = cli.main(standalone_mode=False, prog_name="llmlab")
    except click.Abort:
        code = _INTERRUPTED
        click.echo("Stopped.", err=True)
    except click.ClickException as error:
        code = error.exit_code
        if as_json:
            told = {"error": error.format_message(), "exit_code": code}
            click.echo(json.dumps(told), err=True)
        elif isinstance(error, click.UsageError):
            error.show()
        else:
            click.echo(f"Error: {clean(error.format_message())}", err=True)
    except Exception as error:
        code = 1
        click.echo(
            f"Error: something went wrong that should not: {type(error).__name__}: {clean(str(error))}", err=True
        )
    sys.exit(code if isinstance(code, int) else 0)
