package render

import (
	"bytes"
	"strings"
	"testing"
)

// What is shown again and again leaves what the terminal has scrolled away: it is on the other screen, and nothing
// clears the first one.
func TestScreenKeepsScrollback(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, func() (int, int) { return 0, 3 })
	if err := s.Close(); err != nil || out.Len() > 0 {
		t.Fatalf("closed before it was open: %q, %v", out.String(), err)
	}
	for _, text := range []string{"one\ntwo\n", "a\nb\nc\nd\n"} {
		if err := s.Show(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[?1049h\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J" + "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n… 2 more\x1b[K\x1b[J" + "\x1b[?1049la\nb\nc\nd\n"
	if got := out.String(); got != want {
		t.Errorf("%q; want %q", got, want)
	}
	for _, clears := range []string{"\x1b[2J", "\x1b[3J", "\x1bc"} {
		if strings.Contains(out.String(), clears) {
			t.Errorf("%q is written", clears)
		}
	}
}

// What cuts it off stands below what was shown last, one line in place of the other, and stays behind on the terminal's
// own screen. The next text takes its place.
func TestScreenTellsWhyItStands(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, func() (int, int) { return 9, 3 })
	wrote := func(want string) {
		t.Helper()
		if got := out.String(); got != want {
			t.Errorf("%q; want %q", got, want)
		}
		out.Reset()
	}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return s.Show("a\nb\nc\n") }, "\x1b[?1049h\x1b[Ha\x1b[K\r\nb\x1b[K\r\nc\x1b[K\x1b[J"},
		{func() error { return s.Notify("lost: x") }, "\x1b[Ha\x1b[K\r\n… 2 more\x1b[K\r\nlost: x\x1b[K\x1b[J"},
		{func() error { return s.Notify("lost: y") }, "\x1b[Ha\x1b[K\r\n… 2 more\x1b[K\r\nlost: y\x1b[K\x1b[J"},
		{func() error { return s.Show("a\n") }, "\x1b[Ha\x1b[K\x1b[J"},
		{func() error { return s.Notify("lost: zzzz") }, "\x1b[Ha\x1b[K\r\nlost: zz…\x1b[K\x1b[J"},
		{s.Close, "\x1b[?1049la\nlost: zzzz\n"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		wrote(step.want)
	}
}
