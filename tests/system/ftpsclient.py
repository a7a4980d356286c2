"""The raw client over TLS (RFC 4217), and certificates for tests."""
import os
import socket
import ssl
import subprocess

from ftpclient import Ftp, read_all

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def make_certificate(folder, name="cert", subject="localhost", kind="rsa", names=("localhost",), days=30, authority=None,
                     extensions=()):
    """A certificate and its key in PEM files; self-signed, or signed by `authority` (what this returned), with further
    extensions ("name=value") then. Returns (certificate path, key path)."""
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    new = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    run = dict(check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    alternatives = ",".join(("IP:" if n[0].isdigit() else "DNS:") + n for n in names)
    base = ["openssl", "req", "-newkey", *new, "-nodes", "-keyout", key, "-subj", "/CN=" + subject]
    if authority is None:
        subprocess.run(base + ["-x509", "-out", cert, "-days", str(days), "-addext", "subjectAltName=" + alternatives], **run)
    else:
        more = os.path.join(folder, name + ".ext")
        with open(more, "w") as f:
            f.write("\n".join(("subjectAltName=" + alternatives, *extensions)) + "\n")
        subprocess.run(base + ["-out", cert + ".csr"], **run)
        subprocess.run(["openssl", "x509", "-req", "-in", cert + ".csr", "-CA", authority[0], "-CAkey", authority[1], "-days", str(days),
                        "-CAcreateserial", "-extfile", more, "-out", cert], **run)
    os.chmod(key, 0o600)
    return cert, key


def tls_conf(cert, key, kind="rsa"):
    prefix = "TLSRSA" if kind == "rsa" else "TLSEC"
    return f"TLSEngine on\n{prefix}CertificateFile {cert}\n{prefix}CertificateKeyFile {key}\n"


class Ftps(Ftp):
    """reuse: data connections resume the session of the control connection, as FileZilla does; else they do not, as
    Python's ftplib. private: PROT P after the login."""

    def __init__(self, port, user=None, password=None, version=None, reuse=True, implicit=False, private=True, sni=None,
                 certificate=None, auth="TLS", before=None, **options):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # else an end without close_notify is a good one
        if version:
            self.context.minimum_version = self.context.maximum_version = VERSIONS[version]
        if certificate:
            self.context.load_cert_chain(*certificate)
        self.reuse, self.private, self.sni = reuse, private and not implicit, sni
        super().__init__(port, greet=False, **options)
        if implicit:
            self.handshake()
            self.expect(220)
        else:
            self.expect(220)
            if before:  # (user, password): a login in clear
                self.login(*before)
            self.expect(234, "AUTH " + auth)
            self.handshake()
        if user is not None:
            self.login(user, password)
            self.protect()
            self.binary()

    def handshake(self):
        assert not self.buffer
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.sni)

    def protect(self):
        if self.private:
            self.expect(200, "PBSZ 0")
            self.expect(200, "PROT P")

    def wrap(self, data, reuse=None):
        reuse = self.reuse if reuse is None else reuse
        return self.context.wrap_socket(data, server_hostname=self.sni, session=self.sock.session if reuse else None)

    def start(self, line, mode="epsv", codes=(150, 125), plain=False):
        data = super().start(line, mode, codes)
        if plain or not (self.private or self.data_private):
            return data
        try:
            return self.wrap(data)
        except BaseException:
            data.close()
            raise

    data_private = False

    def read(self, line, mode="epsv"):
        """Also requires that the server said close_notify."""
        with self.start(line, mode) as data:
            content = read_all(data)
            if isinstance(data, ssl.SSLSocket):
                data.suppress_ragged_eofs = False
        self.expect(226)
        return content

    def write(self, line, content, mode="epsv", code=226):
        data = self.start(line, mode)
        data.sendall(content)
        if isinstance(data, ssl.SSLSocket):
            try:
                data = data.unwrap()
            except OSError:  # who breaks an upload off says no close_notify
                if code == 226:
                    raise
        data.close()
        return self.expect(code)


def strict_read(data):
    """All bytes; ssl.SSLError when the end came without close_notify."""
    data.suppress_ragged_eofs = False
    return read_all(data)
