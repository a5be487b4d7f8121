package cluster

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// keyVectors are what every language must return: the clients read the same file.
type keyVectors struct {
	Keys []struct {
		Key   string         `json:"key"`
		Hash  string         `json:"hash"` // in 16 hexadecimal digits
		Slots map[string]int `json:"slots"`
	} `json:"keys"`
	Ranges []struct {
		Index, Count int
		First, Last  string
	} `json:"ranges"`
}

func TestKeyVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var v keyVectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Keys) < 10 || len(v.Ranges) < 10 {
		t.Fatalf("%d keys and %d ranges are too few", len(v.Keys), len(v.Ranges))
	}
	for _, k := range v.Keys {
		if got := fmt.Sprintf("%016x", KeyHash(k.Key)); got != k.Hash {
			t.Errorf("KeyHash(%q) = %s, want %s", k.Key, got, k.Hash)
		}
		for count, want := range k.Slots {
			var n int
			_, _ = fmt.Sscan(count, &n)
			if got := SlotFor(k.Key, n); got != want {
				t.Errorf("SlotFor(%q, %d) = %d, want %d", k.Key, n, got, want)
			}
		}
	}
	for _, r := range v.Ranges {
		first, last := KeyRange(r.Index, r.Count)
		if a, b := fmt.Sprintf("%016x", first), fmt.Sprintf("%016x", last); a != r.First || b != r.Last {
			t.Errorf("KeyRange(%d, %d) = %s, %s, want %s, %s", r.Index, r.Count, a, b, r.First, r.Last)
		}
	}
}

// The ranges of all slots follow one another, and a key is in the range of its slot.
func TestKeyRanges(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 1))
	counts := []int{1, 2, 3, 7, 10, 64, 1000, MaxWorkers}
	for range 100 {
		counts = append(counts, 1+dice.IntN(10_000))
	}
	for _, count := range counts {
		next := uint64(0)
		shortest, longest := uint64(math.MaxUint64), uint64(0)
		for i := range count {
			first, last := KeyRange(i, count)
			if first != next || last < first {
				t.Fatalf("KeyRange(%d, %d) = %d, %d after %d", i, count, first, last, next)
			}
			next = last + 1
			shortest, longest = min(shortest, last-first), max(longest, last-first)
		}
		if next != 0 {
			t.Errorf("the ranges of %d slots end at %d", count, next)
		}
		if longest-shortest > 1 {
			t.Errorf("of %d slots, one has %d hashes, another one %d", count, shortest, longest)
		}
		for range 20 {
			key := fmt.Sprint(dice.Uint64())
			slot := SlotFor(key, count)
			first, last := KeyRange(slot, count)
			if h := KeyHash(key); h < first || h > last {
				t.Errorf("key %q of slot %d of %d has hash %d, outside %d to %d", key, slot, count, h, first, last)
			}
		}
	}
}

// Keys that people have, numbered ones, are spread evenly.
func TestKeysAreSpread(t *testing.T) {
	const slots, keys = 64, 64_000
	got := make([]int, slots)
	for i := range keys {
		got[SlotFor(fmt.Sprintf("customer-%d", i), slots)]++
	}
	for i, n := range got {
		if n < 840 || n > 1160 { // five standard deviations of 31 around 1,000
			t.Errorf("slot %d has %d of %d keys", i, n, keys)
		}
	}
}

func TestNoSlotsForKeys(t *testing.T) {
	for name, f := range map[string]func(){
		"no slots":       func() { SlotFor("a", 0) },
		"fewer":          func() { KeyRange(0, -1) },
		"below all":      func() { KeyRange(-1, 3) },
		"beyond the end": func() { KeyRange(3, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			f()
		})
	}
}

func BenchmarkSlotFor(b *testing.B) {
	for b.Loop() {
		SlotFor("customer-1234567", 64)
	}
}
