"""Gives values a digest that is the same in any process: equal digests, equal computation.

This is one of three notions of when two candidates, or two values of a parameter, are the same:

- `_space.candidate_key` compares within one process and one search, so that the same candidate
  is never drawn or evaluated twice. An object without a plain value is the same only if it is
  the same object. That is quick, and right where a list hands out its own objects.
- `_continuation.base.is_same` compares a parameter with its default, or with a value for which
  continued training was tested. 1, 1.0 and True are equal there, since the estimator computes
  the same with each; where that is in doubt it says no, which costs only a fresh fit.
- The digest compares across processes and versions of the search. It looks at the content of
  objects, since their identity says nothing in another process, and tells 1 from 1.0 and True,
  since a wrong match would replay the score of another computation.
"""

import copyreg
import importlib.metadata
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from types import FunctionType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skhyperband._journal.hashing import (
    PLAIN_TYPES,
    hash_buffer,
    hash_text,
    hash_texts,
    leaf,
    node,
)
from skhyperband._journal.known_types import parts_of
from skhyperband._messages import str_of

# Parameters of estimators that change what a fit costs or prints, but not its result.
_WITHOUT_EFFECT = {
    *("n_jobs", "nthread", "num_threads", "thread_count"),
    *("verbose", "verbosity", "logging_level"),
}
# A value that refers back to itself in more ways than this could be walked for ever.
_MOST_CYCLES = 10_000

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
        The name by which the user knows the value, for an error.
    cloned : bool
        Whether the computation starts from a clone of the value, as it does from an estimator
        or a candidate's parameters. If so, what estimators in it have learned does not count.
    packages : set of str, optional
        The top-level packages of all classes and functions in the value are added here.

    Raises
    ------
    TypeError
        If the value, or anything inside, has no stable digest.
    """
    try:
        return _Walk(set() if packages is None else packages).digest(value, name, cloned)
    except RecursionError:
        why = "it is nested too deeply; make it flatter, or leave journal out."
        raise _refusal(name, value, why) from None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package that has one."""
    found = {package: _version(package) for package in sorted(packages)}
    return {package: version for package, version in found.items() if version is not None}


@cache
def _version(package: str) -> str | None:
    if package in sys.stdlib_module_names:
        return None
    # Not getattr: some packages compute the attribute, and warn that it is deprecated.
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


# --- the walk ----------------------------------------------------------------------


class _Walk:
    """Walks through one value and everything inside it.

    If `cloned` is true for a value, the estimators in it count as `clone` makes them. If not,
    they count with all their state, since `clone` copies everything else deeply.

    Attributes
    ----------
    packages : set of str
        The top-level packages of the classes and functions met so far.
    """

    def __init__(self, packages: set[str]):
        self.packages = packages
        # Digests by identity. The values are kept too: an id is used again after its value.
        self._known: dict[tuple[int, bool], tuple[Any, bytes]] = {}
        # How deep the values lie that the walk is inside of.
        self._depth_of: dict[tuple[int, bool], int] = {}
        # The depth of the outermost value to which the current value has referred back.
        self._outermost = sys.maxsize
        self._n_cycles = 0

    def digest(self, value: Any, path: str, cloned: bool = False) -> bytes:
        """Return the digest of a value; `path` is what leads to it, for an error."""
        hash_plain = PLAIN_TYPES.get(type(value))
        if hash_plain is not None:
            return hash_plain(value)
        key = id(value), cloned
        if key in self._known:
            return self._known[key][1]
        if key in self._depth_of:
            return self._refer_back(self._depth_of[key])
        depth = self._depth_of[key] = len(self._depth_of)
        before, self._outermost = self._outermost, sys.maxsize
        found = _BY_TYPE.get(type(value), _digest_other)(self, value, path, cloned)
        del self._depth_of[key]
        # The digest of a value that refers back to one outside it says how far, and so holds in
        # this place only. Arrays are not kept either: they may be large, and may have been
        # made from a column for this walk.
        if self._outermost >= depth and type(value) is not np.ndarray:
            self._known[key] = value, found
        self._outermost = min(self._outermost, before)
        return found

    def _refer_back(self, depth: int) -> bytes:
        """Return the digest of a reference to a value that the walk is inside of."""
        self._n_cycles += 1
        if self._n_cycles > _MOST_CYCLES:
            raise RecursionError
        self._outermost = min(self._outermost, depth)
        return leaf("loop", b"%d" % (len(self._depth_of) - depth))


