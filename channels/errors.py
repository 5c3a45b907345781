"""Errors of outgoing messages."""


class Refused(Exception):
    """The URL cannot be used"""


class Undelivered(Exception):
    """The message was not delivered"""
