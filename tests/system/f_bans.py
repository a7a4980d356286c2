"""Bans: BanOnEvent, and wherryctl ban, permit and bans."""
import socket

import pytest

from ftpclient import Closed, Ftp
from servers import wait_until

pytestmark = pytest.mark.ours


def greeting(s):
    with socket.create_connection(("127.0.0.1", s.port)) as c:
        return c.makefile("rb").readline().decode().rstrip()


def ctl(s, *words):
    return s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), *words)


def test_MaxLoginAttempts_bans_the_address_until_it_is_lifted(start):
    s = start('BanEngine on\nBanOnEvent MaxLoginAttempts 2/00:10:00 01:00:00 "go away, %a"\nMaxLoginAttempts 1\n')
    for _ in range(2):
        assert greeting(s).startswith("220")
        with Ftp(s.port) as c:
            c.cmd("USER alice")
            c.expect(530, "PASS wrong")
            with pytest.raises(Closed):
                c.cmd("NOOP")
    wait_until(lambda: "host '127.0.0.1' is banned by BanOnEvent MaxLoginAttempts" in s.text("system.log"), "the ban")
    assert greeting(s) == "530 go away, 127.0.0.1"
    s.reload()
    wait_until(lambda: "generation           2" in ctl(s, "status").stdout, "the reload")
    assert greeting(s) == "530 go away, 127.0.0.1"
    shown = ctl(s, "bans").stdout
    assert "1 ban" in shown and "127.0.0.1 (3" in shown and "by MaxLoginAttempts)" in shown, shown
    assert ctl(s, "permit", "host", "127.0.0.1").returncode == 0
    assert greeting(s).startswith("220")


def test_another_protocol_and_many_connections_ban(start):
    s = start("BanEngine on\nBanOnEvent BadProtocol 1/60 60\n")
    with socket.create_connection(("127.0.0.1", s.port)) as c:
        c.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while c.recv(100):
            pass
    wait_until(lambda: greeting(s) == "530 Access denied", "the ban")
    s = start("BanEngine on\nBanMessage nobody\nBanOnEvent ClientConnectRate 3/60 60\n")
    assert ctl(s, "permit", "all").returncode == 0  # the harness has connected too
    assert [greeting(s)[:10] for _ in range(3)] == ["220 Wherry", "220 Wherry", "530 nobody"]


def test_bans_by_hand_hold_for_users_and_classes(start):
    s = start("<Class here>\nFrom 127.0.0.0/8\n</Class>\n")
    assert ctl(s, "ban", "user", "alice", "00:01:00").returncode == 0
    with Ftp(s.port) as c:
        c.cmd("USER alice")
        c.expect(530, "PASS alice-pw")
    assert ctl(s, "permit", "user", "alice").returncode == 0
    with Ftp(s.port, user="alice"):
        pass
    assert ctl(s, "ban", "class", "here").returncode == 0
    assert greeting(s) == "530 Access denied"
    assert "here (for good, by wherryctl)" in ctl(s, "bans").stdout
    assert ctl(s, "permit", "class", "nowhere").returncode == 1
    assert ctl(s, "ban", "host", "no address").returncode == 1
    assert ctl(s, "permit", "all").returncode == 0
    assert greeting(s).startswith("220")


def test_rules_that_cannot_be_are_errors(start):
    s = start.prepare()
    for line, words in (("BanOnEvent UserDefined 1/2 3", "unknown value 'UserDefined'"),
                        ("BanOnEvent LoginRate 3 60", "no <number>/<interval>"),
                        ("BanOnEvent LoginRate 0/60 60", "no <number>/<interval>"),
                        ("BanOnEvent LoginRate 1/60 0", "no time that a ban lasts")):
        s.configure(line)
        done = s.check()
        assert done.returncode == 1 and words in done.stderr, done.stderr
