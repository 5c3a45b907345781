"""Names in which * stands for anything."""


class Pattern:
    """A name in which * stands for anything, nothing included; capital letters do not matter.

    Fitting takes time in proportion to the name, however many stars there are; a regular expression's would explode.
    """

    def __init__(self, pattern: str) -> None:
        self._first, *self._rest = pattern.lower().split("*")

    def fits(self, name: str) -> bool:
        """Whether a name is one of those the pattern stands for."""
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
