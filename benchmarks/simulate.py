"""How busy a search keeps many workers: a simulation with a virtual clock.

The loop, the plan and the promotion are the project's own; only the workers are not real. An
evaluation takes a time in proportion to its resource, plus a fixed part, times a factor that is
log-normal and the same for all evaluations of a candidate. Every evaluation is fitted from scratch.

wall         time of the search, over that of workers that never wait (all evaluations, divided by
             the number of workers);
busy         the share of the workers' time that is spent on evaluations;
by bracket   time of the search, over that of the same brackets one after another;
early        time of the search, over that of one with workers that take no further tasks while they
             run, as joblib's: every level then ends before the next one begins;
no barrier   the same for a search in which new candidates do not wait for the levels below, and a
             candidate goes on from any level as soon as no unfinished one can displace it.

The first three are for workers that take further tasks, as those of Dask and Ray do.

    python benchmarks/simulate.py
    python benchmarks/simulate.py --widths
"""

import argparse
import heapq
import itertools
import statistics
from collections import defaultdict, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._brackets import BracketRules, Promotion, RunningBrackets
from skhyperband._executors.base import (
    FurtherTasks,
    OnStart,
    ignore_start,
    no_further_tasks,
)
from skhyperband._executors.states import LocalStateStore
from skhyperband._halving import run_levels
from skhyperband._history import SearchHistory
from skhyperband._level_evaluation import LevelEvaluation
from skhyperband._observers import Observer
from skhyperband._plan import Plan
from skhyperband._records import FinishedTask, LevelResult, Outcome, Task
from skhyperband._schedule import Bracket, exact_factor, hyperband, ranked, resource_ladder

N_SPLITS = 5
FACTOR = exact_factor(3)
# The part of an evaluation with all resources that does not depend on the resource.
FIXED_SHARE = 0.02


@dataclass(frozen=True)
class Durations:
    """What evaluations take and come to, for one seed.

    Attributes
    ----------
    max_resources : int
    factors : ndarray of shape (n_candidates,)
    qualities : ndarray of shape (n_candidates,)
    """

    max_resources: int
    factors: np.ndarray
    qualities: np.ndarray

    @classmethod
    def drawn(cls, n_candidates: int, max_resources: int, sigma: float, seed: int) -> "Durations":
        """Draw the durations and the qualities of candidates."""
        rng = np.random.default_rng(seed)
        return cls(
            max_resources,
            rng.lognormal(sigma=sigma, size=n_candidates),
            rng.uniform(size=n_candidates),
        )

    def seconds(self, candidate: int, n_resources: int) -> float:
        """Return the time of an evaluation."""
        share = FIXED_SHARE + (1 - FIXED_SHARE) * n_resources / self.max_resources
        return float(self.factors[candidate]) * share

    def score(self, candidate: int, n_resources: int) -> float:
        """Return the score of an evaluation, which is nearer to the quality with more resources."""
        noise = np.random.default_rng([candidate, n_resources]).normal()
        return float(self.qualities[candidate] + 0.3 * noise * (1 - n_resources / 1e6))


class InOrder:
    """A sampler that numbers its candidates."""

    def __init__(self, first: int = 0):
        self._next = first

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[dict[str, Any]]:
        """Return n candidates."""
        numbers = range(self._next, self._next + n)
        self._next += n
        return [{"number": number} for number in numbers]

    def tell(self, level: LevelResult) -> None:
        """Learn nothing."""


