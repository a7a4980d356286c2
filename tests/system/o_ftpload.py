"""The load generator against our server, and against proftpd where it is unpacked: what it says must be what has happened."""
import json
import os
import socket
import subprocess
import threading
import zlib

import pytest

import servers
from ftpsclient import make_certificate, tls_conf

ONE = "MaxClientsPerHost none\nDeflateEngine on\n"
TEXT = b"one line of many that are alike\n" * 4000


def make(kind, build, tls):
    server = servers.KINDS[kind](build)
    certificate = make_certificate(server.dir)
    extra = (tls_conf(*certificate) if tls else "") + ONE
    server.configure(("LoadModule mod_deflate.c\n" if kind == "proftpd" else "") + extra)
    server.put("big", os.urandom(3 << 20))
    server.put("text", TEXT)
    for i in range(4):
        server.put(f"few/{i}", bytes(10240))
    server.mkdir("up")
    return server.start()


@pytest.fixture(scope="module", params=["wherry", "proftpd"])
def plain(request):
    if request.param == "proftpd" and not os.path.exists(servers.PROFTPD):
        pytest.skip("no proftpd in build/peers")
    server = make(request.param, request.config.getoption("--build"), False)
    yield server
    server.stop()
    server.remove()


@pytest.fixture(scope="module")
def secure(request):
    server = make("wherry", request.config.getoption("--build"), True)
    yield server
    server.stop()
    server.remove()


