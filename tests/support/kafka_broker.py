"""A real Kafka broker for tests, from Maven artifacts and the installed Java. KAFKA_BOOTSTRAP can name another one."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until

KAFKA = "3.9.1"
JARS = Path(__file__).parent.parent.parent / ".build" / "kafka" / KAFKA

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>affilia</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
  </dependencies>
</project>
"""

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
log.dirs={folder}/log
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def kafka_possible() -> str | None:
    """Returns None, or a sentence that says why no broker can run here."""
    if os.environ.get("KAFKA_BOOTSTRAP"):
        return None
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"A real broker needs {' and '.join(missing)}, or KAFKA_BOOTSTRAP." if missing else None


@contextmanager
def a_broker(folder: Path) -> Iterator[str]:
    """Yields the address of a running broker with its data in `folder`."""
    if bootstrap := os.environ.get("KAFKA_BOOTSTRAP"):
        yield bootstrap
        return
    _bring_jars()
    broker, controller = _free_port(), _free_port()
    properties = folder / "server.properties"
    properties.write_text(PROPERTIES.format(folder=folder, broker=broker, controller=controller))
    _java(folder, "kafka.tools.StorageTool", "format", "-t", "q1Sh-9_ISia_zwGINzRvyQ", "-c", str(properties)).wait()
    running = _java(folder, "kafka.Kafka", str(properties))
    try:
        _wait_for(running, broker, folder)
        yield f"127.0.0.1:{broker}"
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()


def _bring_jars() -> None:
    if any(JARS.glob("kafka_*.jar")):
        return
    JARS.mkdir(parents=True, exist_ok=True)
    (JARS / "pom.xml").write_text(POM)
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={JARS}", "-DincludeScope=runtime"],
        cwd=JARS,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _java(folder: Path, main: str, *arguments: str) -> "subprocess.Popen[bytes]":
    with (folder / "broker.log").open("ab") as log:
        return subprocess.Popen(
            ["java", "-Xmx256m", "-cp", f"{JARS}/*", main, *arguments], stdout=log, stderr=log, cwd=folder
        )


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def _wait_for(running: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    """Waits until the broker answers with its metadata."""
    from confluent_kafka.admin import AdminClient

    def answers() -> bool:
        assert running.poll() is None, f"the broker did not start:\n{(folder / 'broker.log').read_text()[-2000:]}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        return bool(admin.list_topics(timeout=60).brokers)

    wait_until(answers, "the broker answers")
