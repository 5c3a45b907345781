"""The packages that applications really use, against simulated vendors and a LLMLab server: `./run.sh clients`."""
