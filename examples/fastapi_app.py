"""FastAPI: stream a list in, stream its results out, and never hold up the event loop.

    fastapi run examples/fastapi_app.py
    curl -T numbers.txt 'localhost:8000/campaigns/open-house-2026?message=open-house'
    curl localhost:8000/campaigns/open-house-2026/results?state=failed

Put your login in front of it: whoever may call this sends messages at your expense.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from dispatcher import (
    AsyncDispatcher,
    Campaign,
    GroupResult,
    InvalidInput,
    LedgerError,
    Refused,
    UnknownCampaign,
)

#: What may be sent, by name: a text in the address would stand in every access log.
MESSAGES = {
    "open-house": Campaign(sender="+19195551212", text="Doors open at 6 pm."),
}
#: Bytes in a line; without a bound one endless line would fill the memory.
LONGEST = 1000


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One dispatcher for the whole life of the application.

    A server that cannot reach its Redis does not start, instead of failing later.
    """
    async with AsyncDispatcher() as dispatcher:
        app.state.dispatcher = dispatcher
        yield


app = FastAPI(lifespan=lifespan)


def dispatcher(request: Request) -> AsyncDispatcher:
    """The one that `lifespan` opened."""
    opened: AsyncDispatcher = request.app.state.dispatcher
    return opened


#: What the library's errors mean in HTTP; the first kind that fits.
STATUS = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownCampaign: HTTPStatus.NOT_FOUND,
    Refused: HTTPStatus.CONFLICT,
    LedgerError: HTTPStatus.SERVICE_UNAVAILABLE,
}


async def tell(_: Request, error: Exception) -> JSONResponse:
    """Answer with the library's own sentence: none holds a number or a text."""
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    return JSONResponse({"error": str(error)}, status)


for kind in STATUS:
    app.add_exception_handler(kind, tell)


@app.exception_handler(ClientDisconnect)
async def gone(_: Request, __: Exception) -> Response:
    """Nobody is left to answer, nothing was submitted: no reason for a traceback."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def lines(request: Request) -> AsyncIterator[str]:
    """The upload, line by line, as it comes in; never the whole of it."""
    rest = b""
    async for block in request.stream():
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if line.strip():
                yield line.decode(errors="replace")
        if len(rest) > LONGEST:
            # An error in here ends the submit: nothing is sent, the id stays free.
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if rest.strip():
        yield rest.decode(errors="replace")


# PUT, because the client names the campaign: repeating the request, as clients and
# proxies do when an answer gets lost, changes nothing.
@app.put("/campaigns/{id}", status_code=HTTPStatus.ACCEPTED)
async def submit(request: Request, id: str, message: str) -> dict[str, Any]:
    """Load a list, one number a line; a client that goes away takes it back."""
    if message not in MESSAGES:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    run = await dispatcher(request).submit(MESSAGES[message], lines(request), id=id)
    assert run.submission is not None
    return {
        "id": run.id,
        "existing": run.submission.existing,
        "groups": run.submission.groups,
        "rejected": run.submission.rejected,
        "dropped": run.submission.dropped,
    }


@app.get("/campaigns/{id}")
async def progress(request: Request, id: str) -> dict[str, Any]:
    """Counts by state; cheap however long the list."""
    run = await dispatcher(request).campaign(id)
    return (await run.progress()).as_row()


@app.get("/campaigns/{id}/results")
async def results(
    request: Request, id: str, state: str | None = None
) -> StreamingResponse:
    """One JSON object a line, read from the ledger as fast as the client takes them."""
    run = await dispatcher(request).campaign(id)
    groups = run.results(state=state)  # a wrong state is told here, before any line
    return StreamingResponse(_as_json(groups), media_type="application/x-ndjson")


async def _as_json(groups: AsyncIterator[GroupResult]) -> AsyncIterator[str]:
    async for group in groups:
        yield json.dumps(group.as_row()) + "\n"
