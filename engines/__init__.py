"""The decisions: access, the cost of a call, the room of a budget, advice. One engine a noun.

Pure arithmetic is in `engines.analysis`.
"""
