import sys
from copy import deepcopy
from importlib import invalidate_caches
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simplejpeg
import torch

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.embedding import NotFiniteError
from faceleak.backbones.head import Head
from faceleak.backbones.loading import load_backbone, save_backbone
from faceleak.backbones.release import Release
from faceleak.common.named import UnknownNameError
from faceleak.faces.store import Face, FaceStore, pack
from faceleak.signals import EmbeddedImages, Signal, is_read_off_images, reading, registry
from faceleak.signals.anchor_similarity import NoAnchorsError
from faceleak.signals.columns import columns_of
from faceleak.signals.head_loss import NoHeadError
from faceleak.signals.reading import NotTogetherError, read_signals, signal_paths
from faceleak.work import closure
from faceleak.work.compute import ComputeOptions, seeded
from faceleak.work.tasks import code_version

bn_distance, bn_moments = (registry.get_reader(name) for name in ("bn_distance", "bn_moments"))


@pytest.fixture
def fresh(compute, tmp_path) -> ComputeOptions:
    """Where to compute, with an empty cache, so that everything is read anew."""
    return compute.model_copy(update={"cache": tmp_path / "cache"})


@pytest.fixture
def images(demo_store) -> pd.DataFrame:
    """20 images in an order and with an index of their own."""
    return demo_store.manifest()[["image_id", "identity"]].sample(20, random_state=0)


@pytest.fixture
def anchors(demo_store, images) -> pd.DataFrame:
    """Ten other images."""
    manifest = demo_store.manifest()
    return manifest[~manifest["image_id"].isin(images["image_id"])].sample(10, random_state=1)


@pytest.fixture
def tiny_backbone(tiny_backbone, images) -> Backbone:
    """The tiny backbone with a head that knows three of the people."""
    people = tuple(sorted(images["identity"].unique()))[:3]
    tiny_backbone.head = Head(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)), people, 8.0)
    return tiny_backbone


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """What is read off a backbone from here on, and not found in the cache."""
    descriptions = []
    read_faces = reading.read_faces

    def noted(*arguments):
        descriptions.append(arguments[-1])
        return read_faces(*arguments)

    monkeypatch.setattr(reading, "read_faces", noted)
    return descriptions


def test_one_row_an_image_in_order_and_one_column_a_number(tiny_backbone, demo_store, images, fresh):
    table = read_signals(["bn_moments", "bn_distance"], tiny_backbone, demo_store, images, fresh)
    moments, distances = (signal.column_names(tiny_backbone.net) for signal in (bn_moments, bn_distance))
    assert table.columns.tolist() == [
        "image_id",
        *(f"bn_moments.{moment}.{layer}" for moment, layer in moments),
        *(f"bn_distance.{column}" for column in distances),
    ]
    assert "bn_distance.layer2.0.downsample.1" in table.columns
    assert table["image_id"].tolist() == images["image_id"].tolist()
    assert table.index.tolist() == list(range(20))
    assert set(table.dtypes[1:]) == {np.dtype("float32")}


def test_columns_without_names_are_numbered(tiny_backbone, demo_store, images, fresh):
    table = read_signals(["embedding"], tiny_backbone, demo_store, images, fresh)
    assert table.columns.tolist() == ["image_id", *(f"embedding.{i}" for i in range(16))]


def test_the_numbers_are_those_of_the_signal_image_by_image(tiny_backbone, demo_store, images, fresh):
    table = read_signals(["bn_distance"], tiny_backbone, demo_store, images, fresh)
    for row in (0, 7, 19):
        pixels = demo_store.images(demo_store.positions([images["image_id"].iloc[row]]), 32)
        face = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            expected = bn_distance.read(tiny_backbone, face)[0]
        np.testing.assert_allclose(table.iloc[row, 1:].to_numpy(float), expected, rtol=1e-4, atol=1e-5)


def test_all_signals_together_are_each_read_alone(tiny_backbone, demo_store, images, anchors, fresh, reads):
    names = registry.names()
    together = read_signals(names, tiny_backbone, demo_store, images, fresh, anchors)
    assert len(reads) == 2  # the images, and the embeddings of the anchors
    elsewhere = fresh.model_copy(update={"cache": fresh.cache / "elsewhere"})
    for name in names:
        alone = read_signals([name], tiny_backbone, demo_store, images, elsewhere, anchors)
        assert columns_of(name, together) == alone.columns.tolist()[1:]
        pd.testing.assert_frame_equal(alone, together[alone.columns], rtol=1e-4, atol=1e-4)


