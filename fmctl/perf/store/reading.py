"""Training data: bytes per second that training asks for, and which limit of storage or network binds first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import S3Bucket
from fmctl.perf.store.storage import S3_CLIENT_BYTES_PER_S, S3_GET_PER_S, ClientLimits

SHORT_IDS = 65536.0  # vocabularies up to this are stored as 2-byte ids, others as 4 (Megatron-Core indexed datasets)


@dataclass(slots=True, eq=False, repr=False)
class ReadingBound:
    """What is asked and what can be had, bytes/s [n]."""

    demand_bytes_per_s: FloatArray
    limit_bytes_per_s: FloatArray
    binding: npt.NDArray[np.intp]  # index into `names` of the smallest limit [n]
    names: tuple[str, ...]

    @property
    def share(self) -> FloatArray:
        """Demand over the smallest limit; above 1 training waits for data."""
        return self.demand_bytes_per_s / self.limit_bytes_per_s

    def name(self, row: int) -> str:
        """The limit that binds first in one row."""
        return self.names[int(self.binding[row])]


def token_id_bytes(vocab: FloatArray) -> FloatArray:
    """Bytes of one stored token id: 2 up to a vocabulary of 65,536, else 4. vocab [n]."""
    result: FloatArray = np.where(vocab <= SHORT_IDS, 2.0, 4.0)
    return result


def text_bytes_per_s(tokens_per_s: FloatArray, bytes_per_token: FloatArray) -> FloatArray:
    """Text, bytes/s: tokens/s x bytes per id. Valid: tokenised ahead of training, every token read once per epoch."""
    return tokens_per_s * bytes_per_token


def s3_limits(c: ClientLimits, clients: FloatArray, bucket: S3Bucket) -> dict[str, FloatArray]:
    """Limits of reading from S3, bytes/s: requests per prefix x part, the client library, the clients' network."""
    return {
        "S3 requests": np.asarray(bucket.prefixes * S3_GET_PER_S * bucket.part_bytes),
        "S3 client": clients * S3_CLIENT_BYTES_PER_S,
        "client network": clients * c.ena_bytes_per_s,
    }


def reading_bound(demand_bytes_per_s: FloatArray, limits: Mapping[str, FloatArray]) -> ReadingBound:
    """The smallest limit and its name per row: argmin over limits. An unpublished limit (NaN) does not bind."""
    columns = np.broadcast_arrays(demand_bytes_per_s, *limits.values())
    stacked = np.stack([np.where(np.isnan(limit), np.inf, limit) for limit in columns[1:]])
    return ReadingBound(columns[0], np.min(stacked, axis=0), np.argmin(stacked, axis=0), tuple(limits))
