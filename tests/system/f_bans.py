"""Bans: BanOnEvent, and wherryctl ban, permit and bans."""
import socket
import subprocess

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


def login_fails(s, user, password):
    with Ftp(s.port) as c:
        c.cmd(f"USER {user}")
        c.expect((530, 501), f"PASS {password}")


def unknown_command_before_login(s):
    with Ftp(s.port) as c:
        c.expect(500, "NOSUCH")


def unknown_command_after_login(s):
    with Ftp(s.port, user="alice") as c:
        c.expect(500, "NOSUCH")


def too_many_commands(s):
    with Ftp(s.port, user="alice") as c:
        c.send_raw(b"NOOP\r\n" * 30)
        for _ in range(4):
            c.expect(200)


def waits_for_the_end(s, user=None):
    with Ftp(s.port, user=user) as c:
        c.expect(421)


def broken_handshake(s):
    with Ftp(s.port) as c:
        c.expect(234, "AUTH TLS")
        c.send_raw(b"no TLS record\r\n")
        while c.sock.recv(1000):
            pass


TLS = "TLSEngine on\nTLSRSACertificateFile {cert}\nTLSRSACertificateKeyFile {key}\n"
ANONYMOUS = "<Anonymous ~ftp>\nUser ftp\nAnonRejectPasswords ^spam@\n</Anonymous>\n"
EVENTS = [("EmptyPassword", "AllowEmptyPasswords off\n", lambda s: login_fails(s, "alice", "")),
          ("AnonRejectPasswords", ANONYMOUS, lambda s: login_fails(s, "ftp", "spam@x")),
          ("UnhandledCommand", "", unknown_command_before_login),
          ("UnhandledCommand", "", unknown_command_after_login),
          ("MaxCommandRate", "MaxCommandRate 4 30\n", too_many_commands),
          ("TimeoutLogin", "TimeoutLogin 5\n", waits_for_the_end),
          ("TimeoutIdle", "TimeoutIdle 3\n", lambda s: waits_for_the_end(s, "alice")),
          ("TimeoutNoTransfer", "TimeoutNoTransfer 3\n", lambda s: waits_for_the_end(s, "alice"))]


@pytest.mark.parametrize("event, conf, offend", EVENTS, ids=[f"{e[0]}-{i}" for i, e in enumerate(EVENTS)])
def test_an_event_bans_the_address(start, event, conf, offend):
    s = start(f"BanEngine on\nBanOnEvent {event} 1/00:01:00 00:01:00\n{conf}")
    with Ftp(s.port, user="bob") as c:  # a client that behaves
        c.expect(257, "PWD")
    assert greeting(s).startswith("220")
    offend(s)
    wait_until(lambda: greeting(s) == "530 Access denied", "the ban")
    assert f"host '127.0.0.1' is banned by BanOnEvent {event}" in s.text("system.log")


def test_a_failed_TLS_handshake_bans_the_address(start, tmp_path):
    cert, key = str(tmp_path / "cert"), str(tmp_path / "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "2", "-subj", "/CN=test"], check=True, capture_output=True)
    s = start("BanEngine on\nBanOnEvent TLSHandshake 1/60 60\n" + TLS.format(cert=cert, key=key))
    assert greeting(s).startswith("220")
    broken_handshake(s)
    wait_until(lambda: greeting(s) == "530 Access denied", "the ban")


@pytest.mark.root
def test_RootLogin_bans_the_address(start):
    s = start.prepare()
    s.add_user("toor", "toor-pw", uid=0, gid=0)
    s.configure("BanEngine on\nBanOnEvent RootLogin 1/60 60\n")
    s.start()
    login_fails(s, "toor", "toor-pw")
    wait_until(lambda: greeting(s) == "530 Access denied", "the ban")


def test_failed_logins_from_anywhere_ban_the_user(start):
    s = start("BanEngine on\nBanOnEvent MaxLoginAttemptsFromUser 3/60 60\nMaxLoginAttempts 10\n")
    for _ in range(3):
        login_fails(s, "alice", "wrong")
    wait_until(lambda: "user 'alice' is banned by BanOnEvent MaxLoginAttemptsFromUser" in s.text("system.log"), "the ban")
    login_fails(s, "alice", "alice-pw")
    with Ftp(s.port, user="bob") as c:
        c.expect(257, "PWD")