def _digest_other(walk: _Walk, value: Any, path: str, cloned: bool) -> bytes:
    """Return the digest of a value whose exact type is not in `_BY_TYPE`."""
    if isinstance(value, type):
        return _digest_global(walk, value, path, cloned)
    if isinstance(value, (set, frozenset)):
        return _digest_set(walk, value, path, cloned)
    if isinstance(value, np.generic):
        return _digest_scalar(walk, value, path)
    try:
        parts = parts_of(value)
    except TypeError as error:
        raise _refusal(path, value, f"{error}; leave journal out.") from error
    if parts is not None:
        each = (walk.digest(part, path + place) for place, part in parts)
        return node("parts", walk.digest(type(value), path), *each)
    if cloned and _is_made_from_parameters(value):
        return _digest_estimator(walk, value, path)
    return _digest_object(walk, value, path)


# --- containers --------------------------------------------------------------------


def _digest_items(walk: _Walk, values: Sequence[Any], path: str, cloned: bool) -> bytes:
    if set(map(type, values)) <= {str, np.str_}:
        return hash_texts(values)
    each = (walk.digest(item, f"{path}[{place}]", cloned) for place, item in enumerate(values))
    return node("items", *each)


def _digest_list(walk: _Walk, value: list[Any], path: str, cloned: bool) -> bytes:
    return node("list", _digest_items(walk, value, path, cloned))


def _digest_tuple(walk: _Walk, value: tuple[Any, ...], path: str, cloned: bool) -> bytes:
    if len(value) > 1 and type(value[0]) is str and hasattr(type(value[1]), "get_params"):
        # A named step of a pipeline: an error names it as scikit-learn does, by its name.
        step = "__".join(filter(None, [path.rpartition("__")[0], value[0]]))
        return node("tuple", node("items", *(walk.digest(v, step, cloned) for v in value)))
    return node("tuple", _digest_items(walk, value, path, cloned))


def _digest_dict(walk: _Walk, value: dict[Any, Any], path: str, cloned: bool) -> bytes:
    pairs = (
        walk.digest(key, f"a key of {path}") + walk.digest(item, f"{path}[{key!r}]", cloned)
        for key, item in value.items()
    )
    return node("dict", *sorted(pairs))


def _digest_set(walk: _Walk, value: Any, path: str, cloned: bool) -> bytes:
    elements = sorted(walk.digest(item, f"an element of {path}", cloned) for item in value)
    # A subclass may have more state. The first two parts are the class and the elements.
    rest = walk.digest(_reduced(value, path)[2:], path)
    return node("set", walk.digest(type(value), path), rest, *elements)


# --- arrays ------------------------------------------------------------------------


def _digest_scalar(walk: _Walk, value: np.generic, path: str) -> bytes:
    # item() may turn the kinds M and m, dates and durations, into an int without their unit.
    plain = value.item() if value.dtype.kind in "biufcSU" else value
    if type(plain) in PLAIN_TYPES:
        return PLAIN_TYPES[type(plain)](plain)
    return node("scalar", _digest_array(walk, np.asarray(value), path, False))


def _digest_array(walk: _Walk, value: np.ndarray[Any, Any], path: str, cloned: bool) -> bytes:
    value, dtype = np.asarray(value), value.dtype
    if dtype.names is not None:  # Field by field: there may be padding between them.
        content = node(
            "fields", *(_digest_array(walk, value[n], path, False) for n in dtype.names)
        )
    elif dtype.hasobject:
        content = _digest_items(walk, value.ravel().tolist(), path, False)
    elif dtype.char in "gG":  # The ten bytes of a long double are padded to sixteen.
        content = hash_texts(value.ravel().astype(str).tolist())
    else:
        content = hash_buffer(value)
    described = walk.digest((repr(dtype), value.shape), path)
    return node("array", walk.digest(np.ndarray, path), described, content)


def _digest_ufunc(walk: _Walk, value: np.ufunc, path: str, cloned: bool) -> bytes:
    # Before NumPy 2 a ufunc does not know its module.
    for module in ("numpy", "scipy.special"):
        if _importable(module, value.__name__) is value:
            return _digest_name(walk, module, value.__name__)
    raise _refusal(path, value, "it is not one of NumPy's or SciPy's; leave journal out.")