class VirtualExecutor:
    """Workers that only let a clock run. An idle one takes the next task, or asks for a further one.

    Parameters
    ----------
    durations : Durations
    n_workers : int
    asks : bool
        Whether the workers take further tasks while others run.
    """

    in_process = False
    n_cores = 1

    def __init__(self, durations: Durations, n_workers: int, *, asks: bool = True):
        self.n_workers = n_workers
        self.states = LocalStateStore()
        self.now = 0.0
        self.busy = 0.0
        self._durations = durations
        self._asks = asks

    def __enter__(self) -> "VirtualExecutor":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        pass

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield the results in the order in which they arrive."""
        waiting = deque(enumerate(tasks))
        n_tasks = len(waiting)
        running: list[tuple[float, int, Task, float]] = []
        while True:
            n_idle = self.n_workers - len(running) - len(waiting)
            if self._asks and n_idle > 0:
                further = more(n_idle)
                waiting.extend(enumerate(further, start=n_tasks))
                n_tasks += len(further)
            while waiting and len(running) < self.n_workers:
                position, task = waiting.popleft()
                on_start(position)
                seconds = self._durations.seconds(task.candidate["number"], task.n_resources)
                heapq.heappush(running, (self.now + seconds, position, task, seconds))
                self.busy += seconds
            if not running:
                return
            self.now, position, task, seconds = heapq.heappop(running)
            score = self._durations.score(task.candidate["number"], task.n_resources)
            yield FinishedTask(position, Outcome(score, None, seconds, 0.0))


# --- what is simulated -------------------------------------------------------------


def published_plan(max_resources: int) -> Plan:
    """Return the plan of Hyperband as published, with five splits."""
    ladder = resource_ladder(max_resources, FACTOR, 1, N_SPLITS, None)
    return _plan(hyperband(None, ladder, FACTOR), max_resources, 1, ladder)


def default_plan(width: int) -> Plan:
    """Return the plan of a round with the default bounds, and another number of candidates."""
    ladder = resource_ladder(81, FACTOR, 27, N_SPLITS, 1)
    return _plan(hyperband(width, ladder, FACTOR, n_brackets=2), 81, 27, ladder)


def _plan(
    brackets: Sequence[Bracket], max_resources: int, min_resources: int, ladder: Any
) -> Plan:
    return Plan(
        tuple(brackets), FACTOR, "units", min_resources, max_resources, N_SPLITS, tuple(ladder)
    )


def simulate(
    plan: Plan, executor: VirtualExecutor, *, promotion: Promotion = "bracket", first: int = 0
) -> None:
    """Run a search with virtual workers."""
    history = SearchHistory(range(N_SPLITS), lambda outcome: outcome.test_scores)
    brackets = RunningBrackets(plan, rules=BracketRules(promotion))
    evaluation = LevelEvaluation(history, brackets, executor, Observer())
    run_levels(brackets, InOrder(first), history, evaluation)


def one_after_another(plan: Plan, executor: VirtualExecutor) -> None:
    """Run the brackets of a plan each by itself."""
    first = 0
    for bracket in plan.brackets:
        alone = _plan([bracket], plan.max_resources, plan.min_resources, plan.ladder)
        simulate(alone, executor, first=first)
        first += bracket.n_candidates


def without_barriers(plan: Plan, durations: Durations, n_workers: int) -> float:
    """Return the time of a search in which candidates go on as soon as that is certain."""
    return _WithoutBarriers(plan, durations, n_workers).run()


class _WithoutBarriers:
    """A search whose levels overlap. Lower levels have priority."""

    def __init__(self, plan: Plan, durations: Durations, n_workers: int):
        self._durations = durations
        self._level_of = {
            rung.key: number for number, level in enumerate(plan.levels) for rung in level.rungs
        }
        self._brackets = plan.brackets
        self._ready: list[tuple[int, int, int, int, int]] = []
        self._n_open: dict[tuple[int, int, int], int] = {}
        self._scores: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
        self._promoted: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._n_workers = n_workers
        first = 0
        for number, bracket in enumerate(plan.brackets):
            for candidate in range(first, first + bracket.n_candidates):
                self._enter(number, 0, candidate)
            first += bracket.n_candidates

    def _enter(self, bracket: int, i: int, candidate: int) -> None:
        rungs = self._brackets[bracket].rungs
        rung, n_done = rungs[i], 0
        if i and rungs[i - 1].n_resources == rung.n_resources:
            n_done = rungs[i - 1].n_splits
        level = self._level_of[rung.key]
        self._n_open[bracket, i, candidate] = rung.n_splits - n_done
        for split in range(n_done, rung.n_splits):
            heapq.heappush(self._ready, (level, split, candidate, bracket, i))

    def run(self) -> float:
        """Let the clock run until all is evaluated; return the time."""
        now, n_free = 0.0, self._n_workers
        running: list[tuple[float, int, int, int]] = []
        while self._ready or running:
            while self._ready and n_free:
                _, _, candidate, bracket, i = heapq.heappop(self._ready)
                n_resources = self._brackets[bracket].rungs[i].n_resources
                seconds = self._durations.seconds(candidate, n_resources)
                heapq.heappush(running, (now + seconds, candidate, bracket, i))
                n_free -= 1
            now, candidate, bracket, i = heapq.heappop(running)
            n_free += 1
            self._n_open[bracket, i, candidate] -= 1
            if not self._n_open[bracket, i, candidate]:
                self._finish(bracket, i, candidate)
        return now

    def _finish(self, bracket: int, i: int, candidate: int) -> None:
        rungs = self._brackets[bracket].rungs
        if i + 1 == len(rungs):
            return
        scores = self._scores[bracket, i]
        scores[candidate] = self._durations.score(candidate, rungs[i].n_resources)
        n_unfinished = rungs[i].n_candidates - len(scores)
        n_certain = rungs[i + 1].n_candidates - n_unfinished
        if n_certain <= 0:
            return
        finished = sorted(scores)
        best = ranked([scores[number] for number in finished])[:n_certain]
        for number in sorted(finished[position] for position in best):
            if number not in self._promoted[bracket, i]:
                self._promoted[bracket, i].add(number)
                self._enter(bracket, i + 1, number)


# --- tables ------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What is printed for a plan; the names are those of the columns."""

    wall: float
    busy: float
    by_bracket: float
    early: float
    no_barrier: float


