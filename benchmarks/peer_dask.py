"""SMAC3 with several workers, as `peers.py` uses it: on a cluster of Dask."""

import math
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peer_searches import Result, Task, params_of, smac_space
from smac import MultiFidelityFacade, Scenario


def search(task: Task) -> Result:
    """Search on a cluster; the budget is the resource, from R/9 on."""
    largest, start = task.largest(), time.time()
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            smac_space(task),
            deterministic=True,
            n_trials=100_000,
            walltime_limit=task.seconds,
            min_budget=largest / 9,
            max_budget=largest,
            seed=task.seed,
            output_directory=Path(folder),
        )
        facade = MultiFidelityFacade(
            scenario,
            partial(cost_of, task=task.for_workers()),
            overwrite=True,
            logging_level=False,
            dask_client=task.cluster,
        )
        facade.optimize()
    history = facade.runhistory
    complete = [
        (params_of(task, history.get_config(key.config_id)), -value.cost, value.endtime)
        for key, value in history.items()
        if key.budget is not None and math.ceil(key.budget) >= largest
    ]
    for _, score, at in complete:
        task.note(score, at - start)
    if not complete:
        raise RuntimeError("No candidate had all of the resource when the time was over.")
    best = max(complete, key=lambda found: found[1])[0]
    return task.refitted(best), best, len(history.get_configs())


def cost_of(config: Any, seed: int, budget: float, *, task: Task) -> float:
    return -float(np.mean(list(task.scores(params_of(task, config), math.ceil(budget)))))
