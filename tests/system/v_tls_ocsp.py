"""TLSVerifyOrder with ocsp: the responder of a client's certificate, on 127.0.0.1, is asked before its first command is executed."""
import datetime
import os
import signal
import ssl
import threading

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import PATIENCE_S, status as status_of, wait_until
from v_tls_staple import log_of, responder, run  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.ours


@pytest.fixture
def asking(start, responder, tmp_path):
    """asking(order, extra) -> running server that asks about certificates of the responder's authority."""
    def make(order="ocsp", extra="", options="", wait=30):
        pair = make_certificate(str(tmp_path), "server")
        return start(tls_conf(*pair) + f"TLSVerifyClient optional\nTLSCACertificateFile {responder.ca[0]}\nTLSVerifyOrder {order}\n"
                     f"TLSOptions StdEnvVars {options}\nTLSStaplingTimeout {wait}\nTLSLog @DIR@/tls.log\nSyslogLevel info\n" + extra)
    return make


@pytest.fixture
def alice(responder):
    return responder.issue("alice")


def let_in(server, certificate, **options):
    with Ftps(server.port, certificate=certificate, **options) as ftp:
        ftp.login("alice")
        return ftp.expect(257, "PWD")


def refused(server, certificate, **options):
    with Ftps(server.port, certificate=certificate, **options) as ftp:
        assert ftp.expect(421).text == "421 Client certificate not accepted, closing control connection"
        assert ftp.at_eof()


def revocation_list(responder, name, *serials):
    """A list of the authority in which these stand."""
    folder = responder.folder
    with open(os.path.join(folder, "crl.txt"), "w") as f:
        f.writelines(f"R\t400101000000Z\t200101000000Z\t{s}\tunknown\t/CN={s}\n" for s in serials)
    with open(os.path.join(folder, "crl.cnf"), "w") as f:
        f.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/crl.txt\ndefault_md=sha256\n")
    path = os.path.join(folder, name)
    run("openssl", "ca", "-gencrl", "-config", os.path.join(folder, "crl.cnf"), "-cert", responder.ca[0], "-keyfile", responder.ca[1],
        "-crldays", "3", "-out", path)
    return path


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("order", ["ocsp", "crl ocsp", "ocsp crl"])
def test_a_good_certificate_is_asked_about_once(asking, responder, alice, order, version):
    server = asking(order)
    for _ in range(3):
        let_in(server, alice, version=version)
    assert responder.asked == 1
    assert f"'CN=alice' is good (http://127.0.0.1:{responder.port}/ocsp)" in log_of(server)
    with Ftps(server.port, "alice") as ftp:  # without a certificate
        ftp.expect(257, "PWD")


@pytest.mark.parametrize("order", ["ocsp", "crl ocsp", "ocsp crl"])
@pytest.mark.parametrize("status, why", [("R", "'CN=alice' was REVOKED by its authority"), ("E", "'CN=alice' is unknown to its authority")])
def test_a_bad_one_is_refused_whatever_the_options(asking, responder, alice, order, status, why):
    responder.status = status
    server = asking(order, options="OCSPSoftFail", extra=f"TLSCARevocationFile {revocation_list(responder, 'crl.pem')}\n")
    for version in ("1.2", "1.3"):
        refused(server, alice, version=version)
    assert responder.asked == 1
    assert "client certificate refused: " + why in log_of(server)
    assert why in server.text("tls.log")


def test_nothing_is_executed_before_the_answer(asking, responder, alice):
    waits, go = threading.Event(), threading.Event()

    def answer(request):
        waits.set()
        assert go.wait(60)
        return responder.honest(request)
    responder.answer = answer
    server = asking(wait=60)
    with Ftps(server.port, certificate=alice, version="1.2") as ftp, Ftps(server.port, certificate=alice, version="1.2") as second:
        assert waits.wait(PATIENCE_S)
        for one in (ftp, second):
            one.send_raw(b"USER alice\r\nPASS alice-pw\r\nPWD\r\n")
        let_in(server, None)  # others do not wait
        assert ftp.silent() and second.silent()
        go.set()
        for one in (ftp, second):
            one.expect(331)
            one.expect(230)
            one.expect(257)
    assert responder.asked == 1


def break_responder(responder, what, tmp_path):
    """Make it useless; returns what the log says of it."""
    if what == "dead":
        responder.close()
        return "no answer of the responder"
    if what == "stale":
        old = stale(responder)
        responder.answer = lambda q: old
        return "out of date"
    if what == "hangs":
        responder.answer = lambda q: threading.Event().wait()
        return "no answer of the responder"
    if what == "foreign":
        responder.signer = make_certificate(str(tmp_path), "stranger", subject="ca")
        return "not signed by the authority"
    assert what == "garbage"
    responder.answer = lambda q: b"<html>" * 10
    return "no answer of the responder"


