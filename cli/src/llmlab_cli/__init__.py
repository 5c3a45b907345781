"""The command line of LLMLab. All figures come from the server over HTTP; no totals are computed here."""
