// Package plural writes numbers with their nouns, in English.
package plural

import "strconv"

// Of returns a number with its noun: "1 worker", "2 workers". The noun is one that takes an s.
func Of(n int, noun string) string { return strconv.Itoa(n) + " " + Noun(n, noun) }

// Noun returns the noun alone, in the form that goes with the number.
func Noun(n int, noun string) string {
	if n == 1 || n == -1 {
		return noun
	}
	return noun + "s"
}
