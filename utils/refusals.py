"""Why a message is not sent."""


class Refused(Exception):
    """This address cannot be used"""


class Undelivered(Exception):
    """The message did not arrive"""
