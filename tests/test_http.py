"""What leaves the server for one answer: one packet if it is whole, and its head at once if it is not."""

import asyncio
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from utils.http import OneWriteProtocol


class Wire(asyncio.Transport):
    """A connection that keeps each packet."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.packets.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def ask(app: ASGIApp, request: bytes) -> Wire:
    """The wire as soon as a request has been handed over, and no turn of the loop later than its answer."""
    config = uvicorn.Config(app, http=OneWriteProtocol, log_config=None, server_header=False, date_header=False)
    config.load()
    wire = Wire()
    protocol = OneWriteProtocol(config, ServerState(), {})
    protocol.connection_made(wire)
    protocol.data_received(request)
    return wire


async def _head(send: Send, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _whole(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _head(send, (b"content-length", b"2"))
    await send({"type": "http.response.body", "body": b"ok"})


async def _settled(wire: Wire) -> Wire:
    for _ in range(5):
        await asyncio.sleep(0)
    return wire


async def test_a_whole_answer_is_one_packet() -> None:
    wire = await _settled(await ask(_whole, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert wire.packets == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]


async def test_every_answer_on_a_connection_is_one_packet() -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    wire = await _settled(await ask(_whole, request + request))
    assert wire.packets == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] * 2


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_what_was_written_leaves_before_the_connection_ends(method: bytes) -> None:
    wire = await _settled(await ask(_whole, method + b" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
    assert wire.packets == [head + (b"ok" if method == b"GET" else b"")]
    assert wire.closed


async def test_the_head_does_not_wait_for_a_body_that_takes_its_time() -> None:
    more = asyncio.Event()

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await _head(send)
        for body in (b"one", b"two"):
            await more.wait()
            await send({"type": "http.response.body", "body": body, "more_body": body == b"one"})

    wire = await _settled(await ask(cast(ASGIApp, stream), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert wire.packets == [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]
    more.set()
    await _settled(wire)
    assert wire.packets[1:] == [b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n"]


async def test_who_asks_before_sending_a_body_is_told_to_continue() -> None:
    async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        await _head(send, (b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.body", "body": body})

    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    wire = await _settled(await ask(echo, request))
    assert wire.packets == [b"HTTP/1.1 100 Continue\r\n\r\n"]
