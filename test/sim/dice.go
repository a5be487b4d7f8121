package sim

import (
	"hash/fnv"
	"time"
)

// dice decides by the seed and by what is asked, never by the order of questions: goroutines that
// run at the same instant may ask in any order and still get the same answers.
type dice uint64

func (d dice) roll(what string, numbers ...int64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what))
	n := h.Sum64() ^ uint64(d)*0x9e3779b97f4a7c15
	for _, number := range numbers {
		n = mix(n ^ uint64(number))
	}
	return mix(n)
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood, 2014).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// upTo returns a time below limit.
func (d dice) upTo(limit time.Duration, what string, numbers ...int64) time.Duration {
	return time.Duration(d.roll(what, numbers...) % uint64(limit))
}

// chance reports whether something of a likelihood happens.
func (d dice) chance(likelihood float64, what string, numbers ...int64) bool {
	return float64(d.roll(what, numbers...)>>11)/(1<<53) < likelihood
}

// pick returns a number below n.
func (d dice) pick(n int, what string, numbers ...int64) int {
	return int(d.roll(what, numbers...) % uint64(n))
}
