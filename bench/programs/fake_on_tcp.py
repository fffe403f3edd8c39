"""The fake engine on a loopback port, for gateways that cannot ask a Unix socket: PORT REFERENCE."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from freehold.core.refs import FakeRef, parse
from freehold.engines.fake import options
from freehold.engines.fake.server import FakeServer
from freehold.engines.http.connection import Connection


async def main() -> None:
    ref = parse(sys.argv[2])
    assert isinstance(ref, FakeRef), f"{ref} is not a fake"
    engine = FakeServer(str(ref), options.read(ref))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(engine.paths), "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
