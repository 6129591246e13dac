"""Pipeline schedules: micro batches in flight, fill and drain, and what pipeline sends are exposed."""

from __future__ import annotations

import numpy as np

from fmctl.domain.layout import IntArray, Schedule
from fmctl.domain.result import FloatArray


def in_flight(
    schedule: IntArray, position: FloatArray, pp: FloatArray, vpp: FloatArray, micro_batches: FloatArray
) -> FloatArray:
    """Micro batches whose activations a stage holds at its peak, in units of the whole stage (chunks / vpp).

    1F1B and ZB-H1: min(g, p - i) at stage i. Interleaved: (2 (p - i - 1) + (v - 1) p + 1) / v chunks, at most g.
    Source: arXiv 2104.04473 section 2.2; arXiv 2401.10241 section 2 (ZB-H1 keeps the memory of 1F1B).
    """
    plain = pp - position
    chunks = (2.0 * (plain - 1.0) + (vpp - 1.0) * pp + 1.0) / vpp
    held = np.where(schedule == Schedule.INTERLEAVED, chunks, plain)
    result: FloatArray = np.minimum(held, micro_batches)
    return result


def bubble_s(
    schedule: IntArray, others_s: FloatArray, others_wgrad_s: FloatArray, pp: FloatArray, vpp: FloatArray
) -> FloatArray:
    """Fill and drain of the pipeline, s: the time of one micro batch on all other stages, shortened by the schedule.

    1F1B: sum of the other stages' forward and backward (equal stages: (p - 1)(f + b)); interleaved: that / v;
    zero-bubble ZB-H1: (p - 1)(f + b - 2 w). Source: arXiv 2104.04473 section 2.2; arXiv 2401.10241 table 2.
    """
    filled = np.where(schedule == Schedule.ZERO_BUBBLE, others_s - 2.0 * others_wgrad_s, others_s / vpp)
    result: FloatArray = np.where(pp > 1, np.maximum(filled, 0.0), 0.0)
    return result


def sends_s(
    one_send_s: FloatArray, micro_batches: FloatArray, pp: FloatArray, vpp: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(sends in the steady state, sends that fill and drain), s: 2 v per micro batch; 2 (p - 1) before and after.

    Interleaving multiplies the sends by v (arXiv 2104.04473 section 2.2).
    """
    crossing = np.where(pp > 1, one_send_s, 0.0)
    return 2.0 * vpp * micro_batches * crossing, 2.0 * (pp - 1.0) * crossing
