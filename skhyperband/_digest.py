"""Decides what is the same computation, in any process: values have a stable digest."""

import copyreg
import importlib.metadata
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from hashlib import blake2b
from operator import attrgetter
from types import FunctionType
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from skhyperband._messages import str_of

# Parameters of estimators that change what a fit costs or prints, not what it finds.
_WITHOUT_EFFECT = {
    *("n_jobs", "nthread", "num_threads", "thread_count"),
    *("verbose", "verbosity", "logging_level"),
}
# What leads back to itself in more ways than this could be walked for ever.
_MOST_LOOPS = 10_000

_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 100


def digest(
    value: Any, name: str, *, cloned: bool = True, packages: set[str] | None = None
) -> bytes:
    """Return 16 bytes that are the same for the same types and values, in any process.

    Parameters
    ----------
    value : object
    name : str
        What the user calls it.
    cloned : bool
        Whether what is computed starts from a clone of it, as from an estimator or a
        candidate's parameters: what estimators in it have learned does not count then.
    packages : set of str, optional
        The top-level packages of all classes and functions in it are added here.

    Raises
    ------
    TypeError
        When it, or anything inside, has no stable digest.
    """
    try:
        return _Walk(set() if packages is None else packages).of(value, name, cloned)
    except RecursionError:
        why = "it is nested too deeply; make it flatter, or leave journal out."
        raise _refusal(name, value, why) from None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed versions, of those that have one."""
    found = {package: _version(package) for package in sorted(packages)}
    return {package: version for package, version in found.items() if version is not None}


@cache
def _version(package: str) -> str | None:
    if package in sys.stdlib_module_names:
        return None
    # Not by getattr: some packages compute it, and warn that they will not for long.
    declared = getattr(sys.modules.get(package), "__dict__", {}).get("__version__")
    if isinstance(declared, str):
        return declared
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _refusal(path: str, value: Any, why: str) -> TypeError:
    return TypeError(
        f"{path}={_SHORT.repr(value)} cannot be kept in a journal, as it has no stable digest: {why}"
    )


# All digests are made by these two. What `kind` says is hashed too, and digests are of
# one length, so that no two structures give the same bytes.


def _leaf(kind: str, data: Any) -> bytes:
    return blake2b(data, digest_size=16, person=kind.encode()).digest()


def _node(kind: str, *digests: bytes) -> bytes:
    return _leaf(kind, b"".join(digests))


def _text(value: str) -> bytes:
    return _leaf("str", value.encode("utf-8", "surrogatepass"))


def _texts(values: Sequence[str]) -> bytes:
    lengths = np.fromiter(map(len, values), dtype="<i8", count=len(values))
    return _node("texts", _leaf("lengths", lengths), _text("".join(values)))


def _bytes_of(value: np.ndarray[Any, Any]) -> bytes:
    """Digest an array's bytes in C order: where they lie otherwise, so many rows at a time."""
    hasher = blake2b(digest_size=16, person=b"bytes")
    n_rows = len(value) if value.ndim else 1
    if value.nbytes:
        whole = value.flags.c_contiguous
        step = n_rows if whole else max(1, 2**20 * n_rows // value.nbytes)
        for start in range(0, n_rows, step):
            block = value if whole else value[start : start + step]
            hasher.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return hasher.digest()


_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: _leaf("None", b""),
    bool: lambda value: _leaf("bool", b"%d" % value),
    int: lambda value: _leaf("int", b"%x" % value),
    float: lambda value: _leaf("float", value.hex().encode()),
    complex: lambda value: _leaf("complex", f"{value.real.hex()} {value.imag.hex()}".encode()),
    str: _text,
    bytes: lambda value: _leaf("bytes", value),
}

# What a value is made of, besides its class: each part with its place in the value.
Parts = Iterable[tuple[str, Any]]


def _partial_parts(value: "partial[Any]") -> Parts:
    return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]


def _random_parts(value: np.random.RandomState) -> Parts:
    # scipy's distributions refer to NumPy's own, whose state is nobody's choice.
    shared = value is check_random_state(None)
    return [("", None if shared else value.get_state(legacy=False))]