def test_the_order_of_names_changes_only_the_order_of_columns(tiny_backbone, demo_store, images, anchors, fresh, reads):
    names = ["reference_similarity", "embedding", "bn_distance", "anchor_similarity", "pixel_statistics"]
    forwards = read_signals(names, tiny_backbone, demo_store, images, fresh, anchors)
    number = len(reads)
    backwards = read_signals(names[::-1], tiny_backbone, demo_store, images, fresh, anchors)
    assert len(reads) == number
    assert list(dict.fromkeys(column.split(".")[0] for column in backwards.columns[1:])) == names[::-1]
    pd.testing.assert_frame_equal(backwards[forwards.columns], forwards)


def test_comparisons_start_from_unit_embeddings(tiny_backbone, demo_store, images, anchors, fresh):
    def unit(of_images: pd.DataFrame) -> np.ndarray:
        embeddings = read_signals(["embedding"], tiny_backbone, demo_store, of_images, fresh).iloc[:, 1:].to_numpy()
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    names = ["anchor_similarity", "reference_similarity", "head_loss"]
    table = read_signals(names, tiny_backbone, demo_store, images, fresh, anchors)
    assert columns_of("embedding", table) == []
    for name in names:
        embedded = EmbeddedImages(unit(images), images["identity"].to_numpy(), unit(anchors), tiny_backbone.head)
        expected = registry.get(name).compare(embedded)
        np.testing.assert_allclose(table[columns_of(name, table)], expected, rtol=1e-5, atol=1e-6)
    mates = images["identity"].to_numpy()[:, None] == images["identity"].to_numpy()
    cosines = unit(images) @ unit(images).T
    several = np.flatnonzero(mates.sum(1) > 1)
    fewest = mates.sum(1)[several].min() - 1  # all are compared with as many others as the smallest set of images has
    for row in several:
        others = [other % 20 for other in range(row + 1, row + 20) if mates[row, other % 20]][:fewest]
        assert table["reference_similarity.mean"][row] == pytest.approx(cosines[row, others].mean(), abs=1e-5)


def test_shards_give_the_same_table_and_only_a_lost_one_is_read_again(
    tiny_backbone, demo_store, images, anchors, fresh, reads
):
    names = ["bn_moments", "embedding", "reference_similarity", "anchor_similarity"]
    whole = read_signals(names, tiny_backbone, demo_store, images, fresh, anchors)
    sharded = fresh.model_copy(update={"cache": fresh.cache / "sharded", "shard_images": 8, "workers": 1})
    number = len(reads)
    read = read_signals(names, tiny_backbone, demo_store, images, sharded, anchors)
    pd.testing.assert_frame_equal(read, whole, rtol=1e-5, atol=1e-6)
    assert len(reads) - number == 3 + 2
    of_signal = signal_paths([bn_moments], tiny_backbone.network_hash(), demo_store, images, sharded)
    of_signal["bn_moments"][1].unlink()
    number = len(reads)
    pd.testing.assert_frame_equal(read_signals(names, tiny_backbone, demo_store, images, sharded, anchors), read)
    assert len(reads) - number == 1


