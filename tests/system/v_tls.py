"""FTPS: AUTH, PBSZ, PROT, CCC, implicit TLS, certificates, binding of data connections, ends of transfers."""
import ftplib
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import threading
import zlib

import pytest

from ftpclient import Closed, Ftp, read_all
from ftpsclient import Ftps, make_certificate, strict_read, tls_conf
from servers import PATIENCE_S, sha256, wait_until

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """Certificates, made once: name -> (certificate, key)."""
    folder = str(tmp_path_factory.mktemp("pki"))
    made = {"rsa": make_certificate(folder, "rsa"), "ec": make_certificate(folder, "ec", kind="ec"),
            "other": make_certificate(folder, "other", subject="other.test", names=("other.test",)),
            "ca": make_certificate(folder, "ca", subject="ca")}
    made["client"] = make_certificate(folder, "client", subject="alice", names=("127.0.0.1",), authority=made["ca"])
    made["wrong"] = make_certificate(folder, "wrong", subject="alice")
    return made


@pytest.fixture
def tls(start, pki):
    """tls(extra configuration) -> running server with TLS."""
    def make(extra="", kind="rsa", **values):
        return start(tls_conf(*pki[kind], kind=kind) + extra, **values)
    return make


@pytest.fixture(scope="module")
def common(module_start, pki):
    """A server with RSA and EC certificates that tests share."""
    return module_start(tls_conf(*pki["rsa"]) + tls_conf(*pki["ec"], kind="ec").replace("TLSEngine on\n", ""))


def octets(n, seed=1):
    return random.Random(seed).randbytes(n)


# --- control connection

AUTH = [("AUTH", 504), ("AUTH GSSAPI", 504), ("AUTH tls", 234), ("AUTH TLS-C", 234), ("AUTH SSL", 234), ("AUTH TLS-P", 234)]


@pytest.mark.parametrize("line, code", AUTH)
def test_auth_answers_as_the_table_says(common, line, code):
    with Ftp(common.port) as ftp:
        ftp.expect(code, line)


def test_feat_offers_tls_only_where_it_is_on(common, server):
    with Ftp(common.port) as ftp:
        lines = ftp.expect(211, "FEAT").lines
        assert " AUTH TLS" in lines and " PBSZ" in lines and " PROT" in lines and " CCC" in lines
    with Ftp(server.port) as ftp:
        lines = ftp.expect(211, "FEAT").lines
        assert " AUTH TLS" not in lines and " PROT" not in lines
        ftp.expect(500, "AUTH TLS")
        ftp.expect(500, "PBSZ 0")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_session_over_tls(tls, version, kind):
    server = tls(kind=kind)
    server.put("f", b"content")
    with Ftps(server.port, "alice", version=version) as ftp:
        ftp.expect(257, "PWD")
        ftp.expect(503, "AUTH TLS")
        ftp.expect(502, "REIN")
        assert ftp.read("RETR f") == b"content"
        ftp.write("STOR g", b"other")
        assert ftp.read("RETR g") == b"other"
        assert any("f" in line for line in ftp.lines("LIST"))
        ftp.quit()


def test_what_came_in_clear_before_the_handshake_is_not_executed(common):
    with Ftp(common.port) as ftp:
        ftp.send_raw(b"AUTH TLS\r\nUSER alice\r\nPASS alice-pw\r\nMKD injected\r\n")
        ftp.expect(234)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            ftp.sock = context.wrap_socket(ftp.sock)
        except (ssl.SSLError, OSError):
            return  # refused altogether: as good
        ftp.expect(200, "NOOP")
        ftp.expect(530, "PWD")
    assert not os.path.exists(common.home("alice", "injected"))


def test_what_was_said_before_auth_is_forgotten(common):
    ftp = Ftps.__new__(Ftps)
    with Ftp(common.port) as clear:
        clear.expect(331, "USER alice")
        clear.expect(234, "AUTH TLS")
        ftp.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ftp.context.check_hostname, ftp.context.verify_mode = False, ssl.CERT_NONE
        clear.sock = ftp.context.wrap_socket(clear.sock)
        clear.expect(503, "PASS alice-pw")


