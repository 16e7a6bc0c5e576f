"""The face lattice of a pointed cone: intersections of the facets' ray sets.

A face is the set of its rays, a bit set.  The facets of a face F are the
largest of its intersections with the other facets of any face that F is a
facet of; so the lattice is built downwards from the cone, and every facet G of
F comes with the one sibling H of F that cuts it out, G = F & H.  Nothing here
is numerical: a correct incidence gives a correct lattice.
"""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel

OK, INCONSISTENT, TOO_LARGE, TOO_SLOW = 0, 1, 2, 5
# Bytes, of the lattice while it is built and of the sweep over it, for a face (and each word
# of its ray set) and for an entry; arrays grow by doubling, so there are up to three copies.
FACE_BYTES, WORD_BYTES, ENTRY_BYTES = 400, 24, 72
# Seconds on one core of about 3 GHz: to compare two words of ray sets, and for an entry in the
# distances and the sweep.
PAIR_SECONDS, ENTRY_SECONDS = 1.5e-9, 4e-7
# Columns of the table of faces: its entries, the face and entry it was found at, its dimension.
FIRST, END, OWNER, ENTRY, DIM = 0, 1, 2, 3, 4


@inline_kernel
def _subset(a, b):
    """Whether bit set a is contained in b."""
    for w in range(a.size):
        if a[w] & ~b[w]:
            return False
    return True


@inline_kernel
def _same(a, b):
    """Whether two bit sets are equal."""
    for w in range(a.size):
        if a[w] != b[w]:
            return False
    return True


@kernel
def maximal_sets(sets, count, keep):
    """keep[i] = whether sets[i] is not empty and is contained in no other; the first of equals."""
    kept = 0
    for i in range(count):
        keep[i] = False
        for w in range(sets.shape[1]):
            if sets[i, w]:
                keep[i] = True
        j = 0
        while keep[i] and j < count:
            if j != i and _subset(sets[i], sets[j]) and (j < i or not _same(sets[i], sets[j])):
                keep[i] = False
            j += 1
        kept += keep[i]
    return kept


@inline_kernel
def _slot(key, table, faces):
    """Where the bit set is, or belongs, in the open-addressing table (-1 = free)."""
    x = np.uint64(0x9E3779B97F4A7C15)
    for w in range(key.size):
        x = (x ^ key[w]) * np.uint64(0xD6E8FEB86659FD93)
        x ^= x >> np.uint64(32)
    i = np.int64(x & np.uint64(table.size - 1))
    while table[i] >= 0 and not _same(key, faces[table[i]]):
        i = (i + 1) & (table.size - 1)
    return i


@kernel
def _grown(a, rows):
    """A copy of a with room for more rows."""
    b = np.zeros((rows, a.shape[1]), a.dtype)
    b[: a.shape[0]] = a
    return b


@kernel
def _rehash(faces, count, size):
    """A table of the given size (a power of two) holding the first faces."""
    table = np.full(size, -1, np.int64)
    for i in range(count):
        table[_slot(faces[i], table, faces)] = i
    return table


@kernel
def _candidates(f, facet_sets, faces, meta, entry, candidate):
    """Write the intersections of face f with its siblings to candidate; their number."""
    words = facet_sets.shape[1]
    if f == 0:
        candidate[:] = facet_sets
        return facet_sets.shape[0]
    owner = meta[f, OWNER]
    first, size = meta[owner, FIRST], meta[owner, END] - meta[owner, FIRST]
    for i in range(size):
        other = entry[first + i, 0]
        for w in range(words):
            candidate[i, w] = faces[f, w] & faces[other, w] if other != f else np.uint64(0)
    return size


