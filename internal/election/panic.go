package election

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a caught panic: a fault of this program, or of a function that its user supplied.
type PanicError struct {
	In    string // what panicked
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.In, e.Value) }

// Catch calls f and returns its error, or a *PanicError if f panics: a fault in one loop must not end the process with all its
// workers. What f was doing may be half done.
func Catch(in string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{In: in, Value: r, Stack: string(debug.Stack())}
		}
	}()
	return f()
}
