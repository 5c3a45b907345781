"""Optional packages, and the error when one is missing."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal, get_args

from utils.errors import NotInstalled

Extra = Literal["parquet", "apprise"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
# The package that each requirements-<extra>.txt is for.
_PACKAGES: Mapping[Extra, str] = {"parquet": "pyarrow", "apprise": "apprise"}


def is_installed(extra: Extra) -> bool:
    """Whether this server has an optional package."""
    return find_spec(_PACKAGES[extra]) is not None


def installed() -> list[Extra]:
    """The optional packages that this server has."""
    return [extra for extra in EXTRAS if is_installed(extra)]


def require(extra: Extra, what: str) -> None:
    """Raises NotInstalled, with the command that installs it, if `what` requires a missing package."""
    if not is_installed(extra):
        raise NotInstalled(
            f"{what} requires {_PACKAGES[extra]}, which is not installed on this server. Run ./run.sh extras {extra} "
            f"(or build the container image with EXTRAS={extra}) and restart the server."
        )
