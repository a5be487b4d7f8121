// Package pty opens terminals for tests.
package pty

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Terminal is a terminal of 40 columns and 20 lines. Programs write to the file; what they write is on the screen, and what
// is written to the screen is typed.
type Terminal struct {
	*os.File
	Screen *os.File
}

// Open opens a terminal until the test ends. It skips the test if the machine has none.
func Open(t *testing.T) Terminal {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no terminal can be opened here: %v; CI requires this test", err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 20, Col: 40}); err != nil {
		t.Fatal(err)
	}
	return Terminal{f, screen}
}

// Shown returns what a function writes to the terminal, and closes the terminal.
func (m Terminal) Shown(f func()) string {
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(m.Screen) // it ends with an error
		read <- string(text)
	}()
	f()
	_ = m.Close()
	return strings.ReplaceAll(<-read, "\r\n", "\n")
}
