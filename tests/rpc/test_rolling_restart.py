"""Two servers on one database are restarted one after the other, and no call of a retrying client fails."""

import operator
import socket
import threading
from datetime import date
from pathlib import Path

from affilia.enrollment.v1 import change_request_pb2
from affilia_client import Client
from tests.conftest import ServerProcess
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.waiting import wait_until

CLIENTS = 4
ROUNDS_BETWEEN = 10


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


def test_a_retrying_client_sees_no_failure_during_a_rolling_restart(own_database_url: str, tmp_path: Path) -> None:
    ports = free_ports(2)

    def begin(place: int) -> ServerProcess:
        flags = ("--database-url", own_database_url, "--listen", f"127.0.0.1:{ports[place]}")
        return ServerProcess(tmp_path / f"{place}", *flags)

    servers = [begin(0), begin(1)]
    with connected_to(servers[0].address) as channel:
        families = [Family(channel).set_up() for _ in range(CLIENTS)]
        for family in families:
            family.submit(family.enroll(family.base, "2026-01-01"))
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    stopping, faults, done = threading.Event(), [], [0] * CLIENTS

    def work(place: int) -> None:
        family = families[place]
        with Client(target, options=[("grpc.lb_policy_name", "round_robin")]) as client:
            while not stopping.is_set():
                change = family.enroll((family.plus, family.base)[done[place] % 2], "2026-06-01")
                try:
                    made = client.changes.submit_change_request(
                        group=family.key, changes=[change], requester=family.request(change).requester
                    )
                    assert made.change_request.verdict == change_request_pb2.VERDICT_APPROVED
                    client.enrollment.get_enrollment_group(key=family.key)
                    client.eligibility.list_capabilities(member_id=family.primary, date=date(2026, 7, 1))
                except Exception as error:
                    faults.append(error)
                    return
                done[place] += 1

    threads = [threading.Thread(target=work, args=[place]) for place in range(CLIENTS)]
    for thread in threads:
        thread.start()

    def wait_for_traffic() -> None:
        wanted = [count + ROUNDS_BETWEEN for count in done]
        wait_until(lambda: faults or all(map(operator.ge, done, wanted)), "every client has made further calls")

    for place in range(2):
        wait_for_traffic()
        assert servers[place].stop() == 0
        wait_for_traffic()
        servers[place] = begin(place)
    wait_for_traffic()
    stopping.set()
    for thread in threads:
        thread.join()
    assert faults == []
    with connected_to(servers[0].address) as channel:
        for family, count in zip(families, done, strict=True):
            assert Family(channel, **family.ids()).group().revision >= 1 + (count > 0)
    for server in servers:
        server.stop()
