"""TLSRequired: each of its values with each command, per user and in <Anonymous>."""
import os
import ssl

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps
from v_tls import pki, tls  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.ours

# value -> (control, data)
VALUES = {
    "off": ("optional", "optional"),
    "on": ("required", "required"),
    "ctrl": ("required", "optional"),
    "data": ("optional", "required"),
    "!data": ("optional", "forbidden"),
    "auth": ("login", "optional"),
    "auth+data": ("login", "required"),
    "auth+!data": ("login", "forbidden"),
    "ctrl+data": ("required", "required"),
    "ctrl+!data": ("required", "forbidden"),
}

ALWAYS = ["FEAT", "CLNT test", "SYST", "NOOP", "HOST 127.0.0.1"]
OTHERS = ["HELP", "STAT", "TYPE I", "LANG", "OPTS UTF8 ON", "REIN", "PBSZ 0", "PROT P", "CCC", "MIC x", "ENC x", "CONF x", "ADAT x", "XYZZY"]
LOGIN = ["USER alice", "PASS alice-pw", "ACCT x"]
AFTER_LOGIN = ["PWD", "CWD /", "PASV", "EPSV", "RETR f", "STOR g", "LIST", "MKD d", "DELE f", "SITE HELP", "SIZE f", "REST 0", "ABOR", "MLST"]
TRANSFERS = ["RETR f", "STOR g", "STOU", "APPE g", "LIST", "NLST", "MLSD"]
CONTROL_NEEDED = "SSL/TLS required on the control channel"


@pytest.fixture(scope="module", params=VALUES)
def required(module_start, pki, request):
    from ftpsclient import tls_conf
    server = module_start(tls_conf(*pki["rsa"]) + f"TLSRequired {request.param}\nAllowStoreRestart on\nAllowOverwrite on\n")
    server.put("f", b"content")
    return (server, *VALUES[request.param])


def test_what_may_be_said_in_clear(required):
    server, control, _ = required
    with Ftp(server.port) as ftp:
        for line in ALWAYS:
            assert ftp.cmd(line).code in (200, 211, 215, 220), line
        for line in OTHERS:
            refused = CONTROL_NEEDED in ftp.cmd(line).text
            assert refused == (control == "required" and line != "XYZZY"), line
        for line in LOGIN:
            reply = ftp.cmd(line)
            assert (CONTROL_NEEDED in reply.text) == (control != "optional"), line
            assert control == "optional" or reply.code == 550
        if control == "optional":
            return
        for line in AFTER_LOGIN:
            assert ftp.cmd(line).code in (530, 550), line
    with Ftp(server.port) as ftp:
        ftp.expect(221, "QUIT")
    with Ftp(server.port) as ftp:
        ftp.expect(234, "AUTH TLS")




def test_transfers_in_clear(required):
    server, control, data = required
    if control != "optional":
        with Ftps(server.port, "alice", private=False) as ftp:
            check_clear_transfers(ftp, data)
        return
    with Ftp(server.port, user="alice") as ftp:
        check_clear_transfers(ftp, data)
    with Ftps(server.port, "alice", private=False) as ftp:
        check_clear_transfers(ftp, data)


def check_clear_transfers(ftp, data):
    for line in TRANSFERS:
        if data == "required":
            ftp.expect(229, "EPSV")
            assert "SSL/TLS required on the data channel" in ftp.expect(522, line).text
        elif line.split()[0] in ("STOR", "STOU", "APPE"):
            Ftp.write(ftp, line, b"x")
        else:
            Ftp.read(ftp, line)


def test_protected_transfers(required):
    server, _, data = required
    with Ftps(server.port, "alice", private=False) as ftp:
        if data == "forbidden":
            ftp.expect(534, "PROT P")
            return
        ftp.private = True
        ftp.protect()
        ftp.expect(534 if data == "required" else 200, "PROT C")
        ftp.expect(200, "PROT P")
        for line in TRANSFERS:
            if line.split()[0] in ("STOR", "STOU", "APPE"):
                ftp.write(line, b"x")
            else:
                ftp.read(line)


def test_ccc(required):
    server, control, _ = required
    with Ftps(server.port) as ftp:
        ftp.expect(534, "CCC")  # before the login there is nothing that clear text is good for
        ftp.login()
        if control == "required":
            ftp.expect(534, "CCC")
            return
        ftp.expect(200, "CCC")
        ftp.sock = ftp.sock.unwrap()
        ftp.expect(257, "PWD")


ANONYMOUS = """<Anonymous @DIR@/home/alice>
User alice
UserAlias anonymous alice
RequireValidShell off
%s
</Anonymous>
"""


@pytest.mark.parametrize("outside, inside, works", [
    ("off", "on", False), ("off", "ctrl", False), ("off", "auth", False), ("off", "auth+data", False),
    ("off", "data", True), ("off", "off", True), ("on", "off", None)])
