"""Which source a key depends on: of packages that are written here, and of faceleak itself."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import faceleak
from faceleak.work import closure
from faceleak.work.closure import own
from faceleak.work.tasks import code_version

SOURCE = Path(faceleak.__file__).parent
FILES = {
    "mine/__init__.py": "",
    "mine/nets/__init__.py": "from . import net\n",
    "mine/nets/net.py": '"""A net."""\nfrom ..blocks import block\n\n\n'
    'class Net:\n    """Doc."""\n    def run(self):\n        return block()\n',
    "mine/blocks.py": "def block():\n    from mine.deep import depth\n    return depth\n",
    "mine/deep.py": "import beside\nfrom . import options\nfrom faceleak.faces.canvas import Canvas\n"
    "depth = beside.one\n",
    "mine/options.py": 'class Options:\n    field: int = 1\n    """What it is."""\n    other: str = "text"\n',
    "mine/typed.py": "a = 1\n",
    "mine/unused.py": "a = 1\n",
    "beside.py": "import json\none = 1\n",
}
LOOKED_UP = {  # modules that import by a name which is put together → where that name enters a key
    "backbones/architectures.py": "Backbone.network_hash and TrainingTask.folder (source_module)",
    "__init__.py": "none: whoever asks for a public name imports nothing else by it",
    "pipelines/plan/walk.py": "none: what plans a node only counts",
    "common/named.py": "whoever asks a registry: signal_paths, VariantTask, ViewTask, attacks.code_of, "
    "ReconstructionTask; source_module and priors.opening.identity_of for networks, sources.opening for faces",
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write `FILES`, with changes, and hash what `mine.nets.net` comes from."""
    monkeypatch.syspath_prepend(tmp_path)

    def version(changes: dict[str, str] | None = None) -> str:
        for name, text in (FILES | (changes or {})).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        forget()
        return code_version("mine.nets.net")

    return version


def forget() -> None:
    """What a process remembers of source."""
    for remembered in (closure._read, closure._home, closure._hash_of_library, code_version):
        remembered.cache_clear()


def test_a_module_comes_from_all_that_it_imports_of_its_package_of_files_beside_it_and_of_ours(mine):
    mine()
    found = set(closure.closure("mine.nets.net"))
    assert {name for name in found if not name.startswith("faceleak")} == {
        *("mine", "mine.nets", "mine.nets.net", "mine.blocks", "mine.deep", "mine.options", "beside")
    }
    assert {"faceleak.faces", "faceleak.faces.canvas"} <= found


