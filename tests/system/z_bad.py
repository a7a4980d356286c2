"""Bad input and bad surroundings: each a clear message or reply, nothing lost, others unaffected."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import time

import pytest

from ftpclient import Closed, Ftp, read_all
from servers import AM_ROOT, PATIENCE_S, listening, status, wait_until


def others_still_work(server):
    with Ftp(server.port, user="bob") as c:
        c.write("STOR alive", b"yes")
        assert c.binary().read("RETR alive") == b"yes"


def memory_kib(server):
    return sum(int(status(p).get("VmRSS", "0 kB").split()[0]) for p in server.processes())


@pytest.mark.ours
def test_a_command_line_of_10_mib(server):
    for logged_in in (False, True):
        with Ftp(server.port, user="alice" if logged_in else None) as c:
            before = memory_kib(server)
            for _ in range(10):
                c.send_raw(b"x" * (1 << 20))
            grown = memory_kib(server) - before
            c.send_raw(b"\r\nNOOP\r\n")
            c.expect(500)
            c.expect(200)
            assert grown < 4096 or server.sanitized, f"{grown} KiB"
    others_still_work(server)


@pytest.mark.ours
@pytest.mark.parametrize("junk", [b"\0" * 1000 + b"\r\n", b"\0\r\n", b"NO\0OP\r\n", b"USER a\0b\r\n", b"\xff" * 999 + b"\r\n",
                                  bytes(range(256)).replace(b"\n", b"") + b"\r\n", b"\x1b[2J\r\n", b"%n%n%n%s\r\n"])
def test_junk_lines(server, junk):
    for user in (None, "alice"):
        with Ftp(server.port, user=user) as c:
            c.send_raw(junk)
            c.send_raw(b"NOOP\r\n")
            replies = [c.reply().code]
            while replies[-1] != 200:
                replies.append(c.reply().code)
            assert len(replies) <= 3
    others_still_work(server)


def test_random_bytes(server):
    for seed in range(20):
        with Ftp(server.port) as c:
            with contextlib.suppress(ConnectionError):
                c.send_raw(os.urandom(5000) + b"\r\n")
    others_still_work(server)


def test_half_closed_control_connection(server):
    """The client shuts its writing side down: it still gets the replies to what it sent."""
    with Ftp(server.port, user="alice") as c:
        c.send_raw(b"NOOP\r\nPWD\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        c.expect(200)
        c.expect(257)
        assert c.at_eof()
    others_still_work(server)


def test_half_closed_data_connection(server):
    """A client that shuts its sending side of a download still gets all of it."""
    content = os.urandom(3_000_000)
    server.put("f", content)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        with c.data() as data:
            data.shutdown(socket.SHUT_WR)
            c.expect(150, "RETR f")
            assert read_all(data) == content
        c.expect(226)


def test_reset_of_everything(server):
    os.truncate(server.put("big"), 1_000_000_000)
    for line in ("RETR big", "STOR up"):
        c = Ftp(server.port, user="alice")
        data = c.binary().start(line)
        for sock in (data, c.sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
    wait_until(lambda: len(re.findall(r" i$", server.text("xferlog"), re.M)) == 2 or None, "two incomplete transfers")
    others_still_work(server)


@pytest.mark.ours
def test_a_client_that_never_reads_its_replies(server):
    """Its replies must not pile up in memory, and nobody else may wait for it."""
    with Ftp(server.port, user="alice") as c:
        before = memory_kib(server)
        c.sock.settimeout(2)
        with contextlib.suppress(socket.timeout):
            for _ in range(200):
                c.send_raw(b"FEAT\r\n" * 5000)
        others_still_work(server)
        grown = memory_kib(server) - before
        assert grown < 16_384 or server.sanitized, f"{grown} KiB"


def test_a_client_that_never_reads_its_data(server):
    os.truncate(server.put("big"), 1_000_000_000)
    with Ftp(server.port, user="alice") as c, c.binary().start("RETR big"):
        for _ in range(3):
            others_still_work(server)
        with Ftp(server.port, user="alice") as second:
            assert second.lines("NLST") == ["big"]


def test_connections_that_say_nothing(server):
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    others_still_work(server)
    for s in silent:
        s.close()


# --- start-up

def fails_to_start(server, pattern, seconds=PATIENCE_S):
    server.start(wait=False)
    assert server.proc.wait(seconds) != 0
    output = server.output()
    server.proc = None
    assert re.search(pattern, output), output


def test_port_in_use(start):
    first = start()
    second = start.prepare()
    second.port = first.port
    second.configure()
    fails_to_start(second, r"Address already in use")
    others_still_work(first)


@pytest.mark.root
@pytest.mark.ours
def test_missing_user(start):
    s = start.prepare()
    s.configure(User="nosuchuser")
    fails_to_start(s, r"nosuchuser.* on line \d+ of '.*/server\.conf'|User.*nosuchuser")


@pytest.mark.ours
def test_unreadable_configuration(start):
    s = start.prepare()
    fails_to_start(s, r"server\.conf.*No such file or directory")


@pytest.mark.ours
def test_configuration_that_is_a_directory(start):
    s = start.prepare()
    os.mkdir(s.path("server.conf"))
    fails_to_start(s, r"server\.conf.*(Is a directory|not a regular file)")


@pytest.mark.ours
def test_log_that_cannot_be_opened(start):
    s = start.prepare()
    s.configure(TransferLog="/nosuch/folder/xferlog")
    fails_to_start(s, r"/nosuch/folder/xferlog")


def test_missing_root_directory(start):
    s = start()
    s.add_user("homeless")
    os.rmdir(s.home("homeless"))
    with Ftp(s.port) as c:
        c.expect(331, "USER homeless")
        reply = c.cmd("PASS homeless-pw")
        assert reply.code == 530, reply
        assert c.at_eof()
    others_still_work(s)


@pytest.mark.root
@pytest.mark.ours
def test_root_directory_without_permission(start):
    s = start()
    s.add_user("locked")
    os.chown(s.home("locked"), 0, 0)
    os.chmod(s.home("locked"), 0o700)
    with Ftp(s.port) as c:
        c.expect(331, "USER locked")
        c.expect(530, "PASS locked-pw")
        assert c.at_eof()
    others_still_work(s)


def test_stale_scoreboard(start):
    s = start.prepare()
    with open(s.path("run", "scoreboard"), "wb") as f:
        f.write(os.urandom(5000))
    s.configure()
    s.start()
    others_still_work(s)


@pytest.mark.ours
def test_scoreboard_that_is_a_symlink_is_refused(start):
    s = start.prepare()
    with open(s.path("precious"), "w") as f:
        f.write("precious")
    os.symlink(s.path("precious"), s.path("run", "scoreboard"))
    s.configure()
    s.start(wait=False)
    wait_until(lambda: s.proc.poll() is not None or listening(s.port), "the server starts or ends")
    assert open(s.path("precious")).read() == "precious"
    if s.proc.poll() is not None:
        s.proc = None


@pytest.mark.ours
def test_world_writable_scoreboard_folder_is_refused(start):
    s = start.prepare()
    os.chmod(s.path("run"), 0o777)
    s.configure()
    fails_to_start(s, r"(?i)scoreboard.*world-writable|world.writable")


@pytest.mark.ours
def test_stale_pid_file(start):
    s = start.prepare()
    with open(s.path("run", "pid"), "w") as f:
        f.write("999999\n")
    s.configure()
    s.start()
    assert int(s.text("run/pid")) == s.proc.pid


def test_a_killed_server_can_be_started_again(start):
    s = start()
    with Ftp(s.port, user="alice"):
        s.proc.kill()
        s.proc.wait()
    wait_until(lambda: not [p for p in os.listdir("/proc") if p.isdigit() and s.dir in cmdline(p)], "orphans end")
    s.start()
    others_still_work(s)


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_idle_connections_do_not_stop_the_server_from_stopping(start):
    s = start()
    held = [Ftp(s.port, user="alice") for _ in range(3)]
    s.stop()
    for c in held:
        with contextlib.suppress(Closed, AssertionError):
            while True:
                c.reply()
        c.close()


@pytest.mark.skipif(not AM_ROOT, reason="needs root: another account's files")
def test_a_file_that_cannot_be_read(server):
    path = server.put("secret", b"x", mode=0o600)
    os.chown(path, 0, 0)
    with Ftp(server.port, user="alice") as c:
        assert c.cmd("RETR secret").text == "550 secret: Permission denied"


@pytest.mark.ours
def test_a_file_that_shrinks_during_its_download(server):
    path = server.put("shrinks", b"x" * 40_000_000)
    with Ftp(server.port, user="alice") as c:
        with c.binary().start("RETR shrinks") as data:
            data.recv(1000)
            os.truncate(path, 100_000)
            with contextlib.suppress(ConnectionError):
                while data.recv(1 << 20):
                    pass
        reply = c.expect((426, 451, 226))
        assert reply.code != 226, "the client was told that it has the whole file"
        c.expect(200, "NOOP")


@pytest.mark.ours
@pytest.mark.root  # a session process of its own for each user
def test_a_control_connection_lost_as_the_data_connection_comes(start):
    """Both are seen in one turn of the loop: the 150 finds out that the client is gone."""
    s = start()
    s.put("f", b"x" * 1000)
    with Ftp(s.port, user="alice") as other:
        pid, = [p for p in s.processes() if status(p).get("Name") == "wherryd-session"]
        for _ in range(5):
            c = Ftp(s.port, user="alice")
            address = c.epsv()
            c.send("RETR f")
            time.sleep(0.1)  # it waits for the data connection
            os.kill(pid, signal.SIGSTOP)
            try:
                data = socket.create_connection(address, PATIENCE_S)
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                c.close()
                time.sleep(0.05)
            finally:
                os.kill(pid, signal.SIGCONT)
            with data, contextlib.suppress(ConnectionError):
                assert read_all(data) == b""
            other.expect(200, "NOOP")
        wait_until(lambda: len(json.loads(s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout)
                               ["connections"]) == 1, "the others are gone")
        assert other.read("RETR f") == b"x" * 1000
        assert pid in s.processes()
