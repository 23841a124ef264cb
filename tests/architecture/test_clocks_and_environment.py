"""Who may read the machine: its clock, its environment, its dice."""

from __future__ import annotations

import pytest

from tests.support.source_tree import Module, modules, uses

CODE = modules("kracken_tasks", "flows", "deployments")

WALL = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "pandas.Timestamp.now", "pandas.Timestamp.utcnow", "pandas.Timestamp.today",
    "asyncio.sleep", "threading.Timer", "time.sleep", "time.localtime", "time.ctime",
    *(f"time.{clock}{unit}" for clock in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")),
}  # fmt: skip
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv", "os.path.expandvars"}

# Who waits in wall time without domain/clock.py, and why it may.
WAITS = {
    "kracken_tasks/alerts/telegram.py": "the default of the pause it is handed; tests hand it another",
    "kracken_tasks/sandbox/dialects/binance/sockets.py": "the beat at which the local exchange's sockets look at the clock",
    "kracken_tasks/sandbox/dialects/rest.py": "a delay that a test or a user asked the exchange for",
    "kracken_tasks/sandbox/dialects/kraken/app.py": "a delay that a test or a user asked the exchange for",
    "kracken_tasks/sandbox/dialects/kraken/streams/app.py": "a delay that a test or a user asked the exchange for",
    "kracken_tasks/sandbox/dialects/kraken/streams/session.py": "a delay that a test or a user asked the exchange for",
    "kracken_tasks/sandbox/server.py": "the beat of the local exchange's matching engine",
}

# Who starts a wall clock; everybody else is handed a clock or a moment.
STARTS_A_CLOCK = {
    "kracken_tasks/cli/": "a person at a keyboard is on wall time",
    "kracken_tasks/local_stack/": "processes live on wall time",
    "kracken_tasks/execution/advanced/orders.py": "the lease of whoever asks for an order by hand",
    "kracken_tasks/sandbox/clock.py": "the local exchange may follow the wall",
    "kracken_tasks/wiring/live.py": "how far the venue's clock is off",
    "kracken_tasks/wiring/paper.py": "leases of the toolkit's paper account",
    "kracken_tasks/wiring/trading.py": "leases and deadlines of a tick",
    "kracken_tasks/lake/tasks.py": "staged rows age by the storage's own stamps",
    "kracken_tasks/journal/tasks.py": "when the run wrote its files, told in the run's side file only",
}


def _reads(module: Module, names: set[str]) -> list[str]:
    return [f"{use.where} {use.name}" for use in uses(module) if _is_one(use.name, names)]


def _is_one(name: str, names: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in names)


def test_only_the_clock_module_reads_wall_time() -> None:
    allowed = {"kracken_tasks/domain/clock.py", *WAITS}
    assert [read for module in CODE if module.name not in allowed for read in _reads(module, WALL)] == []


@pytest.mark.parametrize("name", WAITS)
def test_who_may_wait_only_waits(name: str) -> None:
    (module,) = [module for module in CODE if module.name == name]
    reads = _reads(module, WALL)
    assert reads, f"{name} no longer waits: take it off the list"
    assert [read for read in reads if not read.endswith(" asyncio.sleep")] == []


def test_only_edges_start_a_wall_clock() -> None:
    clock = {"kracken_tasks.domain.clock.WallClock"}
    found = {module.name for module in CODE if _reads(module, clock)} - {"kracken_tasks/domain/clock.py"}
    assert {name for name in found if not name.startswith(tuple(STARTS_A_CLOCK))} == set()
    assert [edge for edge in STARTS_A_CLOCK if not any(name.startswith(edge) for name in found)] == []


def test_only_settings_read_the_environment() -> None:
    readers = {module.name for module in CODE if _reads(module, ENVIRONMENT)}
    assert readers == {"kracken_tasks/settings/sources.py"}


def test_no_module_touches_a_global_random_generator() -> None:
    seeded = {
        "random.Random",
        "numpy.random.Generator",
        "numpy.random.default_rng",
        "numpy.random.SeedSequence",
        "numpy.random.SFC64",
    }
    dice = [
        f"{use.where} {use.name}"
        for module in CODE
        for use in uses(module)
        if _is_one(use.name, {"random", "numpy.random"}) and use.name not in {"random", "numpy.random"}
        and not any(use.name == one or use.name.startswith(f"{one}.") for one in seeded)
    ]  # fmt: skip
    assert dice == []


def test_nothing_is_set_up_for_the_whole_process_on_import() -> None:
    process_wide = {
        "logging.basicConfig",
        "torch.manual_seed",
        "torch.set_num_threads",
        "pandas.set_option",
        "locale.setlocale",
    }
    found = [
        f"{use.where} {use.name}" for module in CODE for use in uses(module, on_import=True) if use.name in process_wide
    ]
    assert found == []
