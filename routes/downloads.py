"""Files that are made while they are sent."""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse


async def download(pieces: AsyncIterator[bytes], filename: str, media_type: str) -> StreamingResponse:
    """A file that is made while it is sent.

    What goes wrong before its first piece is answered as any error is; after that the connection is cut, so that a
    part is not taken for the whole.
    """
    first = await anext(pieces, b"")

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(all_pieces(), media_type=media_type, headers=headers)
