"""Shell completion of commands and options."""

import click
from click.shell_completion import get_completion_class

from llmlab_cli.commands.options import as_json
from llmlab_cli.output import print_json


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@as_json
@click.pass_context
def completion(ctx: click.Context, shell: str, as_json: bool) -> None:
    """Print the completion script for a SHELL.

    \b
    bash: eval "$(llmlab completion bash)" in ~/.bashrc
    zsh:  eval "$(llmlab completion zsh)" in ~/.zshrc
    fish: llmlab completion fish > ~/.config/fish/completions/llmlab.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "llmlab", "_LLMLAB_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
