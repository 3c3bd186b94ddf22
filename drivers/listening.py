"""The end of a server, after which no connection is open that nobody knows."""

import asyncio

_TURNS = 3  # of the loop: an accepted connection gets its task, its protocol, its place in the server


async def stop_listening(server: asyncio.Server) -> None:
    """Close a server, after the connections that it had just accepted were made: they are known then.

    Without that Python 3.11 leaves such a connection open (cpython issue 109564).
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())  # nothing on other loops, which know no such fault
    try:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
    finally:
        server.close()
