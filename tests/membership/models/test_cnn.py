import numpy as np
import pytest

from faceleak.membership.models import cnn
from faceleak.membership.models.base import AttackFitError


def test_columns_that_are_no_map_are_refused(cases):
    table_of, columns = cases["cnn"]
    with pytest.raises(AttackFitError, match=r"95 columns, which is no map of 4×4"):
        cnn.fit(table_of(0, people=10), columns[1:])


def test_the_columns_are_channels_rows_and_columns_in_c_order(cases):
    # a model that adds up channel 1 at the map's first row: only columns 16 … 19 matter
    table_of, columns = cases["cnn"]
    network = cnn._network(6)
    for parameter in network.parameters():
        parameter.data.zero_()
    mixing, looking, last = network[1], network[3], network[7]
    mixing.weight.data[0, 1] = 1.0
    looking.weight.data[0, 0, 1, 1] = 1.0
    last.weight.data[0, :2] = 1.0  # the two upper quarters of the first channel
    from faceleak.membership.models.base import Scaling
    from faceleak.membership.models.training import flat

    model = cnn.CnnAttackModel(tuple(columns), Scaling((0.0,) * 96, (1.0,) * 96), 6, flat(network), 0.0)
    table = table_of(0, people=10)
    maps = np.maximum(table[columns].to_numpy().reshape(-1, 6, 4, 4)[:, 1, :2], 0)
    expected = maps[:, :, :2].max((1, 2)) + maps[:, :, 2:].max((1, 2))
    np.testing.assert_allclose(model.score(table), expected, rtol=1e-5)
