"""Channels with the gRPC options that this client needs, opened at the first call."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import grpc

from affilia_client.async_interceptors import for_channel
from affilia_client.credentials import TLS
from affilia_client.retries import SERVICE_CONFIG

ChannelType = TypeVar("ChannelType", bound=grpc.Channel | grpc.aio.Channel)
Options = Sequence[tuple[str, Any]]

OPTIONS: Options = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.max_receive_message_length", -1),  # a page of large groups can exceed gRPC's default of 4 MiB
    ("grpc.max_metadata_size", 16 * 1024),  # error details are sent as metadata
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    # Shorter than the retries of a call, so that these find a server that is back while the last other one stops.
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


Interceptor = grpc.UnaryUnaryClientInterceptor | grpc.UnaryStreamClientInterceptor


def open_channel(
    address: str, tls: TLS | None, options: Options, interceptors: Sequence[Interceptor] = ()
) -> grpc.Channel:
    """Opens a channel for threads."""
    options = (*OPTIONS, *options)
    if tls:
        channel = grpc.secure_channel(address, tls.channel_credentials(), options)
    else:
        channel = grpc.insecure_channel(address, options)
    return grpc.intercept_channel(channel, *interceptors)


def open_async_channel(
    address: str, tls: TLS | None, options: Options, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
) -> grpc.aio.Channel:
    """Opens a channel for the tasks of the running event loop."""
    options, chain = (*OPTIONS, *options), for_channel(interceptors)
    if tls:
        return grpc.aio.secure_channel(address, tls.channel_credentials(), options, interceptors=chain)
    return grpc.aio.insecure_channel(address, options, interceptors=chain)


class Connection(Generic[ChannelType]):
    """One channel, opened on first use."""

    def __init__(self, open_channel: Callable[[], ChannelType]) -> None:
        self._open_channel = open_channel
        self._channel: ChannelType | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def channel(self) -> ChannelType:
        """The channel. Raises RuntimeError after `end`."""
        with self._lock:
            self.check()
            if self._channel is None:
                self._channel = self._open_channel()
            return self._channel

    def check(self) -> None:
        """Raises RuntimeError after `end`."""
        if self._closed:
            raise RuntimeError("the client is closed")

    def end(self) -> ChannelType | None:
        """Returns the channel, if it was opened, for the caller to close. No channel is opened afterwards."""
        with self._lock:
            self._closed = True
            ended, self._channel = self._channel, None
            return ended
