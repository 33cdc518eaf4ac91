"""Formats tables as text, and converts them into data frames."""

from collections.abc import Sequence
from typing import Any

Cell = str | int | float


def format_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return the table as text with one line for the headings and one for each row."""
    cells = [list(columns)] + [[format_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )


def format_cell(cell: Cell) -> str:
    """Return a cell as text: a float with four digits, all else as it is."""
    if isinstance(cell, str):
        return cell
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def to_frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """Return the table as a `pandas.DataFrame`; raise ImportError if pandas is not installed."""
    return import_pandas().DataFrame(rows, columns=list(columns))


def import_pandas() -> Any:
    """Return pandas; raise if it is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "A data frame needs pandas; install it with `pip install 'skhyperband[pandas]'`."
        ) from error
    return pandas
