"""OCSP stapling: responses of a responder on 127.0.0.1, seen by openssl s_client on control and data connections."""
import http.server
import json
import os
import re
import subprocess
import threading
import time

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import PATIENCE_S, free_port, wait_until

pytestmark = pytest.mark.ours


def run(*argv, **options):
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, **options).stdout


class Responder:
    """An authority with its responder. `status`: V good, R revoked, E unknown. `answer(request)` -> DER may be replaced."""

    def __init__(self, folder, name="ca"):
        self.folder, self.status, self.asked, self.options = folder, "V", 0, ["-nmin", "60"]
        self.ca = make_certificate(folder, name, subject=name)
        self.signer, self.lock = self.ca, threading.Lock()
        self.serials, self.answer = [], self.honest
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked += 1
                der = outer.answer(body)
                if der is None:
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(der)))
                self.end_headers()
                self.wfile.write(der)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def issue(self, name, kind="rsa", named=True):
        """A certificate, followed by the authority's; returns (certificate, key)."""
        more = [f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{self.port}/ocsp"] if named else []
        cert, key = make_certificate(self.folder, name, subject=name, kind=kind, authority=self.ca, extensions=more)
        self.serials.append(run("openssl", "x509", "-in", cert, "-noout", "-serial").decode().strip().split("=")[1])
        with open(cert, "ab") as out, open(self.ca[0], "rb") as ca:
            out.write(ca.read())
        return cert, key

    def path(self, name):
        return os.path.join(self.folder, name)

    def honest(self, request):
        with self.lock:
            return self.made(request)

    def made(self, request):
        with open(self.path("index.txt"), "w") as f:
            for serial in self.serials:
                revoked = "200101000000Z" if self.status == "R" else ""
                if self.status != "E":
                    f.write(f"{self.status}\t400101000000Z\t{revoked}\t{serial}\tunknown\t/CN={serial}\n")
        with open(self.path("q.der"), "wb") as f:
            f.write(request)
        run("openssl", "ocsp", "-index", self.path("index.txt"), "-CA", self.ca[0], "-rsigner", self.signer[0], "-rkey", self.signer[1],
            "-reqin", self.path("q.der"), "-respout", self.path("r.der"), *self.options)
        with open(self.path("r.der"), "rb") as f:
            return f.read()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def responder(tmp_path):
    made = Responder(str(tmp_path))
    yield made
    made.close()


def conf(pair, kind="rsa", extra=""):
    return tls_conf(*pair, kind=kind) + "TLSStapling on\n" + extra


def seen(port, ca=None, version="1_3", more=()):
    """What s_client says of the response on a control connection."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", "ftp", "-status", "-tls" + version,
                           *(["-CAfile", ca] if ca else []), *more], input=b"", capture_output=True, timeout=PATIENCE_S)
    text = done.stdout.decode(errors="replace")
    if "OCSP response: no response sent" in text:
        return "none"
    state = re.search(r"OCSP Response Status: (\w+)", text)
    assert state, text + done.stderr.decode(errors="replace")
    if state.group(1) != "successful":
        return state.group(1)
    return re.search(r"Cert Status: (\w+)", text).group(1)


def log_of(server):
    return server.text("system.log")


@pytest.mark.parametrize("version", ["1_2", "1_3"])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_control_and_data_connections_have_the_response(start, responder, kind, version):
    server = start(conf(responder.issue("leaf", kind), kind))
    server.put("f", b"content")
    wait_until(lambda: seen(server.port, responder.ca[0], version) == "good", "the response")
    with Ftps(server.port, "alice") as ftp:
        port = int(re.search(r"\|\|\|(\d+)\|", ftp.expect(229, "EPSV").lines[-1]).group(1))
        with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status", "-tls" + version],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            ftp.expect(150, "RETR f")
            text = client.stdout.read()
            client.stdin.close()
        ftp.expect(226)
    assert b"Cert Status: good" in text and b"content" in text


def test_each_of_two_certificates_has_its_own(start, responder):
    rsa, ec = responder.issue("one", "rsa"), responder.issue("two", "ec")
    server = start(conf(rsa) + tls_conf(*ec, kind="ec").replace("TLSEngine on\n", ""))
    for sort, serial in (("RSA", responder.serials[0]), ("ECDSA", responder.serials[1])):
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "ftp", "-status", "-tls1_2",
                "-cipher", "ECDHE-" + sort + "-AES128-GCM-SHA256"]

        def has_it():
            text = subprocess.run(argv, input=b"", capture_output=True, timeout=PATIENCE_S).stdout.decode(errors="replace")
            return "Cert Status: good" in text and "Serial Number: " + serial in text
        wait_until(has_it, "the response for " + sort)


def test_a_dead_responder_delays_nobody(start, responder):
    stopped = threading.Event()
    responder.answer = lambda request: stopped.wait(300) and None
    pair = responder.issue("leaf")
    server = start(conf(pair, extra="TLSStaplingTimeout 300\n"))
    wait_until(lambda: responder.asked == 1, "the question")
    for _ in range(3):
        assert seen(server.port) == "trylater"
        with Ftp(server.port) as ftp:
            ftp.expect(215, "SYST")
    assert "OCSP: no response" not in log_of(server)  # it is still waited for
    server.configure(conf(pair, extra="TLSStaplingTimeout 1\n"))
    server.reload()
    wait_until(lambda: "OCSP: no response for the RSA certificate" in log_of(server), "the log")
    stopped.set()
    responder.answer = responder.honest
    server.configure(conf(pair, extra="TLSStaplingTimeout 60\n"))  # the honest one may be slow here
    server.reload()  # asks again at once
    wait_until(lambda: seen(server.port) == "good", "the response")


def test_a_closed_port_and_no_fake_response(start, responder):
    pair = responder.issue("leaf")
    responder.close()
    server = start(conf(pair, extra="TLSStaplingOptions NoFakeTryLater\n"))
    wait_until(lambda: "OCSP: no response for" in log_of(server), "the log")
    assert seen(server.port) == "none"


def test_a_revoked_certificate_is_shown_as_that(start, responder):
    responder.status = "R"
    server = start(conf(responder.issue("leaf")))
    wait_until(lambda: seen(server.port) == "revoked", "the response")
    assert "REVOKED" in log_of(server)


@pytest.mark.parametrize("what, why", [
    ("unknown", "does not know the certificate"),
    ("unauthorized", "answers 'unauthorized'"),
    ("foreign", "not signed by the authority"),
    ("garbage", "no answer of the responder"),
    ("truncated", "no answer of the responder"),
    ("another", "says nothing of this certificate"),
    ("nonce", "another nonce"),
])
def test_a_response_that_proves_nothing_is_not_sent(start, responder, tmp_path, what, why):
    pair = responder.issue("leaf")
    if what == "unknown":
        responder.status = "E"
    elif what == "unauthorized":
        responder.answer = lambda q: bytes.fromhex("30030a0106")
    elif what == "foreign":
        responder.signer = make_certificate(str(tmp_path), "stranger", subject="ca")
    elif what == "garbage":
        responder.answer = lambda q: b"<html>" * 10
    elif what == "truncated":
        responder.answer = lambda q: responder.honest(q)[:-40]
    elif what == "another":
        other, issuer = responder.issue("other")[0], responder.ca[0]
        run("openssl", "ocsp", "-issuer", issuer, "-cert", other, "-no_nonce", "-reqout", str(tmp_path / "other.der"))
        responder.answer = lambda q: responder.honest((tmp_path / "other.der").read_bytes())
    elif what == "nonce":
        run("openssl", "ocsp", "-issuer", responder.ca[0], "-cert", pair[0], "-reqout", str(tmp_path / "mine.der"))
        responder.answer = lambda q: responder.honest((tmp_path / "mine.der").read_bytes())
    server = start(conf(pair))
    wait_until(lambda: "OCSP: no response for" in log_of(server), "the log")
    assert why in log_of(server)
    assert seen(server.port) == "trylater"


def test_no_verify_takes_a_foreign_signature(start, responder, tmp_path):
    pair = responder.issue("leaf")
    responder.signer = make_certificate(str(tmp_path), "stranger", subject="ca")
    server = start(conf(pair, extra="TLSStaplingOptions NoVerify NoNonce\n"))
    wait_until(lambda: seen(server.port) == "good", "the response")


def test_a_delegated_signer_is_the_authoritys_too(start, responder):
    pair = responder.issue("leaf")
    responder.signer = make_certificate(responder.folder, "signer", subject="signer", authority=responder.ca,
                                        extensions=["extendedKeyUsage=OCSPSigning"])
    server = start(conf(pair))
    wait_until(lambda: seen(server.port, responder.ca[0]) == "good", "the response")


def test_a_certificate_of_the_authority_may_not_sign_by_itself(start, responder):
    pair = responder.issue("leaf")
    responder.signer = make_certificate(responder.folder, "signer", subject="signer", authority=responder.ca)
    server = start(conf(pair))
    wait_until(lambda: "not signed by the authority" in log_of(server), "the log")
    assert seen(server.port) == "trylater"


def test_a_response_is_kept_over_a_reload_and_the_responder_may_be_named(start, responder):
    server = start(conf(responder.issue("leaf", named=False), extra=f"TLSStaplingResponder http://127.0.0.1:{responder.port}/x\n"))
    wait_until(lambda: seen(server.port) == "good", "the response")
    server.reload()
    assert seen(server.port) == "good"
    assert responder.asked == 1
    with Ftp(server.port) as ftp:  # the process that asked is gone, and was no child that is missed
        ftp.expect(215, "SYST")
    assert "ended by signal" not in log_of(server)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_response_is_renewed_in_time_and_none_is_sent_after_its_time(start, responder):
    responder.options = ["-nmin", "1"]
    server = start(conf(responder.issue("leaf")))
    wait_until(lambda: seen(server.port) == "good", "the response")
    wait_until(lambda: responder.asked >= 2, "the second question", seconds=200)
    responder.answer = lambda q: b"no"
    wait_until(lambda: seen(server.port) == "trylater", "the end of the response's time", seconds=200)


def listed(server):
    done = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "tls", "list", "--json")
    return json.loads(done.stdout)


def test_wherryctl_tells_what_is_known_of_certificates(start, responder, tmp_path):
    own = make_certificate(str(tmp_path), "own", days=3)
    other = free_port()
    server = start.prepare()
    server.configure(conf(responder.issue("leaf")) + f"<VirtualHost 127.0.0.1>\nPort {other}\nServerName \"second \\\"one\"\n{conf(own)}"
                     "</VirtualHost>\n<VirtualHost 127.0.0.2>\nServerName bare\n</VirtualHost>\n")
    server.start()
    wait_until(lambda: listed(server)["certificates"][0]["staple"] == "good", "the response")
    first, second = listed(server)["certificates"]
    assert first["server"].endswith(f":{server.port}") and first["kind"] == "RSA"
    assert first["subject"] == "CN=leaf" and first["issuer"] == "CN=ca"
    assert abs(first["expires"] - time.time() - 30 * 86400) < 600
    assert 0 < first["staple_until"] - time.time() <= 3600 and 0 < first["staple_next"] - time.time() <= 1800
    assert "staple_error" not in first
    assert second["server"] == f'second "one:{other}' and second["subject"] == "CN=localhost"
    assert second["staple"] == "none" and second["staple_error"] == "it is signed by itself"
    shown = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "tls", "list").stdout
    assert "wherryctl: 2 certificates\n" in shown and "  staple         good\n" in shown
    assert time.strftime("  expires        %Y-%m-%d ", time.localtime(second["expires"])) in shown
    responder.answer = lambda q: b"no"
    server.configure(conf(responder.issue("new")))
    server.reload()
    wait_until(lambda: "staple_error" in listed(server)["certificates"][0], "the error")
    assert listed(server)["certificates"][0]["staple"] == "none" and "no answer of the responder" in listed(server)["certificates"][0]["staple_error"]
    server.configure(tls_conf(*own))
    server.reload()
    assert [c["staple"] for c in listed(server)["certificates"]] == ["off"]


def test_many_certificates_are_cut_short_with_a_word(start, tmp_path):
    own = make_certificate(str(tmp_path), "own")
    name = "x" * 200
    server = start.prepare()
    server.configure("ServerName first\n" + tls_conf(*own) + "".join(
        f"<VirtualHost 127.0.0.{i + 2}>\nServerName {name}{i}\n{tls_conf(*own)}</VirtualHost>\n" for i in range(250)))
    server.start()
    answer = listed(server)
    certs = answer["certificates"]
    assert 100 < len(certs) < 251 and certs[-1]["subject"] == "CN=localhost"
    shown = server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "tls", "list").stdout
    assert answer["not_shown"] == 251 - len(certs)
    assert f"not_shown      {251 - len(certs)}\n" in shown


def test_what_cannot_work_is_said_by_t(start, responder, tmp_path):
    own = make_certificate(str(tmp_path), "own")
    cases = [(conf(own), "it is signed by itself"),
             (conf(responder.issue("unnamed", named=False)), "it names no responder"),
             (conf(responder.issue("x"), extra="TLSStaplingResponder https://h/\n"), "is not a URL http://"),
             (conf(responder.issue("y"), extra="TLSStaplingOptions Sometimes\n"), "unknown option 'Sometimes'"),
             (conf(responder.issue("z"), extra="TLSStaplingCache shm:/file=/x\n"), "kept in memory")]
    for text, want in cases:
        server = start.prepare()
        server.configure(text)
        done = server.check()
        assert want in done.stderr + done.stdout, (want, done.stderr + done.stdout)
    alone, key = responder.issue("alone")
    with open(alone) as f:
        first = f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    with open(alone, "w") as f:
        f.write(first)
    server = start.prepare()
    server.configure(conf((alone, key)))
    done = server.check()
    assert "its authority's certificate is neither behind it" in done.stderr + done.stdout
