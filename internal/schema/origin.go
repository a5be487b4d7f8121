package schema

import (
	"bytes"
	"encoding/hex"
	"slices"
)

// Origin is the file that a declaration came from, and the declarations that were seen since, so that a node that starts with an old
// file changes nothing.
type Origin struct {
	File string   `json:"file,omitempty"`
	Seen []string `json:"seen,omitempty"` // hashes of the last declarations, oldest first
	// Older are the hashes before these, oldest first, hashSize bytes each, and Oldest those before them.
	Older  []byte `json:"older,omitempty"`
	Oldest Filter `json:"oldest,omitempty"`
}

// Bounds of the hashes that are kept one by one. An earlier version of this program has Seen alone.
const (
	maxSeen  = 32
	maxOlder = 1000
	hashSize = 8
)

// Remember adds a declaration. No declaration is dropped: those that no longer have room go into a filter.
func (o Origin) Remember(file, hash string) Origin {
	o.File = file
	o.Seen = append(slices.Clone(o.Seen), hash)
	o.Older = bytes.Clone(o.Older)
	for ; len(o.Seen) > maxSeen; o.Seen = o.Seen[1:] {
		if h, err := hex.DecodeString(o.Seen[0]); err == nil && len(h) == hashSize {
			o.Older = append(o.Older, h...)
		}
	}
	for ; len(o.Older) > maxOlder*hashSize; o.Older = o.Older[hashSize:] {
		o.Oldest = o.Oldest.With(o.Older[:hashSize])
	}
	return o
}

// Saw reports whether a declaration was seen before. For very old ones, true is not certain.
func (o Origin) Saw(hash string) (seen, certain bool) {
	if slices.Contains(o.Seen, hash) {
		return true, true
	}
	h, err := hex.DecodeString(hash)
	if err != nil || len(h) != hashSize {
		return false, true
	}
	for i := 0; i+hashSize <= len(o.Older); i += hashSize {
		if bytes.Equal(o.Older[i:i+hashSize], h) {
			return true, true
		}
	}
	return o.Oldest.MayContain(hash), false
}

// Filter is a small set of hashes: it contains all that were added, and seems to contain a few others. With 1,000 hashes in it, one
// in 80,000 others seems to be there; with 10,000, one in 20. The zero value is empty.
type Filter []byte

const filterSize = 1 << 16 / 8 // two bytes of a hash name one bit

// With returns the filter with a hash of hashSize bytes added.
func (f Filter) With(hash []byte) Filter {
	next := f.grown()
	for i := 0; i+1 < len(hash); i += 2 {
		bit := int(hash[i])<<8 | int(hash[i+1])
		next[bit/8] |= 1 << (bit % 8)
	}
	return next
}

// WithAll returns the filter with all hashes of another one added.
func (f Filter) WithAll(other Filter) Filter {
	if len(other) != filterSize {
		return f
	}
	next := f.grown()
	for i := range next {
		next[i] |= other[i]
	}
	return next
}

func (f Filter) grown() Filter {
	next := make(Filter, filterSize)
	copy(next, f)
	return next
}

// MayContain reports whether a hash, in hexadecimal, was added or seems to have been.
func (f Filter) MayContain(hash string) bool {
	h, err := hex.DecodeString(hash)
	if err != nil || len(h) != hashSize || len(f) != filterSize {
		return false
	}
	for i := 0; i < hashSize; i += 2 {
		if bit := int(h[i])<<8 | int(h[i+1]); f[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

// Removed is the record of removals by leaders: of deleted tasks, and of empty marks. Every commit that removes any writes it. A
// writer of such a record checks that Removed has not changed since before the record was read; otherwise a version that was
// read, and has begun again, might be taken for another one.
type Removed struct {
	versioned
	// Generation is above those of all removed tasks: a task without a record begins with it.
	Generation int64 `json:"generation"`
	// Seen are the declarations that files have made of these tasks.
	Seen Filter `json:"seen,omitempty"`
}

// Add records the removal of a task.
func (r *Removed) Add(t *Task) {
	r.Generation = max(r.Generation, t.Generation+1)
	r.Seen = r.Seen.WithAll(t.Origin.Oldest)
	add := func(h []byte) {
		if len(h) == hashSize {
			r.Seen = r.Seen.With(h)
		}
	}
	for _, hash := range t.Origin.Seen {
		if h, err := hex.DecodeString(hash); err == nil {
			add(h)
		}
	}
	for h := range slices.Chunk(t.Origin.Older, hashSize) {
		add(h)
	}
}
