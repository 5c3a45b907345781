"""Name patterns with * as a wildcard."""


class Pattern:
    """A name pattern, ignoring case. * matches any text, also the empty one.

    Matching takes linear time for any number of wildcards, unlike a regular expression.
    """

    def __init__(self, pattern: str) -> None:
        self._first, *self._rest = pattern.lower().split("*")

    def fits(self, name: str) -> bool:
        """Whether a name matches the pattern."""
        name = name.lower()
        if not self._rest:
            return name == self._first
        if not name.startswith(self._first):
            return False
        *middle, last = self._rest
        at = len(self._first)
        for part in middle:
            found = name.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return name.endswith(last) and len(name) - len(last) >= at
