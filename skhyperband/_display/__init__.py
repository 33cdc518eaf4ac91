"""Pictures of a search; each kind is a module with its data and the function that draws them."""

from skhyperband._display.search_display import SearchDisplay

__all__ = ["SearchDisplay"]
