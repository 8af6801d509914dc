"""The name of a generator's latent space, to which directions and transformers are bound."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor


def generator_id(state: Mapping[str, Tensor]) -> str:
    """Return the name of a generator's latent space: 16 hexadecimal digits of a SHA-256.

    It covers the weights (rosinality keys, as float32), not the noise, the fixed blur kernels or
    the mean code; so one generator has one id, whichever file it came in.
    """
    digest = hashlib.sha256()
    for key in sorted(state):
        if not key.startswith("noises.") and not key.endswith(".kernel") and key != "latent_avg":
            digest.update(f"{key}{tuple(state[key].shape)}".encode())
            digest.update(state[key].detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()[:16]
