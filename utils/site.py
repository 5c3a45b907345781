"""A web site that was built into a folder: one page for all of its addresses, and the files that the page loads."""

import asyncio
import os
import re
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

PAGE = "index.html"

_ADDRESSES = frozenset({"/", "/login", "/signup", "/app"})
_FOLDERS = ("/app/", "/join/")
# Names that lead nowhere else. A build writes them with a hash of what is in the file.
_ASSET = re.compile(r"/assets(/[\w-][\w.-]{0,199}){1,4}", re.ASCII)
# What the build has compressed, the smallest first.
_SUFFIXES = {"br": ".br", "gzip": ".gz"}
# What Python does not know everywhere.
_KINDS = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}


class Site:
    """The files of a folder, compressed where that was done beforehand and the browser can read it."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder)
        # What else a browser asks for at the root, such as its icon.
        self._others = {
            f"/{file.name}": file.name
            for file in folder.iterdir()
            if file.is_file() and not file.name.startswith(".") and file.suffix not in _SUFFIXES.values()
        }

    def name_of(self, path: str) -> str | None:
        """The file that answers for a path; None if the path is not the site's."""
        if path in _ADDRESSES or path.startswith(_FOLDERS):
            return PAGE
        return path[1:] if path.startswith("/assets/") else self._others.get(path)

    async def response(self, name: str, scope: Scope) -> Response | None:
        """The answer with a file, or that the browser's copy is up to date; None if there is no such file."""
        headers = Headers(scope=scope)
        found = await asyncio.to_thread(self._find, name, _accepted(headers.get("accept-encoding", "")))
        if found is None:
            return None
        path, stat, encoding = found
        response = FileResponse(path, media_type=_KINDS.get(Path(name).suffix) or guess_type(name)[0], stat_result=stat)
        response.headers["Vary"] = "Accept-Encoding"
        if encoding:
            response.headers["Content-Encoding"] = encoding
        return (
            NotModifiedResponse(response.headers)
            if self._files.is_not_modified(response.headers, headers)
            else response
        )

    def _find(self, name: str, encodings: list[str]) -> tuple[str, os.stat_result, str] | None:
        """A file's path, what the system says of it, and how it is compressed."""
        if name.startswith("assets/") and (not _ASSET.fullmatch(f"/{name}") or name.endswith((*_SUFFIXES.values(),))):
            return None
        for encoding in (*encodings, ""):
            path, stat = self._files.lookup_path(name + _SUFFIXES.get(encoding, ""))
            if stat is not None and Path(path).is_file():
                return path, stat, encoding
        return None


def _accepted(header: str) -> list[str]:
    """The encodings of ours that an Accept-Encoding header allows, the one to prefer first."""
    allowed = set()
    for part in header.lower().split(","):
        encoding, _, quality = part.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality):
            allowed.add(encoding.strip())
    return [encoding for encoding in _SUFFIXES if encoding in allowed]
