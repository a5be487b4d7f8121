package cli

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns the word that somebody has most likely meant by another one, "" if none is near: two letters off at
// most, the same for two thirds, or its beginning. One of which letters were only left out or added comes before one with others.
func Nearest(word string, known []string) string {
	type candidate struct {
		word     string
		contains int // 0 if only letters were left out or added
		distance int
	}
	var near []candidate
	for _, k := range known {
		a, b := strings.ToLower(word), strings.ToLower(k)
		c := candidate{word: k, contains: 1, distance: distance(a, b)}
		if within(a, b) || within(b, a) {
			c.contains = 0
		}
		if c.distance < min(3, len(a)) || 3*sharedStart(a, b) >= 2*max(len(a), len(b)) || len(a) >= 3 && strings.HasPrefix(b, a) {
			near = append(near, c)
		}
	}
	if len(near) == 0 {
		return ""
	}
	return slices.MinFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.contains, b.contains), cmp.Compare(a.distance, b.distance), strings.Compare(a.word, b.word))
	}).word
}

// within reports whether all letters of a are in b, in this order.
func within(a, b string) bool {
	for i := range len(b) {
		if a != "" && a[0] == b[i] {
			a = a[1:]
		}
	}
	return a == ""
}

func sharedStart(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is the number of letters to insert, delete or replace (Wagner and Fischer, 1974).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