def _masked_parts(value: Any) -> Parts:
    return [(".data", value.data), (".mask", np.ma.getmaskarray(value))]


def _sparse_parts(value: Any) -> Parts:
    described = [("", value.format), ("", value.shape)]
    if value.format in ("lil", "dok"):  # A format without arrays of its own.
        value = value.tocsr()
    names = ("data", "indices", "indptr", "offsets", "coords", "row", "col")
    return [*described, *((f".{n}", getattr(value, n)) for n in names if hasattr(value, n))]


def _pandas_values(column: Any) -> tuple[Any, ...]:
    dtype = column.dtype
    if hasattr(dtype, "categories"):
        return str(dtype), np.asarray(column.array.codes), dtype.categories, dtype.ordered
    if hasattr(dtype, "tz") or hasattr(dtype, "freq"):  # Else each would be an object.
        return str(dtype), column.array.asi8
    return str(dtype), column.to_numpy()


def _frame_parts(value: Any) -> Parts:
    yield from [(".columns", value.columns.tolist()), (".index", value.index)]
    for name, column in value.items():
        yield from ((f"[{name!r}]", part) for part in _pandas_values(column))


def _series_parts(value: Any) -> Parts:
    values = [("", part) for part in _pandas_values(value)]
    return [(".name", value.name), (".index", value.index), *values]


def _index_parts(value: Any) -> Parts:
    return [(".names", list(value.names)), *(("", part) for part in _pandas_values(value))]


def _polars_frame_parts(value: Any) -> Parts:
    return [(f"[{column.name!r}]", column) for column in value]


def _polars_series_parts(value: Any) -> Parts:
    if value.dtype.is_nested():
        values = [value.to_list()]
    else:  # Apart: with nulls among them integers would become floats.
        values = [value.is_null().to_numpy(), value.drop_nulls().to_numpy()]
    return [(".name", value.name), (".dtype", repr(value.dtype)), *(("", v) for v in values)]


# Exactly of this type: subclasses may have more state.
_PARTS: dict[type, Callable[[Any], Parts]] = {
    partial: _partial_parts,
    np.random.RandomState: _random_parts,
    np.random.Generator: lambda value: [("", value.bit_generator.state)],
    np.ma.MaskedArray: _masked_parts,
}
# By name, so that nothing is imported, and with subclasses.
_FRAMES: dict[str, Callable[[Any], Parts]] = {
    "pandas.DataFrame": _frame_parts,
    "pandas.Series": _series_parts,
    "pandas.Index": _index_parts,
    "polars.DataFrame": _polars_frame_parts,
    "polars.Series": _polars_series_parts,
}


def _parts(value: Any) -> Parts | None:
    """Return the parts of what is known well; None where pickle knows better."""
    if type(value) in _PARTS:
        return _PARTS[type(value)](value)
    if scipy.sparse.issparse(value):
        return _sparse_parts(value)
    for base in type(value).__mro__:
        known = _FRAMES.get(f"{base.__module__.partition('.')[0]}.{base.__name__}")
        if known is not None:
            return known(value)
    return None


def _reduced(value: Any, path: str) -> str | tuple[Any, ...]:
    """Return what pickle would make it from; nothing is pickled."""
    if type(value) is object:
        raise _refusal(path, value, "it has no state to read; leave journal out.")
    reduce = copyreg.dispatch_table.get(type(value))
    try:
        return value.__reduce_ex__(4) if reduce is None else reduce(value)
    except Exception as error:  # Whatever a class's own reduction may raise.
        why = f"it has no state to read ({str_of(error).rstrip('.')}); leave journal out."
        raise _refusal(path, value, why) from error


def _found(module: str, name: str) -> Any:
    """Return what is importable under that name now."""
    try:
        return attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


def _is_made_anew(value: Any) -> bool:
    """Return whether clone makes it from its parameters, as all but a FrozenEstimator."""
    own = getattr(type(value), "__sklearn_clone__", None)
    return hasattr(type(value), "get_params") and own in (None, BaseEstimator.__sklearn_clone__)


