"""Schedulers that are recognized by the authorities of a site."""

import shutil
import subprocess

import pytest
from partita._errors import ClusterError
from partita.distributed import Client, LocalCluster

OPENSSL = shutil.which("openssl")


def _openssl(*arguments, cwd):
    subprocess.run([OPENSSL, *arguments], cwd=cwd, check=True, capture_output=True)


def _authority(folder, name):
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl("req", "-x509", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", cwd=folder)


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_authorities_vouch_for_the_scheduler(tmp_path, monkeypatch):
    """With the authority's file, a certificate for the host is accepted, and others are not."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _authority(tmp_path, "site")
    _authority(tmp_path, "other")
    _openssl("req", *key, "-subj", "/CN=node", "-keyout", "node.key", "-out", "node.csr", cwd=tmp_path)
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    issuer = ("-CA", "site.pem", "-CAkey", "site.key", "-CAcreateserial", "-extfile", "names")
    _openssl("x509", "-req", "-in", "node.csr", *issuer, "-out", "node.pem", cwd=tmp_path)
    for variable, file in (("CERT", "node.pem"), ("KEY", "node.key"), ("CA_FILE", "site.pem")):
        monkeypatch.setenv(f"PARTITA_TLS_{variable}", str(tmp_path / file))
    with LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="256MiB") as cluster:
        for variable in ("CERT", "KEY", "CA_FILE"):
            monkeypatch.delenv(f"PARTITA_TLS_{variable}")
        secret = cluster.token.rpartition(".")[0]
        # The fingerprint does not matter, and may be missing.
        for token in (cluster.token, f"{secret}.{'ab' * 32}", secret):
            with Client(
                cluster.scheduler_address, token=token, tls_ca_file=tmp_path / "site.pem", set_as_default=False
            ) as client:
                client.wait_for_workers(1)
                assert client._connection.query("SELECT 1 AS a").to_pydict() == {"a": [1]}
        with pytest.raises(ClusterError, match="do not vouch"):
            Client(
                cluster.scheduler_address,
                token=secret,
                tls_ca_file=tmp_path / "other.pem",
                timeout=0.1,
                set_as_default=False,
            )
        address = cluster.scheduler_address.replace("127.0.0.1", "localhost")
        with pytest.raises(ClusterError, match="do not vouch"):
            Client(address, token=secret, tls_ca_file=tmp_path / "site.pem", timeout=0.1, set_as_default=False)