def test_pbsz_and_prot_answer_as_the_table_says(common):
    with Ftp(common.port) as ftp:
        ftp.expect(503, "PBSZ 0")
        ftp.expect(503, "PROT P")
        ftp.expect(533, "CCC")
    with Ftps(common.port) as ftp:
        assert ftp.expect(200, "PBSZ 0").text == "200 PBSZ 0 successful"
        assert ftp.expect(200, "PBSZ 1024").text == "200 PBSZ=0 successful"
        ftp.expect(501, "PBSZ x")
        ftp.expect(200, "PROT P")
        ftp.expect(200, "prot c")
        ftp.expect(536, "PROT S")
        ftp.expect(536, "PROT E")
        ftp.expect(504, "PROT X")
        ftp.login()
        assert ftp.expect(200, "PROT P").text == "200 Protection set to Private"
        assert ftp.expect(200, "PROT C").text == "200 Protection set to Clear"
        ftp.expect(503, "MIC abc")


def test_auth_ssl_protects_data_from_the_start(common):
    common.put("ssl", b"x")
    with Ftps(common.port, "alice", auth="SSL", private=False) as ftp:
        ftp.data_private = True
        assert ftp.read("RETR ssl") == b"x"


def test_ccc_ends_the_protection_of_the_control_connection_only(common):
    common.put("ccc", octets(100000))
    with Ftps(common.port, "alice") as ftp:
        ftp.expect(200, "CCC")
        ftp.sock = ftp.sock.unwrap()
        ftp.expect(257, "PWD")
        ftp.expect(533, "CCC")
        assert ftp.read("RETR ccc") == octets(100000)
        ftp.expect(200, "PROT C")
        ftp.private = False
        assert ftp.read("RETR ccc") == octets(100000)
        ftp.quit()


def test_implicit_tls(tls):
    server = tls("TLSOptions UseImplicitSSL\n")
    server.put("f", b"x" * 5000)
    with Ftps(server.port, "alice", implicit=True) as ftp:
        ftp.data_private = True
        ftp.expect(503, "AUTH TLS")
        assert ftp.read("RETR f") == b"x" * 5000
        ftp.expect(200, "PROT C")
        ftp.data_private = False
        assert ftp.read("RETR f") == b"x" * 5000


# (TLSRequired, allowed in clear: command -> code)
REQUIRED = [
    ("on", {"USER alice": 550, "NOOP": 200, "FEAT": 211, "SYST": 215, "HELP": 550, "PASS x": 550}),
    ("ctrl", {"USER alice": 550, "HELP": 550}),
    ("auth", {"USER alice": 550, "PASS x": 550, "HELP": 214}),
    ("auth+data", {"USER alice": 550, "HELP": 214}),
    ("data", {"USER alice": 331}),
    ("!data", {"USER alice": 331}),
    ("off", {"USER alice": 331, "HELP": 214}),
]


@pytest.mark.parametrize("value, answers", REQUIRED, ids=[r[0] for r in REQUIRED])
def test_tls_required_decides_what_may_be_said_in_clear(tls, value, answers):
    server = tls(f"TLSRequired {value}\n")
    for line, code in answers.items():
        with Ftp(server.port) as ftp:
            reply = ftp.expect(code, line)
            assert code != 550 or "SSL/TLS required on the control channel" in reply.text


@pytest.mark.parametrize("value", ["on", "data", "ctrl+data", "auth+data"])
def test_transfers_in_clear_are_refused_where_data_must_be_protected(tls, value):
    server = tls(f"TLSRequired {value}\n")
    server.put("f", b"x")
    with Ftps(server.port, "alice", private=False) as ftp:
        for line in ("RETR f", "STOR g", "LIST", "NLST", "MLSD", "STOU", "APPE g"):
            ftp.cmd("EPSV")
            reply = ftp.expect(522, line)
            assert "SSL/TLS required on the data channel" in reply.text
        ftp.expect(534, "PROT C")
        ftp.private = True
        ftp.protect()
        assert ftp.read("RETR f") == b"x"
        ftp.expect(534 if value in ("on", "ctrl+data") else 200, "CCC")


