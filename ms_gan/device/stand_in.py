"""A stand-in for the libraries of CANN: a shared library with their names and nothing behind them.

MindSpore's Ascend plug-in is linked against CANN, so without CANN it cannot even be loaded to be asked what it knows.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

# Functions of CANN, and the string functions of the library that comes with it.
CANN_NAMES = re.compile(rb"(?:acl|Hccl|hal|shmem|mem\w+_s|_Z\w*2ge\d)\w*")
_HEADER, _SECTION, _SYMBOL, _DYNAMIC, _SEGMENT = "<16sHHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IBBHQQ", "<qQ", "<IIQQQQQQ"
_DYNSYM, _UNDEFINED, _DEFINED = 11, 0, 1
_GLOBAL_FUNCTION = 0x12
# By the number of the machine, x86-64 and aarch64: "return 0", then "return the address of what follows", then the
# number of the relocation that adds where the library was loaded.
_MACHINES = {
    62: (bytes.fromhex("31c0c30000000000488d0501000000c3"), 8),
    183: (bytes.fromhex("00008052c0035fd640000010c0035fd6"), 1027),
}
# What the plug-in fills while it is loaded: an empty std::map, whose two pointers point to its own second word.
_FACTORY = b"_ZN2ge13StatusFactory8InstanceEv"
_MAP_SIZE, _MAP_HEADER, _MAP_POINTERS = 48, 8, (24, 32)


def names_of_cann(libraries: Iterable[Path]) -> set[bytes]:
    """Return the names of CANN's functions that these 64-bit ELF libraries call and that none of them has."""
    called, present = set(), set()
    for library in libraries:
        for name, section in _symbols(library.read_bytes()):
            (called if section == _UNDEFINED else present).add(name)
    return {name for name in called - present if CANN_NAMES.fullmatch(name)}


def _symbols(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Give the names that a library shares with others, and the section that each is in."""
    header = struct.unpack_from(_HEADER, content)
    sections = [struct.unpack_from(_SECTION, content, header[6] + i * header[11]) for i in range(header[12])]
    symbols = next(section for section in sections if section[1] == _DYNSYM)
    texts = sections[symbols[6]][4]
    for place in range(symbols[4], symbols[4] + symbols[5], struct.calcsize(_SYMBOL)):
        text, _, _, section, _, _ = struct.unpack_from(_SYMBOL, content, place)
        yield content[texts + text : content.index(b"\0", texts + text)], section


def write_stand_in(path: Path, names: Iterable[bytes], like: Path) -> None:
    """Write a shared library with these names, for the machine that the library `like` is for."""
    with open(like, "rb") as stream:
        machine = struct.unpack_from(_HEADER, stream.read(64))[2]
    code, relocation = _MACHINES[machine]
    code_at = 64 + 2 * struct.calcsize(_SEGMENT)
    map_at = code_at + len(code)
    texts, symbols = b"\0", bytes(struct.calcsize(_SYMBOL))
    names = sorted(names)
    for name in names:
        function = code_at + 8 * (name == _FACTORY)
        symbols += struct.pack(_SYMBOL, len(texts), _GLOBAL_FUNCTION, 0, _DEFINED, function, 8)
        texts += name + b"\0"
    moved = b"".join(struct.pack("<QQq", map_at + place, relocation, map_at + _MAP_HEADER) for place in _MAP_POINTERS)
    # One bucket, in which every symbol points to the next.
    count = len(names) + 1
    table = struct.pack(f"<{3 + count}I", 1, count, 1, 0, *range(2, count), 0)
    parts = [code, bytes(_MAP_SIZE), moved, table, symbols, texts]
    places = [code_at]
    for number, part in enumerate(parts):
        parts[number] = part + bytes(-len(part) % 8)
        places.append(places[-1] + len(parts[number]))
    _, _, moved_at, table_at, symbols_at, texts_at, dynamic_at = places
    entries = [(4, table_at), (5, texts_at), (6, symbols_at), (10, len(texts)), (11, struct.calcsize(_SYMBOL))]
    entries += [(7, moved_at), (8, len(moved)), (9, 24), (0, 0)]
    dynamic = b"".join(struct.pack(_DYNAMIC, *entry) for entry in entries)
    size = dynamic_at + len(dynamic)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(_HEADER, identity, 3, machine, 1, 0, 64, 0, 0, 64, struct.calcsize(_SEGMENT), 2, 64, 0, 0)
    load = struct.pack(_SEGMENT, 1, 7, 0, 0, 0, size, size, 0x10000)
    where = struct.pack(_SEGMENT, 2, 6, dynamic_at, dynamic_at, dynamic_at, len(dynamic), len(dynamic), 8)
    path.write_bytes(b"".join([header, load, where, *parts, dynamic]))
