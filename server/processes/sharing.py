"""Divides the limits of a server among its processes."""

from server.settings import Settings, premium_process_count


def settings_of_process(settings: Settings, number: int) -> Settings:
    """Returns the settings of one process of several. Numbers begin with 1."""
    return settings.model_copy(
        update={
            "metrics_listen": _metrics_address(settings.metrics_listen, number),
            "pool_size": settings.pool_size // settings.processes,
            "compute_workers": _share(settings.compute_worker_count, settings.processes),
            "premium_engine": _premium_engine(settings),
        }
    )


def _share(count: int, processes: int) -> int:
    return max(1, count // processes)


def _metrics_address(address: str, number: int) -> str:
    """Returns the address of a process's metrics: the port of the parent plus the number, or any port if that is 0."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + number}" if address and int(port) else address


def _premium_engine(settings: Settings) -> str:
    if settings.premium_engine.startswith("dask://"):
        return settings.premium_engine
    return f"processes:{_share(premium_process_count(settings.premium_engine), settings.processes)}"
