"""What follows a change of access rights."""

from engines.identities import IdentityEngine
from engines.live import LiveEngine


class Access:
    """Applies changed rights in this process immediately; others see them within a second."""

    def __init__(self, identities: IdentityEngine, live: LiveEngine) -> None:
        self._identities = identities
        self._live = live

    def changed(self) -> None:
        """A session has ended, a key is revoked, or a member has another role."""
        self._identities.forget()
        self._live.look_again()
