"""How far sets of faces are from photographs of members, of control people and of strangers, taken as sets.

The kernel inception distance by embeddings of an evaluator, scaled to length √d, so that the kernel is (cosine + 1)³
whatever the evaluator. It tells whether faces are like those of the people, all together; not who is recognised.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from faceleak.metrics.kid import FEWEST, Reference, on_sphere
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import FloatArray

PHOTOGRAPHS = {"members": "same_identity", "controls": "unseen_identity", "public": "public"}
LARGEST = 2000  # photographs of a kind: the distance takes all pairs of them


def photograph_sets(people: pd.DataFrame, options: BootstrapOptions) -> dict[str, Reference]:
    """Sets of photographs by kind; `people`: identity, role and an evaluator's embedding, a row an image.

    Members are shown by images that the target was not trained on: an evaluator that is trained here learnt those, and
    the controls' images, so that it knows both alike. Of more than 2,000 images those taken are spread evenly over the
    people. A kind with fewer than four people is left out.
    """
    sets = {}
    for kind, role in PHOTOGRAPHS.items():
        images = people[people["role"] == role].sort_values("identity", kind="stable")
        images = images.iloc[np.linspace(0, len(images) - 1, min(len(images), LARGEST)).round().astype(int)]
        if images["identity"].nunique() >= FEWEST:
            features = on_sphere(np.stack(images["embedding"].to_list()))
            sets[kind] = Reference(features, options, images["identity"].to_numpy())
    return sets


def measure_kid(embeddings: FloatArray, sets: Mapping[str, Reference]) -> dict[str, float]:
    """Measure `kid_to_<kind>` for faces (n, d) by the same evaluator, with intervals; nothing below four faces.

    Each face counts as a draw of its own: a search that ends in few people is far from the many of a set.
    """
    if len(embeddings) < FEWEST:
        return {}
    faces = on_sphere(embeddings)
    measured = {kind: photographs.distance(faces).named(f"kid_to_{kind}") for kind, photographs in sets.items()}
    return {name: value for named in measured.values() for name, value in named.items()}
