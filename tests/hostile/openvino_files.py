"""One hostile folder for each check of models in OpenVINO's form, and a sound one that they are made from."""

from __future__ import annotations

from tests.hostile.folders import Folder

CONSTANT = '<layer id="0" name="c" type="Const" version="opset1"><data element_type="f32" shape="1" {place}/></layer>'
PLACE = 'offset="0" size="4"'


def model(layers: str = CONSTANT.format(place=PLACE), *, before: str = "", after: str = "") -> bytes:
    return f'<?xml version="1.0"?>\n{before}<net name="m" version="11"><layers>{layers}</layers>{after}</net>'.encode()


def folder(xml: bytes, *also: str, constants: bytes | None = bytes(8)) -> Folder:
    halves = {"openvino_model.xml": xml}
    return Folder(halves if constants is None else {**halves, "openvino_model.bin": constants}, also)


def with_template(text: str) -> bytes:
    return model(after=f'<rt_info><chat_template value="{text}"/></rt_info>')


ENTITIES = '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'

SOUND = folder(with_template("{{ messages[0].content }}"))
HOSTILE: dict[str, Folder] = {
    "openvino.xml": folder(model()[:-3]),
    "openvino.doctype": folder(model(before=ENTITIES)),
    "openvino.constant": folder(model(CONSTANT.format(place='offset="4" size="8"'))),
    "openvino.size": folder(model() + b" " * (64 << 20)),
}

# More files, each found by the check named.
MORE: list[tuple[str, Folder]] = [
    ("openvino.xml", folder(b'<?xml version="1.0"?><model><net name="m"/></model>')),
    ("openvino.xml", folder(model("<layer>" * 100))),
    ("openvino.xml", folder(model('<layer id="0" type="Const" type="Result"/>'))),
    ("openvino.xml", folder(model("<layer id='0'>\x01</layer>"))),
    ("openvino.doctype", folder(model(before='<!DOCTYPE net SYSTEM "file:///etc/passwd">'))),
    ("openvino.constant", folder(model(), constants=None)),
    ("openvino.constant", folder(model(CONSTANT.format(place='offset="-4" size="4"')))),
    ("openvino.constant", folder(model(CONSTANT.format(place='offset="0" size="99999999999999999999999"')))),
    ("openvino.constant", folder(model(CONSTANT.format(place='offset="0x0" size="4"')))),
    ("openvino.constant", folder(model(CONSTANT.format(place="")))),
    ("template.exec.private", folder(with_template("{{ messages.__class__ }}"))),
    ("template.size", folder(with_template("a" * (1 << 20) + "a"))),
]
