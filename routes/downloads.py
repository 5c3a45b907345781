"""Streamed downloads."""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse


async def download(pieces: AsyncIterator[bytes], filename: str, media_type: str) -> StreamingResponse:
    """Streams a file.

    An error before the first piece is answered as any other; after it the connection is closed, so that a part is not
    mistaken for the whole file.
    """
    first = await anext(pieces, b"")

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(all_pieces(), media_type=media_type, headers=headers)
