"""A small folder of results, written by hand, and a report of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from PIL import Image

from faceleak.defenses.options import GoalOptions
from faceleak.reporting.audit.document import Audit, make_audit
from faceleak.reporting.audit.evidence import Configuration, Evidence, Origin
from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.recommendation import recommend
from faceleak.runs.configuration import Parameters, check_parameters
from faceleak.settings import CONFIG_LOADER_ARGS
from tests.reporting.conftest import points_of

PROJECT = Path(__file__).parents[3]
EVIL = "</td><script>alert(1)</script>"
Change = dict[str, Any]


def with_bounds(metric: str, value: float, half_width: float = 0.02) -> dict[str, float]:
    return {metric: value, f"{metric}_ci_low": value - half_width, f"{metric}_ci_high": value + half_width}


def attack(auc: float, tpr: float, advantage: float | None = None) -> dict[str, Any]:
    """Metrics of one attack, the same against each population."""
    numbers: dict[str, float] = {**with_bounds("auc", auc), **with_bounds("tpr_at_fpr_1pct", tpr)}
    numbers |= {**with_bounds("tpr_at_lowest_fpr", tpr / 2), "lowest_fpr": 1 / 41, "lowest_fpr_ci_high": 0.088}
    numbers |= {"members": 50, "non_members": 40}
    if advantage is not None:
        numbers |= with_bounds("advantage_over_blind", advantage)
    return {population: dict(numbers) for population in ("same_identity", "unseen_identity", "identity")}


def membership(**attacks: dict[str, Any]) -> dict[str, Any]:
    return {"undefended": {"membership": {"blind_partial_knowledge": attack(0.5, 0.01), **attacks}}}


LEAKING = membership(
    bn_distance_partial_knowledge=attack(0.85, 0.2, 0.35), reference_similarity_shadow=attack(0.8, 0.15, 0.3)
)
NOTHING_FOUND = membership(
    bn_distance_partial_knowledge=attack(0.51, 0.01, 0.01), reference_similarity_shadow=attack(0.5, 0.01, 0.0)
)


def step(member: float, control: float) -> dict[str, float]:
    return {
        **with_bounds("member_match_rate", member),
        **with_bounds("control_match_rate", control),
        **with_bounds("match_advantage", member - control),
        "distinct_members": 7,
    }


def reconstruction(member: float = 0.4, control: float = 0.05) -> dict[str, Any]:
    steps = {"best_random": step(0.2, 0.1), "optimized": step(member, control), "random": step(0.1, 0.1)}
    steps["optimized"]["evaluators"] = {"second": step(0.3, 0.1)}
    return {"undefended": {"reconstruction": {"bn_moments_partial_knowledge": steps}}}


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    """The configuration in conf/base."""
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    return check_parameters(dict(loader["parameters"]))


def write_json(folder: Path, name: str, content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


@pytest.fixture
def attacked(tmp_path: Path) -> Path:
    """A data folder with nothing but the metrics of membership inference, which leak."""
    write_json(tmp_path / "08_reporting", "membership_metrics.json", LEAKING)
    return tmp_path


def tuned(quantity: str, default: str, value: float, **more: float) -> dict[str, dict[str, float]]:
    """The default on own and on fresh people, and a tuned one that is better on own people only."""

    def measured(own: float) -> dict[str, float]:
        fresh = with_bounds(f"fresh_{quantity}", value) | with_bounds("gap", own - value)
        return {f"own_{quantity}": own} | fresh | more

    difference = with_bounds(f"fresh_{quantity}_difference", 0.0)
    return {default: measured(value), "tuned": measured(value + 0.05), f"tuned_over_{default}": difference}


def write_everything(folder: Path) -> None:
    """All results that a report reads, with names that try to be markup."""
    reports = folder / "08_reporting"
    write_json(reports, "membership_metrics.json", LEAKING)
    write_json(reports, "reconstruction_metrics.json", reconstruction())
    write_json(reports, "utility_metrics.json", {"undefended": {"utility": with_bounds("verification_auc", 0.9)}})
    compared = {"undefended_repeated": {"membership": LEAKING["undefended"]["membership"]}}
    write_json(reports, "comparison_metrics.json", compared)
    write_json(reports, "tuning_metrics.json", {"undefended": {"tuning": tuned("auc", "fused_shadow", 0.9)}})
    search = {"undefended": {"tuning_reconstruction": tuned("advantage", "default", 0.2, steps_per_face=150.0)}}
    write_json(reports, "tuning_reconstruction_metrics.json", search)
    found = with_bounds("still_found", 0.6, 0.2) | {"found_before": 0.9, "stays_found": 0.9, "verification_auc": 0.8}
    erased = {
        "finetuning": {**found, "never_in": 99, "weights": found, "embeddings": with_bounds("still_found", 0.3, 0.2)}
    }
    write_json(reports, "erasure_metrics.json", {"undefended": {"erasure": erased}})
    write_json(reports, "new_metrics.json", {EVIL: {"tuning": {"anything": {"score_of_trials": 0.123}}}})
    write_json(reports, "prior_metrics.json", {**with_bounds("kid", 0.456), "images": 40})
    defended = {"undefended": {}, "noise_1": reconstruction(0.1, 0.1)["undefended"]}
    write_json(reports, "defense_reconstruction_metrics.json", defended)
    write_json(reports, "defense_membership_metrics.json", {"undefended": {"membership": {}}})
    write_json(reports, "gate.json", [policy(passed=True), policy(passed=False)])
    write_json(reports, "faces_validation.json", validation())
    write_json(reports, "inventory.json", inventory())
    write_json(folder / "06_models/target", "backbone.json", {"architecture": "iresnet_demo", "training": {"seed": 0}})
    (folder / "06_models/target/backbone.safetensors").write_bytes(b"weights")
    write_tables(folder)
    faces = ("people", "gallery", "untrained_gallery", "reconstruction_steps", "film_strips", "embedding_map")
    of_tuning = ("tuning", "tuning_study", "tuning_front", "tuning_reconstruction")
    for name in (*faces, *of_tuning, "roc", "bn_distances", "comparison", "risks", "erasure", "surprise"):
        Image.new("RGB", (20, 10)).save(reports / f"{name}.png")
    Image.new("RGB", (20, 10)).save(reports / "risk_calibration.png")


def write_tables(folder: Path) -> None:
    reports = folder / "08_reporting"
    weights = points_of({"undefended": (0.9, 0.8, 0.8, 0.85), "noise_1": (0.89, 0.6, 0.6, 0.7)}, tpr={"noise_1": 0.02})
    services = points_of(
        {"undefended": (0.9, 0.5, 0.5, 0.5), "noise_1": (0.89, 0.5, 0.5, 0.5)}, "embeddings", tpr={"undefended": 0.03}
    )
    points = pd.concat([weights, services])
    points.to_csv(reports / "privacy_utility.csv", index=False)
    goal = GoalOptions(metric="tpr_at_fpr_1pct", at_most=0.05, utility_loss=0.01)
    (reports / "recommendation.md").write_text(recommend(points, goal).markdown())
    claims = {"variant": ["dp_8"], "unit": ["image"], "epsilon": [8.0], "delta": [1e-5], "epsilon_lower_bound": [0.4]}
    pd.DataFrame(claims).to_csv(reports / "privacy_claims.csv", index=False)
    hits = {"evaluation": ["undefended", "undefended", "noise_1"], "step": ["optimized", "random", "optimized"]}
    hits |= {"identity": ["Ada Example", "Bob Example", "Eve Example"], "known": [False, True, True]}
    pd.DataFrame(hits | {"reconstructions": [5, 1, 2]}).to_csv(reports / "hits.csv", index=False)
    risks = {"identity": ["Ada Example", EVIL], "images": [10, 10], "targets": [3, 2], "risk": [5.0, 0.1]}
    risks |= {"p_value": [1e-9, 0.5], "q_value": [2e-9, 0.5], "rank": [1, 2]}
    pd.DataFrame(risks).to_csv(reports / "identity_risks.csv", index=False)
    told = {"draw": [0], "method": ["finetuning"], "identity": ["Ada Example"], "after": [0.01]}
    told |= {"verdict": ["still found"], "reason": ["found"]}
    pd.DataFrame(told).to_csv(reports / "erasure_verdicts.csv", index=False)
    calibrated = {"rate": [0.01], "rows": [2500], "share": [0.013], "exceeded": [False]}
    pd.DataFrame(calibrated).to_csv(reports / "risk_calibration.csv", index=False)
    pd.DataFrame({"name": [], "verification_auc": []}).to_csv(reports / "preprocessing_check.csv", index=False)
    pd.DataFrame({"image_id": [], "identity": [], "reason": []}).to_csv(reports / "quarantine.csv", index=False)
    pd.DataFrame({"attack": [], "threat_model": []}).to_csv(reports / "subgroups.csv", index=False)
    splits = {"image_id": list("abcd"), "identity": ["Ada", "Bob", "Cy", "Di"], "known": [True, False, False, False]}
    splits |= {"role": ["member", "member", "unseen_identity", "auxiliary"], "decided_by": ["draw"] * 3 + ["user"]}
    (folder / "03_primary").mkdir()
    pd.DataFrame(splits).to_parquet(folder / "03_primary/splits.parquet")


def policy(passed: bool) -> dict[str, Any]:
    named = {"metric": "utility/verification_auc", "variant": "undefended", "reason": "Because."}
    return {**named, "at_most": None, "at_least": 0.5, "value": 0.9, "passed": passed, "verdict": "It is."}


def validation() -> dict[str, Any]:
    entry = {"name": "decodable", "column": "decodable", "severity": "critical", "unexpected_count": 3}
    entry |= {"expected": "Every image can be read.", "examples": ["Ada Example/1.jpg"]}
    found = {"success": False, "rows": 9000, "decided_by": {"draw": 9000}, "images": {"same_hash": 8990, "decoded": 10}}
    return {**found, "expectations": [{**entry, "success": False}, {**entry, "success": True}]}


def inventory() -> dict[str, Any]:
    layer = {"name": "bn1", "channels": 16, "eps": 1e-5, "momentum": 0.1, "affine": True, "statistics_trained": True}
    known = {"architecture": "iresnet_demo", "embedding_size": 128, "measured_embedding_size": 128, "flops": 1e8}
    known |= {"parameters": 571120, "deterministic": True, "batch_difference": 1e-6, "independent_of_batch": True}
    return {**known, "bn_layers": [layer], "warnings": ["Its statistics were never trained."]}


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with all results."""
    folder = tmp_path_factory.mktemp("complete")
    write_everything(folder)
    return folder


@pytest.fixture(scope="session")
def evidence_of(parameters: Parameters) -> Callable[..., Evidence]:
    """Evidence of a data folder; keywords replace blocks of the configuration."""

    def make(folder: Path, **changes: Any) -> Evidence:
        blocks = {name: getattr(parameters, name) for name in Configuration.__dataclass_fields__}
        origin = Origin(
            commit="0123456789abcdef",
            uncommitted_changes=False,
            environment="lfw",
            command="kedro run --env=lfw",
            software={"faceleak": "0.1.0"},
        )
        return Evidence(ResultFiles(folder), Configuration(**{**blocks, **changes}), origin)

    return make


@pytest.fixture(scope="session")
def report(complete: Path, evidence_of: Callable[..., Evidence]) -> Audit:
    """The report of all results."""
    return make_audit(evidence_of(complete))
