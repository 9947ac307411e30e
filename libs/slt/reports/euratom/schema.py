"""The XML schema of our form, made from the table of fields, so that the two cannot differ.

It is published as `euratom-302-2005-v1.xsd` beside this module; a test holds the file to `xsd()`.
"""

from typing import Final

from slt.reports.euratom.fields import ANNEXES, Annex, Field
from slt.reports.euratom.markup import LINE, NAMESPACE

FILE: Final = "euratom-302-2005-v1.xsd"

_HEAD: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{NAMESPACE}" targetNamespace="{NAMESPACE}"
           elementFormDefault="qualified" version="1">
  <xs:annotation>
    <xs:documentation xml:lang="en">
      Reports of Regulation (Euratom) 302/2005, annexes III, IV and V. The regulation fixes no XML schema: this one is
      that of the shared safeguards ledger. Each field states its number; previousEntry is the ledger's own.
    </xs:documentation>
  </xs:annotation>
  <xs:simpleType name="date">
    <xs:annotation><xs:documentation>DDMMYYYY</xs:documentation></xs:annotation>
    <xs:restriction base="xs:token"><xs:pattern value="[0-3][0-9][01][0-9][0-9]{{4}}"/></xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="weight">
    <xs:annotation><xs:documentation>grams, at most three decimals</xs:documentation></xs:annotation>
    <xs:restriction base="xs:token"><xs:pattern value="-?(0|[1-9][0-9]{{0,20}})(\\.[0-9]{{1,3}})?"/></xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="text">
    <xs:annotation><xs:documentation>the 55 characters of annex III, general remark 3</xs:documentation></xs:annotation>
    <xs:restriction base="xs:string">
      <xs:pattern value="[A-Z0-9+\\-/* =&gt;&lt;.,():$%&quot;;?&amp;]+"/>
    </xs:restriction>
  </xs:simpleType>
"""

_MANDATORY: Final = frozenset({"MBA", "REPORT TYPE", "REPORT DATE", "REPORT NUMBER", "LINE COUNT", "LINE NUMBER"})


def xsd() -> str:
    """The schema document."""
    return _HEAD + "".join(map(_root, ANNEXES.values())) + "</xs:schema>\n"


def _root(annex: Annex) -> str:
    header = "".join(_field(field, 8) for field in annex.header.values())
    line = "".join(_field(field, 14) for field in annex.line.values())
    return (
        f'  <xs:element name="{annex.root}">\n    <xs:complexType>\n      <xs:sequence>\n{header}'
        f'        <xs:element name="{LINE}" minOccurs="0" maxOccurs="unbounded">\n'
        f"          <xs:complexType>\n            <xs:sequence>\n{line}"
        f"            </xs:sequence>\n          </xs:complexType>\n        </xs:element>\n"
        f"      </xs:sequence>\n    </xs:complexType>\n  </xs:element>\n"
    )


def _field(field: Field, indent: int) -> str:
    least = "" if field.tag in _MANDATORY else ' minOccurs="0"'
    number = f"field {field.number}" if field.number else "of this ledger"
    note = f"<xs:annotation><xs:documentation>{number}</xs:documentation></xs:annotation>"
    blanks = " " * indent
    start = f'{blanks}<xs:element name="{field.element}"'
    if field.type in {"date", "weight"}:
        return f'{start} type="{field.type}"{least}>{note}</xs:element>\n'
    if field.type == "N":
        facet = f'<xs:restriction base="xs:token"><xs:pattern value="[0-9]{{1,{field.length}}}"/></xs:restriction>'
    else:
        facet = f'<xs:restriction base="text"><xs:maxLength value="{field.length}"/></xs:restriction>'
    return f"{start}{least}>{note}<xs:simpleType>{facet}</xs:simpleType></xs:element>\n"
