"""Who this service is: genesis, its key, and the certificate that ties the one to the other."""

import time
from dataclasses import dataclass
from typing import Final

from slt.runtime.settings import BaseConfig, Offline, SettingsError
from slt.statements.cbor import DecodeError
from slt.statements.genesis import Genesis, parse_genesis
from slt.statements.refusals import (
    BadRefusal,
    ServiceCertificate,
    parse_service_certificate,
    verify_service_certificate,
)
from slt.statements.signatures import ALG_EDDSA, Signer, signer_from_pem

CERTIFY: Final = "have the member's governance key certify this service's key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceIdentity:
    """The key and the certificate that genesis' governance key has signed over it: they fit, and are in date."""

    signer: Signer
    certificate: ServiceCertificate
    certificate_bytes: bytes


def load_genesis(config: Offline) -> Genesis:
    """Raises SettingsError."""
    try:
        genesis = parse_genesis(config.genesis.read_bytes())
        genesis.member(config.member)
    except (OSError, DecodeError) as error:
        name = f"SLT_GENESIS={str(config.genesis)!r}"
        raise SettingsError([f"{name}: {error}; set it to the ledger's genesis.cbor"]) from error
    except KeyError:
        members = ", ".join(str(member.id) for member in genesis.members)
        raise SettingsError([f"SLT_MEMBER={config.member}: genesis has no such member; it has {members}"]) from None
    return genesis


def load_identity(config: BaseConfig, genesis: Genesis, service: str) -> ServiceIdentity:
    """Raises SettingsError when key, certificate, service, member and today do not fit together."""
    name = f"SLT_SERVICE_KEY={str(config.service_key)!r}"
    try:
        signer = signer_from_pem(config.service_key.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError([f"{name}: {error}; set a PEM of an Ed25519 key"]) from error
    if signer.alg != ALG_EDDSA:
        raise SettingsError([f"{name}: not an Ed25519 key; make one"])
    name = f"SLT_SERVICE_CERTIFICATE={str(config.service_certificate)!r}"
    try:
        data = config.service_certificate.read_bytes()
        certificate = parse_service_certificate(data)
        verify_service_certificate(certificate, genesis)
    except (OSError, DecodeError, BadRefusal) as error:
        raise SettingsError([f"{name}: {error}; {CERTIFY}"]) from error
    now_ms = time.time_ns() // 1_000_000
    for fits, problem in (
        (certificate.key == signer.public, "it certifies another key than SLT_SERVICE_KEY"),
        (certificate.service == service, f"it is for {certificate.service!r}, this is {service!r}"),
        (certificate.member == config.member, f"it is for member {certificate.member}, this is {config.member}"),
        (certificate.not_before <= now_ms <= certificate.not_after, "it is not valid now"),
    ):
        if not fits:
            raise SettingsError([f"{name}: {problem}; {CERTIFY}"])
    return ServiceIdentity(signer=signer, certificate=certificate, certificate_bytes=data)