# --- functions, classes and objects ------------------------------------------------


def _digest_name(walk: _Walk, module: str, name: str) -> bytes:
    walk.packages.add(module.partition(".")[0])
    return node("name", hash_text(module), hash_text(name))


def _digest_global(
    walk: _Walk, value: Any, path: str, cloned: bool, name: str | None = None
) -> bytes:
    """Return the digest of a class or function by its name, after a check that it is found there."""
    name = name or value.__qualname__
    module = getattr(value, "__module__", None) or type(value).__module__
    kind = "class" if isinstance(value, type) else "function"
    define = f"define it in a module as a {kind} with a name, or leave journal out."
    if "<lambda>" in name:
        raise _refusal(path, value, f"a lambda has no name; {define}")
    if "<locals>" in name:
        raise _refusal(path, value, f"it is local to a function; {define}")
    if _importable(module, name) is not value:
        why = f"it is not what {module}.{name} is now; make it anew, or leave journal out."
        raise _refusal(path, value, why)
    bases = value.__mro__ if isinstance(value, type) else ()
    walk.packages.update(base.__module__.partition(".")[0] for base in bases)
    return _digest_name(walk, module, name)


def _importable(module: str, name: str) -> Any:
    """Return what an imported module has under a name now, or None."""
    try:
        return attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


def _is_made_from_parameters(value: Any) -> bool:
    """Return whether `clone` makes the value from its parameters, unlike a FrozenEstimator."""
    own = getattr(type(value), "__sklearn_clone__", None)
    return hasattr(type(value), "get_params") and own in (None, BaseEstimator.__sklearn_clone__)


def _digest_estimator(walk: _Walk, value: Any, path: str) -> bytes:
    """Return the digest of what `clone` keeps of an estimator."""
    parts = [walk.digest(type(value), path)]
    is_sklearns = type(value).__module__.startswith("sklearn.")
    for name, param in sorted(value.get_params(deep=False).items()):
        is_cache = name == "memory" and is_sklearns
        if name not in _WITHOUT_EFFECT and not is_cache:
            parts += [hash_text(name), walk.digest(param, f"{path}__{name}", True)]
    # Besides parameters, clone keeps what set_output and the set_..._request methods set. The
    # requests refer to the estimator that owns them, so that their text is hashed instead.
    output = getattr(value, "_sklearn_output_config", None) or None
    requests = getattr(value, "_metadata_request", None)
    kept = output, None if requests is None else str(requests)
    return node("estimator", *parts, walk.digest(kept, path))


def _digest_object(walk: _Walk, value: Any, path: str) -> bytes:
    """Return the digest of any other object, from what pickle would make it from."""
    reduced = _reduced(value, path)
    if isinstance(reduced, str):
        return _digest_global(walk, value, path, False, reduced)
    function, args, state, items, pairs, setter = (*reduced, *[None] * 4)[:6]
    parts = [walk.digest(function, path), walk.digest(args, f"{path}(...)")]
    if type(state) is dict:
        for name, attribute in sorted(state.items(), key=lambda pair: str(pair[0])):
            parts += [walk.digest(name, path), walk.digest(attribute, f"{path}.{name}")]
    else:
        parts += [walk.digest(state, path)]
    contents = [list(items or ()), list(pairs or ()), setter]
    return node("object", node("state", *parts), walk.digest(contents, path))


def _reduced(value: Any, path: str) -> str | tuple[Any, ...]:
    """Return what pickle would make the value from. Nothing is pickled."""
    if type(value) is object:
        raise _refusal(path, value, "it has no state to read; leave journal out.")
    reduce = copyreg.dispatch_table.get(type(value))
    try:
        return value.__reduce_ex__(4) if reduce is None else reduce(value)
    except Exception as error:  # The reduction of a class may raise anything.
        why = f"it has no state to read ({str_of(error).rstrip('.')}); leave journal out."
        raise _refusal(path, value, why) from error


# How a value of exactly this type is walked through.
_BY_TYPE: dict[type, Callable[[_Walk, Any, str, bool], bytes]] = {
    list: _digest_list,
    tuple: _digest_tuple,
    dict: _digest_dict,
    np.ndarray: _digest_array,
    np.memmap: _digest_array,
    np.ufunc: _digest_ufunc,
    FunctionType: _digest_global,
}
