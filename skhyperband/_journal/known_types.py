"""Says which parts make up a value of a known type: a data frame, a sparse array, a tensor.

Pickle knows parts of these too, but they differ between values that are equal, or between
versions of the library.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import check_random_state

# The parts of a value besides its class. Each has the text that leads to it from the value,
# such as ".index", for an error.
Parts = Iterable[tuple[str, Any]]


def parts_of(value: Any) -> Parts | None:
    """Return the parts of a value; None if its type is not known here."""
    if type(value) in _EXACT_TYPES:
        return _EXACT_TYPES[type(value)](value)
    if scipy.sparse.issparse(value):
        return _sparse_parts(value)
    for base in type(value).__mro__:
        known = _BY_NAME.get(f"{base.__module__.partition('.')[0]}.{base.__name__}")
        if known is not None:
            return known(value)
    return None


def _partial_parts(value: "partial[Any]") -> Parts:
    return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]


def _random_state_parts(value: np.random.RandomState) -> Parts:
    # scipy's distributions refer to NumPy's global generator. Its state does not count, since
    # it depends on whatever the process did before.
    is_global = value is check_random_state(None)
    return [("", None if is_global else value.get_state(legacy=False))]


def _masked_parts(value: Any) -> Parts:
    return [(".data", value.data), (".mask", np.ma.getmaskarray(value))]


def _sparse_parts(value: Any) -> Parts:
    described = [("", value.format), ("", value.shape)]
    if value.format in ("lil", "dok"):  # These formats have no arrays of their own.
        value = value.tocsr()
    names = ("data", "indices", "indptr", "offsets", "coords", "row", "col")
    return [*described, *((f".{n}", getattr(value, n)) for n in names if hasattr(value, n))]


def _pandas_values(column: Any) -> tuple[Any, ...]:
    dtype = column.dtype
    if hasattr(dtype, "categories"):
        return str(dtype), np.asarray(column.array.codes), dtype.categories, dtype.ordered
    if hasattr(dtype, "tz") or hasattr(dtype, "freq"):  # to_numpy would make an object of each.
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
    else:  # Nulls are kept apart: with nulls among them integers would become floats.
        values = [value.is_null().to_numpy(), value.drop_nulls().to_numpy()]
    return [(".name", value.name), (".dtype", repr(value.dtype)), *(("", v) for v in values)]


def _tensor_parts(value: Any) -> Parts:
    """Return the parts of a torch tensor, of which pickle would write the address in memory."""
    if value.layout != sys.modules["torch"].strided:
        raise TypeError(f"its layout is {value.layout}, not torch.strided")
    content = value.detach().cpu().contiguous().reshape(-1).view(sys.modules["torch"].uint8)
    described = str(value.dtype), tuple(value.shape), value.device.type, value.requires_grad
    return [("", described), ("", content.numpy())]


# Exactly these types, since a subclass may have more state.
_EXACT_TYPES: dict[type, Callable[[Any], Parts]] = {
    partial: _partial_parts,
    np.random.RandomState: _random_state_parts,
    np.random.Generator: lambda value: [("", value.bit_generator.state)],
    np.ma.MaskedArray: _masked_parts,
}
# These types and their subclasses, by name, so that nothing has to be imported.
_BY_NAME: dict[str, Callable[[Any], Parts]] = {
    "pandas.DataFrame": _frame_parts,
    "pandas.Series": _series_parts,
    "pandas.Index": _index_parts,
    "polars.DataFrame": _polars_frame_parts,
    "polars.Series": _polars_series_parts,
    "torch.Tensor": _tensor_parts,
}
