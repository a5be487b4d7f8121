// Package spelling finds the word that a misspelled one was meant to be.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns the known word that a word was most likely meant to be; "" if none is near enough. A known word is near
//
//   - if it begins with the word, or at least two thirds of both are the same beginning;
//   - if it begins with the word of four letters or more, but for two neighbours that were exchanged;
//   - if letters were only left out or added, two at most;
//   - else if at most a third of the word's letters are wrong: one of three to five, two of more. Two neighbours that
//     were exchanged are one wrong letter.
//
// Words of less than three letters mean nothing else. Where several are near, those of which letters were only left out
// or added come first, then those with the fewest wrong letters.
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
		most := min(2, max(1, len(a)/3))
		if c.contains == 0 {
			most = 2
		}
		begins := strings.HasPrefix(b, a) || len(a) >= 4 && exchanged(a, b)
		if len(a) >= 3 && (c.distance <= most || 3*sharedStart(a, b) >= 2*max(len(a), len(b)) || begins) {
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

// exchanged reports whether b begins with a in which two neighbours are exchanged.
func exchanged(a, b string) bool {
	i := sharedStart(a, b)
	return i+1 < len(a) && len(a) <= len(b) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:len(a)]
}

func sharedStart(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is the number of letters to insert, delete, replace or exchange with their neighbour (Damerau, 1964; no letter
// takes part twice).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
