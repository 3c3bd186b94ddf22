"""`python -m edge.demo.endpoint --db FILE --listen 127.0.0.1:0`: the endpoint by itself, until a signal."""

import argparse
import asyncio
import signal
from pathlib import Path

from edge.demo.endpoint.app import Options
from edge.demo.endpoint.server import MASTERDATA, Endpoint


def main() -> None:
    """Serve and print where."""
    parser = argparse.ArgumentParser(prog="python -m edge.demo.endpoint", description=__doc__)
    parser.add_argument("--db", type=Path, required=True, help="SQLite file; made where absent")
    parser.add_argument("--listen", default="127.0.0.1:0", help="host:port; port 0 takes a free one")
    parser.add_argument("--token-file", type=Path, help="bearer token; without it no one is asked")
    parser.add_argument("--masterdata", type=Path, default=MASTERDATA, help="JSON document to offer")
    given = parser.parse_args()
    host, _, port = given.listen.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"--listen {given.listen}: <host>:<port> is needed, for example 127.0.0.1:0")
    token = given.token_file.read_text().strip() if given.token_file else None
    asyncio.run(
        _serve(Endpoint(given.db, given.masterdata, host=host, port=int(port), options=Options(token)))
    )


async def _serve(endpoint: Endpoint) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with endpoint:
        print(f"events  {endpoint.url}\npages   {endpoint.pages_url}/", flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
