"""Search spaces of each kind."""

from scipy.stats import loguniform, randint, uniform

DISTRIBUTIONS = [{"C": loguniform(1e-3, 1e3), "degree": randint(1, 5)}]
LISTS = [{"C": [0.1, 1.0, 10.0], "kernel": ["rbf", "poly"], "degree": range(2, 5)}]
PARTS = [{"kernel": ["linear"], "C": [1, 2, 3]}, {"kernel": ["rbf"], "gamma": [0.1, 0.2]}]
MIXED = [{"C": uniform(0, 1)}, {"kernel": ["linear", "rbf"]}]
# Ten lists of a hundred values: more points than a machine integer counts.
HUGE = [{f"p{i}": list(range(100)) for i in range(10)}]
