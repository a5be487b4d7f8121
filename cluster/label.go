package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Labels describe a node, as in {"zone": "a", "gpu": "true"}. The labels "node" and "host" are
// set by the node itself.
type Labels map[string]string

// The labels that every node sets itself.
const (
	LabelNode = "node" // the node's name
	LabelHost = "host" // its machine
)

// Validate returns every mistake in the labels, joined. Labels that a node sets itself are mistakes.
func (l Labels) Validate() error {
	var errs []error
	for key, value := range l {
		switch {
		case key == LabelNode || key == LabelHost:
			errs = append(errs, fmt.Errorf("label %s is set by the node itself", key))
		case validateWord(key) != nil:
			errs = append(errs, fmt.Errorf("label %w", validateWord(key)))
		case validateWord(value) != nil:
			errs = append(errs, fmt.Errorf("label %s: value %w", key, validateWord(value)))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// Selector picks nodes by their labels. It consists of terms separated by commas, all of which must hold. A term is "gpu"
// (the node has the label), "!gpu" (it does not), "gpu=true", "zone=a|b" (one of several values) or "zone!=a". The empty
// selector picks every node.
type Selector string

// Validate returns the first mistake in the selector. A selector that contradicts itself is a mistake.
func (s Selector) Validate() error {
	seen := map[string]term{}
	for _, t := range s.terms() {
		if err := t.validate(); err != nil {
			return err
		}
		other, twice := seen[t.key]
		if twice && t.contradicts(other) {
			return fmt.Errorf("%q and %q contradict each other", other.text, t.text)
		}
		seen[t.key] = t
	}
	return nil
}

// Unmet returns the terms that do not hold for a node with these labels.
func (s Selector) Unmet(l Labels) []string {
	var unmet []string
	for _, t := range s.terms() {
		if !t.holds(l) {
			unmet = append(unmet, t.text)
		}
	}
	return unmet
}

type term struct {
	text, key string
	not       bool
	values    []string // nil: any
}

func (s Selector) terms() []term {
	if strings.TrimSpace(string(s)) == "" {
		return nil
	}
	var list []term
	for text := range strings.SplitSeq(string(s), ",") {
		t := term{text: strings.TrimSpace(text)}
		key, value, compared := strings.Cut(t.text, "=")
		switch {
		case compared:
			t.key, t.not = strings.CutSuffix(key, "!")
			t.values = strings.Split(value, "|")
		default:
			t.key, t.not = strings.CutPrefix(key, "!")
		}
		list = append(list, t)
	}
	return list
}

func (t term) validate() error {
	if t.text == "" {
		return errors.New("an empty term: write it as in \"gpu=true, zone!=a\"")
	}
	for _, name := range append([]string{t.key}, t.values...) {
		if err := validateWord(name); err != nil {
			return fmt.Errorf("term %q: %w", t.text, err)
		}
	}
	return nil
}

func (t term) holds(l Labels) bool {
	value, has := l[t.key]
	return (has && (t.values == nil || slices.Contains(t.values, value))) != t.not
}

// contradicts reports whether no value of their common label satisfies both terms.
func (t term) contradicts(o term) bool {
	candidates := []Labels{{}, {t.key: "\x00"}} // without the label, and with a value that no term names
	for _, value := range slices.Concat(t.values, o.values) {
		candidates = append(candidates, Labels{t.key: value})
	}
	return !slices.ContainsFunc(candidates, func(l Labels) bool { return t.holds(l) && o.holds(l) })
}
