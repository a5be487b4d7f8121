// Package proc reads the process table of a Linux machine.
//
// It is a picture of a moment: by the time it is looked at, processes have ended and others begun.
// Who wants a tree to be empty kills what is in it and looks again, until there is nothing.
package proc
