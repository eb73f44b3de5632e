import sys
from pathlib import Path

import pytest
import torch

from faceleak.backbones.factories import FactoryError, check_factory, check_output, make


@pytest.fixture(autouse=True)
def own_networks(monkeypatch):
    """Let `own_networks` be found, as a package that the user has installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("own_networks", None)


def test_a_class_is_built_with_its_arguments():
    assert check_factory("own_networks:Own") == "own_networks:Own"
    assert "own_networks" not in sys.modules  # found, but not run
    net = make("own_networks:Own", {"size": 5, "width": 3})
    assert net(torch.rand(2, 3, 16, 16)).shape == (2, 5)


@pytest.mark.parametrize("name", ["Own", "own_networks.Own", "own_networks:", ":Own", "a b:Own", "own_networks:Own()"])
def test_what_names_no_class_is_refused(name):
    with pytest.raises(FactoryError, match=r"does not name a class.*package\.module:Class"):
        check_factory(name)


@pytest.mark.parametrize(
    ("module", "what_to_do"),
    [
        ("nowhere_to_be_found", "PYTHONPATH"),
        ("nowhere.models", "PYTHONPATH"),
        ("faceleak.nowhere", r"Package 'faceleak' was found; it has no module 'nowhere'\."),
        ("json.decoders", r"Package 'json' was found; it has no module 'decoders'\. Did you mean 'json\.decoder'\?"),
    ],
)
def test_a_missing_module_is_named_with_what_to_do(module, what_to_do):
    with pytest.raises(FactoryError, match=f"{module}.*cannot be found.*{what_to_do}"):
        check_factory(f"{module}:Net")
    with pytest.raises(FactoryError, match="cannot be found"):
        make(f"{module}:Net", {})


@pytest.mark.parametrize(
    ("factory", "arguments", "message"),
    [
        ("own_networks:Missing", {}, "own_networks has no Missing"),
        ("own_networks:function", {}, r"subclass of torch\.nn\.Module, but it is a function.*wrapped"),
        ("os:system", {"command": "true"}, r"subclass of torch\.nn\.Module, but it is a builtin"),
        ("pathlib:Path", {}, r"subclass of torch\.nn\.Module, but it is a type"),
        ("own_networks:Failing", {}, r"own_networks:Failing\(\) failed \(RuntimeError: no license\)"),
        ("own_networks:Own", {"seize": 3}, r"Own\(seize=3\) failed \(TypeError.*seize.*Correct the arguments"),
    ],
)
def test_what_cannot_be_built_is_an_error_that_says_why(factory, arguments, message):
    with pytest.raises(FactoryError, match=message):
        make(factory, arguments)


def test_a_module_that_fails_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "failing_module.py").write_text("raise OSError('no driver')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(FactoryError, match=r"cannot be imported \(OSError: no driver\)"):
        make("failing_module:Net", {})


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("Own", 9, r"gives \(2, 8\) for two images, not \(2, 9\)"),
        ("Pair", 8, "gives tuple for two images"),
        ("Map", 8, r"gives \(2, 8, 1, 1\) for two images"),
    ],
)
def test_what_gives_no_embeddings_is_refused(name, size, message):
    with pytest.raises(FactoryError, match=message):
        check_output(make(f"own_networks:{name}", {}), (16, 16), size, name)


def test_looking_at_the_output_changes_nothing():
    net = make("own_networks:Own", {}).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    check_output(net, (16, 24), 8, "Own")
    assert net.training
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)


def test_images_that_it_cannot_take_are_an_error():
    with pytest.raises(FactoryError, match=r"cannot take images of shape \(2, 3, 4, 4\).*image_size"):
        check_output(torch.nn.Conv2d(3, 2, 5), (4, 4), 2, "a:B")