@pytest.mark.parametrize("value", ["!data", "ctrl+!data", "auth+!data"])
def test_protection_of_data_can_be_forbidden(tls, value):
    server = tls(f"TLSRequired {value}\n")
    server.put("f", b"x")
    with Ftps(server.port, "alice", private=False) as ftp:
        ftp.expect(534, "PROT P")
        assert ftp.read("RETR f") == b"x"


def test_data_protection_can_be_required_for_a_directory(tls):
    server = tls("<Directory @DIR@/home/alice/closed>\nTLSRequired data\n</Directory>\nAllowOverwrite on\n")
    server.put("closed/f", b"x")
    server.put("open/f", b"y")
    with Ftps(server.port, "alice", private=False) as ftp:
        assert ftp.read("RETR open/f") == b"y"
        ftp.cmd("EPSV")
        ftp.expect(522, "RETR closed/f")
        ftp.cmd("EPSV")
        ftp.expect(522, "STOR closed/g")


# --- transfers

@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 1 << 20, 20_000_000])
def test_content_survives(common, version, size):
    content = octets(size)
    common.put("content", content)
    with Ftps(common.port, "alice", version=version) as ftp:
        ftp.binary()
        assert sha256(ftp.read("RETR content")) == sha256(content)
        ftp.write("STOR stored", content)
        with open(common.home("alice", "stored"), "rb") as f:
            assert sha256(f.read()) == sha256(content)
        if size > 2:
            ftp.expect(350, f"REST {size // 2}")
            assert ftp.read("RETR content") == content[size // 2:]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_end_of_a_download_is_told(common, version):
    common.put("end", octets(300000))
    with Ftps(common.port, "alice", version=version) as ftp:
        with ftp.start("RETR end") as data:
            assert len(strict_read(data)) == 300000
        ftp.expect(226)


@pytest.mark.parametrize("version", [None, "1.2", "1.3"])
def test_a_client_that_keeps_its_data_connection_gets_the_226(start, pki, version):
    """Some wait for the reply before they close: after a download for TimeoutLinger, after close_notify of an upload not at all."""
    server = start(tls_conf(*pki["rsa"]), TimeoutLinger="1")
    content = octets(300000)
    server.put("f", content)
    with (Ftps(server.port, "alice", version=version) if version else Ftp(server.port, user="alice").binary()) as ftp:
        with ftp.start("RETR f") as data:
            assert (strict_read if version else read_all)(data) == content
            ftp.expect(226)
        data = ftp.start("STOR g")
        data.sendall(content)
        raw = data.unwrap() if version else data  # the answer has come as well
        if not version:
            raw.shutdown(socket.SHUT_WR)
        ftp.expect(226)
        assert raw.recv(1) == b""  # the end, and no reset
        raw.close()
        with open(server.home("alice", "g"), "rb") as f:
            assert f.read() == content


def test_an_upload_that_is_cut_off_is_no_upload(tls):
    server = tls("TLSDataShutdown strict\n")
    with Ftps(server.port, "alice") as ftp:
        data = ftp.start("STOR cut")
        data.sendall(b"x" * 100000)
        os.close(data.detach())  # a FIN without close_notify: anybody on the way could have made it
        ftp.expect((426, 451))
        ftp.expect(200, "NOOP")
    server = tls("TLSDataShutdown lenient\n")
    with Ftps(server.port, "alice") as ftp:
        data = ftp.start("STOR cut")
        data.sendall(b"x" * 100000)
        os.close(data.detach())
        ftp.expect(226)
    assert os.path.getsize(server.home("alice", "cut")) == 100000


def test_abor_during_a_download(common):
    common.put("big", b"z" * 50_000_000)
    with Ftps(common.port, "alice") as ftp:
        ftp.binary()
        with ftp.start("RETR big") as data:
            data.recv(100000)
            ftp.send("ABOR")
            ftp.expect(426)
            ftp.expect(226)
        ftp.write("STOR after", b"fine")
        assert ftp.read("RETR after") == b"fine"


def test_ascii_and_rates_work_under_protection(tls):
    server = tls("TransferRate RETR 200\n")
    server.put("text", b"line\n" * 10000)
    with Ftps(server.port, "alice") as ftp:
        ftp.expect(200, "TYPE A")
        assert ftp.read("RETR text") == b"line\r\n" * 10000


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_mode_z_works_under_protection(tls, version):
    server = tls("DeflateEngine on\n")
    content = octets(1_000_000) + b"line\n" * 500_000
    server.put("mixed", content)
    with Ftps(server.port, "alice", version=version) as ftp:
        ftp.binary().expect(200, "MODE Z")
        assert zlib.decompress(ftp.read("RETR mixed")) == content
        assert b"mixed" in zlib.decompress(ftp.read("MLSD"))
        ftp.write("STOR up", zlib.compress(content))
        with open(server.home("alice", "up"), "rb") as f:
            assert f.read() == content
        ftp.write("STOR cut", zlib.compress(content)[:-4], code=426)


# --- binding

@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_data_connections_resume_the_control_session_again_and_again(tls, version):
    server = tls("TLSDataBinding require\n")
    server.put("f", b"content")
    with Ftps(server.port, "alice", version=version) as ftp:
        for i in range(30):
            with ftp.start("RETR f") as data:
                assert data.session_reused, i
                assert read_all(data) == b"content"
            ftp.expect(226)
            ftp.write("STOR g", b"x" * i)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_chain_of_tickets_from_data_connections_goes_on(tls, version):
    server = tls("TLSDataBinding require\n")
    server.put("f", b"content")
    with Ftps(server.port, "alice", version=version) as ftp:
        session = ftp.sock.session
        for i in range(60):
            raw = Ftp.start(ftp, "RETR f")
            with ftp.context.wrap_socket(raw, session=session) as data:
                assert data.session_reused, i
                assert read_all(data) == b"content"
                session = data.session
            ftp.expect(226)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("binding", ["require", "auto", "off"])
def test_a_client_that_does_not_resume(tls, version, binding):
    server = tls(f"TLSDataBinding {binding}\n")
    server.put("f", b"content")
    with Ftps(server.port, "alice", version=version, reuse=False) as ftp:
        if binding == "require":
            raw = Ftp.start(ftp, "RETR f")
            try:
                ftp.wrap(raw).close()
            except (ssl.SSLError, OSError):
                raw.close()
            assert ftp.expect(425).text == "425 Unable to build data connection: TLS session of the control connection not reused"
            ftp.expect(200, "NOOP")
        else:
            assert ftp.read("RETR f") == b"content"
            assert ftp.read("RETR f") == b"content"
            ftp.write("STOR g", b"up")
    logged = [line for line in server.text("system.log").splitlines() if "TLSDataBinding" in line]
    assert len(logged) == {"require": 1, "auto": 1, "off": 0}[binding]
    assert all("127.0.0.1" in line and "alice" in line for line in logged), logged


def test_no_session_reuse_required_keeps_its_meaning(tls):
    server = tls("TLSDataBinding require\nTLSOptions NoSessionReuseRequired\n")
    server.put("f", b"content")
    with Ftps(server.port, "alice", reuse=False) as ftp:
        assert ftp.read("RETR f") == b"content"


def test_the_session_of_another_login_does_not_open_a_data_connection(tls):
    server = tls("TLSDataBinding require\n")
    server.put("f", b"content")
    with Ftps(server.port, "alice", version="1.2") as mine, Ftps(server.port, "bob", version="1.2") as other:
        mine.binary()
        raw = Ftp.start(mine, "RETR f")
        stolen = mine.context.wrap_socket
        other_session = other.sock.session
        other.context.check_hostname = False
        with pytest.raises((ssl.SSLError, OSError, AssertionError, ValueError)):
            data = other.context.wrap_socket(raw, session=other_session)
            assert data.session_reused
        raw.close()
        mine.expect((425, 426))
        assert stolen


# --- real clients

def run_client(argv, seconds=PATIENCE_S, **options):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, text=True, **options)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("extra", [[], ["--ftp-ssl-ccc"], ["--ftp-ssl-control"]], ids=["all", "ccc", "control"])
def test_curl(common, tmp_path, version, extra):
    common.put("curl", octets(3_000_000))
    how = ["--ftp-ssl"] if extra else ["--ssl-reqd"]
    done = run_client(["curl", "-sS", "-k", *how, *extra, "--tlsv" + version, "--tls-max", version, "-u", "alice:alice-pw",
                       f"ftp://127.0.0.1:{common.port}/curl", "-o", str(tmp_path / "got")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got").read_bytes() == octets(3_000_000)
    done = run_client(["curl", "-sS", "-k", *how, *extra, "--tlsv" + version, "--tls-max", version, "-u", "alice:alice-pw", "-T",
                       str(tmp_path / "got"), f"ftp://127.0.0.1:{common.port}/up"])
    assert done.returncode == 0, done.stderr
    with open(common.home("alice", "up"), "rb") as f:
        assert f.read() == octets(3_000_000)


def test_lftp_mirrors(common, tmp_path):
    if not shutil.which("lftp"):
        pytest.skip("no lftp")
    for i in range(40):
        common.put(f"mirror/{i}", octets(i * 997, i))
    done = run_client(["lftp", "-c", f"set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:verify-certificate no; "
                       f"open -u alice,alice-pw 127.0.0.1:{common.port}; mirror --parallel=4 mirror {tmp_path}/got; "
                       f"mirror -R {tmp_path}/got back"])
    assert done.returncode == 0, done.stderr
    for i in range(40):
        assert (tmp_path / "got" / str(i)).read_bytes() == octets(i * 997, i)
        with open(common.home("alice", f"back/{i}"), "rb") as f:
            assert f.read() == octets(i * 997, i)


class ReusingFtpTls(ftplib.FTP_TLS):
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("client", [ftplib.FTP_TLS, ReusingFtpTls], ids=["plain", "reusing"])
def test_pythons_ftplib(common, version, client):
    import io
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    ftp = client(context=context)
    ftp.connect("127.0.0.1", common.port, timeout=PATIENCE_S)
    ftp.login("alice", "alice-pw")
    ftp.prot_p()
    for i in range(10):
        ftp.storbinary("STOR lib", io.BytesIO(octets(50000, i)))
        got = io.BytesIO()
        ftp.retrbinary("RETR lib", got.write)
        assert got.getvalue() == octets(50000, i)
        assert "lib" in ftp.nlst()
    ftp.quit()


# --- names and certificates

def served_subject(port, sni=None, upgrade=True):
    """Subject of the certificate that the server shows for a name."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *(["-starttls", "ftp"] if upgrade else []),
                           *(["-servername", sni] if sni else ["-noservername"])], input="QUIT\r\n", capture_output=True, text=True, timeout=PATIENCE_S)
    return [line for line in done.stdout.splitlines() if line.startswith("subject=")][0]


def test_sni_and_host_choose_the_certificate(start, pki):
    server = start.prepare()
    other = tls_conf(*pki["other"])
    server.configure(tls_conf(*pki["rsa"]) + f"<VirtualHost 127.0.0.1>\nPort {server.port}\nServerName other\nServerAlias other.test\n"
                     f"AuthUserFile @DIR@/passwd\nAuthGroupFile @DIR@/group\nAuthOrder mod_auth_file.c\nRequireValidShell off\nDefaultRoot ~\n{other}</VirtualHost>\n")
    server.start()
    assert "localhost" in served_subject(server.port)
    assert "localhost" in served_subject(server.port, "unknown.test")
    assert "other.test" in served_subject(server.port, "other.test")
    with Ftps(server.port, sni="other.test") as ftp:
        ftp.expect(220, "HOST other.test")
        ftp.expect(504, "HOST localhost")
        ftp.login()
        assert "other" in ftp.expect(211, "STAT").text
    with Ftps(server.port) as ftp:
        ftp.expect(503, "HOST other.test")
    with Ftp(server.port) as ftp:
        ftp.expect(220, "HOST other.test")
        ftp.expect(234, "AUTH TLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        ftp.sock = context.wrap_socket(ftp.sock)
        assert b"other.test" in ftp.sock.getpeercert(True)


@pytest.mark.parametrize("mode, none, good, bad", [("off", True, True, True), ("optional", True, True, False), ("on", False, True, False)])
def test_client_certificates(tls, pki, mode, none, good, bad):
    server = tls(f"TLSVerifyClient {mode}\nTLSCACertificateFile {pki['ca'][0]}\n")
    server.put("f", b"x")

    def works(certificate):
        try:
            with Ftps(server.port, "alice", certificate=certificate) as ftp:
                return ftp.read("RETR f") == b"x"
        except (ssl.SSLError, OSError, Closed):
            return False
    assert [works(None), works(pki["client"]), works(pki["wrong"])] == [none, good, bad]


def test_protocols_below_1_2_and_weak_ciphers_are_not_spoken(common):
    def accepted(*options):
        done = run_client(["openssl", "s_client", "-starttls", "ftp", "-connect", f"127.0.0.1:{common.port}", *options])
        return "Cipher is (NONE)" not in done.stdout and "New, " in done.stdout
    assert accepted("-tls1_2") and accepted("-tls1_3")
    assert not accepted("-tls1") and not accepted("-tls1_1")
    for cipher in ("aNULL", "eNULL", "RC4", "3DES", "EXPORT", "kRSA"):
        assert not accepted("-tls1_2", "-cipher", cipher + ":@SECLEVEL=0"), cipher


# --- abuse

def test_slow_and_mad_handshakes_leave_others_alone(tls):
    server = tls("TLSTimeoutHandshake 3\n")
    server.put("f", b"x")
    half = []
    for i in range(300):
        ftp = Ftp(server.port)
        ftp.expect(234, "AUTH TLS")
        if i % 3 == 0:
            ftp.send_raw(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
        if i % 3 == 1:
            ftp.send_raw(octets(5000, i))
        half.append(ftp)
    with Ftps(server.port, "alice") as ftp:
        assert ftp.read("RETR f") == b"x"
    for ftp in half:
        assert ftp.at_eof()
        ftp.close()


def test_renegotiation_is_refused(common):
    done = subprocess.run(["openssl", "s_client", "-starttls", "ftp", "-tls1_2", "-connect", f"127.0.0.1:{common.port}"],
                          input="R\n", capture_output=True, text=True, timeout=PATIENCE_S)
    assert "no renegotiation" in done.stdout + done.stderr or "RENEGOTIATING" in done.stdout + done.stderr
    with Ftps(common.port, "alice") as ftp:
        ftp.expect(200, "NOOP")


def test_many_sessions_at_once(common):
    common.put("many", octets(200000))
    failures = []

    def one(number):
        try:
            with Ftps(common.port, "alice", version=("1.2", "1.3")[number % 2], reuse=number % 3 != 0) as ftp:
                for _ in range(5):
                    assert ftp.read("RETR many") == octets(200000)
        except Exception as problem:  # told by the main thread
            failures.append(problem)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]


def test_ftpwho_says_which_connections_are_protected(common):
    def protected(sid):
        shown = json.loads(common.tool("ftpwho", "-o", "json", "-f", common.path("run", "scoreboard")).stdout)
        return [(c.get("tls"), c.get("tls_data")) for c in shown["connections"] if c["session"] > sid]
    with Ftp(common.port) as clear:
        seen = json.loads(common.tool("ftpwho", "-o", "json", "-f", common.path("run", "scoreboard")).stdout)
        last = max(c["session"] for c in seen["connections"])
        assert protected(last - 1) == [(None, None)]
        with Ftps(common.port) as ftp:
            ftp.expect(200, "PBSZ 0")  # with TLS 1.3 the handshake ends for the client before the server has seen its end
            assert protected(last) == [(True, None)]
            ftp.expect(200, "PROT P")
            assert protected(last) == [(True, True)]
            ftp.login("alice")
            assert protected(last) == [(True, True)]
            ftp.expect(200, "PROT C")
            assert protected(last) == [(True, None)]
            ftp.expect(200, "PROT P")
            ftp.expect(200, "CCC")
            assert protected(last) == [(None, True)]
        clear.quit()


def test_tools_and_logs_say_ftps(common):
    common.put("shown", b"q" * 60_000_000)
    with Ftps(common.port, "alice") as ftp:
        ftp.binary()
        with ftp.start("RETR shown") as data:
            data.recv(1000)
            shown = common.tool("ftpwho", "-v", "-o", "json", "-f", common.path("run", "scoreboard")).stdout
            assert '"ftps"' in shown and ('"tls"' in shown or '"ktls"' in shown)
            while data.recv(1 << 20):
                pass
        ftp.expect(226)
    wait_until(lambda: " ftps " in common.text("xferlog"), "the xferlog names the service")
