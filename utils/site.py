"""Serves the built dashboard: one page for all its paths, and its asset files."""

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

_PAGE_PATHS = frozenset({"/", "/login", "/signup", "/app"})
_PAGE_PREFIXES = ("/app/", "/join/")
# Names of built assets, which contain a hash of the content. Excludes names that could leave the folder.
_ASSET = re.compile(r"/assets(/[\w-][\w.-]{0,199}){1,4}", re.ASCII)
# Suffixes of compressed files, the smallest first.
_SUFFIXES = {"br": ".br", "gzip": ".gz"}
# Media types that Python does not know on all systems.
_MEDIA_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}


class Site:
    """The files of a folder, precompressed if the build did so and the browser accepts it."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder)
        # Other files at the root, such as the icon.
        self._root_files = {
            f"/{file.name}": file.name
            for file in folder.iterdir()
            if file.is_file() and not file.name.startswith(".") and file.suffix not in _SUFFIXES.values()
        }

    def name_of(self, path: str) -> str | None:
        """The file for a path; None if the path does not belong to the site."""
        if path in _PAGE_PATHS or path.startswith(_PAGE_PREFIXES):
            return PAGE
        return path[1:] if path.startswith("/assets/") else self._root_files.get(path)

    async def response(self, name: str, scope: Scope) -> Response | None:
        """The file, or 304 if the browser's copy is up to date; None if there is no such file."""
        headers = Headers(scope=scope)
        found = await asyncio.to_thread(self._find, name, _accepted(headers.get("accept-encoding", "")))
        if found is None:
            return None
        path, stat, encoding = found
        response = FileResponse(
            path, media_type=_MEDIA_TYPES.get(Path(name).suffix) or guess_type(name)[0], stat_result=stat
        )
        response.headers["Vary"] = "Accept-Encoding"
        if encoding:
            response.headers["Content-Encoding"] = encoding
        return (
            NotModifiedResponse(response.headers)
            if self._files.is_not_modified(response.headers, headers)
            else response
        )

    def _find(self, name: str, encodings: list[str]) -> tuple[str, os.stat_result, str] | None:
        """A file's path, stat result and content encoding; None if it does not exist."""
        if name.startswith("assets/") and (not _ASSET.fullmatch(f"/{name}") or name.endswith((*_SUFFIXES.values(),))):
            return None
        for encoding in (*encodings, ""):
            path, stat = self._files.lookup_path(name + _SUFFIXES.get(encoding, ""))
            if stat is not None and Path(path).is_file():
                return path, stat, encoding
        return None


def _accepted(header: str) -> list[str]:
    """The supported encodings that an Accept-Encoding header allows, in order of preference."""
    allowed = set()
    for part in header.lower().split(","):
        encoding, _, quality = part.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality):
            allowed.add(encoding.strip())
    return [encoding for encoding in _SUFFIXES if encoding in allowed]
