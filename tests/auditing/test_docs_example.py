"""The example of settings in docs/python.md runs as it stands, but for sizes, the device and how long it takes."""

import re
from pathlib import Path
from typing import Any

import faceleak
from faceleak.work.compute import single_threaded
from tests.auditing.conftest import World

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
CHANGES = {
    '"iresnet18", "epochs": 20, "batch_size": 128': '"mobilefacenet", "epochs": 1, "batch_size": 8',
    '"resamples": 2000': '"resamples": 100',
    '"workers": 4': '"workers": 1',
    '"cuda"': '"cpu"',
    '"faceleak_cache"': "cache",
}


def test_attacks_by_name_with_references_of_another_architecture(world: World, tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(audit = faceleak\.audit\(\n    backbone,\n.*?)```", PAGE.read_text(), re.DOTALL)
    for written, ours in CHANGES.items():
        assert code.count(written) == 1, written
        code = code.replace(written, ours)
    given = {name: path for name, path in world.faces.items() if name != "same_identity"}
    names: dict[str, Any] = {"faceleak": faceleak, "backbone": world.target, "cache": tmp_path, **given}
    with single_threaded():
        exec(code, names)
    audit: faceleak.Audit = names["audit"]
    assert set(audit.attacks["attack"]) == {
        "blind_partial_knowledge",
        "bn_distance_partial_knowledge",
        "reference_similarity_partial_knowledge",
    }
    assert audit.left_out[0].startswith("Attackers of the threat model `shadow` are left out")
