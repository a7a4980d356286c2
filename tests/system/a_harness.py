"""The harness itself: a server starts, answers, stops, and what it leaves behind is noticed."""
import os
import signal
import subprocess

import pytest

import servers
from ftpclient import Closed, Ftp


def test_greets_and_says_goodbye(server):
    with Ftp(server.port) as c:
        c.quit()


def test_logs_a_user_in_and_shows_the_root(server):
    with Ftp(server.port, user="alice") as c:
        assert c.expect(257, "PWD").text == '257 "/" is the current directory'


def test_round_trip_by_content(server):
    content = os.urandom(300_000)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.write("STOR up.bin", content)
        assert c.read("RETR up.bin") == content
    with open(server.home("alice", "up.bin"), "rb") as f:
        assert f.read() == content


def test_two_servers_at_once(start):
    a, b = start(), start()
    assert a.port != b.port
    for s in (a, b):
        with Ftp(s.port, user="bob") as c:
            c.quit()


def test_stop_ends_sessions(start):
    s = start()
    with Ftp(s.port, user="alice") as c:
        s.stop()
        with pytest.raises((Closed, AssertionError)):
            while c.reply().code == 421:
                pass


def test_a_left_over_process_is_noticed(start):
    s = start.prepare()
    with subprocess.Popen(["sleep", "1000"]) as other:
        row = servers.process_table()[other.pid]
        problems = s.left_over({other.pid: row[2]}, 0.1)
        assert len(problems) == 1 and "still there" in problems[0]
        assert other.wait(servers.PATIENCE_S) == -signal.SIGKILL


def test_a_sanitizer_report_is_noticed(start):
    s = start.prepare()
    with open(s.path("stderr"), "w") as f:
        f.write("==12==ERROR: AddressSanitizer: heap-use-after-free\n")
    assert "heap-use-after-free" in s.reports()[0]
    os.unlink(s.path("stderr"))


def test_an_unused_port_is_free():
    port = servers.free_port()
    assert not servers.listening(port)