def stale(responder):
    """What was good until yesterday."""
    ocsp = pytest.importorskip("cryptography.x509.ocsp")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    x509 = pytest.importorskip("cryptography.x509")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    now = datetime.datetime.utcnow()

    def load(read, path, *more):
        with open(path, "rb") as f:
            return read(f.read(), *more)
    issuer = load(x509.load_pem_x509_certificate, responder.ca[0])
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=load(x509.load_pem_x509_certificate, responder.path("alice.pem")), issuer=issuer, algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.GOOD, this_update=now - datetime.timedelta(days=2), next_update=now - datetime.timedelta(days=1),
        revocation_time=None, revocation_reason=None).responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
    signed = builder.sign(load(serialization.load_pem_private_key, responder.ca[1], None), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("what", ["dead", "hangs", "foreign", "stale", "garbage"])
def test_without_a_usable_answer_it_is_as_the_directives_say(asking, responder, alice, tmp_path, what):
    why = break_responder(responder, what, tmp_path)
    silent = what in ("dead", "hangs")
    server = asking(wait=2 if silent else 30)
    refused(server, alice)
    assert "client certificate refused: nothing is known of 'CN=alice': " in log_of(server)
    assert why in log_of(server) or (silent and "did not answer in time" in log_of(server))


def test_soft(asking, responder, alice, tmp_path):
    break_responder(responder, "dead", tmp_path)
    server = asking(options="OCSPSoftFail", wait=2)
    let_in(server, alice)
    assert "it is let in (TLSOptions OCSPSoftFail)" in log_of(server)
    assert "OCSPSoftFail" in server.text("tls.log")


def test_with_ocsp_crl_a_list_counts_when_the_responder_is_silent(asking, responder, alice, tmp_path):
    bob = responder.issue("bob")
    clean, named = revocation_list(responder, "clean.pem"), revocation_list(responder, "named.pem", responder.serials[-1])
    break_responder(responder, "hangs", tmp_path)
    refused(asking("crl ocsp", extra=f"TLSCARevocationFile {clean}\n", wait=2), alice)
    refused(asking("ocsp crl", wait=2), alice)
    server = asking("ocsp crl", extra=f"TLSCARevocationFile {named}\n", wait=2)
    let_in(server, alice)
    assert "it is let in, no revocation list names it" in log_of(server)
    with pytest.raises((ssl.SSLError, OSError)):  # refused in the handshake
        with Ftps(server.port, certificate=bob, version="1.2"):
            pass


def asker(server):
    """The process that asks."""
    return next(p for p in server.processes() if status_of(p).get("Name") == "wherryd-ocsp")


@pytest.mark.parametrize("listed", [False, True])
def test_a_question_that_hangs_anywhere_ends_in_time(asking, responder, alice, tmp_path, listed):
    """Its alarm is sent before its time; what it has found out until then counts."""
    break_responder(responder, "hangs", tmp_path)
    server = asking("ocsp crl", extra=f"TLSCARevocationFile {revocation_list(responder, 'clean.pem')}\n" if listed else "", wait=300)
    with Ftps(server.port, certificate=alice, version="1.2") as ftp:
        wait_until(lambda: responder.asked, "the question")
        os.kill(asker(server), signal.SIGALRM)
        if listed:
            ftp.expect(331, "USER alice")
        else:
            ftp.expect(421)
    assert "nothing is known of 'CN=alice': the responder did not answer in time" in log_of(server)


def test_who_names_no_responder_is_asked_about_nowhere(asking, responder):
    server = asking()
    refused(server, responder.issue("quiet", named=False))
    assert "'CN=quiet': it names no responder (http)" in log_of(server)


def test_implicit_tls(asking, responder, alice):
    server = asking(options="UseImplicitSSL")
    with Ftps(server.port, "alice", certificate=alice, implicit=True) as ftp:
        ftp.expect(257, "PWD")
    responder.status = "R"
    bob = responder.issue("bob")
    with Ftp(server.port, greet=False) as ftp:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(*bob)
        ftp.sock = context.wrap_socket(ftp.sock)
        ftp.expect(421)


def test_a_login_by_certificate_is_asked_about_too(asking, responder, alice):
    server = asking(extra="TLSUserName CommonName\n")
    with Ftps(server.port, certificate=alice) as ftp:
        ftp.expect(232, "USER alice")
        ftp.expect(257, "PWD")
    with Ftps(server.port, certificate=responder.issue("bob")) as ftp:
        ftp.expect(331, "USER alice")
        ftp.expect(230, "PASS alice-pw")
    assert responder.asked == 2


def test_a_resumed_connection_is_asked_about_as_well(asking, responder, alice):
    server = asking(extra="TLSSessionCache internal: 1800\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*alice)
    with Ftp(server.port) as first, Ftp(server.port) as second:
        for ftp, other in ((first, None), (second, first)):
            ftp.expect(234, "AUTH TLS")
            ftp.sock = context.wrap_socket(ftp.sock, session=other.sock.session if other else None)
            assert ftp.sock.session_reused == (other is not None)
            ftp.expect(331, "USER alice")
            assert log_of(server).count("client certificate 'CN=alice' is good") == (2 if other else 1)
    assert responder.asked == 1


def test_processes_that_ask_end(asking, responder, alice, tmp_path):
    break_responder(responder, "hangs", tmp_path)
    server = asking(wait=2)
    refused(server, alice)
    assert "ended by signal" not in log_of(server)
    with Ftp(server.port) as ftp:
        ftp.expect(215, "SYST")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_answer_of_before_counts_while_the_responder_is_away(asking, responder, alice):
    responder.options = ["-nmin", "1"]
    server = asking()
    let_in(server, alice)
    responder.answer = lambda q: b"no"

    def asked_again():
        let_in(server, alice)
        return responder.asked >= 2
    wait_until(asked_again, "the second question", seconds=200)
    assert "as it was told before; now nothing is known of" in log_of(server)
    responder.answer, responder.status = responder.honest, "R"

    def out():
        with Ftps(server.port, certificate=alice) as ftp:
            return ftp.cmd("NOOP").code == 421
    wait_until(out, "the news", seconds=200)
