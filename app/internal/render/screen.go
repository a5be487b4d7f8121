package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Screen shows one text in place of another. It uses the terminal's alternate screen, so that the scrollback stays, and
// leaves the last text behind on the normal one. One goroutine makes all calls.
type Screen struct {
	out    io.Writer
	size   func() (columns, lines int)
	last   string
	notice string // below the text, "" for none
	open   bool
}

// NewScreen returns a screen on a terminal. The function returns the terminal's size, zeros if that is not known.
func NewScreen(out io.Writer, size func() (columns, lines int)) *Screen {
	return &Screen{out: out, size: size}
}

// Show shows a text. What does not fit is left out, and counted in the last line.
func (s *Screen) Show(text string) error {
	s.last, s.notice = text, ""
	return s.draw()
}

// Notify shows a line below the text, in place of the one before, until the next text is shown.
func (s *Screen) Notify(notice string) error {
	s.notice = notice
	return s.draw()
}

func (s *Screen) draw() error {
	var b bytes.Buffer
	if !s.open {
		s.open = true
		b.WriteString("\x1b[?1049h")
	}
	lines := strings.Split(strings.TrimRight(s.last, "\n"), "\n")
	columns, most := s.size()
	if s.notice != "" {
		most--
	}
	if most > 1 && len(lines) > most {
		more := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… %d more", more))
	}
	if s.notice != "" {
		lines = append(lines, cut(s.notice, columns))
	}
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := b.WriteTo(s.out)
	return err
}

// Close goes back to the terminal's normal screen, and writes the last text and its notice there.
func (s *Screen) Close() error {
	if !s.open {
		return nil
	}
	s.open = false
	left := s.last
	if s.notice != "" {
		left += s.notice + "\n"
	}
	_, err := io.WriteString(s.out, "\x1b[?1049l"+left)
	return err
}
