"""Runs the program with `python -m llmlab_cli`."""

from llmlab_cli.main import run

if __name__ == "__main__":
    run()
