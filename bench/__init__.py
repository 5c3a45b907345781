"""How fast LLMLab is, measured against what the machine itself can do: `./run.sh bench`."""