class _Walk:
    """Goes through one value.

    Where `cloned` is handed on, estimators are what `clone` makes of them; elsewhere
    clone copies deeply, so that all their state counts.
    """

    def __init__(self, packages: set[str]):
        self._packages = packages
        # The values are kept with their digests: an id is free again when its value is gone.
        self._known: dict[tuple[int, bool], tuple[Any, bytes]] = {}
        self._above: dict[tuple[int, bool], int] = {}
        self._outermost = sys.maxsize  # How deep that is to which values seen last lead back.
        self._n_loops = 0

    def of(self, value: Any, path: str, cloned: bool = False) -> bytes:
        """Return the digest of a value."""
        plain = _PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        key = id(value), cloned
        if key in self._known:
            return self._known[key][1]
        if key in self._above:
            return self._loop(self._above[key])
        depth = self._above[key] = len(self._above)
        before, self._outermost = self._outermost, sys.maxsize
        found = _METHODS.get(type(value), _Walk._other)(self, value, path, cloned)
        del self._above[key]
        # What leads back to one above it is another thing below another; an array may be
        # large, and made for this walk from a column.
        if self._outermost >= depth and type(value) is not np.ndarray:
            self._known[key] = value, found
        self._outermost = min(self._outermost, before)
        return found

    def _loop(self, depth: int) -> bytes:
        self._n_loops += 1
        if self._n_loops > _MOST_LOOPS:
            raise RecursionError
        self._outermost = min(self._outermost, depth)
        return _leaf("loop", b"%d" % (len(self._above) - depth))

    def _other(self, value: Any, path: str, cloned: bool) -> bytes:
        if isinstance(value, type):
            return self._global(value, path, cloned)
        if isinstance(value, (set, frozenset)):
            return self._set(value, path, cloned)
        if isinstance(value, np.generic):
            return self._scalar(value, path)
        parts = _parts(value)
        if parts is not None:
            each = (self.of(part, path + place) for place, part in parts)
            return _node("parts", self.of(type(value), path), *each)
        if cloned and _is_made_anew(value):
            return self._estimator(value, path)
        return self._object(value, path)

    # -- builtin containers

    def _items(self, values: Sequence[Any], path: str, cloned: bool) -> bytes:
        if set(map(type, values)) <= {str, np.str_}:
            return _texts(values)
        each = (self.of(item, f"{path}[{place}]", cloned) for place, item in enumerate(values))
        return _node("items", *each)

    def _list(self, value: list[Any], path: str, cloned: bool) -> bytes:
        return _node("list", self._items(value, path, cloned))

    def _tuple(self, value: tuple[Any, ...], path: str, cloned: bool) -> bytes:
        if len(value) > 1 and type(value[0]) is str and hasattr(type(value[1]), "get_params"):
            # A named step, which scikit-learn calls by that name and not by its place.
            step = "__".join(filter(None, [path.rpartition("__")[0], value[0]]))
            return _node("tuple", _node("items", *(self.of(v, step, cloned) for v in value)))
        return _node("tuple", self._items(value, path, cloned))

    def _dict(self, value: dict[Any, Any], path: str, cloned: bool) -> bytes:
        pairs = (
            self.of(key, f"a key of {path}") + self.of(item, f"{path}[{key!r}]", cloned)
            for key, item in value.items()
        )
        return _node("dict", *sorted(pairs))

    def _set(self, value: Any, path: str, cloned: bool) -> bytes:
        elements = sorted(self.of(item, f"an element of {path}", cloned) for item in value)
        # A subclass may have more state; its first two parts are the class and the elements.
        rest = self.of(_reduced(value, path)[2:], path)
        return _node("set", self.of(type(value), path), rest, *elements)

    # -- arrays

    def _scalar(self, value: np.generic, path: str) -> bytes:
        # Kinds M and m can be an int by item(), without their unit.
        plain = value.item() if value.dtype.kind in "biufcSU" else value
        if type(plain) in _PLAIN:
            return _PLAIN[type(plain)](plain)
        return _node("scalar", self._array(np.asarray(value), path, False))

    def _array(self, value: np.ndarray[Any, Any], path: str, cloned: bool) -> bytes:
        value, dtype = np.asarray(value), value.dtype
        if dtype.names is not None:  # One by one: there may be padding between them.
            content = _node("fields", *(self._array(value[n], path, False) for n in dtype.names))
        elif dtype.hasobject:
            content = self._items(value.ravel().tolist(), path, False)
        elif dtype.char in "gG":  # Ten bytes of a long double are padded to sixteen.
            content = _texts(value.ravel().astype(str).tolist())
        else:
            content = _bytes_of(value)
        described = self.of((repr(dtype), value.shape), path)
        return _node("array", self.of(np.ndarray, path), described, content)

    def _ufunc(self, value: np.ufunc, path: str, cloned: bool) -> bytes:
        # Before NumPy 2 it does not know its module.
        for module in ("numpy", "scipy.special"):
            if _found(module, value.__name__) is value:
                return self._named(module, value.__name__)
        raise _refusal(path, value, "it is not one of NumPy's or SciPy's; leave journal out.")

    # -- functions, classes and objects

    def _named(self, module: str, name: str) -> bytes:
        self._packages.add(module.partition(".")[0])
        return _node("name", _text(module), _text(name))

    def _global(self, value: Any, path: str, cloned: bool, name: str | None = None) -> bytes:
        """Return the digest of what can be imported: it is what its name says."""
        name = name or value.__qualname__
        module = getattr(value, "__module__", None) or type(value).__module__
        kind = "class" if isinstance(value, type) else "function"
        define = f"define it in a module as a {kind} with a name, or leave journal out."
        if "<lambda>" in name:
            raise _refusal(path, value, f"a lambda has no name; {define}")
        if "<locals>" in name:
            raise _refusal(path, value, f"it is local to a function; {define}")
        if _found(module, name) is not value:
            why = f"it is not what {module}.{name} is now; make it anew, or leave journal out."
            raise _refusal(path, value, why)
        bases = value.__mro__ if isinstance(value, type) else ()
        self._packages.update(base.__module__.partition(".")[0] for base in bases)
        return self._named(module, name)

    def _estimator(self, value: Any, path: str) -> bytes:
        parts = [self.of(type(value), path)]
        is_sklearns = type(value).__module__.startswith("sklearn.")  # A cache, there.
        for name, param in sorted(value.get_params(deep=False).items()):
            if name not in _WITHOUT_EFFECT and not (name == "memory" and is_sklearns):
                parts += [_text(name), self.of(param, f"{path}__{name}", True)]
        # What clone keeps besides: set_output, and the set_..._request methods. Requests
        # know their owner, whose state is not meant; what they say is their text.
        output = getattr(value, "_sklearn_output_config", None) or None
        requests = getattr(value, "_metadata_request", None)
        kept = output, None if requests is None else str(requests)
        return _node("estimator", *parts, self.of(kept, path))

    def _object(self, value: Any, path: str) -> bytes:
        """Return the digest of anything else, by what pickle would make it from."""
        reduced = _reduced(value, path)
        if isinstance(reduced, str):
            return self._global(value, path, False, reduced)
        function, args, state, items, pairs, setter = (*reduced, *[None] * 4)[:6]
        parts = [self.of(function, path), self.of(args, f"{path}(...)")]
        if type(state) is dict:
            for name, attribute in sorted(state.items(), key=lambda pair: str(pair[0])):
                parts += [self.of(name, path), self.of(attribute, f"{path}.{name}")]
        else:
            parts += [self.of(state, path)]
        contents = [list(items or ()), list(pairs or ()), setter]
        return _node("object", _node("state", *parts), self.of(contents, path))


_METHODS: dict[type, Callable[[_Walk, Any, str, bool], bytes]] = {
    list: _Walk._list,
    tuple: _Walk._tuple,
    dict: _Walk._dict,
    np.ndarray: _Walk._array,
    np.memmap: _Walk._array,
    np.ufunc: _Walk._ufunc,
    FunctionType: _Walk._global,
}
