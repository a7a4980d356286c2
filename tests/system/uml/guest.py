#!/usr/bin/python3
"""Runs inside user-mode-linux, as the only program there: the server and its clients in a kernel that has kernel TLS.

    guest.py FOLDER     FOLDER/job is JSON: {"build": folder of the build,
                        "rows": names of rows.py}; FOLDER/pki has cert.pem and cert.key

Writes FOLDER/results, a line of JSON for each row, and one for the server's end: {"name", "seconds", "problem": null or text}. Each row looks at its own part of the server's log and at what /proc/net/tls_stat counted meanwhile.
"""
import contextlib
import ctypes
import hashlib
import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import rows  # noqa: E402
from ftpclient import read_all  # noqa: E402
from ftpsclient import Ftps, strict_read, tls_conf  # noqa: E402
from servers import ACCOUNTS, Wherry, free_port, status, wait_until  # noqa: E402

FINIT_MODULE = 313
MASKS = ("OPENSSL_ia32cap", "GLIBC_TUNABLES")  # of boot.py
SIZE = 6_000_011
CONTENT = random.Random(4).randbytes(SIZE)
HUGE = CONTENT + bytes(8_000_000)  # more than the sockets hold


def load_modules(folder):
    """What the kernel asks modprobe(8) for is not where it would look."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(os.path.join(folder, "modules")) as f:
        for path in f.read().split():
            fd = os.open(path, os.O_RDONLY)
            if libc.syscall(FINIT_MODULE, fd, b"", 0) < 0:
                print(path, os.strerror(ctypes.get_errno()))
            os.close(fd)


def replace_modprobe(folder):
    """The kernel calls this program with that argument when a module is asked for."""
    program = "/run/tmp/modprobe"
    with open(program, "w") as f:
        f.write("#!/bin/sh\n" + "".join(f"export {name}='{value}'\n" for name, value in os.environ.items() if name in ("PATH", "TMPDIR", *MASKS)) +
                f'echo "$@" >>/run/tmp/asked\ncase "$*" in *tcp-ulp-tls*) exec /usr/bin/python3 {__file__} {folder} load ;; esac\n')
    os.chmod(program, 0o755)
    with open("/proc/sys/kernel/modprobe", "w") as f:
        f.write(program)


def counters():
    with open("/proc/net/tls_stat") as f:
        return {name: int(value) for name, value in (line.split() for line in f)}


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Guest:
    def __init__(self, folder):
        with open(os.path.join(folder, "job")) as f:
            self.job = json.load(f)
        self.server = Wherry(self.job["build"])
        self.pki = [self.server.path(name) for name in ("cert.pem", "cert.key")]
        for path in self.pki:
            shutil.copy(os.path.join(folder, "pki", os.path.basename(path)), path)
            os.chmod(path, 0o600)
        self.ports = {}
        self.rx_versions = ("1.2",) if ssl.OPENSSL_VERSION_INFO < (3, 2) else ("1.2", "1.3")

    # -- the server: one virtual server for each suite and configuration

    def host(self, name, version, suite, extra):
        port = self.ports[name] = free_port()
        ciphers = f"TLSCipherSuite TLSv1.3 {suite}\n" if version == "1.3" else f"TLSCipherSuite {suite}\n"
        values = {k: v for k, v in self.server.defaults().items()
                  if k in ("AuthUserFile", "AuthGroupFile", "AuthOrder", "RequireValidShell", "UseFtpUsers", "DefaultRoot", "AllowOverwrite",
                           "TimeoutLinger", "TransferLog")}
        lines = "".join(f"{k} {v}\n" for k, v in values.items())
        return (f"<VirtualHost 127.0.0.1>\nPort {port}\nServerName {name}\n{lines}AllowStoreRestart on\nAllowRetrieveRestart on\n"
                f"TLSProtocol TLSv{version}\nTLSLog {self.server.path('tls.log')}\n{ciphers}{tls_conf(*self.pki, kind='ec')}{extra}"
                "</VirtualHost>\n")

    def start(self):
        self.had_module = os.path.exists("/proc/net/tls_stat")
        text = "DebugLevel 10\nDeflateEngine on\n"
        for name, (version, suite) in rows.SUITES.items():
            text += self.host(name, version, suite, "DeflateEngine on\n")
        for name, (version, suite, extra) in rows.OTHERS.items():
            text += self.host(name, version, suite, extra)
        self.server.configure(text)
        self.server.start(wait=False)
        self.server.wait_ready(self.ports["tx_only"])

    @contextlib.contextmanager
    def client(self, name):
        version, suite = {**rows.SUITES, **rows.OTHERS}[name][:2]
        with Ftps(self.ports[name], "alice", version=version) as c:
            assert c.sock.cipher()[0] == suite
            yield c
            c.expect(200, "NOOP")
            c.quit()

    # -- what happened during a row

    def mark(self):
        self.log_from = len(self.server.text("system.log"))
        self.counted = counters()

    def log(self):
        return self.server.text("system.log")[self.log_from:]

    def connections(self):
        """What the log says of the data connections, one text each."""
        return re.findall(r"data connection: (TLSv.*)", self.log())

    def rose(self, name):
        return counters()[name] - self.counted[name]

    def expect_kernel(self, tx=True, rx=False):
        """All data connections since mark(): the kernel's counters, and what the log says of them."""
        said = self.connections()
        assert said, "no data connection in the log"
        assert all(("kTLS tx" in s) == tx for s in said), said
        received = sum(bool(re.search("kTLS (tx )?rx", s)) for s in said)
        # It does not receive where OpenSSL has read the client's first bytes with the end of the handshake.
        assert 0 < received <= len(said) if rx else received == 0, said
        assert self.rose("TlsTxSw") == (len(said) if tx else 0), (said, counters())
        assert self.rose("TlsRxSw") == received, (said, counters())
        assert self.rose("TlsDecryptError") == 0

    def expect_rows(self, name):
        version = {**rows.SUITES, **rows.OTHERS}[name][0]
        self.expect_kernel(True, version in self.rx_versions)

    def expect_sendfile(self, does=True):
        log = self.log()
        assert ("is sent and encrypted by the kernel" in log) == does, log
        assert bool(re.search(r"xfer: sendfile at \d+, asked \d+, got [1-9]", log)) == does, log
        assert "does not send" not in log, log

    def path_shown(self):
        """The path that ftpwho shows, as soon as bytes move."""
        def path():
            done = self.server.tool("ftpwho", "-v", "-o", "json", "-f", self.server.path("run", "scoreboard"))
            found = re.search(r'"source":\s*"(\w+)"', done.stdout)
            return found and found[1]
        return wait_until(path, "ftpwho shows the path of the transfer")

    # -- rows on each suite

    def row_download(self, name):
        with self.client(name) as c:
            assert digest(c.read("RETR big")) == digest(CONTENT)
            with c.start("RETR huge") as data:
                got = read_all(data, 100_000)
                assert self.path_shown() == "ktls"
                got += strict_read(data)
            c.expect(226)
            assert digest(got) == digest(HUGE)
        self.expect_rows(name)
        self.expect_sendfile()

    def row_rest(self, name):
        with self.client(name) as c:
            for offset in (1, 16385, SIZE - 1, SIZE):
                c.expect(350, f"REST {offset}")
                assert digest(c.read("RETR big")) == digest(CONTENT[offset:])
        self.expect_rows(name)
        self.expect_sendfile()

    def row_upload(self, name):
        with self.client(name) as c:
            c.write("STOR up", CONTENT)
            assert digest(self.content("up")) == digest(CONTENT)
            c.expect(350, "REST 1000001")
            c.write("STOR up", b"other" * 20_000)
            assert digest(self.content("up")) == digest(CONTENT[:1_000_001] + b"other" * 20_000 + CONTENT[1_100_001:])
            c.write("STOR empty", b"")
            assert os.path.getsize(self.server.home("alice", "empty")) == 0
        self.expect_rows(name)

    def row_append(self, name):
        """In pieces: records of any size. Without close_notify it is a broken one."""
        moments, whole = random.Random(name), b""
        with self.client(name) as c:
            c.write("STOR log", b"")
            for _ in range(6):
                data = c.start("APPE log")
                for _piece in range(moments.randrange(1, 30)):
                    piece = moments.randbytes(moments.choice([1, 100, 16384, 16385, 40_000]))
                    data.sendall(piece)
                    whole += piece
                data.unwrap().close()
                c.expect(226)
            data = c.start("APPE other")
            data.sendall(whole)
            data.close()
            c.expect(426)
            assert digest(self.content("log")) == digest(whole)
        self.expect_rows(name)

    def row_abor(self, name):
        moments = random.Random(name)
        with self.client(name) as c:
            for before in (0, 1, 70_000, moments.randrange(SIZE - 3_000_000)):
                with c.start("RETR huge") as data:
                    got = read_all(data, before) if before else b""
                    c.send("ABOR")
                    c.expect(426)
                    c.expect(226)
                    assert CONTENT.startswith(got) and len(got) == before
            data = c.start("STOR part")
            data.sendall(CONTENT[:500_000])
            c.send("ABOR")
            c.expect(426)
            c.expect(226)
            data.close()
            assert digest(c.read("RETR big")) == digest(CONTENT)
        self.expect_rows(name)
        self.expect_sendfile()

    def row_truncation(self, name):
        path = self.server.home("alice", "cut")
        with self.client(name) as c:
            for length in (0, 1000, SIZE + 1_000_000):
                with open(path, "wb") as f:
                    f.write(CONTENT)
                    f.truncate(14_000_000)
                self.server.own(path)
                with c.start("RETR cut") as data:
                    got = read_all(data, 200_000)
                    os.truncate(path, length)
                    try:
                        got += strict_read(data)
                        raise AssertionError("the end of a cut file looks like a good one")
                    except (ssl.SSLError, OSError):
                        pass
                c.expect(451)
                whole = CONTENT + bytes(14_000_000 - SIZE)
                assert len(got) < 14_000_000
                # The kernel sends pages: cutting the file clears what is on its way of its last ones.
                bad = [i for i in range(0, len(got), 4096)
                       if got[i:i + 4096] != whole[i:i + 4096][:len(got) - i] and any(got[i:i + 4096]) and i + 4096 <= length]
                assert not bad, (length, len(got), bad[:5], got[bad[0]:][:16], whole.find(got[bad[0]:][:64]))
            with open(path, "wb") as f:  # one that goes away, and one that grows, are sent as they were
                f.write(CONTENT)
            with c.start("RETR cut") as data:
                got = read_all(data, 1000)
                with open(path, "ab") as f:
                    f.write(b"more")
                os.unlink(path)
                got += strict_read(data)
            c.expect(226)
            assert digest(got) == digest(CONTENT)
        assert "became shorter while it was sent" in self.log()
        self.expect_rows(name)
        self.expect_sendfile()

    # -- other configurations

    def both_ways(self, name):
        with self.client(name) as c:
            assert digest(c.read("RETR big")) == digest(CONTENT)
            c.write("STOR up", CONTENT[:1_000_000])
            assert digest(self.content("up")) == digest(CONTENT[:1_000_000])

    def in_user_space(self, name):
        self.both_ways(name)
        self.expect_kernel(False, False)
        self.expect_sendfile(False)

    def row_module(self):
        """The server has made the kernel load it; at the first look there was none."""
        assert not self.had_module
        with open("/run/tmp/asked") as f:
            assert "tcp-ulp-tls" in f.read()
        with open("/proc/sys/net/ipv4/tcp_available_ulp") as f:
            assert "tls" in f.read()
        assert "no kernel TLS" not in self.server.text("system.log")

    def row_cbc(self):
        self.in_user_space("cbc")
        assert "AES128-SHA256" in self.connections()[0]
        assert "the kernel does not encrypt '/big': it has not this cipher" in self.log()

    def row_offload_off(self):
        self.in_user_space("offload_off")

    def row_no_ktls(self):
        self.in_user_space("no_ktls")

    def row_tx_only(self):
        self.both_ways("tx_only")
        down, up = self.connections()
        assert "kTLS tx" in down and "kTLS" not in up, (down, up)
        self.expect_sendfile()

    def row_zerocopy(self):
        """There is no card that encrypts: the kernel takes the option, and all is as without it."""
        self.row_download("zerocopy")
        self.row_rest("zerocopy")
        assert all(re.search("kTLS tx (rx )?zerocopy", s) for s in self.connections()), self.connections()

    def row_sendfile_off(self):
        with self.client("sendfile_off") as c:
            with c.start("RETR huge") as data:
                got = read_all(data, 1000)
                assert self.path_shown() == "tls"
                assert digest(got + strict_read(data)) == digest(HUGE)
            c.expect(226)
        self.expect_rows("sendfile_off")
        self.expect_sendfile(False)

    def row_mapped(self):
        with self.client("mapped") as c:
            assert digest(c.read("RETR big")) == digest(CONTENT)
        self.expect_rows("mapped")
        self.expect_sendfile(False)

    def row_rate(self):
        begun = time.monotonic()
        with self.client("rate") as c:
            with c.start("RETR half") as data:
                got = read_all(data, 1000)
                assert self.path_shown() == "ktls"
                assert digest(got + strict_read(data)) == digest(CONTENT[:2_000_000])
            c.expect(226)
        assert time.monotonic() - begun > 1.8
        self.expect_rows("rate")
        self.expect_sendfile()

    def row_chunks(self):
        with self.client("chunks") as c:
            assert digest(c.read("RETR half")) == digest(CONTENT[:2_000_000])
        self.expect_rows("chunks")
        self.expect_sendfile()
        assert "asked 30000, got 30000" in self.log()

    # -- others

    def row_mode_z(self):
        import zlib
        with self.client("1.3-aes128") as c:
            c.expect(200, "MODE Z")
            c.expect(200, "OPTS MODE Z LEVEL 6")  # by zlib: ISA-L uses the registers of AVX, which are lost here
            assert zlib.decompress(c.read("RETR half")) == CONTENT[:2_000_000]
            c.write("STOR z", zlib.compress(CONTENT[:300_000]))
            assert self.content("z") == CONTENT[:300_000]
        self.expect_sendfile(False)
        self.expect_rows("1.3-aes128")

    def row_ascii(self):
        with self.client("1.2-aes128") as c:
            c.expect(200, "TYPE A")
            assert c.read("RETR text") == b"line\r\n" * 20_000
        self.expect_sendfile(False)

    def row_listing(self):
        with self.client("1.3-chacha20") as c:
            assert any(" big" in line for line in c.lines("LIST"))
            assert "big" in c.lines("NLST")
        self.expect_rows("1.3-chacha20")

    def row_small_files(self):
        with self.client("1.3-aes256") as c:
            for size in (0, 1, 100, 16384, 16385):
                self.server.put("small", CONTENT[:size])
                assert c.read("RETR small") == CONTENT[:size]
        self.expect_rows("1.3-aes256")

    # The kernel says that it cannot do it.

    @contextlib.contextmanager
    def sendfile_fails(self, when):
        """The server's calls of sendfile(2) from that number on."""
        session = [p for p in self.server.processes() if self.is_session(p)]
        assert session
        said = self.server.path("strace")
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", said, "-e", "trace=sendfile", "-e", f"inject=sendfile:error=EINVAL:when={when}+",
                                   *(f"-p{p}" for p in session)], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: all(status(p).get("TracerPid") not in (None, "0") for p in session), "strace is there")
            yield lambda: self.server.text("strace")
        finally:
            tracer.terminate()
            tracer.wait()

    @staticmethod
    def is_session(pid):
        return status(pid).get("Uid", "").split()[:1] == [str(ACCOUNTS["alice"][0])]

    def fall_back(self, when):
        with self.client("1.2-aes256") as c:
            with self.sendfile_fails(when) as traced:
                assert digest(c.read("RETR big")) == digest(CONTENT)
                assert "EINVAL" in traced(), traced()
        self.expect_rows("1.2-aes256")
        begun = re.search(r"the kernel does not send '/big' \(.*\): copying from byte (\d+) on", self.log())
        assert begun and (int(begun[1]) > 0) == (when > 1), self.log()

    def row_fall_back_at_once(self):
        self.fall_back(1)
        self.mark()
        self.row_download("1.2-aes256")  # the file system is not to blame

    def row_fall_back_later(self):
        self.fall_back(2)

    def row_many_records(self):
        """More than one key may encrypt: 400 GB, which are not there."""
        path = self.server.put("sparse")
        os.truncate(path, 400_000_000_000)
        with self.client("1.3-aes128") as c:
            c.expect(350, "REST 1000")
            with c.start("RETR sparse") as data:
                assert read_all(data, 3_000_000) == bytes(3_000_000)
                assert self.path_shown() == "tls"
                c.send("ABOR")
                c.expect(426)
                c.expect(226)
            c.expect(350, "REST 300000000000")
            with c.start("RETR sparse") as data:
                assert read_all(data, 3_000_000) == bytes(3_000_000)
                assert self.path_shown() == "ktls"
                c.send("ABOR")
                c.expect(426)
                c.expect(226)
        os.unlink(path)
        assert "the kernel does not encrypt '/sparse': more bytes than one key may encrypt" in self.log()
        first, second = self.connections()
        assert "kTLS" not in first and "kTLS tx" in second

    def row_new_keys(self):
        """openssl s_client changes its keys in an upload and wants the same of the server, which the kernel cannot do."""
        with self.client("1.3-aes128") as c:
            port = c.epsv()[1]
            c.send("STOR keys")
            with subprocess.Popen(["openssl", "s_client", "-quiet", "-no_ign_eof", "-tls1_3", "-connect", f"127.0.0.1:{port}"],
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as other:
                c.expect(150)
                other.stdin.write(b"first\n")
                other.stdin.flush()
                wait_until(lambda: b"first" in self.content("keys"), "the first bytes")
                other.stdin.write(b"K\n")
                other.stdin.flush()
                while b"KEYUPDATE" not in other.stderr.readline():
                    assert other.poll() is None
                other.stdin.write(b"second\n")
                other.stdin.close()
                other.wait(60)
            c.expect(226)
            assert self.content("keys") == b"first\nsecond\n"
            assert "kTLS tx" in self.connections()[0]
            assert "the client asks for new keys" in self.log()
            self.mark()
            assert digest(c.read("RETR big")) == digest(CONTENT)
            c.write("STOR up", CONTENT)
            assert self.content("up") == CONTENT
        self.expect_kernel(False, False)
        self.expect_sendfile(False)

    def content(self, name):
        try:
            with open(self.server.home("alice", name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def row_unit_tests(self):
        """Those of src/tls/ that have something to do only here."""
        program = os.path.join(self.job["build"], "src", "tls_io_test")
        done = subprocess.run([program], cwd="/run/tmp", capture_output=True, text=True, timeout=120)
        print(done.stdout, done.stderr)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "files_are_sent_in_the_kernel_where_it_can" in done.stdout + done.stderr
        assert "SKIPPED" not in done.stdout + done.stderr

    # -- running them

    def call(self, name):
        if name in rows.OTHERS or name in rows.SINGLE:
            getattr(self, "row_" + name)()
        else:
            suite, what = name.rsplit("-", 1)
            getattr(self, "row_" + what)(suite)

    def run(self, name):
        result = {"name": name, "problem": None}
        begun = time.monotonic()
        self.mark()
        try:
            self.call(name)
        except Exception:
            result["problem"] = traceback.format_exc()[-3000:] + "\n-- log --\n" + self.log()[-3000:] + self.server.text("stderr")[-2000:]
        result["seconds"] = round(time.monotonic() - begun, 2)
        return result


def main():
    folder = sys.argv[1]
    if sys.argv[2:] == ["load"]:
        load_modules(folder)
        return
    replace_modprobe(folder)
    guest = Guest(folder)
    guest.server.put("big", CONTENT)
    guest.server.put("half", CONTENT[:2_000_000])
    guest.server.put("huge", HUGE)
    guest.server.put("text", b"line\n" * 20_000)
    with open(os.path.join(folder, "results"), "w", buffering=1) as out:
        guest.start()
        for name in guest.job["rows"]:
            out.write(json.dumps(guest.run(name)) + "\n")
        problem = None
        try:
            guest.server.stop()
        except AssertionError as found:
            problem = str(found)
        out.write(json.dumps({"name": rows.END, "problem": problem, "seconds": 0}) + "\n")


main()
