// Package doctor says whether a machine is fit to run the sensor: rights,
// interfaces, memory, kernel, clock, disk, rules and outputs. The command line
// calls Run and prints what it found. Facts are read in one place, for Linux
// (facts_linux.go), and judged in others that only see the facts. It must never
// change the machine, execute a program, keep a capture open or send anything; a
// file that it writes to see whether one can be written is gone afterwards.
package doctor