def measure(plan: Plan, n_workers: int, sigma: float, n_seeds: int) -> Measured:
    """Return the medians over some seeds."""
    rows = []
    for seed in range(n_seeds):
        durations = Durations.drawn(plan.n_candidates, plan.max_resources, sigma, seed)
        early = VirtualExecutor(durations, n_workers)
        simulate(plan, early)
        in_turn = VirtualExecutor(durations, n_workers, asks=False)
        simulate(plan, in_turn)
        alone = VirtualExecutor(durations, n_workers, asks=False)
        one_after_another(plan, alone)
        ideal = early.busy / n_workers
        rows.append(
            (
                early.now / ideal,
                ideal / early.now,
                early.now / alone.now,
                early.now / in_turn.now,
                without_barriers(plan, durations, n_workers) / in_turn.now,
            )
        )
    return Measured(*(statistics.median(column) for column in zip(*rows, strict=True)))


def print_workers(n_seeds: int) -> None:
    """Print how the published plans fare with more and more workers."""
    print(
        f"{'R':>5}{'workers':>9}{'sigma':>7}{'wall':>8}{'busy':>7}{'by bracket':>12}{'early':>7}"
        f"{'no barrier':>12}"
    )
    for max_resources in (81, 729):
        plan = published_plan(max_resources)
        for n_workers in (1, 8, 64, 512, 4096):
            for sigma in (0.0, 0.5, 1.0):
                row = measure(plan, n_workers, sigma, n_seeds)
                print(
                    f"{max_resources:>5}{n_workers:>9}{sigma:>7}{row.wall:>8.2f}{row.busy:>7.0%}"
                    f"{row.by_bracket:>12.2f}{row.early:>7.2f}{row.no_barrier:>12.2f}",
                    flush=True,
                )


def busy(plan: Plan, n_workers: int, sigma: float, n_seeds: int, *, asks: bool) -> float:
    """Return the share of the time in which workers evaluate, with promotion by level."""
    shares = []
    for seed in range(n_seeds):
        durations = Durations.drawn(plan.n_candidates, plan.max_resources, sigma, seed)
        executor = VirtualExecutor(durations, n_workers, asks=asks)
        simulate(plan, executor, promotion="level")
        shares.append(executor.busy / n_workers / executor.now)
    return statistics.median(shares)


def print_widths(n_seeds: int, sigmas: Sequence[float] = (0.0, 0.5, 1.0)) -> None:
    """Print how busy workers are with more candidates than by default.

    The second figure is for workers that take no further tasks while they run. Of the widest plans
    there is one seed, since they vary little, and only for so many workers that these may be idle.
    """
    sizes = (8, 64, 512, 4096)
    print(f"{'sigma':>5}{'width':>8}{'candidates':>12}" + "".join(f"{n:>14}" for n in sizes))
    for sigma, width in itertools.product(sigmas, (9, 27, 81, 243, 729, 2187, 6561, 19683, 59049)):
        plan = default_plan(width)
        cells = []
        for n_workers in sizes:
            shares = [
                busy(plan, n_workers, sigma, n_seeds if width < 5000 else 1, asks=asks)
                for asks in (True, False)
                if width <= 40 * n_workers
            ]
            cells.append(" / ".join(f"{share:.0%}" for share in shares))
        print(
            f"{sigma:>5}{width:>8}{plan.n_candidates:>12}"
            + "".join(f"{cell:>14}" for cell in cells),
            flush=True,
        )


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", action="store_true", help="plans of other widths")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    (print_widths if args.widths else print_workers)(args.seeds)


if __name__ == "__main__":
    main()
