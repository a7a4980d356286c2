"""What is said and recorded of FTPS: TLSLog, TLSOptions StdEnvVars and ExportCertData, notes, TLSMasqueradeAddress."""
import re
import socket
import ssl

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps
from servers import wait_until
from v_tls import pki, tls  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.ours

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def tlslog(server, pattern):
    """The line of TLSLog that matches, once it is there."""
    try:
        return wait_until(lambda: re.search(f"^{STAMP} {pattern}$", server.text("tls.log"), re.M), pattern).group(0)
    except AssertionError:
        pytest.fail(f"no {pattern} in TLSLog:\n{server.text('tls.log')}")


def test_each_handshake_is_a_line_of_tlslog(tls):
    server = tls("TLSLog @DIR@/tls.log\n")
    server.put("f", b"x")
    with Ftps(server.port, "alice", version="1.2", sni="localhost") as ftp:
        control = tlslog(server, r"control sid=\d+ client=127\.0\.0\.1: TLSv1\.2 .*")
        assert re.search(r": TLSv1\.2 \S+ (128|256) bits, SNI 'localhost', \d+ ms$", control), control
        assert ftp.read("RETR f") == b"x"
        data = tlslog(server, r"data sid=\d+ client=127\.0\.0\.1 user=alice: .*")
        assert re.search(r": TLSv1\.2 \S+ (128|256) bits, resumed, SNI 'localhost'.*, \d+ ms$", data), data
    with Ftps(server.port, version="1.3"):
        tlslog(server, r"control .*: TLSv1\.3 .*")


def test_failed_handshakes_and_their_reasons_are_lines_of_tlslog(tls):
    server = tls("TLSLog @DIR@/tls.log\nTLSTimeoutHandshake 1\n")
    server.put("f", b"x")
    with Ftp(server.port) as ftp:
        ftp.expect(234, "AUTH TLS")
        ftp.send_raw(b"this is no ClientHello\r\n")
        tlslog(server, r"control .*: handshake failed: TLS handshake: .+, \d+ ms")
    context = ssl.create_default_context()  # trusts nobody here
    with Ftp(server.port) as ftp:
        ftp.expect(234, "AUTH TLS")
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(ftp.sock, server_hostname="localhost")
        tlslog(server, r"control .*alert unknown ca.*")
    with Ftp(server.port) as ftp:
        ftp.expect(234, "AUTH TLS")
        tlslog(server, r"control .*: handshake failed: it took too long, \d+ ms")
    with Ftps(server.port, "alice") as ftp:
        data = Ftp.start(ftp, "RETR f")
        data.sendall(b"neither is this")
        tlslog(server, r"data .* user=alice: handshake failed: .*")
        data.close()
        ftp.expect(425)


def test_what_ends_a_tls_connection_later_is_a_line_of_tlslog(tls):
    server = tls("TLSLog @DIR@/tls.log\n")
    with Ftps(server.port, "alice") as ftp:
        plain = socket.socket(fileno=ftp.sock.detach())
        plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # a forged record
        with plain:
            tlslog(server, r"control sid=\d+ client=127\.0\.0\.1: reading from a TLS connection: .*bad record mac.*")
        ftp.sock = plain  # closed twice does no harm
    with Ftps(server.port, "alice") as ftp:
        data = ftp.start("STOR f")
        plain = socket.socket(fileno=data.detach())
        plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        with plain:
            ftp.expect(426)
        tlslog(server, r"data .* user=alice: reading from a TLS connection: .*bad record mac.*")


def test_log_formats_and_display_texts_see_the_tls_environment(tls, pki):
    server = tls(f"TLSOptions StdEnvVars ExportCertData\nTLSVerifyClient optional\nTLSCACertificateFile {pki['ca'][0]}\n"
                 'LogFormat tls "%m %{FTPS}e %{TLS_PROTOCOL}e %{TLS_CLIENT_S_DN_CN}e %{note:mod_tls.sni} %{NOTHING}e %{TLS_CLIENT_CERT}e"\n'
                 "ExtendedLog @DIR@/ext.log ALL tls\nDisplayLogin welcome\n")
    server.put("welcome", b"hello over %{env:TLS_PROTOCOL}, %{env:TLS_CLIENT_S_DN_CN}\n")
    with Ftps(server.port, version="1.3", sni="localhost", certificate=pki["client"]) as ftp:
        ftp.expect(331, "USER alice")
        assert "hello over TLSv1.3, alice" in str(ftp.expect(230, "PASS alice-pw").lines)
        ftp.expect(257, "PWD")
        for verb in ("USER", "PWD"):
            wait_until(lambda: re.search(rf"^{verb} 1 TLSv1\.3 alice localhost - -----BEGIN CERTIFICATE----- \S+", server.text("ext.log"), re.M),
                       f"{verb} in {server.text('ext.log')}")


def test_without_the_options_there_is_no_tls_environment_but_the_note(tls):
    server = tls('LogFormat tls "%m [%{FTPS}e] [%{note:mod_tls.sni}]"\nExtendedLog @DIR@/ext.log ALL tls\n')
    with Ftps(server.port, "alice", sni="localhost") as ftp:
        ftp.expect(257, "PWD")
    with Ftps(server.port, "alice") as ftp:
        ftp.expect(250, "CWD /")
    wait_until(lambda: "PWD [-] [localhost]\n" in server.text("ext.log") and "CWD [-] [-]\n" in server.text("ext.log"), "lines of ExtendedLog")


def test_clients_with_tls_are_told_another_address(tls):
    server = tls("MasqueradeAddress 192.0.2.1\nTLSMasqueradeAddress 192.0.2.2\n")
    with Ftp(server.port, user="alice") as ftp:
        assert "(192,0,2,1," in ftp.expect(227, "PASV").text
    with Ftps(server.port, "alice") as ftp:
        assert "(192,0,2,2," in ftp.expect(227, "PASV").text
        ftp.expect(200, "CCC")
        ftp.sock = ftp.sock.unwrap()
        assert "(192,0,2,1," in ftp.expect(227, "PASV").text  # seen on the way again


def test_a_tlslog_that_cannot_be_written_is_found_at_the_start(tls, start, pki):
    from ftpsclient import tls_conf
    server = start.prepare()
    server.configure(tls_conf(*pki["rsa"]) + "TLSLog @DIR@/nowhere/tls.log\n")
    assert "TLSLog" in server.check().stderr + server.check().stdout
