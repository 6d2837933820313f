package http

import "bytes"

// ResponseHead is what the head of a response says. As with RequestHead all
// slices are views, and each call overwrites it whole.
type ResponseHead struct {
	Status int // three digits: 200, 101

	Server        []byte
	ContentType   []byte
	Upgrade       []byte // in a 101: what the connection speaks from here on
	ContentLength int64  // bytes; -1 when not given or not a number

	HeadLen int // Done: bytes up to and including the empty line; behind a 101, or a 2xx to CONNECT, another protocol begins

	Major, Minor uint8
}

// Response reads the response head at the start of head into r, as tolerantly
// as Request does: the line is HTTP/d.d SP three digits, and anything behind
// them.
func Response(head []byte, r *ResponseHead) Status {
	*r = ResponseHead{ContentLength: -1}
	full := len(head) >= MaxHead
	head = head[:min(len(head), MaxHead)]
	start := blank(head)
	st := NotHTTP
	end := bytes.IndexByte(head[start:], '\n')
	switch {
	case end < 0:
		st = startsResponse(head[start:])
	case r.line(trimLine(head[start : start+end])):
		st = r.fields(&fields{head: head, at: start + end + 1})
	}
	if st == NeedMore && full {
		return Malformed
	}
	return st
}

// statusLine is a response's first line as far as it counts; 0 is any digit.
const statusLine = "HTTP/0.0 000"

// startsResponse is NeedMore when line, which has no end yet, can become a
// status line, else NotHTTP.
func startsResponse(line []byte) Status {
	for i, c := range line[:min(len(line), len(statusLine))] {
		if want := statusLine[i]; c != want && (want != '0' || c < '0' || c > '9') {
			return NotHTTP
		}
	}
	return NeedMore
}

// line takes the status line apart.
func (r *ResponseHead) line(line []byte) bool {
	if len(line) < len(statusLine) || startsResponse(line) == NotHTTP || len(line) > len(statusLine) && line[len(statusLine)] != ' ' {
		return false
	}
	r.Major, r.Minor, _ = version(line[:8])
	r.Status = int(number(line[9:12]))
	return r.Status >= 100
}

// fields takes the fields that are of interest.
func (r *ResponseHead) fields(f *fields) Status {
	for {
		name, value, st := f.next()
		switch st {
		case NeedMore:
			return NeedMore
		case Done:
			r.HeadLen = f.at
			return Done
		}
		switch {
		case is(name, "server"):
			set(&r.Server, value)
		case is(name, "content-type"):
			set(&r.ContentType, value)
		case is(name, "upgrade"):
			set(&r.Upgrade, value)
		case is(name, "content-length"):
			if r.ContentLength < 0 {
				r.ContentLength = number(value)
			}
		}
	}
}
