"""A client of the public API, as case-management software would write one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

# Which service answers what, where each has an address of its own.
_SERVICE = {
    "units": "ingest",
    "reorganisations": "ingest",
    "reports": "ingest",
    "batches": "ingest",
    "periods": "ingest",
    "targets": "scoring",
    "scorecards": "scoring",
    "rankings": "scoring",
}


class Refused(RuntimeError):
    """The API answered with a problem; the message holds the whole document."""

    def __init__(self, message: str, document: Any) -> None:
        super().__init__(message)
        self.document = document


class Api:
    """Asks with one key; `addresses` names one address for all or one per service."""

    def __init__(self, addresses: Mapping[str, str], key: str) -> None:
        self._addresses = addresses
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )

    def with_key(self, key: str) -> Api:
        """The same addresses, asked with another key."""
        return Api(self._addresses, key)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def get(self, path: str, **query: object) -> Any:
        """The answer to GET."""
        return await self._ask("GET", path, params=query)

    async def put(self, path: str, body: object) -> Any:
        """The answer to PUT."""
        return await self._ask("PUT", path, json=body)

    async def put_text(self, path: str, text: str) -> Any:
        """The answer to PUT of a rule file."""
        kind = {"content-type": "application/yaml"}
        return await self._ask("PUT", path, content=text.encode(), headers=kind)

    async def post(self, path: str, body: object = None, **query: object) -> Any:
        """The answer to POST."""
        return await self._ask("POST", path, json=body, params=query)

    async def file(self, path: str, **query: object) -> bytes:
        """The bytes that a GET answers with."""
        return (await self._answer("GET", path, params=query)).content

    async def upload(self, path: str, content: bytes, **query: object) -> Any:
        """The answer to a spreadsheet sent as a form."""
        files = {"file": ("appendix.xlsx", content)}
        return await self._ask("POST", path, files=files, params=query)

    async def all(self, path: str, **query: object) -> list[Any]:
        """Every item of a list, page after page."""
        items: list[Any] = []
        cursor = None
        while True:
            more: dict[str, object] = {} if cursor is None else {"cursor": cursor}
            page = await self.get(path, limit=1000, **query, **more)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        return (await self._answer(method, path, **more)).json()

    async def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        first = path.split("/")[2]
        service = _SERVICE.get(first, "alerts")
        base = self._addresses.get(service) or self._addresses["all"]
        answer = await self._client.request(method, base + path, **more)
        if answer.is_error:
            said = f"{method} {path}: {answer.status_code} {answer.text}"
            raise Refused(said, answer.json())
        return answer
