// Package filter makes classic BPF programs that the kernel runs on each frame
// before it is copied: from what the configuration ignores, and from what
// tcpdump -ddd printed. The command line calls it once, before capture sources
// are opened. The package must never decide what is ignored, attach a program,
// or make one that drops a frame because it could not read it.
package filter
