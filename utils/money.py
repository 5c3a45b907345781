"""Amounts of money in texts for people."""

from decimal import Decimal


def dollars(amount: Decimal | float) -> str:
    """An amount in USD rounded to cents, or to two significant digits if it is below one dollar: $1.07, $0.0042."""
    exact = Decimal(amount)
    return exact_dollars(round(exact, 2 if abs(exact) >= 1 or not exact else max(2, 1 - exact.adjusted())))


def change_in_dollars(amount: Decimal | float) -> str:
    """A change in USD with its sign: +$1.07, -$0.0042."""
    return f"{'+' if amount > 0 else ''}{dollars(amount)}"


def exact_dollars(amount: Decimal) -> str:
    """An amount in USD with all its digits, at least cents: $1.50, $0.0000675."""
    exponent = amount.normalize().as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{'-' if amount < 0 else ''}${abs(amount):,.{places}f}"
