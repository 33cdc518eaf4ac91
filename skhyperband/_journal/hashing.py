"""Hashes plain values, texts and the bytes of arrays. Every digest is made here."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

# `leaf` and `node` make all digests. What `kind` says is hashed too, and digests have one
# length, so that no two structures give the same bytes.


def leaf(kind: str, data: Any) -> bytes:
    """Return the digest of bytes."""
    return blake2b(data, digest_size=16, person=kind.encode()).digest()


def node(kind: str, *digests: bytes) -> bytes:
    """Return the digest of a structure, made from the digests of its parts."""
    return leaf(kind, b"".join(digests))


def hash_text(value: str) -> bytes:
    """Return the digest of one text."""
    return leaf("str", value.encode("utf-8", "surrogatepass"))


def hash_texts(values: Sequence[str]) -> bytes:
    """Return the digest of many texts, hashed at once: data may have millions of them."""
    lengths = np.fromiter(map(len, values), dtype="<i8", count=len(values))
    return node("texts", leaf("lengths", lengths), hash_text("".join(values)))


def hash_buffer(value: np.ndarray[Any, Any]) -> bytes:
    """Return the digest of an array's bytes in C order.

    An array that lies in memory in another order is copied in blocks of about a megabyte.
    """
    hasher = blake2b(digest_size=16, person=b"bytes")
    n_rows = len(value) if value.ndim else 1
    if value.nbytes:
        whole = value.flags.c_contiguous
        step = n_rows if whole else max(1, 2**20 * n_rows // value.nbytes)
        for start in range(0, n_rows, step):
            block = value if whole else value[start : start + step]
            hasher.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return hasher.digest()


# How a value of exactly this type is hashed.
PLAIN_TYPES: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: leaf("None", b""),
    bool: lambda value: leaf("bool", b"%d" % value),
    int: lambda value: leaf("int", b"%x" % value),
    float: lambda value: leaf("float", value.hex().encode()),
    complex: lambda value: leaf("complex", f"{value.real.hex()} {value.imag.hex()}".encode()),
    str: hash_text,
    bytes: lambda value: leaf("bytes", value),
}
