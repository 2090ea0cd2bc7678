"""One ledger for the whole run.

Ledger tables refuse DELETE and TRUNCATE, so nothing is cleaned between tests: as in production there is one growing ledger, each test
makes merchants of its own, and at the end of the run the invariants must hold over everything that all tests have done.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections

from ledger_project.database.connections import close_own_connections, use_own_connection
from ledger_project.database.embedded import EmbeddedPostgres
from ledger_project.process import lifecycle
from tests.environment import IS_LONG, LANE
from tests.support.foreign_databases import turkish_locale
from tests.support.invariants import check_invariants
from tests.support.lengths import length, long_only
from tests.support.log_secrets import check_logs, forget_logs
from tests.support.migrated import set_up_databases, tear_down_databases
from tests.support.servers import Service
from tests.support.service_role import confined

# The hash of a password takes 0.3 s of CPU time on purpose; no test is about that.
PBKDF2PasswordHasher.iterations = 1


# How long an example takes says how busy the machine is, and nothing about the rule.
hypothesis.settings.register_profile(
    "ledger", deadline=None, max_examples=length(short=40, long=400), suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ledger")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only ``make test-long`` runs."""
    left_out = [] if IS_LONG else [item for item in items if item.get_closest_marker(long_only.name)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def ledger(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Let all tests use the one database, and check the invariants over all of it at the end."""
    del django_test_environment
    embedded = EmbeddedPostgres(settings.LEDGER_DATA_DIR) if settings.LEDGER_EMBEDDED else None
    forget_logs()
    lifecycle.settle_heap()  # Django and 2,000 collected tests: the collector would walk them again and again
    with contextlib.ExitStack() as server, django_db_blocker.unblock():
        if embedded is not None:
            with turkish_locale(embedded.home / "locales"):
                server.enter_context(embedded.running())
        if LANE:
            settings_of_test = connections["default"].settings_dict
            settings_of_test["TEST"]["NAME"] = f"test_{settings_of_test['NAME']}_{LANE}"
        old = set_up_databases()
        with confined():
            yield
        connections.close_all()  # a fault test may have killed this thread's connection
        check_invariants()
        connections.close_all()
        close_own_connections()
        tear_down_databases(old)
        check_logs()


@pytest.fixture(scope="session")
async def api(ledger: None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the real application, in this process."""
    del ledger
    from ledger_project.asgi import application

    await lifecycle.startup()
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
    await lifecycle.shutdown()


@pytest.fixture
def serve(ledger: None) -> Iterator[Callable[..., Service]]:
    """Start real servers on the test database: ``serve(workers=2)``; all are stopped at the end of the test."""
    del ledger
    services: list[Service] = []

    def start(**options: object) -> Service:
        service = Service(**options)
        services.append(service)
        service.start()
        return service

    yield start
    for service in services:
        service.stop()


@pytest.fixture(scope="session")
def service(ledger: None) -> Iterator[Service]:
    """A real server with two workers, for all tests that leave it as it was."""
    del ledger
    with Service(workers=2) as running:
        yield running


@pytest.fixture
def posting_thread(ledger: None) -> Iterator[ThreadPoolExecutor]:
    """A thread with a connection of its own, like the engine's."""
    del ledger
    with ThreadPoolExecutor(1, initializer=use_own_connection) as executor:
        yield executor
        executor.submit(connections.close_all).result()
