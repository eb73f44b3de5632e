"""The blind baseline's table: what can be told of the images without a look at the target."""

import pandas as pd

from faceleak.membership.evidence import aligned
from faceleak.membership.options import BlindOptions
from faceleak.membership.other_images import PREFIX, columns_again
from faceleak.signals.columns import columns_of


def beside_images(of_images: pd.DataFrame, calibration_signals: pd.DataFrame, options: BlindOptions) -> pd.DataFrame:
    """Put the first references' signals beside those of the images: image_id, columns, `<reference>.<column>`.

    of_images: image_id and columns; calibration_signals: reference, image_id and columns, from `other_images` too
    where they have such. Raises MissingSignalsError.
    """
    parts = [of_images.reset_index(drop=True)]
    for name in calibration_signals["reference"].unique()[: options.references]:
        rows = aligned(of_images, calibration_signals[calibration_signals["reference"] == name])
        columns = [column for signal in options.reference_signals for column in columns_of(signal, rows)]
        parts.append(rows[columns].add_prefix(f"{name}."))
        second = [column for signal in options.reference_signals for column in columns_again(signal, rows)]
        renamed = {column: f"{PREFIX}{name}.{column.removeprefix(PREFIX)}" for column in second}
        parts.append(rows[second].rename(columns=renamed))
    return pd.concat(parts, axis=1)
