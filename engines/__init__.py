"""The decisions: who may come in, what a call cost, what a budget has left, what to change."""
