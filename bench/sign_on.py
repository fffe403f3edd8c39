"""What it costs the house to know who asks: processor time of one request, in one process, without HTTP.

An API key, a token that was shown before, and one that is seen for the first time, by the kind of
the issuer's key. The issuer's keys lie in a file, so that nothing is fetched."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bench.harness.measure import Arm, Claim, Measurement, Values, arguments
from freehold.app import access
from freehold.core.settings import Settings, SignOn
from freehold.gateway.access.access import Access
from freehold.gateway.access.book import KeyBook

ISSUER, AUDIENCE = "https://login.example.org", "freehold"
KNOWN, NEW = 20_000, 500
REACH_US = 20.0
_KINDS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm}


@cache
def _pair(algorithm: str) -> Any:
    """The issuer's key of this kind, made once."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _token(algorithm: str, number: int) -> bytes:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7f3a", "iat": now, "exp": now + 86_400, "jti": str(number)}
    return jwt.encode(claims, _pair(algorithm), algorithm, headers={"kid": algorithm}).encode()


def _house(folder: Path) -> Access:
    rows = [{**kind.to_jwk(_pair(name).public_key(), as_dict=True), "kid": name} for name, kind in _KINDS.items()]
    for row in rows:
        row.pop("key_ops", None)
    (folder / "keys.json").write_text(json.dumps({"keys": rows}))
    sign_on = SignOn(ISSUER, (AUDIENCE,), keys_file=folder / "keys.json")
    return access(Settings(folder, folder, sign_on=sign_on))


def _arm(ask: Callable[[int], Awaitable[object]], times: int) -> Arm:
    async def run() -> Values:
        before_s = time.process_time()
        for number in range(times):
            await ask(number)
        return {"CPU us": 1e6 * (time.process_time() - before_s) / times}

    return run


async def main() -> None:
    chosen = arguments(__doc__)
    known, new = (KNOWN // 10, NEW // 10) if chosen.quick else (KNOWN, NEW)
    result = Measurement("sign_on", quick=chosen.quick)
    with tempfile.TemporaryDirectory() as folder:
        house = _house(Path(folder))
        _, key = KeyBook(Path(folder)).create("ada")
        house.reread()
        shown = _token("RS256", -1)
        await house.identify(shown)
        arms = {
            "API key": _arm(lambda _: house.identify(key.encode()), known),
            "token again": _arm(lambda _: house.identify(shown), known),
        }
        for name in _KINDS:
            arms[f"new token, {name}"] = _new(house, name, new)
        await result.interleave(arms, chosen.repetitions)
    result.save(_claims(result))


def _new(house: Access, algorithm: str, times: int) -> Arm:
    """Tokens nobody has shown, made before the clock starts."""
    made = 0

    async def run() -> Values:
        nonlocal made
        tokens = [_token(algorithm, made + number) for number in range(times)]
        made += times
        return await _arm(lambda number: house.identify(tokens[number]), times)()

    return run


def _claims(result: Measurement) -> list[Claim]:
    again_us = result.median("token again", "CPU us")
    mark = f"at most {REACH_US:.0f} us"
    return [Claim("a token shown before, processor time", mark, f"{again_us:.1f} us", again_us <= REACH_US)]


if __name__ == "__main__":
    asyncio.run(main())
