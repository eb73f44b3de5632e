"""What the nodes of `target` would do, for a plan."""

from faceleak.backbones.backbone import Backbone
from faceleak.faces.splits import with_role
from faceleak.membership.attackers import TARGET_VIEW, View
from faceleak.pipelines.target import nodes
from faceleak.planning.networks import Network, StandIn, network_of
from faceleak.planning.quantities import reading, verifying
from faceleak.planning.tasks import Tasks, queries
from faceleak.planning.work import Cost, Planned, Work

TOGETHER = "train_backbones"  # the pool of all backbones that `attack` trains


def plan_target(plan: Tasks) -> Planned:
    """One training, or none where the target is loaded; what is not on this machine has a stand-in."""
    options = plan.options.target
    trained = nodes.target_tasks(plan.store, plan.splits, options, plan.compute)
    if trained:
        return Planned(plan.trainings("target", trained, TOGETHER), (plan.trained(trained[0]),))
    load = options.load
    if load is None or (load.weights is not None and not load.weights.exists()):
        return Planned(outputs=(StandIn(Network.of_target(options)),))
    return Planned(outputs=(nodes.get_target(plan.store, plan.splits, options, plan.compute),))


def plan_view(target: Backbone) -> Planned:
    """The target as the only variant."""
    return Planned(outputs=({TARGET_VIEW: target},))


def plan_utility(plan: Tasks, views: dict[View, Backbone]) -> Planned:
    """Embeddings of people who were not trained on, and pairs of them, for each view."""
    people, options = with_role(plan.splits, "unseen_identity"), plan.options.target.utility
    number, images = people["identity"].nunique(), len(people)
    pairs = Cost(verifying(number, images, options.maximum_pairs, plan.options.bootstrap), 1)
    pool, kind = ("utility", "views") if len(views) > 1 else ("", "the target")
    costs = [(Cost(reading(network_of(backbone)), queries(view) * images), pairs) for view, backbone in views.items()]
    return Planned([Work(f"utility of {kind}", 1, cost, pool, kept=False) for cost in costs])


PLANNED = {nodes.get_target: plan_target, nodes.view_target: plan_view, nodes.measure_utility: plan_utility}
