package election

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that was caught: a fault of this program, or of a function that its user gave it.
type PanicError struct {
	In    string // what panicked
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.In, e.Value) }

// Catch calls f and returns what it returns, or a *PanicError if it panics: a fault in one loop must not take the
// process and all its workers with it. What f has begun to do it may have left half done.
func Catch(in string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{In: in, Value: r, Stack: string(debug.Stack())}
		}
	}()
	return f()
}
