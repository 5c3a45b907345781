"""Benchmarks of LLMLab against baselines on the same machine: `./run.sh bench`."""
