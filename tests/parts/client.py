"""A Python SDK client that makes the calls of the end-to-end test and prints what it saw as one JSON object.

Usage: python client.py URL   (HANSARD_TOKEN: bearer token, where one is needed)
"""
import asyncio
import json
import os
import sys

import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url: str) -> None:
    token = os.environ.get("HANSARD_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    progress = []

    async def told(amount, total, message) -> None:
        progress.append(amount)

    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await session.initialize()

                async def call(name, arguments, **options):
                    answer = await session.call_tool(name, arguments, **options)
                    return [part.model_dump(mode="json", exclude_none=True, by_alias=True) for part in answer.content]

                seen = {
                    "tools": sorted(tool.name for tool in (await session.list_tools()).tools),
                    "echo": await call("echo", {"message": os.environ.get("HANSARD_MESSAGE", "hello")}),
                    "sum": await call("get-sum", {"a": 19, "b": 23}),
                    "long": await call(
                        "trigger-long-running-operation", {"duration": 0.5, "steps": 4}, progress_callback=told
                    ),
                    "image": [part["type"] for part in await call("get-tiny-image", {})],
                }
    seen["progress"] = len(progress)
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