@pytest.mark.slow
def test_shards_are_read_side_by_side(tiny_backbone, demo_store, images, fresh):
    together = read_signals(["bn_moments"], tiny_backbone, demo_store, images, fresh)
    two = fresh.model_copy(update={"cache": fresh.cache / "sharded", "shard_images": 10, "workers": 2})
    read = read_signals(["bn_moments"], tiny_backbone, demo_store, images, two)
    pd.testing.assert_frame_equal(read, together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("none", [None, pd.DataFrame({"image_id": []})])
def test_a_comparison_with_anchors_that_are_missing_is_an_error(none, tiny_backbone, demo_store, images, fresh):
    with pytest.raises(NoAnchorsError):
        read_signals(["anchor_similarity"], tiny_backbone, demo_store, images, fresh, none)
    assert len(read_signals(["reference_similarity"], tiny_backbone, demo_store, images, fresh, none)) == 20


def test_a_loss_without_a_head_is_an_error(tiny_backbone, demo_store, images, fresh):
    tiny_backbone.head = None
    with pytest.raises(NoHeadError, match=r"`head` and `identities` in target\.load"):
        read_signals(["head_loss"], tiny_backbone, demo_store, images, fresh)


def test_reading_changes_nothing_in_the_target(tiny_backbone, demo_store, images, fresh):
    readers = [name for name in registry.names() if isinstance(registry.get(name), Signal)]
    before = tiny_backbone.train().weights_hash()
    read_signals(readers, tiny_backbone, demo_store, images[:3], fresh)
    assert tiny_backbone.weights_hash() == before
    assert tiny_backbone.training


def test_what_was_read_once_is_found_again(tiny_backbone, demo_store, images, fresh, reads):
    first = read_signals(["bn_distance", "bn_moments"], tiny_backbone, demo_store, images, fresh)
    again = read_signals(["bn_moments", "bn_distance"], deepcopy(tiny_backbone), demo_store, images, fresh)
    pd.testing.assert_frame_equal(again[first.columns], first)
    assert reads == ["Reading bn_distance, bn_moments"]


def test_one_signal_more_reads_only_that(tiny_backbone, demo_store, images, anchors, fresh, reads):
    read_signals(["bn_distance", "embedding"], tiny_backbone, demo_store, images, fresh)
    read_signals(["bn_distance", "pixel_statistics", "embedding"], tiny_backbone, demo_store, images, fresh)
    read_signals(["reference_similarity", "bn_distance"], tiny_backbone, demo_store, images, fresh)
    assert reads == ["Reading bn_distance, embedding", "Reading pixel_statistics"]
    read_signals(["anchor_similarity"], tiny_backbone, demo_store, images, fresh, anchors)
    assert reads[2:] == ["Reading embedding"]  # of the anchors


def test_another_backbone_and_other_images_are_read_anew(tiny_backbone, demo_store, images, fresh, reads):
    def read(backbone=tiny_backbone, of_images=images) -> pd.DataFrame:
        return read_signals(["bn_distance"], backbone, demo_store, of_images, fresh)

    first = read()
    other_weights = deepcopy(tiny_backbone)
    other_weights.net.bn1.running_var *= 2
    blue_first = tiny_backbone.card.preprocessing.model_copy(update={"color_order": "BGR"})
    other_order = Backbone(tiny_backbone.net, tiny_backbone.card.model_copy(update={"preprocessing": blue_first}))
    for other in (other_weights, other_order):
        assert (read(other).iloc[:, 1:].to_numpy() != first.iloc[:, 1:].to_numpy()).any()
    assert read(of_images=images[::-1])["image_id"].tolist() == images["image_id"][::-1].tolist()
    pd.testing.assert_frame_equal(read(of_images=images[:3]), first[:3], rtol=1e-3)
    assert len(reads) == 5


def test_another_release_of_the_same_weights_is_read_anew(tiny_backbone, demo_store, images, fresh, reads):
    def read(release: Release | None) -> np.ndarray:
        released = Backbone(tiny_backbone.net, tiny_backbone.card.model_copy(update={"release": release}))
        return read_signals(["embedding"], released, demo_store, images, fresh).iloc[:, 1:].to_numpy()

    releases = [None, Release(decimals=1), Release(noise=0.5), Release(noise=0.5, seed=1)]
    tables = [read(release) for release in releases]
    assert len(reads) == 4
    assert all((first != second).any() for first, second in combinations(tables, 2))
    np.testing.assert_array_equal(tables[1], tables[1].round(1))
    np.testing.assert_array_equal(read(releases[2]), tables[2])
    assert len(reads) == 4


def test_images_of_a_larger_set_are_read_once_and_compared_among_themselves(
    tiny_backbone, demo_store, images, fresh, reads
):
    names = ["bn_distance", "reference_similarity"]
    parts = [images[12:][::-1], images[:12]]
    tables = [read_signals(names, tiny_backbone, demo_store, part, fresh, within=images) for part in parts]
    assert reads == ["Reading bn_distance, embedding"]
    for part, table in zip(parts, tables, strict=True):
        alone = read_signals(names, tiny_backbone, demo_store, part, fresh)
        pd.testing.assert_frame_equal(table, alone, rtol=1e-3, atol=1e-5)


def test_an_image_outside_the_larger_set_is_an_error(tiny_backbone, demo_store, images, fresh):
    with pytest.raises(NotTogetherError, match="15 of 20 images are not among the 5"):
        read_signals(["bn_distance"], tiny_backbone, demo_store, images, fresh, within=images[:5])


def test_an_unknown_signal_is_an_error(tiny_backbone, demo_store, images, fresh):
    with pytest.raises(UnknownNameError, match="bn_distance"):
        read_signals(["bn_distances"], tiny_backbone, demo_store, images, fresh)


def test_a_broken_target_is_an_error_that_names_the_signal(tiny_backbone, demo_store, images, fresh):
    tiny_backbone.net.conv1.weight.data[0] = float("nan")
    with pytest.raises(NotFiniteError, match="Reading bn_distance: 20 of 20 faces"):
        read_signals(["bn_distance"], tiny_backbone, demo_store, images, fresh)


NETS = """
from torch import nn
from torch.nn import functional

from {package}.middle import changed

class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)

    def forward(self, images):
        return changed(functional.relu(self.layer(images))).mean((2, 3))

class Flipped(Plain):
    def forward(self, images):
        return super().forward(images.flip(3))

class Sloped(Plain):
    def __init__(self, slope=0.1):
        super().__init__()
        self.slope = slope

    def forward(self, images):
        return functional.leaky_relu(self.layer(images), self.slope).mean((2, 3))
"""


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of the user's own: `nets` imports `middle`, which imports `far`."""
    folder = tmp_path / f"own_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(NETS.format(package=folder.name))
    (folder / "middle.py").write_text("def changed(x):\n    from . import far\n    return x * far.FACTOR\n")
    (folder / "far.py").write_text("FACTOR = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def own_backbone(package: Path, name: str, **arguments) -> Backbone:
    card = BackboneCard(
        architecture=f"{package.name}.nets:{name}",
        arguments=arguments,
        embedding_size=8,
        preprocessing=Preprocessing(image_size=32),
    )
    with seeded(0):
        return Backbone(build(card), card).eval()


def test_the_same_weights_in_another_class_or_with_other_arguments_are_read_anew(
    package, demo_store, images, fresh, reads
):
    def read(name: str, **arguments) -> np.ndarray:
        return read_signals(["embedding"], own_backbone(package, name, **arguments), demo_store, images, fresh)

    backbones = [("Plain", {}), ("Flipped", {}), ("Sloped", {}), ("Sloped", {"slope": 0.5})]
    assert len({own_backbone(package, name, **arguments).weights_hash() for name, arguments in backbones}) == 1
    tables = [read(name, **arguments).iloc[:, 1:].to_numpy() for name, arguments in backbones]
    assert len(reads) == 4
    assert all((first != second).any() for first, second in combinations(tables, 2))
    read("Plain")
    assert len(reads) == 4


@pytest.mark.parametrize(
    ("file", "text", "anew"),
    [
        ("far.py", "FACTOR = 2.0\n", True),
        ("far.py", '"""A factor."""\nFACTOR = 1.0  # as it was\n', False),
        ("unused.py", "a = 1\n", False),
    ],
)
def test_what_a_factory_imports_however_far_away_is_part_of_the_network(
    file, text, anew, package, demo_store, images, fresh, reads
):
    read_signals(["embedding"], own_backbone(package, "Plain"), demo_store, images, fresh)
    (package / file).write_text(text)
    closure._read.cache_clear()
    code_version.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]  # as in another process
    invalidate_caches()
    read_signals(["embedding"], own_backbone(package, "Plain"), demo_store, images, fresh)
    assert len(reads) == 1 + anew


def test_layers_that_say_where_a_function_lies_change_nothing(package, tiny_backbone):
    class Named(torch.nn.Identity):
        def extra_repr(self) -> str:
            return f"{object()!r}"

    tiny_backbone.net.named = Named()
    assert tiny_backbone.network_hash() == tiny_backbone.network_hash()
    before = tiny_backbone.network_hash()
    tiny_backbone.net.bn1.eps = 2e-5
    assert tiny_backbone.network_hash() != before


def test_the_same_network_from_the_disk_is_the_same(tiny_backbone, tmp_path):
    save_backbone(tiny_backbone, tmp_path)
    assert load_backbone(tmp_path).network_hash() == tiny_backbone.network_hash()
    assert deepcopy(tiny_backbone).train().network_hash() == tiny_backbone.network_hash()


@pytest.mark.parametrize(
    ("module", "anew"),
    [
        *(
            (name, True)
            for name in ("signals.bn_distance", "signals.observation", "backbones.iresnet", "backbones.release")
        ),
        *((name, True) for name in ("faces.canvas", "faces.images", "backbones.card", "backbones.placing")),
        *((name, False) for name in ("signals.bn_moments", "backbones.ir", "progress", "backbones.onnx_import.layers")),
    ],
)
def test_signals_are_read_anew_once_the_code_that_reads_them_has_changed(
    module, anew, tiny_backbone, demo_store, images, fresh, reads, edited
):
    for changed in (None, f"faceleak.{module}", None):
        edited(changed)
        read_signals(["bn_distance"], tiny_backbone, demo_store, images, fresh)
    assert len(reads) == 1 + anew


def test_images_that_are_stored_otherwise_are_read_anew(tiny_backbone, images, fresh, reads, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for quality in (95, 30):
        jpeg = simplejpeg.encode_jpeg(noise, quality)
        faces = [Face("a", "anna", "test", jpeg, 32, 32, "hash of the same source")]
        path = tmp_path / f"{quality}.arrow"
        pack(Listed(faces), path)
        read_signals(["bn_distance"], tiny_backbone, FaceStore(path), FaceStore(path).manifest(), fresh)
    assert len(reads) == 2


class Listed(list):
    def fingerprint(self) -> str:
        return "listed"


@pytest.mark.parametrize("name", registry.names())
def test_no_code_runs_in_reading_that_is_not_in_the_key(
    name, tiny_backbone, demo_store, images, anchors, fresh, not_in_keys
):
    read = lambda: read_signals([name], tiny_backbone, demo_store, images, fresh, anchors)  # noqa: E731
    comparisons = {f"faceleak.signals.{name}"} if not is_read_off_images(name) else set()  # made anew each time
    assert not_in_keys(read) - comparisons - {"faceleak.backbones.head"} == set()
