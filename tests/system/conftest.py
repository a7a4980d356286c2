"""Fixtures of the system tests: a server per test (or module), bounded waits, and reasons to skip.

Options: --build FOLDER (the Meson build folder, default build), --server wherry|proftpd (which server the tests
talk to; proftpd shows whether a test itself is right; tests of our own deliberate differences skip there).
"""
import os
import shutil
import signal

import pytest

import servers
from ftpclient import Ftp

DEFAULT_TIMEOUT_S = 2 * servers.PATIENCE_S


def pytest_addoption(parser):
    parser.addoption("--build", default="build", help="Meson build folder")
    parser.addoption("--server", default="wherry", choices=sorted(servers.KINDS), help="server to test")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: long or large; left out of the sanitizer run")
    config.addinivalue_line("markers", "alone: measures time from above; scripts/run-tests runs it with nothing beside it")
    config.addinivalue_line("markers", "timeout(seconds): this test may take longer than two minutes")
    config.addinivalue_line("markers", "root: needs root (several uids, mounts)")
    config.addinivalue_line("markers", "needs(program, ...): needs these programs in PATH")
    config.addinivalue_line("markers", "ours: checks something that only Wherry has or does differently on purpose")


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and not servers.AM_ROOT:
        pytest.skip("needs root: several uids, mounts, or a look into other processes")
    if item.get_closest_marker("ours") and item.config.getoption("--server") != "wherry":
        pytest.skip("a behaviour of ours, the reference server differs")
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if shutil.which(program) is None:
                pytest.skip(f"needs the program {program}")


def bounded(item):
    """Ends this phase of a test with an error when its time is over."""
    mark = item.get_closest_marker("timeout")
    seconds = max(mark.args[0] if mark else 0, DEFAULT_TIMEOUT_S)
    if servers.is_sanitized(item.config.getoption("--build")):
        seconds *= 3

    def expired(signum, frame):
        raise TimeoutError(f"test took longer than {seconds} s")
    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from bounded(item)


class Starter:
    """Makes and starts servers for one fixture, stops them all at its end."""

    def __init__(self, config):
        self.kind = config.getoption("--server")
        self.build = config.getoption("--build")
        self.made = []

    def prepare(self, kind=None):
        """A server with its directory and accounts, not configured and not started."""
        cls = servers.KINDS[kind or self.kind]
        if cls is servers.Proftpd and not os.path.exists(servers.PROFTPD):
            pytest.skip("no proftpd in build/peers (scripts/setup test)")
        made = cls(self.build)
        self.made.append(made)
        return made

    def __call__(self, extra="", kind=None, users=None, **values):
        made = self.prepare(kind)
        for name, options in (users or {}).items():
            made.add_user(name, **options)
        made.configure(extra, **values)
        return made.start()

    def finish(self):
        problems = []
        for made in reversed(self.made):
            try:
                made.stop()
            except AssertionError as problem:
                problems.append(str(problem))
            finally:
                made.remove()
        assert not problems, "\n".join(problems)


@pytest.fixture
def start(request):
    """start(extra_conf, Directive=value, ...) gives a running server; several may run at once."""
    starter = Starter(request.config)
    yield starter
    starter.finish()


@pytest.fixture(scope="module")
def module_start(request):
    starter = Starter(request.config)
    yield starter
    starter.finish()


@pytest.fixture
def server(start):
    """A server with the default configuration."""
    return start()


@pytest.fixture(scope="module")
def shared(module_start):
    """A server with the default configuration that a whole file shares; tests must use names of their own."""
    return module_start()


@pytest.fixture
def client(shared):
    """A logged-in raw client (alice) on the shared server."""
    with Ftp(shared.port, user="alice") as c:
        yield c


@pytest.fixture
def is_ours(request):
    return request.config.getoption("--server") == "wherry"
