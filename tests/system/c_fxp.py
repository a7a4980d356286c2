"""Transfers between two servers (FXP), which AllowForeignAddress allows to nobody, everybody, or a class.

The client has 127.0.0.1, the servers 127.0.0.3 and 127.0.0.4: one is asked for PASV, the other gets its answer as PORT.
"""
import os
import re

import pytest

from ftpclient import Ftp

pytestmark = pytest.mark.ours

LEFT, RIGHT = "127.0.0.3", "127.0.0.4"
PARTNERS = f"<Class partners>\nFrom {LEFT} {RIGHT}\n</Class>\n<Class others>\nFrom 192.0.2.1\n</Class>\n"
CONTENT = os.urandom(300_000)


@pytest.fixture
def pair(start):
    """pair(left, right) -> two servers with these values of AllowForeignAddress, and a client at each."""
    clients = []

    def make(left, right):
        servers = []
        for address, value in ((LEFT, left), (RIGHT, right)):
            s = start(PARTNERS, DefaultAddress=address, AllowForeignAddress=value, TimeoutStalled="3")
            s.put("f", CONTENT)
            clients.append(Ftp(s.port, host=address, source="127.0.0.1", user="alice"))
            clients[-1].binary()
            servers.append(s)
        return servers + clients
    yield make
    for c in clients:
        c.close()


def passive(c):
    return re.search(r"\((.*)\)", c.expect(227, "PASV").text).group(1)


def stored(server):
    try:
        with open(server.home("alice", "copy"), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("value", ["on", "partners"])
@pytest.mark.parametrize("from_passive", [True, False])
def test_servers_that_are_allowed_send_to_each_other(pair, value, from_passive):
    left, right, a, b = pair(value, value)
    b.expect(200, "PORT " + passive(a))
    sender, receiver = (a, b) if from_passive else (b, a)
    receiver.send("STOR copy")
    sender.send("RETR f")
    for c in (receiver, sender):
        c.expect(150)
        c.expect(226)
    assert stored(right if from_passive else left) == CONTENT


@pytest.mark.parametrize("value", ["off", "others", "nosuchclass"])
def test_nobody_is_sent_to_a_third_party(pair, value):
    left, right, a, b = pair("on", value)
    port = passive(a)
    assert b.expect(500, "PORT " + port).text == "500 Illegal PORT command"
    numbers = port.split(",")
    host, number = ".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5])
    b.expect(500, f"EPRT |1|{host}|{number}|")
    assert "not the client's address" in right.text("system.log")


@pytest.mark.parametrize("value", ["off", "others", "nosuchclass"])
def test_a_third_party_is_not_served(pair, value):
    left, right, a, b = pair(value, "on")
    b.expect(200, "PORT " + passive(a))
    a.send("RETR f")
    b.send("STOR copy")
    a.expect((425, 150))
    b.expect((425, 150, 426))
    assert "passive connection from foreign IP address" in left.text("system.log") or stored(right) in (None, b"")
    assert stored(right) != CONTENT


def test_a_class_does_not_let_low_ports_in(pair):
    left, right, a, b = pair("partners", "partners")
    b.expect(500, "PORT 127,0,0,3,0,22")
    b.expect(500, "PORT 127,0,0,9,200,1")  # not of the class


def test_site_never_runs_a_program(pair):
    left, right, a, b = pair("on", "on")
    for line in ("SITE EXEC id", "SITE exec /bin/sh", "SITE INDEX x", "SITE SHELL id", "SITE CMD id"):
        a.expect(500, line)
