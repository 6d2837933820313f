// Package flow remembers flows: one record per five-tuple, the ordered first
// bytes of each of its two directions, and its volume.
//
// A Table belongs to one worker and is never shared. All its memory is taken
// when it is made and holds no pointers, so the collector never scans it and
// hostile traffic cannot make it grow: a full table gives up its idlest flow,
// a full head pool its oldest head, and both are counted. Time is packet time
// only. The package never looks at what the bytes mean.
package flow
