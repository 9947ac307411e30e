"""Ask the services of the member over HTTP: what they know of a report, whether they are ready."""

from typing import Any, Final

import httpx

from slt.client.errors import Unreachable, WrongUse
from slt.client.folder import Addresses
from slt.statements.receipt_forms import Form

ASK_WITHIN_S: Final = 5.0


async def ask(addresses: Addresses, service: str, path: str, *, any_status: bool = False) -> dict[str, Any]:
    """The JSON object at `path` of a service.

    An answer that is no object comes as {"answer": ...}. A service that cannot be reached, has no such thing, or is not
    ready (unless `any_status`) comes as {"problem": sentence}: what one service does not say, the others may.
    """
    url = addresses.http.get(service)
    if not url:
        return {"problem": f"the address of {service} is not known: name it in profile.toml"}
    try:
        async with httpx.AsyncClient(timeout=ASK_WITHIN_S) as client:
            answer = await client.get(url + path)
    except httpx.TransportError as error:
        return {"problem": f"{service} does not answer at {url}: {type(error).__name__}"}
    try:
        said = answer.json()
    except ValueError:
        said = {"answer": answer.text[:200]}
    if not isinstance(said, dict):
        said = {"answer": said}
    if any_status:
        return {**said, "status_code": answer.status_code}
    if answer.status_code == httpx.codes.NOT_FOUND:
        return {"problem": f"{service} knows nothing of it", "unknown": True}
    if answer.is_error:
        return {"problem": f"{service} answers {answer.status_code}: {said}"}
    return said


async def fetch_receipt(addresses: Addresses, statement: str, *, form: Form = "v1", bare: bool = False) -> bytes:
    """The receipt of a statement id (hex), unverified. Raises WrongUse when there is none, Unreachable."""
    url = addresses.http.get("ledger", "")
    try:
        async with httpx.AsyncClient(timeout=ASK_WITHIN_S) as client:
            query = {"format": form, "bare": str(bare).lower()}
            answer = await client.get(f"{url}/v1/receipts/{statement}", params=query)
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Unreachable(
            f"the ledger does not answer at {url or 'an unknown address'}: {type(error).__name__}"
        ) from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise WrongUse(f"the ledger has no receipt for {statement}: {answer.json().get('detail', '')}")
    if answer.is_error:
        raise Unreachable(f"the ledger answers {answer.status_code}")
    return answer.content
