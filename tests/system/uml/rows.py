"""Names of what is tested inside user-mode-linux; both sides use them."""

# Every cipher that kernel TLS of Linux 6.1 and OpenSSL have in common.
SUITES = {
    "1.2-aes128": ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "1.2-aes256": ("1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "1.2-chacha20": ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    "1.3-aes128": ("1.3", "TLS_AES_128_GCM_SHA256"),
    "1.3-aes256": ("1.3", "TLS_AES_256_GCM_SHA384"),
    "1.3-chacha20": ("1.3", "TLS_CHACHA20_POLY1305_SHA256"),
}
# On each of them.
ON_EACH = ["download", "rest", "upload", "append", "abor", "truncation"]
# Other configurations: what is added to the server's, with the suite.
OTHERS = {
    "cbc": ("1.2", "ECDHE-ECDSA-AES128-SHA256", ""),
    "offload_off": ("1.3", "TLS_AES_128_GCM_SHA256", "TLSKernelOffload off\n"),
    "no_ktls": ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSOptions NoKTLS\n"),
    "zerocopy": ("1.3", "TLS_AES_128_GCM_SHA256", "TLSKernelOffload zerocopy\n"),
    "tx_only": ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSKernelOffload tx-only\n"),
    "sendfile_off": ("1.3", "TLS_AES_128_GCM_SHA256", "UseSendfile off\n"),
    "mapped": ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "UseSendfile off\nTransferMMapEngine on\n"),
    "rate": ("1.3", "TLS_AES_128_GCM_SHA256", "TransferRate RETR 1024\n"),
    "chunks": ("1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "UseSendfile 30000 B\n"),
}
SINGLE = ["module", "mode_z", "ascii", "listing", "small_files", "fall_back_at_once", "fall_back_later", "many_records", "unit_tests",
          "new_keys"]  # the last one, as the server keeps it in mind
ROWS = [f"{suite}-{what}" for suite in SUITES for what in ON_EACH] + list(OTHERS) + SINGLE
END = "the_server_ends_and_leaves_nothing"
