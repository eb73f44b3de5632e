"""What the nodes of `reconstruction` would do, for a plan; the `defense` pipeline has the same for its views."""

from typing import TYPE_CHECKING

from faceleak.auditing.planned import TOGETHER, Models
from faceleak.backbones.backbone import Backbone
from faceleak.faces.splits import with_role
from faceleak.membership.attackers import TARGET_VIEW, AttackerName, Evaluation, View, evaluations
from faceleak.pipelines.reconstruction import nodes
from faceleak.planning.networks import Network, StandIn, network_of
from faceleak.planning.quantities import ascending, ranking, reading
from faceleak.planning.tasks import Tasks
from faceleak.planning.work import Cost, Planned, Work
from faceleak.reconstruction.arrays import CEILING, CLASS_CENTERS, HEAD_GIVEN
from faceleak.reconstruction.priors.opening import prepared

if TYPE_CHECKING:
    from faceleak.reconstruction.beside import Beside

BYTES_OF_A_SEARCH = 4e6


def plan_evaluators(plan: Tasks) -> Planned:
    """A training for each evaluator that is not loaded; their networks stand for them."""
    options = plan.options.reconstruction
    trained = nodes.evaluator_tasks(plan.store, plan.splits, options, plan.compute)
    works = [work for task in trained for work in plan.trainings(f"evaluator {task.name}", [task], TOGETHER)]
    return Planned(works, ({name: Network.of(one.training, one.load) for name, one in options.evaluators.items()},))


def plan_people(plan: Tasks, evaluators: dict[str, Network]) -> Planned:
    """Everybody whom reconstructions are compared with, seen by each evaluator."""
    images = len(with_role(plan.splits, "member", "same_identity", "unseen_identity", "public"))
    seen = [Cost(reading(network), images) for network in evaluators.values()]
    return Planned([Work("people seen by evaluators", 1, (cost,), kept=False) for cost in seen])


def plan_searches(
    plan: Tasks,
    views: dict[View, Backbone],
    references: dict[str, Backbone],
    models: Models,
    attackers: list[AttackerName],
    rounds: int,
) -> Planned:
    """A search for each evaluation, and one that is guided by nothing of the target, which is there if they are.

    What stands beside them counts once, at most for what searches take: a ceiling of components takes nothing.
    """
    options, membership = plan.options.reconstruction, plan.options.membership
    if plan.is_packed:
        prior = prepared(options.prior, plan.store, plan.public, plan.compute, fit=False)
        options = options.model_copy(update={"prior": prior})
    beside: dict[Evaluation, dict[str, Beside]] = {}
    search, number, there = options.search.model_copy(update={"rounds": rounds}), len(evaluations(views, attackers)), 0
    if models.fit is not None:
        fitted = models.fit(search.attack, search.threat_model)
        made = nodes.reconstruction_tasks(
            views, references, fitted, options, membership, attackers, rounds, plan.compute
        )
        number, there = len(made), sum(task.path.exists() for task in made.values())
        beside = nodes.tasks_beside(made, plan.store, plan.splits, options, plan.compute) if plan.is_packed else {}
    attack, target = membership.attacks[search.attack], network_of(next(iter(views.values())))
    compared = [Network.of(membership.references.training, None)] * (len(references) if attack.calibration else 0)
    ranked, maximized = (make(options, attack, target, compared) for make in (ranking, ascending))
    costs = Cost(ranked, search.faces_ranked), Cost(maximized, search.faces_optimized)
    there += there == number
    works = [Work("reconstruction searches", number + 1, costs, "search", there=there, disk=BYTES_OF_A_SEARCH)]
    of_target, centers = "plain" in attackers, options.class_centers
    asked = {
        CEILING: (True, options.ceiling.candidates, options.ceiling.faces_optimized),
        CLASS_CENTERS: (of_target, centers.candidates, centers.faces_optimized) if centers else (False, 0, 0),
        HEAD_GIVEN: (
            of_target and _may_have_a_head(views),
            options.head_given.candidates,
            options.head_given.faces_optimized,
        ),
    }
    for step, (expected, candidates, optimized) in asked.items():
        paths = {task.path for by_step in beside.values() if (task := by_step.get(step))}
        new, first = [path for path in paths if plan.is_new(path)], plan.is_new(step)
        if not beside and first and expected:
            new = [plan.compute.cache / step]
        drawn = Cost(ranked, candidates), Cost(maximized, optimized)
        if new:
            there = sum(path.exists() for path in new)
            kind = step.replace("_", " ")
            works.append(Work(kind, len(new), drawn, "bounds", there=there, disk=BYTES_OF_A_SEARCH))
    return Planned(works)


def _may_have_a_head(views: dict[View, Backbone]) -> bool:
    target = views[TARGET_VIEW]
    return isinstance(target, StandIn) or target.head is not None


PLANNED = {
    nodes.train_evaluators: plan_evaluators,
    nodes.embed_people: plan_people,
    nodes.reconstruct_faces: plan_searches,
}
