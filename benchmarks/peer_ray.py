"""Ray Tune as `peers.py` uses it, and FLAML with several workers, which needs Ray.

A trial is a candidate; a step is a split with Ray Tune, and all splits with FLAML.
"""

import tempfile
import time
from functools import partial
from typing import Any

import numpy as np
from peer_searches import Params, Result, Task, tune_space
from ray import tune
from ray.tune import schedulers


class Candidate(tune.Trainable):
    """A class, as schedulers that pause trials demand."""

    def setup(self, config: Params, task: Task) -> None:
        """Begin with a candidate in a new process."""
        self.task = task
        self.reset_config(config)

    def reset_config(self, config: Params) -> bool:
        """Begin with another candidate in this process."""
        self.params = {name: config[name] for name in self.task.problem.space}
        self.scores: list[float] = []
        self.coming = self.task.scores(self.params)
        return True

    def step(self) -> dict[str, Any]:
        """Score one more split."""
        self.scores.append(next(self.coming))
        done = len(self.scores) == len(self.task.splits)
        return {"score": np.mean(self.scores), "done": done}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Return what a paused candidate goes on with."""
        return {"scores": self.scores}

    def load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with a paused candidate."""
        self.scores = list(checkpoint["scores"])
        self.coming = self.task.scores(self.params, first=len(self.scores))


class Notes(tune.Callback):
    """What was reported, and when. Tune's own table fails where a trial had not begun.

    Attributes
    ----------
    started : set of str
        The trials that reported anything.
    complete : list of tuple
        Score, time and parameters of those that reported all splits.
    """

    def __init__(self, n_splits: int):
        self.started: set[str] = set()
        self.complete: list[tuple[float, float, Params]] = []
        self._n_splits = n_splits

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any
    ) -> None:
        """Note a report."""
        self.started.add(trial.trial_id)
        if result["training_iteration"] == self._n_splits:
            self.complete.append((result["score"], time.time(), trial.config))


def search(task: Task, scheduler: str) -> Result:
    """Search with a scheduler of Ray Tune until the time is over, which counts on the wall."""
    n_splits = len(task.splits)
    notes = Notes(n_splits)
    cpu, wall = task.cpu(), time.time()
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_parameters(Candidate, task=task.for_workers()),
            param_space=tune_space(tune, task.problem.space),
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                scheduler=getattr(schedulers, scheduler)(max_t=n_splits, reduction_factor=3),
                num_samples=-1,
                time_budget_s=task.seconds,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[notes]),
        )
        try:
            tuner.fit()
        except RuntimeError as error:
            if "trial_dir_name" not in str(error):
                raise
    used, elapsed = task.cpu() - cpu, time.time() - wall
    scale = used / elapsed if task.n_jobs == 1 else 1.0
    for score, at, _ in notes.complete:
        task.note(score, (at - wall) * scale)
    if not notes.complete:
        raise RuntimeError("No candidate was scored on all splits when the time was over.")
    best = max(notes.complete, key=lambda result: result[0])[-1]
    params = {name: best[name] for name in task.problem.space}
    return task.refitted(params), params, len(notes.started)


def flaml_search(task: Task) -> Result:
    """Search with as many trials at once as there are workers, each a process of Ray."""
    import flaml.tune  # Not above, where the processes of Ray Tune would wait for it, too.

    notes, start = Notes(n_splits=1), time.time()  # It reports once.
    with tempfile.TemporaryDirectory() as folder:
        flaml.tune.run(
            partial(score_of, task=task.for_workers()),
            config=tune_space(flaml.tune, task.problem.space),
            low_cost_partial_config=task.problem.cheap,
            metric="score",
            mode="max",
            time_budget_s=task.seconds,
            num_samples=-1,
            verbose=0,
            use_ray=True,
            reuse_actors=True,
            storage_path=folder,
            callbacks=[notes],
        )
    for score, at, _ in notes.complete:
        task.note(score, at - start)
    if not notes.complete:
        raise RuntimeError("No candidate was scored when the time was over.")
    best = dict(max(notes.complete, key=lambda result: result[0])[-1])
    return task.refitted(best), best, len(notes.started)


def score_of(params: Params, *, task: Task) -> dict[str, float]:
    return {"score": float(np.mean(list(task.scores(dict(params)))))}
