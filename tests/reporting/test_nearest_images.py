"""The image of one person that resembles a reconstruction most."""

import numpy as np
import pandas as pd

from faceleak.faces.store import FaceStore
from faceleak.reporting.nearest_images import nearest_images


def test_the_person_is_given_and_the_image_is_the_nearest(demo_store: FaceStore) -> None:
    manifest = demo_store.manifest()
    ids = manifest["image_id"].iloc[[0, 1, 6]].to_list()
    people = pd.DataFrame(
        {
            "image_id": ids,
            "identity": manifest["identity"].iloc[[0, 1, 6]].to_list(),
            "role": "member",
            "embedding": [np.array([1.0, 0.0]), np.array([0.0, 5.0]), np.array([0.0, 9.0])],
        }
    )
    person = people["identity"].iloc[0]
    found = nearest_images(demo_store, people, "member", pd.Series([person]), np.array([[0.1, 1.0]], np.float32), 64)
    np.testing.assert_array_equal(found[0], demo_store.images(demo_store.positions([ids[1]]), 64)[0])
