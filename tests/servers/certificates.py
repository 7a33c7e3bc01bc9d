"""A test authority, made with openssl: certificates for localhost, an expired one, one for another
host, a client's.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: Path
    key: Path


class TestAuthority:
    """Certificates lie in `folder`. ca_file holds the authority's own."""

    __test__ = False

    def __init__(self, folder: Path, name: str = "Camshaft test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._ca_key = folder / "ca.key"
        _openssl(
            "req",
            "-x509",
            *NEW_KEY,
            "-keyout",
            self._ca_key,
            "-out",
            self.ca_file,
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
        )

    def issue(
        self, name: str, hosts: str = "DNS:localhost,IP:127.0.0.1", days: int = 1
    ) -> Certificate:
        """A certificate for these hosts. days < 0: it expired that long ago."""
        paths = {end: self._folder / f"{name}.{end}" for end in ("key", "csr", "pem")}
        _openssl(
            "req",
            *NEW_KEY,
            "-keyout",
            paths["key"],
            "-out",
            paths["csr"],
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName={hosts}",
        )
        _openssl(
            "x509",
            "-req",
            "-in",
            paths["csr"],
            "-CA",
            self.ca_file,
            "-CAkey",
            self._ca_key,
            "-CAcreateserial",
            "-days",
            days,
            "-copy_extensions",
            "copy",
            "-out",
            paths["pem"],
        )
        return Certificate(paths["pem"], paths["key"])


def _openssl(*arguments: object) -> None:
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30
    )
