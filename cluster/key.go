package cluster

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// KeyHash returns the hash by which keys are divided over slots: the first eight bytes of the key's SHA-256, as a big-endian
// number. Every language has it in its library, and it is the same on every machine and in every version.
func KeyHash(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

// SlotFor returns the index of the slot that a key belongs to, of count slots: ⌊hash × count / 2⁶⁴⌋, where hash is
// [KeyHash]. So each slot has one range of hashes ([KeyRange]), and all ranges are equally long to within one. The
// bytes of the key count: a text is in UTF-8, as in any Go program.
//
// When the count changes, so does the slot of most keys; twice the count splits each range into two. SlotFor panics if count
// is below 1. Worker.Count is 0 with ResizeLive, where workers cannot divide keys.
func SlotFor(key string, count int) int {
	checkCount(count)
	slot, _ := bits.Mul64(KeyHash(key), uint64(count))
	return int(slot)
}

// KeyRange returns the first and the last hash of a slot's range, so that a worker can ask a store that has the hash in an
// index for all its keys at once. It panics if index is not one of count slots.
func KeyRange(index, count int) (first, last uint64) {
	checkCount(count)
	if index < 0 || index >= count {
		panic(fmt.Sprintf("xconsumer: slot %d is not one of %d", index, count))
	}
	if index < count-1 {
		last = rangeStart(index+1, count) - 1
	} else {
		last = math.MaxUint64
	}
	return rangeStart(index, count), last
}

// rangeStart returns ⌈index × 2⁶⁴ / count⌉. The index is below count.
func rangeStart(index, count int) uint64 {
	quotient, remainder := bits.Div64(uint64(index), 0, uint64(count))
	if remainder > 0 {
		quotient++
	}
	return quotient
}

func checkCount(count int) {
	if count < 1 {
		panic(fmt.Sprintf("xconsumer: keys cannot be divided over %d slots: use a task with a fixed workerNum and without resize = \"live\"", count))
	}
}
