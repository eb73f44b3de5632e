"""What the nodes of pipelines would do: `planned.py` beside them says it of those that take longer than most."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from faceleak.planning.quantities import A_NODE
from faceleak.planning.tasks import Tasks
from faceleak.planning.work import Cost, NotPlannedError, Planned, Work, merged

log = logging.getLogger(__name__)


def walk(pipelines: Mapping[str, Pipeline], plan: Tasks) -> list[Work]:
    """All works of these pipelines; a node that several of them have counts to the first one."""
    data, works, seen = dict[str, Any](), list[Work](), set[str]()
    for name, pipeline in pipelines.items():
        nodes = [node for node in pipeline.nodes if node.name not in seen]
        seen |= {node.name for node in nodes}
        try:
            of_nodes = [work for node in nodes for work in _works_of(node, data, plan)]
        except NotPlannedError as error:
            log.info("The plan leaves out %s: %s", name, error)
            continue
        overhead = Work("tables and figures", len(nodes), (Cost(A_NODE, 1),), kept=False)
        works += [replace(work, pipeline=name) for work in (*of_nodes, overhead)]
    return merged(works)


def _works_of(node: Node, data: dict[str, Any], plan: Tasks) -> list[Work]:
    """Works of one node, in whose planner's arguments the node's own go by their names; notes its outputs in `data`."""
    if (planner := planner_of(node.func)) is None:
        return []
    values = [_value(name, data, plan) for name in node.inputs]
    known = {"plan": plan, **signature(node.func).bind(*values).arguments}
    planned = planner(**{name: known[name] for name in signature(planner).parameters if name in known})
    data |= dict(zip(node.outputs, planned.outputs, strict=False))
    return list(planned.works)


def planner_of(function: Callable[..., Any]) -> Callable[..., Planned] | None:
    """What plans a node: what PLANNED of `planned.py` in its package holds for its function."""
    package = function.__module__.rpartition(".")[0]
    if not package or find_spec(f"{package}.planned") is None:
        return None
    planners: Mapping[Callable[..., Any], Callable[..., Planned]] = import_module(f"{package}.planned").PLANNED
    return planners.get(function)


def _value(dataset: str, data: Mapping[str, Any], plan: Tasks) -> Any:
    """A parameter, or what stands for a dataset; None where nothing does."""
    if dataset.startswith("params:"):
        return reduce(getattr, dataset.removeprefix("params:").split("."), plan.options)
    return data.get(dataset)
