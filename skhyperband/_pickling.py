"""Decides which cloudpickle is used: the one that joblib pickles tasks with.

With another, a class from `__main__` would be two classes in a worker.
"""

try:
    from joblib.externals import cloudpickle
except ImportError:  # From joblib 1.6 on it is a package of its own.
    import cloudpickle

__all__ = ["cloudpickle"]
