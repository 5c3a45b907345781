"""The command line of LLMLab. It asks the server over HTTP and computes no totals of its own."""
