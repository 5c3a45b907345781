"""`python -m llmlab_cli` is the program too."""

from llmlab_cli.main import run

if __name__ == "__main__":
    run()
