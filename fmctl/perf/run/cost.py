"""Money: price x time."""

from __future__ import annotations


def usd_per_h(price_usd_per_h: float | None, nodes: int) -> float | None:
    """Cluster price per hour, USD; None where the price is unknown."""
    return None if price_usd_per_h is None else price_usd_per_h * nodes


def usd_per_billion_tokens(cluster_usd_per_h: float | None, tokens_per_s: float) -> float | None:
    """USD per 10^9 tokens: price per hour / 3600 / tokens per second x 10^9; None where the price is unknown."""
    return None if cluster_usd_per_h is None else cluster_usd_per_h / 3600.0 / tokens_per_s * 1e9


def run_usd(cluster_usd_per_h: float | None, run_s: float | None) -> float | None:
    """USD of a whole run; None where the price or the length is unknown."""
    return None if cluster_usd_per_h is None or run_s is None else cluster_usd_per_h * run_s / 3600.0
