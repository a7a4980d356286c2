"""Abuse of TLS handshakes leaves others alone, and sessions leave nothing behind."""
import os
import socket
import struct

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps
from servers import PATIENCE_S, descendants, is_sanitized, wait_until
from v_tls import octets, pki, tls  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.ours

HALF_OPEN = 1000
SESSIONS = int(os.environ.get("WHERRY_SESSIONS", "200"))  # 1000 for the long form


def works(server):
    with Ftps(server.port, "alice") as ftp:
        assert ftp.read("RETR f") == b"content"


@pytest.mark.slow
def test_a_thousand_half_open_handshakes_leave_others_alone(tls):
    server = tls("TLSTimeoutHandshake 30\nTLSOptions UseImplicitSSL\n", MaxInstances="none")
    server.put("f", b"content")
    half = []
    try:
        for i in range(HALF_OPEN):
            half.append(socket.create_connection(("127.0.0.1", server.port)))
            if i % 2:
                half[-1].sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
        for _ in range(5):
            with Ftps(server.port, "alice", implicit=True) as ftp:
                ftp.data_private = True
                assert ftp.read("RETR f") == b"content"
        for sock in half[::2]:  # these end without a word, the others are reset
            sock.close()
        for sock in half[1::2]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
    finally:
        for sock in half:
            sock.close()
    wait_until(lambda: count_sessions(server) == 0, "the half-open ones are gone")
    with Ftps(server.port, "alice", implicit=True) as ftp:
        ftp.expect(257, "PWD")


def count_sessions(server):
    import json
    done = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "status", "--json")
    return int(json.loads(done.stdout)["sessions"])


HELLO = b"\x16\x03\x01\x00\xc8"
ABUSE = {
    "giant record": b"\x16\x03\x01\xff\xff" + bytes(70000),
    "giant ClientHello": b"".join(b"\x16\x03\x01\x40\x00" + (b"\x01\xff\xff\xff" if i == 0 else b"") + bytes(16384 - (4 if i == 0 else 0)) for i in range(40)),
    "empty records": b"\x16\x03\x01\x00\x00" * 20000,
    "alerts": b"\x15\x03\x01\x00\x02\x01\x00" * 5000,
    "noise": octets(200000, 3),
    "commands": b"USER alice\r\nPASS alice-pw\r\n" * 100,
    "http": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "application data first": b"\x17\x03\x03\x00\x20" + bytes(32),
    "one byte a time": HELLO,
}


@pytest.mark.parametrize("what", ABUSE)
def test_mad_handshakes_end_and_leave_others_alone(tls, what):
    server = tls("TLSTimeoutHandshake 2\n")
    server.put("f", b"content")
    mad = [Ftp(server.port) for _ in range(5)]
    for ftp in mad:
        ftp.expect(234, "AUTH TLS")
        try:
            for piece in ([ABUSE[what]] if what != "one byte a time" else [HELLO[i:i + 1] for i in range(len(HELLO))]):
                ftp.sock.settimeout(1)
                ftp.sock.sendall(piece)
        except OSError:
            pass  # the server has had enough
    works(server)
    for ftp in mad:
        try:
            ftp.sock.settimeout(PATIENCE_S)
            while ftp.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        ftp.close()
    works(server)


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_Dirty:"))


def holdings(server):
    """(descriptors, KiB of private memory) of master, login and auth."""
    pids = [server.proc.pid] + descendants(server.proc.pid)
    fds = kib = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                if "session" in f.read():
                    continue
            fds += len(os.listdir(f"/proc/{pid}/fd"))
            kib += memory_kib(pid)
        except FileNotFoundError:
            continue
    return fds, kib


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.timeout(3 * SESSIONS)
def test_sessions_leave_no_descriptor_and_no_memory_behind(tls):
    server = tls()
    server.put("f", b"content")

    def row(n):
        for i in range(n):
            with Ftps(server.port, "alice", version=("1.2", "1.3")[i % 2], reuse=i % 3 != 0) as ftp:
                ftp.read("RETR f")
                if i % 5 == 0:
                    ftp.expect(200, "CCC")
                    ftp.sock = ftp.sock.unwrap()
                    ftp.expect(257, "PWD")
        wait_until(lambda: count_sessions(server) == 0, "the sessions are gone")
    row(60)  # what is kept for later is there then
    fds, kib = holdings(server)
    row(SESSIONS)
    wait_until(lambda: holdings(server)[0] <= fds, f"descriptors: {fds} before, {holdings(server)[0]} after")
    if not is_sanitized(server.build):
        assert holdings(server)[1] - kib < SESSIONS * 8 + 2048, "more than 8 KiB a session (resumption keeps some) stay"