def test_anonymous_logins_in_clear(tls, outside, inside, works):
    """works None: they cannot even say USER."""
    server = tls(f"TLSRequired {outside}\n" + ANONYMOUS % f"TLSRequired {inside}")
    with Ftp(server.port) as ftp:
        if works is None:
            ftp.expect(550, "USER anonymous")
            return
        ftp.expect(331, "USER anonymous")
        reply = ftp.cmd("PASS me@example.org")
        assert reply.code == (230 if works else 530)
        if not works:
            assert reply.text == "530 Login incorrect." and ftp.at_eof()
        elif inside == "data":
            ftp.expect(229, "EPSV")
            ftp.expect(522, "LIST")
    with Ftps(server.port, "anonymous", "me@example.org") as ftp:
        ftp.lines("NLST")


@pytest.mark.parametrize("value, in_clear", [("on", False), ("ctrl", False), ("ctrl+data", False), ("ctrl+!data", False),
                                             ("auth", None), ("auth+data", None), ("data", True)])
def test_with_allow_per_user_the_decision_waits_for_the_login(tls, value, in_clear):
    """in_clear None: the auth values do not wait."""
    server = tls(f"TLSRequired {value}\nTLSOptions AllowPerUser\n" + ANONYMOUS % "TLSRequired off")
    with Ftp(server.port) as ftp:
        if in_clear is None:
            assert CONTROL_NEEDED in ftp.expect(550, "USER alice").text
            return
        ftp.expect(331, "USER bob")
        reply = ftp.cmd("PASS bob-pw")
        assert reply.code == (230 if in_clear else 530)
        assert in_clear or (reply.text == "530 Login incorrect." and ftp.at_eof())
    with Ftp(server.port) as ftp:
        ftp.expect(331, "USER anonymous")
        ftp.expect(230, "PASS me@example.org")
        Ftp.read(ftp, "LIST")
    with Ftps(server.port, "bob", private=value != "ctrl+!data") as ftp:
        ftp.lines("NLST")


def test_tls_can_be_required_of_one_user(tls):
    server = tls("TLSOptions AllowPerUser\n<IfUser bob>\nTLSRequired on\n</IfUser>\n")
    with Ftp(server.port) as ftp:
        ftp.expect(331, "USER bob")
        ftp.expect(530, "PASS bob-pw")
        assert ftp.at_eof()
    with Ftp(server.port, user="alice") as ftp:
        Ftp.read(ftp, "LIST")
    with Ftps(server.port, "bob", private=False) as ftp:
        ftp.expect(229, "EPSV")
        ftp.expect(522, "LIST")


@pytest.mark.parametrize("mech, private", [("TLS", False), ("ssl", True)])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_with_allow_per_user_auth_after_the_login_begins_again_in_tls(tls, mech, private, version):
    server = tls("TLSOptions AllowPerUser\n")
    server.put("f", b"x" * 100_000)
    with Ftps(server.port, version=version, auth=mech, before=("alice", "alice-pw")) as ftp:
        ftp.expect(530, "PWD")  # what was said in clear does not count
        ftp.login("bob", "bob-pw")
        assert ftp.expect(257, "PWD")
        if not private:
            ftp.protect()
        ftp.binary()
        server.put("f", b"of bob", user="bob")
        assert ftp.read("RETR f") == b"of bob"
        ftp.expect(503, "AUTH TLS")


def test_what_is_said_behind_a_late_auth_is_not_executed(tls):
    server = tls("TLSOptions AllowPerUser\n")
    with Ftp(server.port, user="alice") as ftp:
        ftp.send_raw(b"AUTH TLS\r\nMKD injected\r\n")
        ftp.expect(234)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        ftp.sock = context.wrap_socket(ftp.sock)
        ftp.expect(215, "SYST")
        ftp.expect(331, "USER alice")
        ftp.expect(230, "PASS alice-pw")
    assert not os.path.exists(server.home("alice", "injected"))


def test_a_late_auth_is_refused_without_the_option_and_with_other_mechanisms(tls):
    server = tls()
    with Ftp(server.port, user="alice") as ftp:
        ftp.expect(534, "AUTH TLS")
        ftp.expect(257, "PWD")
    server = tls("TLSOptions AllowPerUser\n")
    with Ftp(server.port, user="alice") as ftp:
        ftp.expect(504, "AUTH")
        ftp.expect(504, "AUTH GSSAPI")
        ftp.expect(257, "PWD")
    with Ftps(server.port, "alice") as ftp:
        ftp.expect(200, "CCC")
        ftp.sock = ftp.sock.unwrap()
        ftp.expect(534, "AUTH TLS")  # after CCC never
