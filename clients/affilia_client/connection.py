"""Channels: opened when they are first needed, with what this client needs of gRPC."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import grpc

from affilia_client.credentials import TLS
from affilia_client.retries import SERVICE_CONFIG

ChannelType = TypeVar("ChannelType", bound=grpc.Channel | grpc.aio.Channel)
Options = Sequence[tuple[str, Any]]

OPTIONS: Options = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.max_receive_message_length", -1),  # a page of large groups is larger than gRPC's 4 MiB
    ("grpc.max_metadata_size", 16 * 1024),  # errors travel there
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


def open_channel(address: str, tls: TLS | None, options: Options) -> grpc.Channel:
    """A channel for threads."""
    if tls:
        return grpc.secure_channel(address, tls.channel_credentials(), (*OPTIONS, *options))
    return grpc.insecure_channel(address, (*OPTIONS, *options))


def open_async_channel(address: str, tls: TLS | None, options: Options) -> grpc.aio.Channel:
    """A channel for the tasks of the running loop."""
    if tls:
        return grpc.aio.secure_channel(address, tls.channel_credentials(), (*OPTIONS, *options))
    return grpc.aio.insecure_channel(address, (*OPTIONS, *options))


class Connection(Generic[ChannelType]):
    """One channel, opened by the first who asks for it."""

    def __init__(self, opened: Callable[[], ChannelType]) -> None:
        self._opened = opened
        self._channel: ChannelType | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def channel(self) -> ChannelType:
        """The channel. RuntimeError after the end."""
        with self._lock:
            self.check()
            if self._channel is None:
                self._channel = self._opened()
            return self._channel

    def check(self) -> None:
        """RuntimeError after the end."""
        if self._closed:
            raise RuntimeError("the client is closed")

    def end(self) -> ChannelType | None:
        """Gives the channel out to be closed, if there is one, and no other after it."""
        with self._lock:
            self._closed = True
            ended, self._channel = self._channel, None
            return ended
