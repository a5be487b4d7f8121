// Package proc reads the process table of a Linux machine.
//
// Reading a table takes a while. A process that forked and ended meanwhile is in it as dead or not at
// all, and its child is not in it. So a table that shows nothing proves nothing. Code that must be
// certain that a tree is empty asks the kernel: a subreaper that has no children has no descendants.
// Code that is not the subreaper of the tree uses [Search], which reports whether it can have missed a
// process.
package proc