class Load:
    def __init__(self, request):
        self.program = os.path.join(servers.ROOT, request.config.getoption("--build"), "src", "tools", "ftpload")

    def run(self, server, *options, path=None, account="alice:alice-pw", stdin=None):
        mode = options[-1]
        command = [self.program, *options[:-1], mode, f"{account}@127.0.0.1:{server.port}", *([path] if path else [])]
        return subprocess.run(command, text=True, capture_output=True, input=stdin or "")

    def report(self, server, *options, **more):
        done = self.run(server, "-j", *options, **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def load(request):
    return Load(request)


def test_downloads_are_counted(load, plain):
    seen = load.report(plain, "-n3", "-c7", "-e3M", "get", path="big")
    assert (seen["operations"], seen["bytes"], seen["errors"]) == (7, 7 * (3 << 20), 0)
    assert seen["operation_ms"]["count"] == 7 and seen["login_ms"]["count"] == 3
    assert 0 < seen["operation_ms"]["p50"] <= seen["operation_ms"]["p99"] <= seen["operation_ms"]["max"]


def test_paths_have_the_numbers_of_files(load, plain):
    assert load.report(plain, "-n2", "-c20", "-f4", "-e10K", "get", path="few/%d")["bytes"] == 20 * 10240
    assert "few/4" in load.run(plain, "-c20", "-f5", "get", path="few/%d").stderr


def test_uploads_are_whole(load, plain):
    seen = load.report(plain, "-n2", "-c5", "-b100000", "put", path="up/%s-%d%%")
    assert seen["bytes"] == 500000
    names = os.listdir(plain.home("alice", "up"))
    assert {name.split("-")[1] for name in names} == {f"{i}%" for i in range(5)}
    assert {os.path.getsize(plain.home("alice", "up", name)) for name in names} == {100000}


def test_pasv_does_as_well(load, plain):
    assert load.report(plain, "-P", "-e3M", "get", path="big")["operations"] == 1


@pytest.mark.parametrize("mode", ["list", "nlst", "mlsd"])
def test_listings(load, plain, mode):
    seen = load.report(plain, "-c3", mode, path="few")
    assert seen["operations"] == 3 and seen["bytes"] > 0 and seen["bytes"] % 3 == 0


def test_logins_are_new_connections(load, plain):
    seen = load.report(plain, "-n3", "-c6", "login")
    assert seen["operations"] == 6 and seen["login_ms"]["count"] == 6


def test_idle_sessions_answer(load, plain):
    seen = load.report(plain, "-n5", "-d1", "-r50", "idle")
    assert seen["login_ms"]["count"] == 5
    assert 0 < seen["operations"] <= 50 and seen["operation_ms"]["count"] == seen["operations"]


def test_bins_hold_what_came(load, plain):
    seen = load.report(plain, "-n2", "-d1", "rate", path="text")
    assert [len(bins) for bins in seen["rate"]["bins"]] == [10, 10]
    assert 0 < sum(map(sum, seen["rate"]["bins"])) <= seen["bytes"]
    assert seen["rate"]["max"] >= seen["rate"]["min"] > 0


def test_mode_z_inflates(load, plain):
    if plain.kind == "proftpd" and not os.path.exists(os.path.join(servers.PROFTPD_MODULES, "mod_deflate.so")):
        pytest.skip("no mod_deflate")
    seen = load.report(plain, "-z", "-c3", "-e" + str(len(TEXT)), "get", path="text")
    assert seen["bytes"] == 3 * len(TEXT) and 0 < seen["wire_bytes"] < len(TEXT)


class OneSession(threading.Thread):
    """A server for one client and one download: what it sends, and what it says of it."""

    def __init__(self, sends, says=b"226 done"):
        super().__init__(daemon=True)
        self.sends, self.says = sends, says
        self.listener, self.passive = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        replies = {b"USER": b"331 ?", b"PASS": b"230 in", b"EPSV": b"229 (|||%d|)" % self.passive.getsockname()[1], b"QUIT": b"221 bye"}
        with self.listener, self.passive, self.listener.accept()[0] as control, control.makefile("rwb", buffering=0) as lines:
            lines.write(b"220 hello\r\n")
            for line in lines:
                if line.startswith(b"RETR"):
                    lines.write(b"150 here it comes\r\n")
                    with self.passive.accept()[0] as data:
                        data.sendall(self.sends)
                    lines.write(self.says + b"\r\n")
                else:
                    lines.write(replies.get(line[:4], b"200 fine") + b"\r\n")


@pytest.mark.parametrize("cut", [1, 100])
def test_a_compressed_stream_without_its_end_is_an_error(load, cut):
    server = OneSession(zlib.compress(TEXT)[:-cut])
    server.start()
    done = load.run(server, "-z", "get", path="text")
    server.join()
    assert done.returncode == 1 and "the compressed stream has no end" in done.stderr, done


def test_what_a_server_says_cannot_drive_the_terminal(load):
    server = OneSession(b"", b"550 \x1b]0;mine\x07\x1b[2J")
    server.start()
    done = load.run(server, "get", path="x")
    server.join()
    assert done.returncode == 1 and "RETR x: 550 " in done.stderr and not any(c < " " for c in done.stderr.rstrip("\n")), done


def test_a_path_that_becomes_too_long_is_an_error(load, plain):
    done = load.run(plain, "-k100", "-c150", "get", path="%d" * 1000)  # the operation of number 100 has three digits
    assert done.returncode == 1 and "too long" in done.stderr.splitlines()[-1], done


def test_a_report_that_cannot_be_written_is_an_error(load, plain):
    with open("/dev/full", "w") as full:
        done = subprocess.run([load.program, "get", f"alice:alice-pw@127.0.0.1:{plain.port}", "big"], text=True, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and "cannot be written" in done.stderr, done


def test_pauses_tell_where_it_is(load, plain):
    done = load.run(plain, "-p", "get", path="big", stdin="\n\n")
    assert done.returncode == 0 and done.stdout.splitlines()[:2] == ["ready", "done"]


def test_errors_name_the_reply(load, plain):
    for options, more, words in (
            (["get"], {"path": "missing"}, "RETR missing: 550 "), (["get"], {"path": "big", "account": "alice:wrong"}, "PASS: 530 "),
            (["-b1K", "put"], {"path": "missing/x"}, "STOR missing/x: 55"), (["-e4", "get"], {"path": "big"}, "3145728 bytes instead of 4")):
        done = load.run(plain, *options, **more)
        assert done.returncode == 1 and words in done.stderr, done.stderr
        assert "wrong" not in done.stderr


def test_so_many_errors_are_tolerated(load, plain):
    seen = load.report(plain, "-k5", "-c5", "get", path="missing")
    assert (seen["operations"], seen["errors"]) == (0, 5)
    assert load.run(plain, "-k4", "-c5", "get", path="missing").returncode == 1


def test_wrong_command_lines_end_with_2(load, plain):
    for options, path in ((["get"], None), (["put"], "x"), (["login"], "x"), (["fetch"], "x"), (["-n0", "get"], "x"), (["-z", "login"], None),
                          (["-s", "-v1.1", "login"], None), (["-s", "-xNOSUCH", "login"], None), (["-v1.3", "login"], None), (["-R", "login"], None),
                          (["-e1", "-b1", "put"], "x"), (["-e1", "rate"], "x")):
        done = load.run(plain, *options, path=path)
        assert done.returncode == 2 and done.stderr.startswith("ftpload: "), done


def test_nobody_listens(load, plain):
    class Nobody:
        port = servers.free_port()
    done = load.run(Nobody, "login")
    assert done.returncode == 1 and "cannot connect" in done.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_data_connections_resume(load, secure, version):
    seen = load.report(secure, "-s", "-v" + version, "-n2", "-c6", "-e3M", "get", path="big")
    tls = seen["tls"]
    assert (tls["control_full"], tls["data_resumed"], tls["data_full"]) == (2, 6, 0) and version in tls["cipher"]
    seen = load.report(secure, "-s", "-v" + version, "-N", "-c2", "-e3M", "get", path="big")
    assert (seen["tls"]["data_resumed"], seen["tls"]["data_full"]) == (0, 2)


def test_tls_uploads_are_whole(load, secure):
    load.report(secure, "-s", "-b1000000", "put", path="up/tls")
    assert os.path.getsize(secure.home("alice", "up", "tls")) == 1000000


def test_tls_logins_resume_when_asked(load, secure):
    assert load.report(secure, "-s", "-c4", "login")["tls"]["control_full"] == 4
    seen = load.report(secure, "-s", "-R", "-c4", "login")
    assert (seen["tls"]["control_full"], seen["tls"]["control_resumed"]) == (1, 3)


def test_tls_with_mode_z(load, secure):
    assert load.report(secure, "-sz", "-e" + str(len(TEXT)), "get", path="text")["operations"] == 1


def test_a_server_without_tls_is_named(load, plain):
    assert "AUTH TLS: 5" in load.run(plain, "-s", "login").stderr
