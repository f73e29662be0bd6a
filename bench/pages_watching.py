"""A hundred pages that look on at 20,000 tasks, each by its WebSocket: `pages_watching.py DASHBOARD TOKEN COUNT`."""

import asyncio
import sys

from websockets.asyncio.client import connect


async def main() -> None:
    """Watches until it is ended; says when all have their first frame."""
    dashboard, token, count = sys.argv[1:]
    url = dashboard.replace("http", "ws") + "/ws"
    looking = [asyncio.Event() for _ in range(int(count))]

    async def look(begun: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(url, additional_headers=headers, compression=None, max_size=None) as socket:
            async for _frame in socket:
                begun.set()

    pages = [asyncio.create_task(look(begun)) for begun in looking]
    for begun in looking:
        await begun.wait()
    print("watching", flush=True)
    await asyncio.gather(*pages)


if __name__ == "__main__":
    asyncio.run(main())
