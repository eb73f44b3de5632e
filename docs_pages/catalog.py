"""Catalog of artifacts: every file that the pipelines leave, from Kedro's catalog and pipelines."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.pipeline import Node, Pipeline

from faceleak.settings import CONFIG_LOADER_ARGS

LOG = logging.getLogger("mkdocs.hooks.catalog")
FOLDERS = {
    "02_intermediate": "faces, packed",
    "03_primary": "who plays which part",
    "04_feature": "what backbones show",
    "06_models": "what was trained or fitted",
    "07_model_output": "scores and faces",
    "08_reporting": "numbers, figures and tables",
}
EVERYTHING = ("__default__", "audit")  # they run what the other pipelines are about
INTRODUCTION = """# Catalog of artifacts

Every file that a run leaves under `data/` (`data/<env>/` where an environment says so), with its name in the catalog.
`kedro catalog describe-datasets` lists the names by pipeline, `catalog.load("scores")` in a notebook opens one, and
`kedro viz run` previews tables and figures. *Read by* names pipelines; what nobody reads is for people. `report` and
`gate` read every result file in `08_reporting` besides. Files marked with ● are artifacts of the run in MLflow too.
Expensive tasks are kept under `data/cache`, which may be deleted at any time: it is made again.
"""


@dataclass
class Artifact:
    """A file, and who has to do with it. `content` is the entry's `metadata.content`."""

    name: str
    content: str
    in_mlflow: bool
    written_by: set[str] = field(default_factory=set)
    read_by: set[str] = field(default_factory=set)

    def row(self, path: str) -> str:
        """A row of the table."""
        who = (", ".join(f"`{name}`" for name in sorted(names)) for names in (self.written_by, self.read_by))
        mark = " ●" if self.in_mlflow else ""
        return f"| `{Path(path).name}`{mark}<br>`{self.name}` | {self.content} | {' | '.join(who)} |"


def page(project: Path) -> str:
    """The whole page in Markdown."""
    configure_project("faceleak")
    loader = OmegaConfigLoader(str(project / "conf"), env="base", **CONFIG_LOADER_ARGS)
    return "\n".join([INTRODUCTION, *sections(_artifacts(loader["catalog"], dict(pipelines)))])


def _artifacts(catalog: dict[str, Any], by_name: dict[str, Pipeline]) -> dict[str, Artifact]:
    """Path → artifact. What is read and what is written may be two entries for one file."""
    found: dict[str, Artifact] = {}
    for entry, settings in catalog.items():
        path = settings.get("dataset", settings).get("filepath")
        if path is None or settings["type"].startswith("faceleak.runs.datasets.results."):  # views of what others write
            continue
        name, content = entry.partition("@")[0], settings.get("metadata", {}).get("content", "")
        artifact = found.setdefault(path, Artifact(name, content, "dataset" in settings))
        artifact.content = artifact.content or content
        artifact.written_by |= _smallest(by_name, entry, attrgetter("outputs"))
        artifact.read_by |= _smallest(by_name, entry, attrgetter("inputs"))
    return found


def _smallest(by_name: dict[str, Pipeline], entry: str, side: Callable[[Node], list[str]]) -> set[str]:
    """For each node with the entry on this side, the smallest pipeline that runs it: composites say nothing new."""
    sizes = {name: len(pipeline.nodes) for name, pipeline in by_name.items() if name not in EVERYTHING}
    runs: dict[str, list[str]] = {}
    for name in sizes:
        for node in by_name[name].nodes:
            if entry in side(node):
                runs.setdefault(node.name, []).append(name)
    return {min(names, key=lambda name: (sizes[name], name)) for names in runs.values()}


def sections(artifacts: dict[str, Artifact]) -> Iterator[str]:
    """A section a folder. Warns of what the page cannot say."""
    for folder, title in FOLDERS.items():
        rows = {path: artifact for path, artifact in artifacts.items() if Path(path).parent.name == folder}
        yield f"\n## {folder}: {title}\n\n| file, name | what is in it | written by | read by |\n|---|---|---|---|"
        yield from (rows[path].row(path) for path in sorted(rows))
    _complain(artifacts)


def _complain(artifacts: dict[str, Artifact]) -> None:
    """Warn of what the page cannot say."""
    for path, artifact in artifacts.items():
        if Path(path).parent.name not in FOLDERS:
            LOG.warning("%s: the catalog has no section %s", artifact.name, Path(path).parent.name)
        if not artifact.content:
            LOG.warning("%s has no description: give its entry in conf/base `metadata: {content: …}`", artifact.name)
        if not artifact.written_by:
            LOG.warning("%s: no pipeline writes %s", artifact.name, path)
