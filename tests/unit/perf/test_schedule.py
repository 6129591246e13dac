"""Bubbles, micro batches in flight and pipeline sends of the three schedules."""

from __future__ import annotations

import numpy as np
import pytest

from fmctl.domain.layout import Schedule
from fmctl.perf.train.schedule import bubble_s, in_flight, sends_s

F, B, W = 1.0, 2.0, 1.0  # forward, whole backward, its weight-gradient half


def one(schedule: Schedule) -> np.ndarray:
    return np.array([int(schedule)])


@pytest.mark.parametrize(("p", "v"), [(2, 1), (8, 1), (8, 2), (16, 6)])
def test_bubbles(p: int, v: int) -> None:
    others, wgrad = np.array([(p - 1) * (F + B)]), np.array([(p - 1) * W])
    pp, vpp = np.array([float(p)]), np.array([float(v)])
    # arXiv 2104.04473 section 2.2: (p - 1)(t_f + t_b), and that over v with interleaving.
    assert bubble_s(one(Schedule.ONE_F_ONE_B), others, wgrad, pp, np.ones(1))[0] == (p - 1) * (F + B)
    assert bubble_s(one(Schedule.INTERLEAVED), others, wgrad, pp, vpp)[0] == (p - 1) * (F + B) / v
    # arXiv 2401.10241 table 2, with T_B the input-gradient half: 1F1B (p - 1)(T_F + T_B + T_W), ZB-H1
    # (p - 1)(T_F + T_B - T_W) = (p - 1)(1 + 1 - 1), a third of 1F1B.
    assert bubble_s(one(Schedule.ZERO_BUBBLE), others, wgrad, pp, np.ones(1))[0] == (p - 1) * (F + (B - W) - W)
    assert bubble_s(one(Schedule.ONE_F_ONE_B), 0 * others, wgrad, np.ones(1), np.ones(1))[0] == 0.0


def test_bubble_fraction_of_gpt3_on_megatron() -> None:
    # arXiv 2104.04473 section 2.2: (p - 1) / m of the ideal time. p = 8, m = 64: 10.9 %; v = 4: 2.7 %.
    others = np.array([7 * 3.0])
    ideal = 64 * 3.0
    pp = np.array([8.0])
    plain = bubble_s(one(Schedule.ONE_F_ONE_B), others, others, pp, np.ones(1))[0] / ideal
    interleaved = bubble_s(one(Schedule.INTERLEAVED), others, others, pp, np.array([4.0]))[0] / ideal
    assert (plain, interleaved) == (pytest.approx(7 / 64), pytest.approx(7 / 256))


def test_in_flight() -> None:
    p, g = np.array([8.0]), np.array([64.0])
    v1 = np.ones(1)
    for stage in range(8):
        # 1F1B: stage i holds p - i micro batches (arXiv 2104.04473 figure 4); ZB-H1 no more (arXiv 2401.10241).
        at = np.array([float(stage)])
        assert in_flight(one(Schedule.ONE_F_ONE_B), at, p, v1, g)[0] == 8 - stage
        assert in_flight(one(Schedule.ZERO_BUBBLE), at, p, v1, g)[0] == 8 - stage
    # Interleaved, first stage: p (1 + (p - 1) / (p v)) (arXiv 2205.05198 section 4.2.3).
    for v in (2, 4, 12):
        held = in_flight(one(Schedule.INTERLEAVED), np.zeros(1), p, np.array([float(v)]), g)[0]
        assert held == pytest.approx(8 * (1 + 7 / (8 * v)))
    # Never more than there are.
    assert in_flight(one(Schedule.ONE_F_ONE_B), np.zeros(1), p, v1, np.array([3.0]))[0] == 3.0


def test_sends() -> None:
    # Per micro batch one activation forward and one gradient backward for each of v chunks.
    steady, fill = sends_s(np.array([2.0]), np.array([10.0]), np.array([4.0]), np.array([3.0]))
    assert (steady[0], fill[0]) == (2 * 3 * 10 * 2.0, 2 * 3 * 2.0)
    assert sends_s(np.array([2.0]), np.array([10.0]), np.ones(1), np.ones(1)) == (0.0, 0.0)
