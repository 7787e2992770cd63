"""Attributes sampled stacks to the layers of the server."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Frame = Sequence[str]
"""File and function."""

LAYERS = (
    ("/server/interceptors/", "interceptors"),
    ("/server/identity/", "interceptors"),
    ("/server/mapping/", "mapping"),
    ("/server/servicers/", "servicers"),
    ("/operations/", "operations"),
    ("/domain/", "domain"),
    ("/storage/", "storage"),
    ("/psycopg/", "psycopg"),
    ("/psycopg_pool/", "psycopg"),
    ("/psycopg_binary/", "psycopg"),
    ("/server/", "server, other"),
    ("/grpc/", "grpc, event loop"),
)
"""Parts of paths, the first of which that matches decides."""

WORKERS, EVENT_LOOP = "background workers", "grpc, event loop"
WORKER_PATH = "/server/workers/"


@dataclass(slots=True)
class Layer:
    """The samples of a layer, also by function, as `file.py:function`."""

    name: str
    samples: int = 0
    functions: Counter[str] = field(default_factory=Counter)


def by_layer(stacks: Iterable[tuple[Sequence[Frame], int]]) -> list[Layer]:
    """Returns the layers of stacks with their samples, the largest first.

    A stack belongs to the layer of its innermost frame of any layer; what the standard library and others do is
    therefore their caller's. Stacks of workers are separate, because calls don't wait for them.
    """
    layers: dict[str, Layer] = {}
    for frames, samples in stacks:
        name, function = _layer_of(frames)
        layer = layers.setdefault(name, Layer(name))
        layer.samples += samples
        layer.functions[function] += samples
    return sorted(layers.values(), key=lambda layer: layer.samples, reverse=True)


def _layer_of(frames: Sequence[Frame]) -> tuple[str, str]:
    for file, function in frames:
        for part, layer in LAYERS:
            if part in file:
                is_worker = any(WORKER_PATH in file for file, _ in frames)
                return WORKERS if is_worker else layer, f"{file.rpartition('/')[2]}:{function}"
        if "/asyncio/runners.py" in file:
            break
    return EVENT_LOOP, "in C"
