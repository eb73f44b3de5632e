"""Sampling of a trial's parameters: a study that continues after a kill draws what it would have drawn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class RepeatableSampler(BaseSampler):
    """A tree-structured Parzen estimator (TPE), made anew for each trial with another seed.

    The seed comes from the study's and from the trial's place: how many earlier trials did not fail. The trial that
    takes the place of a failed one is thus drawn as that was. The first place gets the parameters `first`.
    """

    def __init__(self, seed: int, first: Mapping[str, Any]) -> None:
        self._seed, self._first = seed, dict(first)
        self._place, self._sampler = 0, TPESampler(seed=seed)

    def before_trial(self, study: "Study", trial: "FrozenTrial") -> None:
        """Make the sampler of this trial."""
        earlier = [other for other in study.get_trials(deepcopy=False) if other.number < trial.number]
        self._place = sum(other.state != TrialState.FAIL for other in earlier)
        seed = int(np.random.SeedSequence([self._seed, self._place]).generate_state(1)[0])
        self._sampler = TPESampler(seed=seed)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: "Study", trial: "FrozenTrial") -> "dict[str, BaseDistribution]":
        """Parameters that are drawn together."""
        return self._sampler.infer_relative_search_space(study, trial) if self._place else {}

    def sample_relative(
        self, study: "Study", trial: "FrozenTrial", search_space: "dict[str, BaseDistribution]"
    ) -> dict[str, Any]:
        """Draw them."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: "Study", trial: "FrozenTrial", param_name: str, param_distribution: "BaseDistribution"
    ) -> Any:
        """Draw one of the others."""
        if not self._place:
            return self._first[param_name]
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: "Study", trial: "FrozenTrial", state: TrialState, values: "Sequence[float] | None"
    ) -> None:
        """Let the sampler of this trial note how it ended."""
        self._sampler.after_trial(study, trial, state, values)
