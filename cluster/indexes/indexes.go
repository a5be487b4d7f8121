// Package indexes holds sets of small numbers, such as the slots of a task, and their text form for records and people.
//
// The text form of a set is its ranges, as in "0-3,7". A set that is scattered over thousands of ranges is written as bits
// instead: "12:" and, in base64, one bit for each index from 12 on.
package indexes

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Set is a set of indexes in ascending order, each once. The zero value is the empty set.
type Set []int

// Max is the greatest number of indexes that a text may stand for.
const Max = 100_000

// String returns the set as ranges.
func (x Set) String() string {
	var b strings.Builder
	for i := 0; i < len(x); {
		j := i
		for j+1 < len(x) && x[j+1] == x[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(x[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(x[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Parse reads ranges. They must be ascending and must not overlap; together they must have at most [Max] indexes.
func Parse(text string) (Set, error) {
	var x Set
	if text == "" {
		return x, nil
	}
	last := -1
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		if !isRange {
			hi = lo
		}
		from, err1 := strconv.ParseUint(lo, 10, 31)
		to, err2 := strconv.ParseUint(hi, 10, 31)
		if err1 != nil || err2 != nil || from > to || int(from) <= last {
			return nil, fmt.Errorf("slot indexes %q: want ascending ranges as in \"0-3,7\"", text)
		}
		if int(to-from)+1+len(x) > Max {
			return nil, fmt.Errorf("slot indexes %q: more than %d", text, Max)
		}
		for i := int(from); i <= int(to); i++ {
			x = append(x, i)
		}
		last = int(to)
	}
	return x, nil
}

// maxRanges is the length in bytes above which a set is written as bits, if these are shorter.
const maxRanges = 2 << 10

// MarshalText implements encoding.TextMarshaler. The text of a set among the first n indexes takes at most 2 KiB, or a
// few bytes more than n/6 if that is more.
func (x Set) MarshalText() ([]byte, error) {
	text := []byte(x.String())
	if len(text) <= maxRanges {
		return text, nil
	}
	first := x[0]
	bits := make([]byte, (x[len(x)-1]-first)/8+1)
	for _, i := range x {
		bits[(i-first)/8] |= 1 << ((i - first) % 8)
	}
	if short := base64.RawStdEncoding.AppendEncode(fmt.Appendf(nil, "%d:", first), bits); len(short) < len(text) {
		return short, nil
	}
	return text, nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It reads both forms.
func (x *Set) UnmarshalText(text []byte) (err error) {
	start, coded, isBits := strings.Cut(string(text), ":")
	if !isBits {
		*x, err = Parse(start)
		return err
	}
	first, err := strconv.ParseUint(start, 10, 31)
	if err != nil || len(coded) > base64.RawStdEncoding.EncodedLen(Max/8+1) {
		return fmt.Errorf("slot indexes %.20q…: want the first index and at most %d bits in base64", text, Max)
	}
	bits, err := base64.RawStdEncoding.DecodeString(coded)
	if err != nil {
		return fmt.Errorf("slot indexes %.20q…: %w", text, err)
	}
	*x = nil
	for i := range 8 * len(bits) {
		if bits[i/8]>>(i%8)&1 == 1 {
			*x = append(*x, int(first)+i)
		}
	}
	return nil
}

// Contains reports whether i is in the set.
func (x Set) Contains(i int) bool {
	_, found := slices.BinarySearch(x, i)
	return found
}
