"""How long it takes to fit and calibrate attacks on a million scores."""

import time

import numpy as np
import pandas as pd

from faceleak.membership.attacks import fit_attack
from faceleak.membership.inputs import AttackInput
from faceleak.membership.options import AttackOptions

IMAGES, PEOPLE, REFERENCES = 1_000_000, 50_000, 4
LIMIT = 60.0  # seconds
CALIBRATIONS = (None, "lira", "rmia", "bavaria")


def run() -> bool:
    """Print a row a calibration; False above the limit."""
    inputs = _inputs()
    kept = True
    for calibration in CALIBRATIONS:
        options = AttackOptions(signals=["embedding_norm"], calibration=calibration)
        started = time.perf_counter()
        fit_attack([inputs], options)
        seconds = time.perf_counter() - started
        kept &= seconds <= LIMIT
        print(f"fitting on 1 M scores, calibration {calibration or 'none':8} {seconds:5.1f} s  (at most {LIMIT:.0f})")
    return kept


def _inputs() -> AttackInput:
    random = np.random.default_rng(0)
    identity = np.arange(IMAGES) % PEOPLE
    is_member = identity % 2 == 0
    hardness = random.normal(size=IMAGES)
    images = pd.DataFrame({"identity": identity, "is_member": is_member})
    own, *references = (
        pd.DataFrame({"embedding_norm.norm": hardness + random.normal(size=IMAGES) + shift})
        for shift in (is_member, *[0.0] * REFERENCES)
    )
    return AttackInput(images, own, references, np.ones((IMAGES, REFERENCES), bool))


if __name__ == "__main__":
    run()
