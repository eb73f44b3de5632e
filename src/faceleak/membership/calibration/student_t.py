"""Student's t beyond what floating point numbers hold: the logarithm of its upper tail."""

import numpy as np
from scipy import special, stats

from faceleak.membership.calibration.reference_scores import FloatArray

FAR = 10.0
_NODES, _WEIGHTS = special.roots_laguerre(32)


def log_survival(z: FloatArray, degrees: FloatArray) -> FloatArray:
    """log P(T ≥ z) ≤ 0 for a standard t with `degrees` > 0 of freedom; z and degrees: (n,).

    Finite and strictly falling where the probability itself underflows: there the tail's integral ∫ f(z·eʸ)·z·eʸ dy
    is evaluated relative to f(z) by Gauss-Laguerre quadrature, to about 1e-13 relative.
    """
    z, degrees = np.broadcast_arrays(np.asarray(z, np.float64), np.asarray(degrees, np.float64))
    far = z > FAR
    result: FloatArray = np.log(special.stdtr(degrees, -np.where(far, FAR, z)))
    if far.any():
        result[far] = _far_tail(z[far], degrees[far])
    return result


def log_density(z: FloatArray, degrees: FloatArray) -> FloatArray:
    """log f(z) of a standard t, finite also where z² overflows."""
    near = np.asarray(stats.t.logpdf(np.clip(z, -1e100, 1e100), degrees), np.float64)
    beyond: FloatArray = (degrees + 1) * np.log(np.maximum(np.abs(z) / 1e100, 1.0))
    return near - beyond


def _far_tail(z: FloatArray, degrees: FloatArray) -> FloatArray:
    share = 1 / (1 + (np.sqrt(degrees) / z) ** 2)  # z² / (z² + degrees)
    rate = degrees * share  # about the integrand's decay in y
    y = _NODES / rate[:, None]
    log_ratio = -(degrees[:, None] + 1) / 2 * np.log1p(share[:, None] * np.expm1(2 * y)) + y + _NODES
    integral: FloatArray = np.exp(log_ratio) @ _WEIGHTS
    return log_density(z, degrees) + np.log(z / rate * integral)
