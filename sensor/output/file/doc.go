// Package file is the sink for files: one record a line, on disk before it counts
// as delivered, with rotation and compression. A courier calls it. It must never
// leave half a line behind, overwrite a file, or remove one before what replaces
// it is on disk. No library does that: those for log rotation neither sync nor
// mend a torn line.
package file
