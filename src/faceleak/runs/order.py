"""Pipelines that run in one command: who makes what, and in which order, also by the files that nodes read."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import wraps
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.pipeline.pipeline import OutputNotUniqueError

from faceleak.common.errors import FaceleakError
from faceleak.common.trees import flatten

ALONE = "alone"  # a tag: of nodes that a pipeline has so that it can run without those whose results it takes


class PipelinesError(FaceleakError):
    """Pipelines that cannot run in one command."""


def side_by_side(pipelines: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
    """The same pipelines, without the nodes tagged ALONE whose results another one of them makes."""
    made = {
        output
        for pipeline in pipelines.values()
        for node in pipeline.nodes
        if ALONE not in node.tags
        for output in node.outputs
    }
    return {
        name: Pipeline([node for node in pipeline.nodes if ALONE not in node.tags or made.isdisjoint(node.outputs)])
        for name, pipeline in pipelines.items()
    }


def together(pipelines: Mapping[str, Pipeline]) -> Pipeline:
    """All of them as one. Raises PipelinesError where two make the same in different ways."""
    pipelines = side_by_side(pipelines)
    try:
        return sum(pipelines.values(), Pipeline([]))
    except OutputNotUniqueError:
        makers: dict[str, tuple[str, Node]] = {}
        for name, pipeline in pipelines.items():
            for output in sorted(pipeline.all_outputs()):
                (node,) = pipeline.only_nodes_with_outputs(output).nodes
                other, same = makers.setdefault(output, (name, node))
                if same != node:
                    raise PipelinesError(
                        f"The pipelines {other} and {name} both make `{output}`, each in its own way, so they cannot "
                        "run in one command. Leave one of them out of --pipelines."
                    ) from None
        raise


def in_order(run: Pipeline, catalog: Mapping[str, Any], parameters: Mapping[str, Any]) -> Pipeline:
    """The same nodes, of which those that read a file also wait for the one that writes it.

    A node reads what its datasets have as `filepath`, which may be a folder or a pattern of other datasets' files, and
    what its parameters name. It waits by one more input, which its function is not given; not for nodes that need it.
    """
    paths = {name: path for name, entry in catalog.items() if (path := (entry.get("dataset") or entry).get("filepath"))}
    files = {name: os.path.abspath(path) for name, path in paths.items()}
    writers = {name: node.name for node in run.nodes for name in sorted(node.outputs) if name in files}
    needs = {node.name: {other.name for other in others} for node, others in run.node_dependencies.items()}
    reads = {source: set(_read(source, files, parameters)) & writers.keys() for source in run.all_inputs()}
    ordered = []
    for node in run.nodes:
        read = set().union(*(reads[source] for source in node.inputs))
        found = {writers[name]: name for name in sorted(read, reverse=True) if name not in node.inputs}
        before = _before([node.name], needs) | {node.name} if found else set()
        found = {w: name for w, name in found.items() if w not in before and node.name not in _before([w], needs)}
        last = found.keys() - _before(found, needs)
        needs[node.name] |= last
        ordered.append(_after(node, sorted(found[writer] for writer in last)))
    return Pipeline(ordered)


def _read(source: str, files: Mapping[str, str], parameters: Mapping[str, Any]) -> Iterator[str]:
    """Datasets whose files a node reads that takes this dataset, or these parameters."""
    if source in files:
        path = files[source]
        yield from (n for n, file in files.items() if _within(path, file) or _within(file, path) or fnmatch(file, path))
    if source.startswith("params:"):
        value: Any = parameters
        for key in source.removeprefix("params:").split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        texts = {text for text in flatten({"": value}).values() if isinstance(text, str) and "/" in text}
        for path in map(os.path.abspath, texts):
            yield from (name for name, file in files.items() if _within(path, file))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _before(names: Iterable[str], needs: Mapping[str, set[str]]) -> set[str]:
    """All nodes that come before any of these."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        new = needs[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _after(node: Node, outputs: list[str]) -> Node:
    """The node with more inputs, which its function is not given."""
    if not outputs:
        return node
    function: Callable[..., Any] = node.func
    count = len(node.inputs)

    @wraps(function)
    def run(*inputs: Any) -> Any:
        return function(*inputs[:count])

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dataset names contain '.'")  # they are of the namespace `defense`
        return node._copy(func=run, inputs=[*node.inputs, *outputs])
