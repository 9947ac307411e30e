"""What only those who approve an enrolment look at: the certificate behind a key."""

from cryptography import x509

from slt.client.errors import WrongUse
from slt.client.local.keys import certificate_spki, check_issued, seconds
from slt.statements.genesis import Genesis, Identity


def check_certificate(identity: Identity, genesis: Genesis) -> None:
    """Raises WrongUse unless the anchor of its State issued it, over this key and for these dates.

    Who approves an enrolment builds and checks the chain (architecture section 5); evaluation does not.
    """
    anchor = genesis.anchors.get(identity.state)
    if anchor is None:
        raise WrongUse(f"Genesis has no anchor of {identity.state}: {identity.name} cannot be enrolled under it")
    certificate = x509.load_der_x509_certificate(identity.certificate)
    check_issued(certificate, x509.load_der_x509_certificate(anchor), called=f"the certificate of {identity.name}")
    dates = (seconds(certificate.not_valid_before_utc), seconds(certificate.not_valid_after_utc))
    if certificate_spki(certificate) != identity.spki or not (
        dates[0] <= identity.not_before and identity.not_after <= dates[1]
    ):
        raise WrongUse(
            f"The certificate of {identity.name} is of another key, or of other dates, than the enrolment says"
        )
