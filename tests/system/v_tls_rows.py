"""Many transfers in a row over FTPS, with the TLS libraries and clients there are: none may fail. WHERRY_TRANSFERS=500 for the
long form."""
import ftplib
import io
import os
import re
import select
import shutil
import ssl
import subprocess

import pytest

from ftpclient import Ftp
from v_tls import ReusingFtpTls, octets, pki, run_client  # noqa: F401  pylint: disable=unused-import
from ftpsclient import tls_conf
from servers import PATIENCE_S

COUNT = int(os.environ.get("WHERRY_TRANSFERS", "60"))
SECONDS = 300 + 5 * COUNT  # the command-line clients start a process for each transfer

pytestmark = [pytest.mark.ours, pytest.mark.slow, pytest.mark.timeout(SECONDS)]

VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="module")
def served(module_start, pki):
    server = module_start(tls_conf(*pki["rsa"]))
    for i in range(COUNT):
        server.put(f"row/{i}", octets(i * 331 % 70001, i))
    return server


def content(i):
    return octets(i * 331 % 70001, i)


@pytest.mark.parametrize("version", VERSIONS)
def test_curl(served, tmp_path, version):
    done = run_client(["curl", "-sS", "-k", "--ssl-reqd", "--tlsv" + version, "--tls-max", version, "-u", "alice:alice-pw",
                       f"ftp://127.0.0.1:{served.port}/row/[0-{COUNT - 1}]", "-o", str(tmp_path / "#1")], seconds=SECONDS)
    assert done.returncode == 0, done.stderr
    for i in range(COUNT):
        assert (tmp_path / str(i)).read_bytes() == content(i)
    done = run_client(["curl", "-sS", "-k", "--ssl-reqd", "--tlsv" + version, "--tls-max", version, "-u", "alice:alice-pw", "--ftp-create-dirs",
                       "-T", "{" + ",".join(str(tmp_path / str(i)) for i in range(COUNT)) + "}", f"ftp://127.0.0.1:{served.port}/curl{version}/"], seconds=SECONDS)
    assert done.returncode == 0, done.stderr
    for i in range(COUNT):
        with open(served.home("alice", f"curl{version}/{i}"), "rb") as f:
            assert f.read() == content(i)


@pytest.mark.parametrize("version", VERSIONS)
def test_lftp(served, tmp_path, version):
    if not shutil.which("lftp"):
        pytest.skip("no lftp")
    done = run_client(["lftp", "-c", f"set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:verify-certificate no; "
                       f"set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{version}; open -u alice,alice-pw 127.0.0.1:{served.port}; mirror row {tmp_path}/got; "
                       f"mirror -R {tmp_path}/got lftp{version}"], seconds=SECONDS)
    assert done.returncode == 0, done.stderr
    for i in range(COUNT):
        assert (tmp_path / "got" / str(i)).read_bytes() == content(i)
        with open(served.home("alice", f"lftp{version}/{i}"), "rb") as f:
            assert f.read() == content(i)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client", [ftplib.FTP_TLS, ReusingFtpTls], ids=["plain", "reusing"])
def test_pythons_ftplib(served, version, client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    ftp = client(context=context)
    ftp.connect("127.0.0.1", served.port, timeout=PATIENCE_S)
    ftp.login("alice", "alice-pw")
    ftp.prot_p()
    for i in range(COUNT):
        got = io.BytesIO()
        ftp.retrbinary(f"RETR row/{i}", got.write)
        assert got.getvalue() == content(i)
        ftp.storbinary("STOR lib", io.BytesIO(content(i)))
    ftp.quit()


class Driven(Ftp):
    """A control connection through the command-line client of a TLS library; self.read_new() and self.send_raw() go through it."""

    def __init__(self, port, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.text, self.port, self.host = b"", port, "127.0.0.1"

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\r\n")

    def wait(self, pattern):
        """Until a line of the server matches; what was before it is forgotten."""
        while True:
            found = re.search(pattern, self.text, re.M)
            if found:
                self.text = self.text[found.end():]
                return found
            assert select.select([self.process.stdout], [], [], 20)[0], (pattern, self.text)
            piece = os.read(self.process.stdout.fileno(), 65536)
            assert piece, (pattern, self.text)
            self.text += piece

    def close(self):
        self.process.kill()
        self.process.communicate()


DRIVERS = {
    "openssl": (["openssl", "s_client", "-quiet", "-starttls", "ftp", "-connect", "127.0.0.1:{port}", "-tls{_version}"],
                ["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:{port}", "-tls{_version}"]),
    "gnutls": (["gnutls-cli", "--insecure", "--starttls-proto=ftp", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS{version}", "-p", "{port}", "127.0.0.1", "--logfile=/dev/null"],
               ["gnutls-cli", "--insecure", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS{version}", "-p", "{port}", "127.0.0.1", "--logfile=/dev/null"]),
}


def argv_of(pattern, version, port):
    values = {"port": port, "_version": "1_" + version[2], "version": version}
    return [word.format(**values) for word in pattern]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_command_line_clients_of_tls_libraries(served, driver, version):
    control, data = DRIVERS[driver]
    if not shutil.which(control[0]):
        pytest.skip("no " + control[0])
    ftp = Driven(served.port, argv_of(control, version, served.port))
    try:
        for line, code in (("USER alice", b"331"), ("PASS alice-pw", b"230"), ("PBSZ 0", b"200"), ("PROT P", b"200"), ("TYPE I", b"200")):
            ftp.send(line)
            ftp.wait(rb"^" + code + rb" .*\r?$")
        for i in range(COUNT):
            ftp.send("EPSV")
            port = int(ftp.wait(rb"^229 .*\|\|\|(\d+)\|").group(1))
            with subprocess.Popen(argv_of(data, version, port), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
                ftp.send(f"RETR row/{i}")
                ftp.wait(rb"^150 .*\r?$")
                assert content(i) in p.stdout.read()
                ftp.wait(rb"^226 .*\r?$")
    finally:
        ftp.close()
