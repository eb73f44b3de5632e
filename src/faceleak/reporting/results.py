"""The results of a variant, read once for all that show them: the strongest attack, what it means, the best search."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from faceleak.membership.attackers import AttackerName, suffix_of
from faceleak.membership.options import ModelKey, ThreatModel
from faceleak.membership.views import MEMBERSHIP, UPPER_BOUND
from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.verdict import Reading, is_blind, read_membership, strongest

Metrics = Mapping[str, Any]
Tree = Mapping[str, Any]

UTILITY, RECONSTRUCTION = "utility", "reconstruction"  # stages of metrics
OPTIMIZED = "optimized"  # the step that ends a search


class AttackName(NamedTuple):
    """What the name of an attack on membership in metrics is made of."""

    attack: str
    threat_model: ThreatModel
    attacker: AttackerName


def names_in_metrics(attacks: Iterable[str]) -> dict[str, AttackName]:
    """Every name that one of these attacks can have in metrics, and what it is made of."""
    return {
        f"{ModelKey(attack, threat_model).name}{suffix_of(attacker)}": AttackName(attack, threat_model, attacker)
        for attack in attacks
        for threat_model in get_args(ThreatModel)
        for attacker in get_args(AttackerName)
    }


class Found(NamedTuple):
    """What one attack has found against one population."""

    attack: str
    metrics: Metrics


@dataclass(frozen=True)
class Membership:
    """What attacks on membership have found in a variant.

    tree: attack, as metrics name it → population → metrics, the blind baseline among them if it was measured with
    them; blind: population → metrics of the blind baseline, wherever it was measured; utility: the variant's.
    """

    tree: Tree
    blind: Tree = field(default_factory=dict)
    utility: Metrics = field(default_factory=dict)

    @property
    def populations(self) -> list[str]:
        """All that were measured, in the order in which they occur."""
        return list(dict.fromkeys(population for found in self.tree.values() for population in found))

    def against(self, population: str) -> dict[str, Metrics]:
        """What was found against one population, the blind baseline included: attack → metrics."""
        return {attack: found[population] for attack, found in self.tree.items() if population in found}

    def only(self, attacks: Iterable[str]) -> "Membership":
        """The same of only these attacks."""
        return Membership({attack: self.tree[attack] for attack in attacks}, self.blind, self.utility)

    def strongest(self, population: str, metric: str = "auc") -> Found | None:
        """The attack with the highest `metric`, then AUC, against a population; None if none was measured."""
        measured = {attack: found for attack, found in self.against(population).items() if not is_blind(attack)}
        attack = strongest(measured, metric, "auc")
        return None if attack is None else Found(attack, measured[attack])

    def reading(self, population: str) -> Reading:
        """What the attacks show against a population."""
        return read_membership(self.tree, population, self.blind.get(population), self.utility)


@dataclass(frozen=True)
class Variant:
    """All that was measured of one backbone.

    utilities: stage → metrics, among them `utility`, the variant's own; upper_bound: what attacks have found that take
    the classification head; reconstruction: attack → step → metrics.
    """

    name: str
    utilities: Mapping[str, Metrics]
    membership: Membership
    upper_bound: Membership
    reconstruction: Tree

    @property
    def utility(self) -> Metrics:
        """The variant's own."""
        return self.utilities.get(UTILITY, {})

    @property
    def population(self) -> str:
        """Unseen people, or the only population there is: for whom the variant's short numbers hold."""
        seen = self.membership.populations
        return next((population for population in reversed(POPULATIONS) if population in seen), POPULATIONS[-1])

    @property
    def strongest(self) -> Found | None:
        """The attack with the highest AUC against that population; None if no attack was measured."""
        return self.membership.strongest(self.population)

    @property
    def optimized(self) -> dict[str, Metrics]:
        """What each search ended with: attack → metrics."""
        return {attack: steps[OPTIMIZED] for attack, steps in self.reconstruction.items() if OPTIMIZED in steps}


def read_variants(results: Mapping[str, Tree]) -> list[Variant]:
    """Read variant → stage → attack → population or step → metrics.

    The blind baseline never looks at a backbone: if a variant has none of its own, the first one counts for it too.
    """
    baselines = [_blind(stages.get(MEMBERSHIP, {})) for stages in results.values()]
    known = next((baseline for baseline in baselines if baseline), {})
    return [read_variant(name, stages, known) for name, stages in results.items()]


def read_variant(name: str, stages: Tree, known_blind: Tree | None = None) -> Variant:
    """Read stage → attack → population or step → metrics; `known_blind` counts if it holds no blind baseline."""
    membership = stages.get(MEMBERSHIP, {})
    blind = _blind(membership) or known_blind or {}
    utilities = {stage: measured for stage, measured in stages.items() if stage.startswith(UTILITY)}
    return Variant(
        name,
        utilities,
        Membership(membership, blind, utilities.get(UTILITY, {})),
        Membership(stages.get(UPPER_BOUND, {})),
        stages.get(RECONSTRUCTION, {}),
    )


def _blind(membership: Tree) -> Tree:
    return next((dict(found) for attack, found in membership.items() if is_blind(attack)), {})