@pytest.mark.parametrize(
    "change",
    [
        {"mine/nets/net.py": FILES["mine/nets/net.py"].replace("block()", "-block()")},
        {"mine/blocks.py": FILES["mine/blocks.py"].replace("return depth", "return depth + 1")},
        {"mine/deep.py": FILES["mine/deep.py"].replace("beside.one", "-beside.one")},
        {"beside.py": "import json\none = 2\n"},
        {"mine/options.py": FILES["mine/options.py"].replace('"text"', '"another"')},
        {"mine/__init__.py": "changed = 1\n"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_code_however_far_away_counts(change, mine):
    expected = mine()
    assert mine(change) != expected
    assert mine() == expected


@pytest.mark.parametrize(
    "change",
    [
        {"mine/nets/net.py": FILES["mine/nets/net.py"].replace("A net", "A network").replace("Doc.", "Docstring.")},
        {"mine/blocks.py": "# a comment\n" + FILES["mine/blocks.py"].replace("():", "(  ):\n\n")},
        {"mine/deep.py": "'''New.'''\n" + FILES["mine/deep.py"]},
        {"mine/options.py": FILES["mine/options.py"].replace("What it is.", "What it means.\n    In two lines.")},
        {"mine/options.py": FILES["mine/options.py"].replace('    """What it is."""\n', "")},
        {"mine/unused.py": "a = 2\n"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_docstrings_comments_layout_and_what_is_not_imported_do_not_count(change, mine):
    expected = mine()
    assert mine(change) == expected


def test_what_is_imported_for_type_checking_counts_since_its_methods_are_called(mine):
    typed = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mine import typed\n{FILES['mine/deep.py']}"
    expected = mine({"mine/deep.py": typed})
    assert mine({"mine/deep.py": typed, "mine/typed.py": "a = 2\n"}) != expected


def test_the_place_of_the_files_does_not_count(mine, tmp_path, monkeypatch):
    expected = mine()
    (tmp_path / "elsewhere").mkdir()
    for name in ("mine", "beside.py"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    forget()
    assert code_version("mine.nets.net") == expected


def test_another_process_says_the_same():
    entries = ("faceleak.backbones.training", "faceleak.signals.bn_moments")
    program = f"from faceleak.work.tasks import code_version; print(code_version(*{entries}))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == code_version(*entries)


def test_source_that_does_not_parse_counts_byte_by_byte(mine):
    broken = mine({"beside.py": "one = = 1\n"})
    assert mine({"beside.py": "one = = 2\n"}) != broken


def test_a_whole_package_is_named_by_a_star():
    found = closure.closure("faceleak.membership.models.*")
    assert {f"faceleak.membership.models.{name}" for name in ("cnn", "logistic", "mlp", "quantile")} <= set(found)


@pytest.fixture
def interactive(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`__main__` is that of a session without a file, however the tests were started."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    forget()
    yield
    forget()


@pytest.mark.usefixtures("interactive")
def test_an_installed_library_counts_as_a_whole_where_it_is_asked_for_and_not_where_it_is_imported():
    assert set(closure.closure("yaml.loader")) == {"yaml"}
    assert not any(name.startswith(("torch", "numpy", "pandas")) for name in closure.closure("faceleak.faces.store"))
    assert own(["faceleak.common.trees", "yaml.loader", "json", "__main__", "no_such_module"]) == [
        "faceleak.common.trees"
    ]


@pytest.mark.usefixtures("interactive")
@pytest.mark.parametrize("entry", ["__main__", "no_such_module", "faceleak.no_such_module"])
def test_what_has_no_source_is_an_error(entry):
    with pytest.raises(ModuleNotFoundError, match=rf"'{entry}' has no source file"):
        code_version(entry)


def test_whoever_looks_up_by_name_is_known_here():
    found = set()
    for file in SOURCE.rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        named = {call.id for call in calls if isinstance(call, ast.Name)} | {
            call.attr for call in calls if isinstance(call, ast.Attribute)
        }
        if named & {"import_module", "__import__", "load_module", "exec_module"}:
            found.add(file.relative_to(SOURCE).as_posix())
    assert found == set(LOOKED_UP)


@pytest.mark.parametrize(
    ("entry", "needed"),
    [
        (
            "faceleak.backbones.training",
            {
                *("backbones.card", "backbones.release", "backbones.head", "backbones.arcface"),
                *("backbones.faces_input", "backbones.placing", "faces.canvas", "faces.images", "faces.store"),
            },
        ),
        ("faceleak.signals.reading", {"backbones.card", "backbones.embedding", "faces.canvas", "faces.images"}),
        (
            "faceleak.reconstruction.prior_training.training",
            {"faces.canvas", "faces.images", "reconstruction.prior_training.gan", "reconstruction.latents"},
        ),
        ("faceleak.reconstruction.tasks", {"reconstruction.search", "backbones.placing", "faces.canvas"}),
        ("faceleak.defenses.dp_training", {"defenses.public_start", "backbones.training", "faces.images"}),
        ("faceleak.defenses.bn_release", {"backbones.batch_norm", "signals.observation", "faces.images"}),
        ("faceleak.tuning.attack_study", {"tuning.sampling", "tuning.study", "membership.attacks"}),
        ("faceleak.faces.demo", {"faces.images", "faces.demo_generator"}),
    ],
)
def test_keys_hold_what_they_come_from(entry, needed):
    found = set(closure.closure(entry))
    assert {f"faceleak.{name}" for name in needed} <= found
    assert not {name for name in found if closure._is_infrastructure(name)}
    assert not any(name.startswith("faceleak.backbones.onnx_import") for name in found)


def test_every_file_of_private_training_counts():
    files = {f"faceleak.defenses.private.{path.stem}" for path in (SOURCE / "defenses/private").glob("[!_]*.py")}
    assert len(files) > 5
    assert files <= set(closure.closure("faceleak.defenses.dp_training"))


def test_what_is_left_out_is_there():
    for name in closure.INFRASTRUCTURE:
        assert closure._Module(name, SOURCE.parent).path, name
