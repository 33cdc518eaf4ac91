"""Decides which cloudpickle is used: the one with which joblib pickles tasks.

With another one, a class that is defined in `__main__` would become two classes in a worker.
"""

try:
    from joblib.externals import cloudpickle
except ImportError:  # From joblib 1.6 on it is a package of its own.
    import cloudpickle

__all__ = ["cloudpickle"]
