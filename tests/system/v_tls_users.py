"""Logins by client certificate: TLSUserName, TLSOptions AllowDotLogin; auth decides, and decides anew."""
import os
import shutil

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps, make_certificate
from servers import wait_until
from v_tls import pki, tls  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.ours


@pytest.fixture
def by_name(tls, pki):
    server = tls(f"TLSVerifyClient optional\nTLSCACertificateFile {pki['ca'][0]}\nTLSUserName CommonName\n")
    server.put("f", b"of alice")
    return server


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_who_is_named_in_the_certificate_needs_no_password(by_name, pki, version):
    with Ftps(by_name.port, certificate=pki["client"], version=version) as ftp:
        assert ftp.expect(232, "USER alice").text == "232 User alice logged in"
        ftp.protect()
        assert ftp.read("RETR f") == b"of alice"


def test_others_are_asked_for_their_password(by_name, pki):
    with Ftps(by_name.port, certificate=pki["client"]) as ftp:
        ftp.expect(331, "USER bob")
        ftp.expect(530, "PASS wrong")
        ftp.expect(331, "USER nobody-of-that-name")
        ftp.expect(331, "USER bob")
        ftp.expect(230, "PASS bob-pw")
    with Ftps(by_name.port) as ftp:  # without a certificate
        ftp.expect(331, "USER alice")
        ftp.expect(230, "PASS alice-pw")
    with Ftp(by_name.port) as ftp:
        ftp.expect(331, "USER alice")


def test_lines_that_came_together_wait_for_the_answer(by_name, pki):
    with Ftps(by_name.port, certificate=pki["client"]) as ftp:
        ftp.send_raw(b"USER bob\r\nPASS bob-pw\r\nPWD\r\n")
        ftp.expect(331)
        ftp.expect(230)
        ftp.expect(257)
    with Ftps(by_name.port, certificate=pki["client"]) as ftp:
        ftp.send_raw(b"USER alice\r\nPWD\r\n")
        ftp.expect(232)
        ftp.expect(257)


def test_without_the_directives_a_certificate_is_no_login(tls, pki):
    server = tls(f"TLSVerifyClient on\nTLSCACertificateFile {pki['ca'][0]}\n")
    with Ftps(server.port, certificate=pki["client"]) as ftp:
        ftp.expect(331, "USER alice")
        ftp.expect(230, "PASS alice-pw")


def test_a_certificate_that_names_root_is_no_way_around_the_rules_of_accounts(tls, pki, tmp_path):
    root = make_certificate(str(tmp_path), "root", subject="carol", authority=pki["ca"])
    server = tls(f"TLSVerifyClient on\nTLSCACertificateFile {pki['ca'][0]}\nTLSUserName CommonName\n<Limit LOGIN>\nDenyUser carol\n</Limit>\n")
    with Ftps(server.port, certificate=root) as ftp:
        ftp.expect(331, "USER carol")
        ftp.expect(530, "PASS x")


def test_dot_login(tls, pki, tmp_path):
    mine = make_certificate(str(tmp_path), "mine", subject="whoever", authority=pki["ca"])
    server = tls(f"TLSVerifyClient optional\nTLSCACertificateFile {pki['ca'][0]}\nTLSOptions AllowDotLogin\n")

    def code():
        with Ftps(server.port, certificate=mine) as ftp:
            return ftp.cmd("USER alice").code
    assert code() == 331  # there is no file
    with open(pki["other"][0], "rb") as other, open(mine[0], "rb") as own:
        both = other.read() + own.read()
    path = server.put(".tlslogin", both)
    assert code() == 232
    os.chmod(path, 0o666)
    assert code() == 331 and "not a file that only he can write" in server.text("system.log")
    os.chmod(path, 0o600)
    assert code() == 232
    server.put(".tlslogin", both[:100])
    assert code() == 331
    os.rename(path, path + ".elsewhere")
    shutil.copy(mine[0], path + ".elsewhere")
    os.symlink(path + ".elsewhere", path)
    assert code() == 331
    with Ftps(server.port, certificate=pki["client"]) as ftp:  # CN alice, but TLSUserName is not set
        ftp.expect(331, "USER alice")


def test_user_has_its_line_in_extendedlog_also_when_the_certificate_is_asked_about(tls, pki, tmp_path):
    log = tmp_path / "x.log"
    server = tls(f"TLSVerifyClient optional\nTLSCACertificateFile {pki['ca'][0]}\nTLSUserName CommonName\n"
                 f"LogFormat short \"%r|%s|%S\"\nExtendedLog {log} AUTH short\n")
    with Ftps(server.port, certificate=pki["client"]) as ftp:
        ftp.expect(331, "USER bob")
        ftp.expect(230, "PASS bob-pw")
    with Ftps(server.port, certificate=pki["client"]) as ftp:
        ftp.expect(232, "USER alice")

    def lines():
        return [line for line in log.read_text().splitlines() if line.startswith(("USER", "PASS"))]
    wait_until(lambda: len(lines()) >= 3, "the lines")
    assert lines() == ["USER bob|331|Password required for bob", "PASS (hidden)|230|User bob logged in",
                       "USER alice|232|User alice logged in"]
