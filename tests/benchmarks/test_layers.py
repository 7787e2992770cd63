"""Sampled stacks, and the layers to which they belong."""

from benchmarks.layers import by_layer

RUNNER = ("/usr/lib/python3.11/asyncio/runners.py", "run")
INTERCEPTOR = ("/src/server/interceptors/wrapping.py", "intercept_service")
SERVICER = ("/src/server/servicers/change_request.py", "SubmitChangeRequest")
OPERATION = ("/src/operations/change_requests.py", "submit")
DOMAIN = ("/src/domain/enrollment/judging.py", "judge")
STORAGE = ("/src/storage/enrollment.py", "lock_group")
PSYCOPG = ("/venv/site-packages/psycopg/cursor_async.py", "execute")
LIBRARY = ("/usr/lib/python3.11/uuid.py", "__init__")
WORKER = ("/src/server/workers/feed_reader.py", "read")
OUTER = (SERVICER, INTERCEPTOR, RUNNER)


def test_a_stack_belongs_to_its_innermost_layer() -> None:
    layers = by_layer([((DOMAIN, OPERATION, *OUTER), 3), ((PSYCOPG, STORAGE, OPERATION, *OUTER), 2), (OUTER, 1)])
    assert [(layer.name, layer.samples) for layer in layers] == [("domain", 3), ("psycopg", 2), ("servicers", 1)]
    assert layers[0].functions == {"judging.py:judge": 3}


def test_the_standard_library_belongs_to_its_caller() -> None:
    (layer,) = by_layer([((LIBRARY, STORAGE, OPERATION, *OUTER), 1), ((LIBRARY, LIBRARY, STORAGE, *OUTER), 4)])
    assert (layer.name, layer.samples, layer.functions) == ("storage", 5, {"enrollment.py:lock_group": 5})


def test_workers_are_separate_from_calls() -> None:
    layers = by_layer([((DOMAIN, WORKER, RUNNER), 1), ((PSYCOPG, STORAGE, WORKER, RUNNER), 1)])
    assert [(layer.name, layer.samples) for layer in layers] == [("background workers", 2)]


def test_time_without_frames_of_a_layer_is_that_of_grpc_and_the_event_loop() -> None:
    cli = ("/src/clients/affilia_cli/app.py", "main")
    serving = ("/src/server/serving.py", "serve")
    (layer,) = by_layer([((RUNNER, serving, cli), 7), ((LIBRARY, RUNNER, serving, cli), 1)])
    assert (layer.name, layer.samples) == ("grpc, event loop", 8)