@kernel
def _descending(facet_sets, d, max_bytes, max_seconds):
    """The lattice from the cone down: (status, count, edges, faces, meta, entry).

    Bytes and seconds are counted, those of the sweep to come included, and
    nothing is allocated beyond them.
    """
    n, words = facet_sets.shape
    face_bytes, seconds = FACE_BYTES + WORD_BYTES * words, 0.0
    faces = np.zeros((4 * n + 4, words), np.uint64)
    meta = np.zeros((4 * n + 4, 5), np.int64)
    entry = np.zeros((8 * n + 8, 2), np.int64)
    table = np.full(64, -1, np.int64)
    candidate = np.zeros((n, words), np.uint64)
    keep = np.zeros(n, np.bool_)
    for i in range(n):
        for w in range(words):
            faces[0, w] |= facet_sets[i, w]
    meta[0, DIM] = d
    table[_slot(faces[0], table, faces)] = 0
    count, edges, f = 1, 0, 0
    while f < count and meta[f, DIM] > 1:
        m = meta[f, DIM]
        size = _candidates(f, facet_sets, faces, meta, entry, candidate)
        seconds += PAIR_SECONDS * words * size * size
        if seconds + ENTRY_SECONDS * edges > max_seconds:
            return TOO_SLOW, count, edges, faces, meta, entry
        found = maximal_sets(candidate, size, keep)
        if face_bytes * (count + found) + ENTRY_BYTES * (edges + found) > max_bytes:
            return TOO_LARGE, count, edges, faces, meta, entry
        if found < m or (m == 2 and found != 2):
            return INCONSISTENT, count, edges, faces, meta, entry
        if edges + found > entry.shape[0]:
            entry = _grown(entry, 2 * (edges + found))
        if count + found > faces.shape[0]:
            faces, meta = _grown(faces, 2 * (count + found)), _grown(meta, 2 * (count + found))
        room = table.size
        while 2 * (count + found) > room:
            room *= 4
        if room > table.size:
            table = _rehash(faces, count, room)
        meta[f, FIRST] = edges
        for i in range(size):
            if not keep[i]:
                continue
            at = _slot(candidate[i], table, faces)
            if table[at] < 0:
                table[at] = count
                faces[count] = candidate[i]
                meta[count, OWNER], meta[count, ENTRY], meta[count, DIM] = f, edges, m - 1
                count += 1
            elif meta[table[at], DIM] != m - 1:
                return INCONSISTENT, count, edges, faces, meta, entry
            entry[edges, 0], entry[edges, 1] = table[at], i
            edges += 1
        meta[f, END] = edges
        f += 1
    return OK, count, edges, faces, meta, entry


@kernel
def face_sets(facet_sets, d, max_bytes, max_seconds):
    """Status, ray sets (faces, words), dimensions and facets of every face, the cone first.

    The facets of f are facets[first[f]:end[f]].
    """
    status, count, edges, faces, meta, entry = _descending(facet_sets, d, max_bytes, max_seconds)
    first, end = meta[:count, FIRST].copy(), meta[:count, END].copy()
    return status, faces[:count], meta[:count, DIM].copy(), first, end, entry[:edges, 0].copy()


@kernel
def build_lattice(facet_sets, d, max_bytes, max_seconds):
    """Face lattice of a pointed d-dimensional cone, d >= 2, from its facets' ray sets (n, words).

    Returns (status, dims, pointer, facets, sibling, parent), faces ordered by
    dimension and the cone last: facets[pointer[f]:pointer[f + 1]] are the facets of
    f; sibling[e] is the position, among the facets of the face that f was found
    in, of the one that cuts facets[e] out of f; parent[f] is the entry e of
    `facets` at which f was found.  Rays have no facets.  TOO_LARGE and TOO_SLOW say
    that the lattice and the sweep over it would take more bytes or seconds; then
    the sizes of dims and facets tell how far it got.
    """
    status, count, edges, _, meta, entry = _descending(facet_sets, d, max_bytes, max_seconds)
    dims, parent = np.zeros(count, np.int8), np.full(count, -1, np.int64)
    pointer = np.zeros(count + 1, np.int64)
    facets, sibling = np.zeros(edges, np.int32), np.zeros(edges, np.int32)
    if status != OK:
        return status, dims, pointer, facets, sibling, parent
    e = 0
    for new in range(count):
        f = count - 1 - new
        dims[new] = meta[f, DIM]
        for old in range(meta[f, FIRST], meta[f, END]):
            facets[e], sibling[e] = count - 1 - entry[old, 0], entry[old, 1]
            e += 1
        pointer[new + 1] = e
    for new in range(count - 1):
        f = count - 1 - new
        owner = meta[f, OWNER]
        parent[new] = pointer[count - 1 - owner] + meta[f, ENTRY] - meta[owner, FIRST]
    return OK, dims, pointer, facets, sibling, parent
